"""Finding and fitting lines whose truth is known."""

import numpy as np
import pytest
import torch

from hml.core.clone import Start, clone_spectrum
from hml.core.config import CloneConfig, FindConfig
from hml.core.errors import GridError
from hml.core.find import find_lines
from hml.core.render import lay_out, render
from hml.core.spectrum import Spectrum
from hml.plugins.profiles.pseudo_voigt import PseudoVoigt

PROFILE = PseudoVoigt()
CENTRES = np.array([8502.0, 8503.1, 8503.6, 8505.0, 8507.3])
PARAMS = np.array([[-3.0, -2.8, -3.5], [-4.0, -3.0, -4.0], [-3.6, -2.9, -3.6], [-5.0, -3.1, -4.2], [-2.2, -2.5, -2.8]])


def made(composition="opacity", step=0.01):
    wavelength = np.arange(8500, 8510, step)
    layout = lay_out(torch.as_tensor(wavelength), torch.as_tensor(CENTRES)[None], 100_000, torch.float64)
    flux = render(layout, torch.zeros(1, 5, dtype=torch.float64), torch.as_tensor(PARAMS)[None], PROFILE, composition)
    return Spectrum(wavelength, flux[0].numpy(), name="made")


def test_find_sees_every_line_at_its_pixel_and_its_width():
    found = find_lines(made(), FindConfig())
    np.testing.assert_allclose(found.centre, CENTRES, atol=0.011)
    assert (found.prominence <= found.depth + 1e-9).all()
    wavelength = np.arange(8500, 8510, 0.01)
    gauss = Spectrum(wavelength, 1 - 0.3 * np.exp(-0.5 * ((wavelength - 8505) / 0.1) ** 2))
    assert find_lines(gauss, FindConfig()).fwhm[0] == pytest.approx(0.2355, rel=0.02)


def test_find_respects_edges_prominence_and_orders():
    spectrum = made()
    assert len(find_lines(spectrum, FindConfig(edge=3.05))) == 3
    assert len(find_lines(spectrum, FindConfig(prominence=0.3))) < 5
    cut = Spectrum(spectrum.wavelength, spectrum.flux, starts=(0, 200))  # an order starts on the first line
    assert len(find_lines(cut, FindConfig())) <= 5


@pytest.mark.parametrize("composition", ["opacity", "product", "sum"])
def test_a_clone_recovers_the_lines_it_was_made_of(composition):
    spectrum = made(composition)
    found = find_lines(spectrum, FindConfig())
    config = CloneConfig(composition=composition, steps=300, tolerance=1e-7)
    clone = clone_spectrum(spectrum, Start.from_found(found, PROFILE), PROFILE, config)
    assert clone.rms < 3e-4
    np.testing.assert_allclose(clone.centre, CENTRES, atol=2e-3)
    np.testing.assert_allclose(clone.params[:, 0], PARAMS[:, 0], atol=0.05)


def test_the_papers_fit_finds_a_radial_velocity_or_centres():
    spectrum = made("product")
    config = CloneConfig(
        composition="product", centres="free", radial_velocity=True, learning_rate=0.02, window=600, steps=300
    )
    found = find_lines(spectrum, FindConfig())
    clone = clone_spectrum(spectrum, Start.from_found(found, PROFILE), PROFILE, config)
    shifted = clone.centre * (1 + clone.meta["radial_velocity"] / 299_792.458)
    np.testing.assert_allclose(shifted, CENTRES, atol=0.02)


def test_loss_falls_and_is_reported_each_step():
    losses = []
    found = find_lines(made(), FindConfig())
    clone_spectrum(made(), Start.from_found(found, PROFILE), PROFILE, CloneConfig(steps=30),
                   on_step=lambda step, loss: losses.append(loss))
    assert len(losses) == 30
    assert losses[-1] < losses[0] / 10


def test_centres_never_leave_their_width():
    spectrum = made()
    start = Start(CENTRES + 0.3, PARAMS, np.full(5, 0.05))  # bounds too small to reach the truth
    clone = clone_spectrum(spectrum, start, PROFILE, CloneConfig(steps=50))
    assert (np.abs(clone.centre - start.centre) <= 0.05).all()


def test_an_edge_that_leaves_nothing_says_so():
    with pytest.raises(GridError, match=r"clone\.edge"):
        clone_spectrum(made(), Start(CENTRES, PARAMS, np.ones(5)), PROFILE, CloneConfig(edge=20))
