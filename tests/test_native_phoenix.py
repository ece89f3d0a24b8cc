"""Real PHOENIX spectra at their native sampling: preprocessed, searched for lines and cloned."""

import numpy as np
import pytest

from hml import BuildContext, Spectrum, installed
from hml.core.clone import Start, clone_spectrum
from hml.core.config import CloneConfig, FindConfig
from hml.core.find import find_lines

PIECES = [("lte03900-4.50-0.0_Zband_native", 3900.0), ("lte02600-4.50-0.0_Jband_native", 2600.0)]


def prepared(path, teff):
    """The first 5,000 pixels over the blackbody and the upper envelope."""
    with np.load(path, allow_pickle=False) as piece:
        pixels = slice(20_000, 25_000)
        spectrum = Spectrum(piece["wave_vac_A"][pixels], piece["flux"][pixels], unit="erg / (s cm3)", name=path.stem)
    for name in ("blackbody", "continuum"):
        component = installed().get("preprocessors", name)
        spectrum = component.build(component.config(), BuildContext())(spectrum, {"teff": teff})
    return spectrum


@pytest.mark.real
@pytest.mark.parametrize(("name", "teff"), PIECES)
def test_native_pieces_are_cloned(real_data, name, teff):
    spectrum = prepared(real_data / "phoenix" / "native" / f"{name}.npz", teff)
    np.testing.assert_allclose(spectrum.restore().flux, spectrum.flux * spectrum.divided, rtol=1e-12)
    assert 0.5 < np.median(spectrum.flux) <= 1.01
    found = find_lines(spectrum, FindConfig())
    assert len(found) > 50  # crowded at these temperatures
    component = installed().get("profiles", "pseudo_voigt")
    profile = component.build(component.config(), BuildContext())
    losses = []
    clone = clone_spectrum(spectrum, Start.from_found(found, profile), profile, CloneConfig(rounds=0),
                           on_step=lambda step, loss: losses.append(loss))
    assert clone.rms < 0.25 * np.std(spectrum.flux)
    assert clone.rms < 0.5 * np.sqrt(losses[0])
    assert np.all(np.abs(clone.centre - clone.found) <= found.fwhm + 1e-9)
    more = clone_spectrum(spectrum, Start.from_found(found, profile), profile, CloneConfig())
    assert more.rms < 0.5 * clone.rms  # blends hide lines, and molecules bend the continuum
    assert len(more) < 3 * len(clone)
