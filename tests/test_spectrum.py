"""Spectra: invariants at the door, division and its undoing, orders kept when cut."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hml import Spectrum, SpectrumError


def ramp(n: int = 10, **more: object) -> Spectrum:
    return Spectrum(np.arange(n) + 1000.0, np.linspace(1.0, 2.0, n), **more)  # type: ignore[arg-type]


@st.composite
def spectra(draw: st.DrawFn) -> Spectrum:
    n = draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    starts = {0, *draw(st.lists(st.integers(0, n - 1), max_size=4))}
    return Spectrum(
        wavelength=8000 + np.cumsum(rng.uniform(0.01, 1.0, n)),
        flux=rng.uniform(0.1, 2.0, n),
        error=rng.uniform(0.01, 0.1, n) if draw(st.booleans()) else None,
        mask=rng.random(n) < 0.8 if draw(st.booleans()) else None,
        divided=rng.uniform(0.5, 2.0, n) if draw(st.booleans()) else None,
        starts=tuple(sorted(starts)),
        unit="erg / (s cm2 AA)",
    )


@given(spectra(), st.lists(st.floats(1e-3, 1e6), max_size=4))
def test_what_was_divided_out_comes_back(spectrum: Spectrum, divisors: list[float]) -> None:
    total = spectrum.flux * (1.0 if spectrum.divided is None else spectrum.divided)
    divided = spectrum
    for by in divisors:
        divided = divided.divide(by).divide(np.linspace(1, by, len(spectrum)))
    if divided.divided is not None:
        np.testing.assert_allclose(divided.flux * divided.divided, total, rtol=1e-12)
    back = divided.restore()
    assert back.divided is None
    np.testing.assert_allclose(back.flux, total, rtol=1e-12)
    if spectrum.error is not None:
        assert back.error is not None
        np.testing.assert_allclose(back.error / back.flux, spectrum.error / spectrum.flux, rtol=1e-12)


@given(spectra())
def test_orders_partition_the_pixels(spectrum: Spectrum) -> None:
    pieces = [spectrum.wavelength[order] for order in spectrum.order_slices()]
    assert len(pieces) == len(spectrum.starts)
    assert all(len(piece) for piece in pieces)
    np.testing.assert_array_equal(np.concatenate(pieces), spectrum.wavelength)


@given(spectra(), st.data())
def test_taking_pixels_keeps_every_array_and_every_order(spectrum: Spectrum, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(spectrum) - 1))
    last = data.draw(st.integers(first + 1, len(spectrum)))
    taken = spectrum.take(slice(first, last))
    for what in ("wavelength", "flux", "error", "mask", "divided"):
        values = getattr(spectrum, what)
        if values is None:
            assert getattr(taken, what) is None
        else:
            np.testing.assert_array_equal(getattr(taken, what), values[first:last])
    order = np.searchsorted(spectrum.starts, np.arange(len(spectrum)), side="right")  # of each pixel
    expected = np.flatnonzero(np.diff(order[first:last], prepend=-1))
    assert taken.starts == tuple(expected)


@given(spectra(), st.data())
def test_a_cut_holds_exactly_the_wavelengths_inside(spectrum: Spectrum, data: st.DataObject) -> None:
    ends = st.sampled_from(spectrum.wavelength.tolist())
    low, high = sorted((data.draw(ends), data.draw(ends)))
    inside = (spectrum.wavelength >= low) & (spectrum.wavelength <= high)
    np.testing.assert_array_equal(spectrum.cut(low, high).wavelength, spectrum.wavelength[inside])


def test_a_cut_with_nothing_inside_says_what_there_is() -> None:
    with pytest.raises(SpectrumError, match=r"star: no pixels .* it covers 1000\.0–1009\.0 Å"):
        ramp(name="star").cut(2000, 3000)
    with pytest.raises(SpectrumError, match="no pixels"):
        ramp().cut(1000.2, 1000.8)


def test_a_spectrum_does_not_change() -> None:
    spectrum = ramp(error=np.full(10, 0.1))
    before = spectrum.flux.copy()
    divided = spectrum.divide(2.0)
    assert divided is not spectrum
    np.testing.assert_array_equal(spectrum.flux, before)
    with pytest.raises(FrozenInstanceError):
        spectrum.flux = before  # type: ignore[misc]


def test_a_division_does_not_share_memory_with_its_divisor() -> None:
    by = np.full(10, 2.0)
    divided = ramp().divide(by)
    by[:] = 5.0
    np.testing.assert_array_equal(divided.restore().flux, ramp().flux)


def test_any_number_type_comes_in_as_float64() -> None:
    spectrum = Spectrum(np.arange(1, 5, dtype=">f4"), np.ones(4, dtype=np.int32))  # type: ignore[arg-type]
    assert spectrum.wavelength.dtype == spectrum.flux.dtype == np.float64
    assert spectrum.band == (1.0, 4.0)


@pytest.mark.parametrize(
    ("wavelength", "text"),
    [
        ([1.0, 2.0, 2.0, 3.0], r"star: wavelength 2 Å \(row 2\) is repeated; sort the rows"),
        ([1.0, 3.0, 2.0, 4.0], r"star: wavelength 2 Å \(row 2\) is not in increasing order"),
        ([1.0, np.nan, 3.0, 4.0], "star: wavelength 1 is not finite"),
        ([1.0, 2.0, 3.0, np.inf], "star: wavelength 3 is not finite"),
        ([], "one row of pixels"),
        ([[1.0, 2.0]], "one row of pixels"),
    ],
)
def test_wavelengths_must_increase(wavelength: list[float], text: str) -> None:
    with pytest.raises(SpectrumError, match=text):
        Spectrum(np.array(wavelength), np.ones(np.shape(wavelength)), name="star")


@pytest.mark.parametrize("what", ["flux", "error", "mask", "divided"])
def test_arrays_of_another_length_are_refused_with_both_shapes(what: str) -> None:
    with pytest.raises(SpectrumError, match=rf"{what} has shape \(9,\), wavelengths have \(10,\)"):
        replace(ramp(), **{what: np.ones(9)})


def test_out_to_specutils_and_its_mask() -> None:
    pytest.importorskip("specutils")
    mask = np.arange(10) != 3
    out = ramp(error=np.full(10, 0.1), mask=mask, unit="Jy").to_specutils()
    np.testing.assert_array_equal(out.spectral_axis.to_value("AA"), ramp().wavelength)
    np.testing.assert_array_equal(out.flux.to_value("Jy"), ramp().flux)
    np.testing.assert_array_equal(out.uncertainty.array, np.full(10, 0.1))
    np.testing.assert_array_equal(out.mask, ~mask)
    assert ramp(unit="Jy").divide(2.0).to_specutils().flux.unit == ""
