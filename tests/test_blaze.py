"""The blaze of a standard, and how many coefficients a continuum needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from echelle import (
    BARNARD,
    BLAZE,
    WAVE,
    exposure,
    spoiled,
    star,
    write_hpf,
)

from hml import BuildContext, Spectrum, SpectrumError, parse_config
from hml.core.blaze import Blaze, envelopes, hydrogen
from hml.core.degree import choose_degree

# --- the blaze -------------------------------------------------------------------------------------------------------


def shape(x: np.ndarray) -> np.ndarray:
    return np.cos(1.1 * x) ** 2 * (1 + 0.1 * x)


def standard(rng: np.random.Generator, starts, noise: float = 0.003, lines: bool = True) -> list[Spectrum]:
    """A0V-like orders with hydrogen and air in them, and what their blaze is."""
    orders = []
    for start in starts:
        wave = start + 0.06 * np.arange(2000)
        flux = shape(np.linspace(-1, 1, 2000)) * 700
        if lines:
            for upper in range(9, 20):
                centre = 1e8 / (109_677.5834 * (1 / 9 - 1 / upper**2))
                flux = flux * (1 - 0.25 / (1 + ((wave - centre) / 7.0) ** 2))
            for line in rng.uniform(wave[0], wave[-1], 25):
                flux = flux * (1 - 0.6 * np.exp(-0.5 * ((wave - line) / 0.15) ** 2))
        orders.append(Spectrum(wave, flux * (1 + noise * rng.standard_normal(2000)), np.full(2000, noise * 500)))
    return orders


def test_the_envelope_of_a_standard_is_its_blaze() -> None:
    orders = standard(np.random.default_rng(0), [9060.0, 9300.0, 9600.0, 9750.0])
    truth = shape(np.linspace(-1, 1, 401))
    for found in envelopes(orders):
        ratio = found.values / (truth / truth.max())
        assert np.ptp(ratio) < 0.03


def test_an_order_full_of_hydrogen_has_the_shape_of_its_neighbours() -> None:
    """Alone it would be drawn down by the wings; with neighbours it is within a few per cent."""
    starts = [8950.0, 9060.0, 9300.0, 9600.0, 9750.0]
    orders = standard(np.random.default_rng(1), starts)
    assert hydrogen(orders[0].wavelength)[-200:].all() or hydrogen(orders[0].wavelength).mean() > 0.3
    truth = shape(np.linspace(-1, 1, 401))
    found = envelopes(orders)[0]
    assert np.ptp(found.values / (truth / truth.max())) < 0.12


def test_hydrogen_lines_are_where_they_are() -> None:
    vacuum = np.array([6564.6, 10052.1, 10941.1, 8865.2, 12821.6])  # Hα, Pa δ, γ, 11, β
    assert hydrogen(vacuum).all()
    assert not hydrogen(np.array([10300.0, 12400.0, 8300.0 + 1.0])).any()


def test_the_blaze_is_divided_out_and_remembered(tmp_path: Path) -> None:
    lamp = write_hpf(tmp_path / "lamp.fits", change=lambda p: p.update({"Sci Flux": 1 + 2000.0 * BLAZE + 0 * WAVE}))
    found = exposure(write_hpf(tmp_path / "star.fits"), blaze={"path": str(lamp), "hydrogen": False})
    assert found.notes == ()
    for i, order in enumerate(found.orders):
        flat = order.flux[order.used] / (star()[i] / BLAZE)[order.used]
        assert np.std(flat / np.median(flat)) < 0.01
        assert order.restore().flux[50] == pytest.approx(exposure(tmp_path / "star.fits").orders[i].flux[50], rel=1e-9)
        pulls = (order.flux * order.divided - star()[i])[order.used] / (order.error * order.divided)[order.used]
        assert 0.85 < pulls.std() < 1.15


def test_pixels_without_a_blaze_are_left_out(tmp_path: Path) -> None:
    def narrow(planes: dict) -> None:
        planes["Sci Flux"][:, :100] = np.nan

    lamp = write_hpf(tmp_path / "lamp.fits", change=narrow)
    found = exposure(write_hpf(tmp_path / "star.fits"), blaze={"path": str(lamp), "degree": 4, "hydrogen": False})
    assert found.orders[0].meta["masked"] == {"no signal": 8, "no blaze": 96}


def test_a_blaze_that_was_removed_already_is_mentioned(tmp_path: Path) -> None:
    lamp = write_hpf(tmp_path / "lamp.fits", change=lambda p: p.update({"Sci Flux": np.full_like(WAVE, 500.0)}))
    found = exposure(write_hpf(tmp_path / "star.fits"), blaze={"path": str(lamp)})
    assert "seems to have been removed" in found.notes[0]


def test_a_standard_without_light_is_refused(tmp_path: Path) -> None:
    dark = spoiled(tmp_path / "dark.fits", slice(None), Flux=-1.0)
    with pytest.raises(SpectrumError, match=r"dark\.fits: spectrum\.blaze: no order of it has enough light"):
        exposure(write_hpf(tmp_path / "star.fits"), blaze={"path": str(dark)})


@pytest.mark.real
def test_the_blaze_of_an_a0v_star_flattens_another_star(real_data: Path) -> None:
    """Where neither has strong lines of the air, the continuum is a few per cent from straight after the division."""
    hpf = real_data / "observed/hpf"
    blaze = {"path": str(hpf / "A0V/Goldilocks_20210801T083618_v1.0_0036.spectra.fits")}
    path = hpf / BARNARD
    before, after = exposure(path).orders, exposure(path, blaze=blaze).orders
    for i in (15, 16, 17, 26):
        spreads = [spread(orders[i]) for orders in (before, after)]
        assert spreads[1] < 0.05 < 0.08 < spreads[0], (i, spreads)
    flat = Blaze.read(
        parse_config({"spectrum": {"blaze": {
            "path": str(hpf / "calibration/alphabright_fcu_sept18_deblazed.fits"),
            "reader": {"name": "hpf", "wavelengths": str(hpf / "calibration/LFC_wavecal_scifiber_v2.fits")},
        }}}).spectrum.blaze, None, BuildContext(),
    )  # fmt: skip
    assert "seems to have been removed" in flat.note


def spread(order: Spectrum) -> float:
    """How far the upper envelope of fifteen pieces is from a straight line."""
    pieces = np.array_split(np.flatnonzero(order.used), 15)
    tops = np.array([np.percentile(order.flux[p], 90) for p in pieces])
    where = np.array([order.wavelength[p].mean() for p in pieces])
    line = np.polyval(np.polyfit(where - where[0], tops, 1), where - where[0])
    return float(np.std(tops / line))


# --- the degree of the continuum -------------------------------------------------------------------------------------


def test_the_degree_that_made_the_data_is_found() -> None:
    """Never fewer coefficients, and seldom more: of 70 continua at least 60 have theirs."""
    x, noise, excess = np.linspace(-1, 1, 1500), np.full(1500, 0.05), []
    for degree in range(7):
        curve = np.polynomial.chebyshev.chebval(x, [1.0] + [0.1] * degree)
        for seed in range(10):
            data = curve + noise * np.random.default_rng(seed).standard_normal(1500)
            chosen = choose_degree(8500 + 50 * x, data, error=noise)
            assert chosen.scores[degree] == pytest.approx(1.0, abs=0.2)
            excess.append(chosen.degree - degree)
    assert min(excess) == 0
    assert excess.count(0) >= 60


def test_lines_that_the_model_misses_do_not_ask_for_more_coefficients() -> None:
    """An information criterion would take the highest degree here."""
    rng = np.random.default_rng(3)
    x = np.linspace(-1, 1, 2000)
    missed = np.convolve(rng.standard_normal(2000), np.exp(-0.5 * (np.arange(-30, 31) / 8) ** 2), "same")
    flux = 1 + 0.3 * x - 0.2 * x**2 + 0.02 * missed / missed.std()
    chosen = choose_degree(8500 + 60 * x, flux, error=np.full(2000, 0.002), degrees=range(13))
    assert 2 <= chosen.degree <= 4
    residuals = [flux - np.polyval(np.polyfit(x, flux, d), x) for d in range(13)]
    bic = [(r**2).sum() / 0.002**2 + (d + 1) * np.log(2000) for d, r in enumerate(residuals)]
    assert int(np.argmin(bic)) > 8


def test_the_model_and_the_mask_are_heeded() -> None:
    x = np.linspace(-1, 1, 1000)
    model = 1 - 0.5 * np.exp(-0.5 * (x / 0.3) ** 2)
    rng = np.random.default_rng(4)
    flux = model * (2 + x) + 0.01 * rng.standard_normal(1000)
    used = np.ones(1000, dtype=bool)
    used[300:330] = False
    flux[300:330] = 1e6
    assert choose_degree(8500 + x, flux, model=model, used=used).degree == 1
    assert choose_degree(8500 + x, flux, used=used).degree > 1
    assert choose_degree(8500 + x, np.ones(1000), degrees=[3]).degree == 3
    assert choose_degree(np.arange(4.0), np.ones(4)).degree == 0
