"""The physics of the synthetic grid: one line at a time, against what textbooks say."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.constants import sigma_sb
from astropy.modeling.models import BlackBody
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import voigt_profile, wofz

from hml.plugins.synthetic.atmosphere import (
    DONORS,
    Atmosphere,
    core_flux,
    electron_pressure,
    negative_hydrogen,
    saha,
    surface_blackbody,
)
from hml.plugins.synthetic.departures import SIZE, Departures
from hml.plugins.synthetic.linelist import SPECIES, LineList, draw_lines
from hml.plugins.synthetic.opacity import FURTHEST, Opacity, strengths, voigt

Floats = NDArray[np.float64]
NAMES = [s.name for s in SPECIES]
SMOOTH = Departures(np.zeros((len(SPECIES), 1, 3)), np.zeros((len(SPECIES), 1)))  # none at all


def one_line(species: str, excitation: float, log_gf: float, log_c6: float = -32.5) -> LineList:
    values = (8700.0, NAMES.index(species), excitation, log_gf, log_c6)
    return LineList(*(np.array([v]) for v in values))


def opacity(line: LineList, labels: dict[str, float], half: float = 15.0) -> tuple[Floats, Floats]:
    """Offsets from the centre, Å, and the opacity ratio there."""
    pixels = 8700 + np.arange(-half, half, 0.01)
    return pixels - 8700, Opacity.of(line, SMOOTH, pixels).ratio(Atmosphere.of(labels))


def equivalent_width(line: LineList, teff: float, logg: float = 4.5, feh: float = 0.0, alpha: float = 0.0) -> float:
    """Å."""
    offset, ratio = opacity(line, {"teff": teff, "logg": logg, "feh": feh, "alpha": alpha})
    core = core_flux(8700 + offset, teff)
    return float(((1 - core) * ratio / (1 + ratio)).sum() * 0.01)


# --- how lines answer to labels ----------------------------------------------------------------------------------


@pytest.mark.parametrize("species, excitation, cool, hot, grows", [
    ("Fe I", 4.0, 5000, 6000, False), ("Ti I", 1.0, 4500, 5500, False), ("K I", 1.6, 4000, 5000, False),
    ("Na I", 2.1, 4500, 5500, False), ("Fe II", 6.0, 5000, 6000, True), ("S I", 7.0, 5000, 6000, True),
    ("C I", 8.0, 5000, 6000, True), ("H I", 12.09, 5500, 6500, True), ("TiO", 0.2, 3400, 4000, False),
    ("TiO", 0.2, 4000, 4600, False), ("H2O", 0.5, 3000, 3600, False), ("CN", 0.3, 5000, 6000, False),
])
def test_temperature(species: str, excitation: float, cool: float, hot: float, grows: bool) -> None:
    line = one_line(species, excitation, -1.0)
    assert (equivalent_width(line, hot) > equivalent_width(line, cool)) is grows


@pytest.mark.parametrize("species, excitation", [("Fe I", 4.0), ("Ti I", 1.0), ("Fe II", 6.0), ("Si I", 5.9)])
def test_metals_strengthen_their_lines(species: str, excitation: float) -> None:
    line = one_line(species, excitation, -2.0)
    widths = [equivalent_width(line, 5500, feh=feh) for feh in (-1.0, -0.5, 0.0, 0.5)]
    assert np.all(np.diff(widths) > 0)


def test_alpha_moves_alpha_elements_only() -> None:
    for species, moves in (("Ti I", True), ("Si I", True), ("Ca I", True), ("Fe I", False), ("K I", False)):
        line = one_line(species, 3.0, -3.0)
        change = equivalent_width(line, 5000, alpha=0.4) / equivalent_width(line, 5000)
        assert (change > 1.2) if moves else change == pytest.approx(1.0, abs=1e-12)


def test_ionised_lines_weaken_with_gravity() -> None:
    line = one_line("Fe II", 6.0, -1.0)
    assert equivalent_width(line, 5800, logg=5.0) < 0.8 * equivalent_width(line, 5800, logg=3.0)


def test_damping_wings_grow_with_gravity() -> None:
    for name, energy in (("Na I", 2.1), ("K I", 1.6)):
        wings = [np.interp(3.0, *opacity(one_line(name, energy, 0.0), {"teff": 4000.0, "logg": g, "feh": 0.0}))
                 for g in (3.0, 3.5, 4.0, 4.5, 5.0)]
        assert np.all(np.diff(wings) > 0)
        assert wings[-1] > 2 * wings[0]


def test_molecules_set_in_below_four_thousand_kelvin() -> None:
    line = one_line("TiO", 0.2, 0.0)
    widths = {t: equivalent_width(line, t) for t in (3200, 5000, 6000)}
    assert widths[3200] > 50 * widths[5000]
    assert widths[6000] < 1e-4


def test_curve_of_growth() -> None:
    """Linear, flat, then the square root of the abundance (Gray chapter 13)."""
    gf = np.arange(-6.0, 2.6, 0.25)
    widths = np.array([equivalent_width(one_line("Fe I", 3.0, g, -33.5), 5500) for g in gf])
    slope = np.diff(np.log10(widths)) / 0.25
    flattest = int(np.argmin(slope))
    assert slope[:2] == pytest.approx([1.0, 1.0], abs=0.02)
    assert slope[flattest] < 0.35
    assert 0.4 < slope[flattest:].max() < 0.55


# --- the pieces --------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.floats(1e-4, 5.0), st.floats(-60.0, 60.0))
def test_voigt_is_the_faddeeva_function(a: float, v: float) -> None:
    exact = wofz(v + 1j * a).real
    assert voigt(np.array([a]), np.array([v]))[0] == pytest.approx(exact, rel=1e-5)


def test_near_and_far_parts_add_up_to_a_voigt_profile() -> None:
    line = one_line("Na I", 2.1, 0.0)
    labels = {"teff": 4000.0, "logg": 4.5, "feh": 0.0}
    offset, ratio = opacity(line, labels)
    one = strengths(line, Atmosphere.of(labels))
    sigma, gamma = one.width[0] / np.sqrt(2), one.damping[0] * one.width[0]
    exact = one.eta[0] * voigt_profile(offset, sigma, gamma) * np.sqrt(np.pi) * one.width[0]
    core = np.abs(offset) < 5
    assert ratio[core] == pytest.approx(exact[core], rel=2e-3)
    assert np.all(ratio <= exact * 1.002 + 1e-9)
    assert np.abs(offset).max() < FURTHEST


def test_opacity_is_that_of_each_line_added() -> None:
    lines = draw_lines(24_000, 0)
    some = lines.take(np.abs(lines.wavelength - 8700) < 3)
    pixels = 8695 + 0.01 * np.arange(1000)
    atmosphere = Atmosphere.of({"teff": 5000.0, "logg": 4.5, "feh": 0.0})
    alone = [Opacity.of(some.take(np.array([i])), SMOOTH, pixels).ratio(atmosphere) for i in range(len(some))]
    assert len(some) > 10
    assert Opacity.of(some, SMOOTH, pixels).ratio(atmosphere) == pytest.approx(sum(alone), rel=1e-9, abs=1e-12)


def test_blackbody_is_astropys_and_integrates_to_stefan_boltzmann() -> None:
    wave = np.geomspace(500, 1e7, 20_000)
    ours = surface_blackbody(wave, 5000.0)
    theirs = np.pi * u.sr * BlackBody(5000 * u.K, scale=1 * u.erg / u.s / u.cm**3 / u.sr)(wave * u.AA)
    assert ours == pytest.approx(theirs.value, rel=1e-4)
    assert np.trapezoid(ours, wave * 1e-8) == pytest.approx((sigma_sb * (5000 * u.K) ** 4).cgs.value, rel=1e-3)


def test_electrons_balance_ions() -> None:
    log_pe = electron_pressure(5195.0, 5.0, 0.0)
    assert 0.7 < log_pe < 1.4  # the Sun: about 10 dyn/cm²
    ions = sum(10 ** (a - 12) / (1 + 10 ** (log_pe - saha(5195.0, energy, w))) for a, energy, w in DONORS)
    nuclei = 1.085 + sum(10 ** (a - 12) for a, _, _ in DONORS[1:])
    assert 10**log_pe / (10**5.0 - 10**log_pe) == pytest.approx(ions / nuclei, rel=1e-9)


@settings(deadline=None)
@given(st.floats(2500, 7900), st.floats(2.0, 5.4), st.floats(-2.0, 0.4))
def test_atmospheres_are_sane_everywhere(teff: float, logg: float, feh: float) -> None:
    here = Atmosphere.of({"teff": teff, "logg": logg, "feh": feh})
    denser = Atmosphere.of({"teff": teff, "logg": logg + 0.1, "feh": feh})
    assert here.log_pe < here.log_pg < denser.log_pg
    assert here.log_pe < denser.log_pe
    assert here.log_pe < electron_pressure(here.temperature + 50, here.log_pg, feh)
    assert 0.5e5 < here.microturbulence < 5e5


def test_negative_hydrogen_peaks_where_it_does() -> None:
    wave = np.linspace(5000, 13000, 2000)
    cross = negative_hydrogen(wave)
    assert wave[np.argmax(cross)] == pytest.approx(8500, abs=200)
    assert cross.max() == pytest.approx(39.9, abs=0.5)


def test_departures_have_the_size_they_claim() -> None:
    departures = Departures.draw(len(SPECIES), 4)
    teffs = np.linspace(2500, 8000, 400)
    values = np.array([departures.log_factor(Atmosphere.of({"teff": t, "logg": 4.0, "feh": 0.0})) for t in teffs])
    assert np.sqrt(np.mean(values**2)) == pytest.approx(SIZE, rel=0.2)
