"""The synthetic grid as a grid: wavelengths, units, seeds, bands, labels, smoothness, hardness."""

from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.interpolate import make_interp_spline
from scipy.signal import find_peaks

from hml import BuildContext, GridSource, LabelError, TruthGrid
from hml.plugins.synthetic import SyntheticConfig, hml_grids
from hml.plugins.synthetic.atmosphere import Atmosphere, continuum, surface_blackbody
from hml.plugins.synthetic.linelist import HPF_BAND, draw_lines
from hml.plugins.synthetic.sampling import phoenix_wavelengths
from hml.plugins.synthetic.source import SyntheticGrid, convolve

Floats = NDArray[np.float64]
SUN = {"teff": 5300.0, "logg": 4.4, "feh": -0.2}


def config(**fields: Any) -> SyntheticConfig:
    return SyntheticConfig.model_validate({"preprocess": [], **fields})


@cache
def small() -> SyntheticGrid:
    return SyntheticGrid(config())


def normalised(grid: SyntheticGrid, labels: dict[str, float]) -> Floats:
    """Flux over blackbody and the grid's own continuum `[N]`."""
    spectrum = grid.truth(labels)
    bright = surface_blackbody(spectrum.wavelength, labels["teff"])
    return spectrum.flux / bright / continuum(spectrum.wavelength, Atmosphere.of(labels))


def detected(flux: Floats) -> NDArray[np.int64]:
    """Pixels of the minima that the pipeline's finder would call lines."""
    return np.asarray(find_peaks(-flux, distance=4, prominence=0.005)[0])


# --- wavelengths and units ---------------------------------------------------------------------------------------


@pytest.mark.real
def test_pixels_are_those_of_the_genuine_wavelength_file(real_data: Path) -> None:
    genuine = fits.getdata(real_data / "phoenix" / "WAVE_PHOENIX-ACES-AGSS-COND-2011.fits").astype(float)
    assert np.abs(phoenix_wavelengths() - genuine).max() < 1e-8


def test_the_paper_band_has_its_pixels() -> None:
    pixels = phoenix_wavelengths(8038.0, 12849.0)
    assert len(pixels) == 338_651
    assert pixels[[0, -1]] == pytest.approx([8038.0, 12849.0], abs=1e-9)
    assert np.diff(pixels[pixels < 10_000]) == pytest.approx(0.01)
    assert np.diff(pixels[pixels >= 10_000]) == pytest.approx(0.02)
    assert len(phoenix_wavelengths()) == 1_569_128


def test_flux_is_surface_flux_per_wavelength() -> None:
    spectrum = small().truth(SUN)
    assert u.Unit(spectrum.unit) == u.Unit("erg / (s cm2 cm)")
    bright = surface_blackbody(spectrum.wavelength, SUN["teff"])
    assert 0.8 < np.percentile(spectrum.flux / bright, 99) < 1.2


# --- what is promised about lines --------------------------------------------------------------------------------


def test_full_preset_has_the_lines_it_promises() -> None:
    grid = SyntheticGrid(config(preset="full"))
    centres = draw_lines(grid._config.line_count, 0).wavelength
    assert ((centres > HPF_BAND[0]) & (centres < HPF_BAND[1])).sum() >= 12_000
    flux = normalised(grid, {"teff": 4000.0, "logg": 4.5, "feh": 0.0})
    assert len(flux) == 338_651
    assert len(detected(flux)) >= 7_000


def test_small_preset_is_small_and_has_lines() -> None:
    nodes = small().nodes()
    assert len(nodes) <= 45
    counts = [len(detected(normalised(small(), small().space.to_dict(node)))) for node in nodes]
    assert 50 <= min(counts) <= max(counts) <= 150


