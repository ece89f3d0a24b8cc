"""Normalisation: what is divided out is right, smooth, and can be put back."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hml import BuildContext, LabelError, Preprocessor, Spectrum, SpectrumError, installed

FLUX_UNIT = "erg / (s cm2 cm)"


def make(name: str, **fields) -> Preprocessor:
    component = installed().get("preprocessors", name)
    return component.build(component.config(**fields), BuildContext())


def lined(rng: np.random.Generator, lines: int, low=8000.0, high=9000.0, pixels=50_000):
    """Wavelengths, a smooth continuum and the transmission of random lines."""
    wave = np.linspace(low, high, pixels)
    x = (wave - low) / (high - low)
    continuum = 1 + 0.2 * np.sin(2.5 * x) + 0.3 * x
    depth = np.zeros(pixels)
    for centre, strength, sigma in zip(
        rng.uniform(low, high, lines), rng.exponential(0.3, lines), rng.uniform(0.03, 0.12, lines), strict=True
    ):
        near = slice(*np.searchsorted(wave, [centre - 1, centre + 1]))
        depth[near] += strength * np.exp(-0.5 * ((wave[near] - centre) / sigma) ** 2)
    return wave, continuum, np.exp(-depth)


def test_traits_are_known_without_building() -> None:
    get = installed().get
    assert get("preprocessors", "blackbody").traits["needs_labels"] is True
    assert get("preprocessors", "continuum").traits["needs_labels"] is False
    assert get("preprocessors", "percentile").traits["needs_labels"] is False


# --- blackbody


def planck(wavelength_cm: np.ndarray, teff: float) -> np.ndarray:
    """π·B in erg/s/cm²/cm from the CGS constants (CODATA 2018)."""
    h, c, k = 6.62607015e-27, 2.99792458e10, 1.380649e-16
    return np.pi * 2 * h * c**2 / wavelength_cm**5 / np.expm1(h * c / (wavelength_cm * k * teff))


def test_blackbody_is_planck_in_the_unit_of_the_flux() -> None:
    wave = np.linspace(8000.0, 13000.0, 100)
    spectrum = Spectrum(wave, planck(wave * 1e-8, 5800.0), unit=FLUX_UNIT)
    np.testing.assert_allclose(make("blackbody")(spectrum, {"teff": 5800.0, "logg": 4.0}).flux, 1.0, rtol=1e-9)
    si = Spectrum(wave, planck(wave * 1e-8, 5800.0) * 1e-7 * 1e4 * 1e-7, unit="W / (m2 nm)")
    np.testing.assert_allclose(make("blackbody")(si, {"teff": 5800.0}).flux, 1.0, rtol=1e-9)


def test_blackbody_integrates_to_stefan_boltzmann() -> None:
    wave = np.geomspace(100.0, 1e7, 200_000)
    divided = make("blackbody")(Spectrum(wave, np.ones_like(wave), unit="erg / (s cm2 AA)"), {"teff": 6000.0}).divided
    assert np.trapezoid(divided, wave) == pytest.approx(5.670374419e-5 * 6000.0**4, rel=1e-5)


def test_blackbody_of_flux_per_frequency() -> None:
    wave = np.array([5000.0, 10000.0])
    out = make("blackbody")(Spectrum(wave, np.ones(2), unit="erg / (s cm2 Hz)"), {"teff": 5000.0})
    np.testing.assert_allclose(out.divided, planck(wave * 1e-8, 5000.0) * (wave * 1e-8) ** 2 / 2.99792458e10, rtol=1e-9)


@pytest.mark.parametrize("labels", [None, {}, {"logg": 4.0}])
def test_blackbody_needs_teff(labels) -> None:
    with pytest.raises(LabelError, match=r"obs\.csv has no label 'teff'.*continuum"):
        make("blackbody")(Spectrum(np.array([1.0, 2.0]), np.ones(2), unit=FLUX_UNIT, name="obs.csv"), labels)


@pytest.mark.parametrize("unit", ["", "km", "nonsense"])
def test_blackbody_needs_an_absolute_flux(unit: str) -> None:
    with pytest.raises(SpectrumError, match="take blackbody out of preprocess"):
        make("blackbody")(Spectrum(np.array([5000.0, 5001.0]), np.ones(2), unit=unit), {"teff": 5000.0})


# --- percentile


def test_percentile_becomes_one() -> None:
    flux = np.random.default_rng(1).uniform(1, 5, 1001)
    flux[3] = np.nan
    out = make("percentile", q=90.0)(Spectrum(np.arange(1001.0) + 1, flux), None)
    assert np.nanpercentile(out.flux, 90.0) == pytest.approx(1.0, rel=1e-12)


def test_percentile_of_a_dark_spectrum_is_refused() -> None:
    with pytest.raises(SpectrumError, match=r"percentile: 99 % of the flux of dark\.csv"):
        make("percentile")(Spectrum(np.arange(5.0) + 1, np.zeros(5), name="dark.csv"), None)


# --- continuum


@pytest.mark.parametrize(("lines", "within"), [(300, 2e-5), (2000, 2e-4), (10_000, 0.012)])
def test_envelope_recovers_the_continuum(lines: int, within: float) -> None:
    """With lines over 2 %, 40 % and 98 % of the pixels."""
    wave, continuum, lines_ = lined(np.random.default_rng(0), lines)
    out = make("continuum", degree=6)(Spectrum(wave, continuum * lines_), None)
    assert np.abs(out.divided / continuum - 1).max() < within


def test_envelope_is_the_minimum_of_its_sum() -> None:
    """The derivative of the asymmetric sum vanishes at the solution."""
    wave, continuum, lines = lined(np.random.default_rng(3), 1000, pixels=5000)
    flux = continuum * lines
    curve = make("continuum", degree=3, asymmetry=0.99)(Spectrum(wave, flux), None).divided
    weight = np.where(flux > curve, 0.99, 0.01)
    basis = np.polynomial.chebyshev.chebvander(np.linspace(-1, 1, 5000), 3)
    assert np.abs(basis.T @ (weight * (flux - curve))).max() < 1e-9 * np.abs(basis.T @ (weight * flux)).max()


def test_envelope_changes_smoothly_with_the_spectrum() -> None:
    """Along a path on which lines grow, halving the step halves the change of the continuum everywhere: a pixel that
    were picked at one step and dropped at the next would leave a jump of fixed size."""
    wave, continuum, lines = lined(np.random.default_rng(4), 2000, pixels=20_000)
    step = make("continuum")

    def change(parts: int) -> float:
        at = np.stack([np.log(step(Spectrum(wave, continuum * lines ** (1 + 0.2 * k / parts)), None).divided)
                       for k in range(parts + 1)])
        return float(np.abs(np.diff(at, axis=0)).max())

    coarse, fine = change(4), change(32)
    assert fine < 0.16 * coarse


def test_continuum_is_fitted_order_by_order_and_scales_with_flux() -> None:
    wave, continuum, lines = lined(np.random.default_rng(5), 500, pixels=20_000)
    flux = continuum * lines * np.where(np.arange(20_000) < 12_000, 1.0, 40.0)
    whole = make("continuum")(Spectrum(wave, flux, starts=(0, 12_000)), None)
    first = make("continuum")(Spectrum(wave[:12_000], flux[:12_000]), None)
    second = make("continuum")(Spectrum(wave[12_000:], flux[12_000:] / 40), None)
    np.testing.assert_allclose(whole.flux[:12_000], first.flux, rtol=1e-9)
    np.testing.assert_allclose(whole.flux[12_000:], second.flux, rtol=1e-9)


def test_unused_and_nan_pixels_do_not_move_the_envelope() -> None:
    wave, continuum, lines = lined(np.random.default_rng(6), 500, pixels=20_000)
    flux = continuum * lines
    bad = np.zeros(20_000, dtype=bool)
    bad[5000:5100] = True
    spoilt = np.where(bad, 50.0, flux)
    with_nan = make("continuum")(Spectrum(wave, np.where(bad, np.nan, flux)), None)
    masked = make("continuum")(Spectrum(wave, spoilt, mask=~bad), None)
    np.testing.assert_allclose(masked.divided, with_nan.divided, rtol=1e-12)
    np.testing.assert_allclose(masked.divided, continuum, rtol=3e-3)


def test_paper_continuum_is_a_polynomial_through_its_peaks() -> None:
    wave, continuum, lines = lined(np.random.default_rng(7), 1500)
    x = (wave - 8500) / 500
    continuum = 2 + 0.3 * x - 0.2 * x**2 + 0.1 * x**3 + 0.05 * x**4
    out = make("continuum", method="paper")(Spectrum(wave, continuum * lines), None)
    assert np.abs(out.divided / continuum - 1).max() < 0.01
    np.testing.assert_allclose(np.polynomial.Polynomial.fit(x, out.divided, 4)(x), out.divided, rtol=1e-10)


def test_paper_continuum_says_what_to_set_for_a_short_order() -> None:
    wave = np.linspace(8000, 8100, 4096)
    spectrum = Spectrum(wave, 1 + 0.1 * np.sin(wave), name="m110")
    with pytest.raises(SpectrumError, match=r"m110, 8000\.0–8100\.0 Å \(4096 pixels\): 1 peaks.*set method: envelope"):
        make("continuum", method="paper")(spectrum, None)


def test_order_without_usable_pixels_is_named() -> None:
    spectrum = Spectrum(np.arange(10.0) + 8000, np.full(10, np.nan), name="m110")
    with pytest.raises(SpectrumError, match=r"m110.*0 usable pixels, 5 are needed"):
        make("continuum")(spectrum, None)


def test_continuum_that_is_not_positive_is_refused() -> None:
    wave = np.linspace(8000, 8100, 500)
    with pytest.raises(SpectrumError, match="not positive everywhere"):
        make("continuum", degree=1)(Spectrum(wave, np.where(wave < 8010, 1.0, -1.0)), None)


STEPS = [("blackbody", {}), ("percentile", {}), ("continuum", {}), ("continuum", {"method": "paper", "distance": 300})]


@settings(deadline=None, max_examples=20)
@given(order=st.permutations(range(4)), seed=st.integers(0, 5))
def test_everything_divided_can_be_put_back(order: list[int], seed: int) -> None:
    wave, continuum, lines = lined(np.random.default_rng(seed), 200, pixels=5000)
    error = np.linspace(0.01, 0.02, 5000) * 1e14
    spectrum = Spectrum(wave, 1e14 * continuum * lines, error=error, unit=FLUX_UNIT)
    out = spectrum
    for k in order:
        out = make(STEPS[k][0], **STEPS[k][1])(out, {"teff": 4000.0})
    np.testing.assert_allclose(out.flux * out.divided, spectrum.flux, rtol=1e-12)
    back = out.restore()
    np.testing.assert_allclose(back.flux, spectrum.flux, rtol=1e-12)
    np.testing.assert_allclose(back.error, spectrum.error, rtol=1e-12)
    assert back.divided is None
    assert math.isclose(out.flux[0] / out.error[0], spectrum.flux[0] / spectrum.error[0], rel_tol=1e-12)


@pytest.mark.real
def test_envelope_of_real_m_dwarfs_stays_on_top(real_data: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(real_data / "phoenix/hband/PHOENIX_IGRINS_m110.hdf5") as file:
        wave = file["wl"][:]
        tops = [make("continuum")(Spectrum(wave, file[f"flux/t{t}g4.0z0.0"][:]), None).flux.max()
                for t in range(3000, 5301, 300)]
    assert max(tops) < 1.006
    assert min(tops) > 0.999