def test_lines_appear_and_vanish_across_the_grid() -> None:
    grid = SyntheticGrid(config(preset="full", wavelength=[9890, 9930]))
    cool = detected(normalised(grid, {"teff": 3200.0, "logg": 4.5, "feh": 0.0}))
    hot = detected(normalised(grid, {"teff": 6600.0, "logg": 4.5, "feh": 0.0}))

    def without_partner(some: NDArray[np.int64], others: NDArray[np.int64]) -> int:
        return int((np.abs(some[:, None] - others[None, :]).min(axis=1) > 6).sum())

    assert without_partner(cool, hot) > 0.2 * len(cool)
    assert without_partner(hot, cool) > 0.2 * len(hot)


# --- determinism -------------------------------------------------------------------------------------------------


def test_same_seed_same_spectrum_other_seed_other_spectrum() -> None:
    again, other = SyntheticGrid(config()), SyntheticGrid(config(seed=1))
    assert np.array_equal(small().truth(SUN).flux, again.truth(SUN).flux)
    assert small().fingerprint() == again.fingerprint() != other.fingerprint()
    difference = normalised(small(), SUN) - normalised(other, SUN)
    assert np.sqrt(np.mean(difference**2)) > 0.05


@pytest.mark.parametrize("change", [
    {"preset": "full"}, {"teff": [5200, 5600]}, {"alpha": 0.2}, {"seed": 3}, {"lines": 1500},
    {"resolving_power": 60000}, {"wavelength": [8700, 8720]},
])
def test_fingerprint_tells_grids_apart(change: dict[str, Any]) -> None:
    assert SyntheticGrid(config(**{"wavelength": [8700, 8710], **change})).fingerprint() != SyntheticGrid(
        config(wavelength=[8700, 8710])).fingerprint()


def test_a_narrow_band_is_a_piece_of_a_wide_one() -> None:
    narrow = SyntheticGrid(config(wavelength=[8733.33, 8751.77])).truth(SUN)
    wide = small().truth(SUN).cut(*narrow.band)
    assert np.array_equal(narrow.wavelength, wide.wavelength)
    assert narrow.flux == pytest.approx(wide.flux, rel=1e-9)


def test_a_convolved_band_is_a_piece_of_a_wide_one() -> None:
    narrow = SyntheticGrid(config(wavelength=[8740, 8750], resolving_power=45000)).truth(SUN)
    wide = SyntheticGrid(config(wavelength=[8730, 8760], resolving_power=45000)).truth(SUN).cut(8740, 8750)
    assert narrow.flux == pytest.approx(wide.flux, rel=1e-5)


# --- labels ------------------------------------------------------------------------------------------------------


def test_it_is_a_grid_with_a_truth() -> None:
    (component,) = hml_grids()
    grid = component.build(config(), BuildContext())
    assert isinstance(grid, GridSource)
    assert isinstance(grid, TruthGrid)
    assert component.traits["truth"]


def test_truth_at_a_node_is_the_node() -> None:
    for node in small().nodes()[::7]:
        assert np.array_equal(small().load(node).flux, small().truth(small().space.to_dict(node)).flux)


@pytest.mark.parametrize("labels, words", [
    ({**SUN, "teff": 6001.0}, "teff = 6001 K is outside"),
    ({**SUN, "feh": float("nan")}, "feh = nan dex is outside"),
    ({"teff": 5000.0, "logg": 4.5}, "feh is missing"),
    ({**SUN, "alpha": 0.1}, "unknown label alpha"),
])
def test_labels_outside_are_refused(labels: dict[str, float], words: str) -> None:
    with pytest.raises(LabelError, match=words):
        small().truth(labels)


@settings(max_examples=25, deadline=None)
@given(st.floats(3010, 6990), st.floats(3.05, 4.95), st.floats(-0.95, 0.45), st.sampled_from(["teff", "logg", "feh"]))
def test_truth_is_smooth_in_every_label(teff: float, logg: float, feh: float, label: str) -> None:
    """Second differences over a small step: a jump in the flux of 1e-6 anywhere would show."""
    step = {"teff": 1.0, "logg": 0.003, "feh": 0.003}[label]
    here = {"teff": teff, "logg": logg, "feh": feh}
    low, middle, high = (normalised(mixed(), {**here, label: here[label] + k * step}) for k in (-1, 0, 1))
    assert np.abs(high - 2 * middle + low).max() < 2e-4
    assert np.abs(high - low).max() < 0.02
    near = [normalised(mixed(), {**here, label: here[label] + k * step * 1e-3}) for k in (-1, 0, 1)]
    assert np.abs(near[2] - 2 * near[1] + near[0]).max() < 1e-8


@cache
def mixed() -> SyntheticGrid:
    return SyntheticGrid(config(preset="full", wavelength=[8860, 8870]))


# --- hardness ----------------------------------------------------------------------------------------------------


def test_pixels_are_as_hard_to_interpolate_as_real_ones() -> None:
    """Tensor-product cubic splines of normalised pixels miss off-node truths by 5–20e-4 (median), see
    benchmarks/synthetic_hardness.py."""
    grid = SyntheticGrid(config(preset="full", wavelength=[9895, 9901], resolving_power=45000))
    names, axes = grid.space.names, [np.array(axis.nodes) for axis in grid.space.axes]
    cube = np.array([normalised(grid, dict(zip(names, n, strict=True))) for n in itertools.product(*axes)])
    cube = cube.reshape(*grid.space.shape, -1)
    rng = np.random.default_rng(5)
    errors = []
    for teff in np.linspace(3050, 6950, 14):
        labels = {"teff": float(teff), "logg": rng.uniform(3, 5), "feh": rng.uniform(-1, 0.5)}
        weights = [make_interp_spline(a, np.eye(len(a)), k=3)(labels[n]) for n, a in zip(names, axes, strict=True)]
        guess = np.einsum("i,j,k,ijkn->n", *weights, cube)
        errors.append(np.sqrt(np.mean((guess - normalised(grid, labels)) ** 2)))
    assert 5e-4 < np.median(errors) < 20e-4


def test_convolution_adds_variances_and_keeps_area() -> None:
    pixels = phoenix_wavelengths(9990, 10010)  # across a change of step
    line = np.exp(-0.5 * ((pixels - 10_000) / 0.15) ** 2)
    sigma = 10_000 / 30_000 / (2 * np.sqrt(2 * np.log(2)))
    wide = np.hypot(0.15, sigma)
    expected = 0.15 / wide * np.exp(-0.5 * ((pixels - 10_000) / wide) ** 2)
    assert convolve(pixels, line, 30_000) == pytest.approx(expected, abs=2e-4)


# --- config ------------------------------------------------------------------------------------------------------


def test_any_value_can_be_a_node_and_ranges_pick_from_the_preset() -> None:
    grid = SyntheticGrid(config(teff={"nodes": [5432.1, 3210]}, logg=[4, 4.5], feh=-0.25, wavelength=[8700, 8702]))
    assert grid.space.shape == (2, 2, 1)
    assert grid.nodes()[0] == (3210.0, 4.0, -0.25)


def test_alpha_is_an_axis_when_asked_for() -> None:
    grid = SyntheticGrid(config(alpha=[0, 0.4], wavelength=[8700, 8702]))
    assert grid.space.names == ("teff", "logg", "feh", "alpha")
    assert grid.space["alpha"].nodes == (0.0, 0.2, 0.4)


@pytest.mark.parametrize("fields, words", [
    ({"teff": {"nodes": [9000]}}, "teff = 9000 is beyond"), ({"teff": [3000, 3900]}, "no node from 3000 to 3900"),
    ({"wavelength": [5000, 6000]}, "must lie within 8000 to 13000"), ({"wavelength": [8800, 8700]}, "low below high"),
    ({"lines": 0}, "greater than or equal to 1"), ({"line": 5}, "did you mean 'lines'"),
])
def test_impossible_configs_are_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        config(**fields)


def test_few_lines_make_a_sparse_spectrum() -> None:
    sparse = SyntheticGrid(config(lines=1500))
    assert len(detected(normalised(sparse, SUN))) < 0.3 * len(detected(normalised(small(), SUN)))
