"""Velocities to the barycentre and zero points: computed twice, and those of real stars."""

from __future__ import annotations

from pathlib import Path

import erfa
import numpy as np
import pytest
from echelle import (
    BARNARD,
    HEADER,
    LUYTEN,
    WAVE,
    borrowing,
    exposure,
    write_hpf,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from hml import ConfigError, Spectrum, SpectrumError, parse_config
from hml.core.barycentre import LIGHT, Pointing, barycentric_velocity, julian_date, pointing_of
from hml.core.rezero import air_velocity, moved

HET = (-104.0147, 30.6814, 2025.0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_hpf(tmp_path / "star.fits")


# --- the barycentre --------------------------------------------------------------------------------------------------


def by_hand(ra: float, dec: float, jd: float, site: tuple[float, float, float]) -> float:
    """km/s, from Earth's orbit (ERFA's epv00) and a rotating sphere, without any of astropy's coordinates."""
    _, about_centre = erfa.epv00(jd, 37.2 / 86400 + 32.184 / 86400)  # TDB is about TAI + 32.184 s
    towards = erfa.s2c(np.radians(ra), np.radians(dec))
    orbit = np.dot(about_centre["v"], towards) * 149_597_870.7 / 86400
    sidereal = erfa.gmst06(jd, 0.0, jd, 69.2 / 86400) + np.radians(site[0])
    hour = sidereal - np.radians(ra)
    spin = 2 * np.pi / 86164.1 * (6372.0 + site[2] / 1000) * np.cos(np.radians(site[1]))
    return float(orbit - spin * np.cos(np.radians(dec)) * np.sin(hour))


@given(ra=st.floats(0, 360), dec=st.floats(-80, 80), jd=st.floats(2_456_000, 2_459_500), north=st.floats(-60, 60))
@settings(max_examples=20)
def test_the_velocity_agrees_with_one_computed_by_hand(ra: float, dec: float, jd: float, north: float) -> None:
    site = (-104.0, north, 2000.0)
    velocity = barycentric_velocity(Pointing(ra, dec, time=jd, site=site))
    assert velocity == pytest.approx(by_hand(ra, dec, jd, site), abs=0.01)  # precession moves the hour angle


def test_proper_motion_counts() -> None:
    there = Pointing(269.452, 4.6934, (-798.6, 10328.1), 2000.0, 2458394.5754, HET)
    fixed = Pointing(269.452, 4.6934, time=2458394.5754, site=HET)
    moved = Pointing(269.452 - 0.7986 / 3600 * 18.76, 4.6934 + 10.3281 / 3600 * 18.76, time=2458394.5754, site=HET)
    assert abs(barycentric_velocity(there) - barycentric_velocity(moved)) < 1e-4
    assert abs(barycentric_velocity(there) - barycentric_velocity(fixed)) > 5e-4


@pytest.mark.parametrize("text", ["2018-10-03T01:49:05", "2458394.575752", 2458394.575752, 58394.075752])
def test_times_as_people_write_them(text) -> None:
    assert julian_date(text) == pytest.approx(2458394.575752, abs=1e-5)


def test_a_header_in_standard_words() -> None:
    told = pointing_of({"RA": 100.0, "DEC": -5.0, "MJD-OBS": 58000.0, "EXPTIME": 864.0,
                        "OBSGEO-X": -1330021.0, "OBSGEO-Y": -5328401.8, "OBSGEO-Z": 3236480.7})  # fmt: skip
    assert (told.ra, told.dec) == pytest.approx((100, -5))
    assert told.time == pytest.approx(2458000.505)
    assert told.site == pytest.approx((-104.0152, 30.6824, 2004.18), abs=0.01)  # geodetic, WGS84
    text = pointing_of({"RA": "06:40:00", "DEC": "-05:00:00", "DATE-AVG": "2018-10-03T00:00:00"})
    assert (text.ra, text.dec, text.time) == pytest.approx((100, -5, 2458394.5))
    hours = pointing_of({"RA": 21.018584, "DEC": -5.0, "HA": -1.0, "LST": 20.018})  # a telescope that writes hours
    assert hours.ra == pytest.approx(315.28, abs=0.01)
    assert pointing_of({}).lacks == ["ra", "dec", "time", "site"]


def test_wavelengths_end_in_the_barycentric_frame(file: Path) -> None:
    found = exposure(file)
    assert found.velocity == pytest.approx(-25.914, abs=0.01)
    for order, wave in zip(found.orders, WAVE, strict=True):
        np.testing.assert_allclose(order.wavelength, wave * (1 + found.velocity / LIGHT), rtol=1e-12)
        assert order.frame.rest == "barycentric"
    left = exposure(file, barycentric={"correct": False})
    assert left.velocity is None
    assert left.orders[0].frame.rest == "observed"
    np.testing.assert_array_equal(left.orders[0].wavelength, WAVE[0])
    given_ = exposure(file, barycentric={"velocity": 10.0})
    np.testing.assert_allclose(given_.orders[0].wavelength, WAVE[0] * (1 + 10 / LIGHT), rtol=1e-12)


def test_what_the_header_lacks_is_given_or_missed(tmp_path: Path) -> None:
    bare = {key: value for key, value in HEADER.items() if key not in ("QRA", "QDEC")}
    path = write_hpf(tmp_path / "bare.fits", header=bare)
    found = exposure(path)
    assert found.velocity is None
    assert found.orders[0].frame.rest == "observed"
    assert found.notes[0].startswith("no barycentric correction: ra, dec not in the header; give it with spectrum.bary")
    with pytest.raises(SpectrumError, match=r"bare\.fits: no barycentric correction: ra, dec not in the header"):
        exposure(path, barycentric={"correct": True})
    told = exposure(path, barycentric={"ra": 269.452, "dec": 4.747})
    assert told.velocity == pytest.approx(-25.914, abs=0.01)
    assert told.notes == ()
    with pytest.raises(SpectrumError, match="'tomorrow' is no time"):
        exposure(path, barycentric={"ra": 1, "dec": 1, "time": "tomorrow"})


def test_a_header_that_states_another_velocity_is_mentioned(tmp_path: Path) -> None:
    right = exposure(write_hpf(tmp_path / "a.fits", header={**HEADER, "BRVCORR": -25914.0}))
    wrong = exposure(write_hpf(tmp_path / "b.fits", header={**HEADER, "BRVCORR": 25914.0}))
    assert right.notes == ()
    assert "the header states +25.914" in wrong.notes[0]


def test_other_frames_are_not_shifted(tmp_path: Path) -> None:
    path = tmp_path / "a.ecsv"
    path.write_text("# %ECSV 1.0\n# ---\n# datatype:\n# - {name: wavelength, datatype: float64}\n"
                    "# - {name: flux, datatype: float64}\n# meta: {frame: barycentric}\nwavelength flux\n"
                    + "".join(f"{8500 + 0.1 * i} 1\n" for i in range(50)))  # fmt: skip
    assert exposure(path).orders[0].frame.rest == "barycentric"
    with pytest.raises(SpectrumError, match="no barycentric correction for wavelengths in the barycentric frame"):
        exposure(path, barycentric={"correct": True, "velocity": 3.0})
    # the velocity still places a mask of the observatory's frame
    masked = exposure(path, barycentric={"velocity": 30.0}, masks={"air": {"drop": [[8500.0, 8501.0]]}})
    shift = 8501.0 * 30.0 / LIGHT
    assert masked.velocity is None
    out = masked.orders[0].wavelength[~masked.orders[0].used]
    assert out.max() == pytest.approx(8501.0 + shift, abs=0.1)


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "place", "expected"),
    [
        (BARNARD, None, by_hand(269.4479, 4.7472, 2458394.575374, HET)),
        (LUYTEN, (111.85208, 5.22579),
         by_hand(111.85208, 5.22579, 2458179.595925, HET)),
        ("A0V/Goldilocks_20210801T083618_v1.0_0036.spectra.fits", None, 3.907221874319448),  # BRVCORR of its header
    ],
)  # fmt: skip
def test_the_velocity_of_real_files(real_data: Path, name: str, place, expected: float) -> None:
    hpf = real_data / "observed/hpf"
    fields = {"barycentric": {"ra": place[0], "dec": place[1]}} if place else {}
    reader = {"name": "hpf", "wavelengths": str(hpf / "calibration/LFC_wavecal_scifiber_v2.fits")} if place else "hpf"
    found = exposure(hpf / name, reader=reader, **fields)
    assert found.velocity == pytest.approx(expected, abs=0.0005 if "A0V" in name else 0.02)
    assert found.notes == ()
    assert found.orders[0].frame.rest == "barycentric"


# --- the zero point --------------------------------------------------------------------------------------------------


def air(wavelength: np.ndarray) -> np.ndarray:
    """Transmission of an atmosphere of 300 lines."""
    lines = np.random.default_rng(8).uniform(8480, 9420, 300)
    return np.exp(-np.exp(-0.5 * ((wavelength[..., None] - lines) / 0.15) ** 2).sum(-1))


@given(velocity=st.floats(-8, 8), slope=st.floats(-2, 2), seed=st.integers(0, 9))
@settings(max_examples=12)
def test_lines_of_the_air_give_the_zero_point(
    tmp_path_factory: pytest.TempPathFactory, velocity: float, slope: float, seed: int
) -> None:
    folder, rng = tmp_path_factory.mktemp("air"), np.random.default_rng(seed)
    fine = np.arange(8470.0, 9430.0, 0.03)
    np.savetxt(folder / "air.csv", np.c_[fine, air(fine)], delimiter=",", header="wavelength,transmission", comments="")
    orders = []
    for start in 8500 + 115.0 * np.arange(8):
        true = start + 0.06 * np.arange(1800)
        flux = air(true) ** 1.3 * (2 - 0.3 * np.linspace(-1, 1, 1800) ** 2) * (1 + 0.01 * rng.standard_normal(1800))
        orders.append(Spectrum(true * (1 + (velocity + slope * (true - 8950) / 1000) / LIGHT), flux))
    zero = air_velocity(orders, folder / "air.csv", 10.0)
    assert zero.orders == 8
    assert zero.at(np.array(8950.0)) == pytest.approx(velocity, abs=0.05)
    assert zero.slope == pytest.approx(slope, abs=0.15)
    back = moved(orders[3], zero)
    np.testing.assert_allclose(back.wavelength, 8845 + 0.06 * np.arange(1800), atol=0.003)
    with pytest.raises(SpectrumError, match=r"air\.csv has within 1 km/s"):
        air_velocity([Spectrum(o.wavelength * (1 + 20 / LIGHT), o.flux) for o in orders], folder / "air.csv", 1.0)


def test_the_zero_point_is_set_before_anything_else(file: Path, tmp_path: Path) -> None:
    fine = np.arange(8490.0, 8800.0, 0.03)
    np.savetxt(tmp_path / "clear.txt", np.c_[fine, np.ones_like(fine)])
    with pytest.raises(SpectrumError, match=r"spectrum\.rezero: none of its orders shows lines of the air"):
        exposure(file, rezero={"file": str(tmp_path / "clear.txt")})
    with pytest.raises(SpectrumError, match=r"spectrum\.rezero: lines of the air do not stand still in the rest frame"):
        exposure(write_rest(tmp_path), rezero={"file": str(tmp_path / "clear.txt")})


def write_rest(folder: Path) -> Path:
    (folder / "rest.ecsv").write_text(
        "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: wavelength, datatype: float64}\n"
        "# - {name: flux, datatype: float64}\n# meta: {frame: rest}\nwavelength flux\n8500 1\n8501 1\n"
    )
    return folder / "rest.ecsv"


def test_one_time_cannot_be_that_of_several_exposures() -> None:
    for field in ({"velocity": 1.0}, {"time": "2018-10-03"}):
        with pytest.raises(ConfigError, match=r"those of one exposure, and path names several"):
            parse_config({"spectrum": {"path": ["a", "b"], "barycentric": field}})


def of_real_star(real_data: Path, name: str, **spectrum):
    hpf = real_data / "observed/hpf"
    template = {"file": str(hpf / "calibration/telfit_HPFtemplate_temp286_hum050.csv")}
    return exposure(hpf / name, rezero=template, **spectrum)


@pytest.mark.real
def test_the_zero_point_of_real_files(real_data: Path) -> None:
    """Wavelengths from a laser comb are right to a tenth of a km/s; those that were borrowed for GJ 273 are not."""
    for name in (BARNARD, "A0V/Goldilocks_20210801T083618_v1.0_0036.spectra.fits"):
        zero = of_real_star(real_data, name).zero
        assert abs(zero.velocity) < 0.1
        assert abs(zero.slope) < 0.1
    borrowed = of_real_star(real_data, LUYTEN, **borrowing(real_data)).zero
    assert borrowed.velocity == pytest.approx(-2.2, abs=0.3)
    assert borrowed.slope == pytest.approx(-0.45, abs=0.2)


@pytest.mark.real
@pytest.mark.parametrize(("name", "literature"), [(BARNARD, -110.5), (LUYTEN, 18.2)])
def test_velocities_of_real_stars_are_those_of_the_literature(real_data: Path, name: str, literature: float) -> None:
    """Zero point, barycentre and their signs, all at once: models of PHOENIX are slid over orders with few lines of the
    air until they correlate best."""
    fields = borrowing(real_data) if name == LUYTEN else {}
    orders = of_real_star(real_data, name, **fields).orders[4:7]
    models = sorted((real_data / "phoenix/hpf_blue").glob("*.npz"))
    found = [velocity for order in orders if (velocity := slid(order, models, literature)) is not None]
    assert len(found) == 3
    assert np.median(found) == pytest.approx(literature, abs=1.0)


def slid(order: Spectrum, models: list[Path], near: float) -> float | None:
    """km/s at which a model of 3200 K, log g 4, solar correlates best with an order; None where no model covers it."""
    for path in models:
        with np.load(path) as model:
            wave, flux = model["wave_vac_A"], model["flux_mean1"][2, 1, 1]
        inside = order.used & (order.wavelength > wave[0] * 1.001) & (order.wavelength < wave[-1] * 0.999)
        if inside.sum() < 1000:
            continue
        data = flattened(order.wavelength[inside], order.flux[inside])
        velocities = near + np.arange(-40, 40.1, 0.25)
        values = [
            np.corrcoef(data, flattened(order.wavelength[inside], np.interp(order.wavelength[inside] / (1 + v / LIGHT),
                                                                            wave, flux)))[0, 1] for v in velocities
        ]  # fmt: skip
        best = int(np.argmax(values))
        assert 0 < best < len(values) - 1
        before, here, after = values[best - 1 : best + 2]
        return float(velocities[best] + 0.25 * 0.5 * (before - after) / (before - 2 * here + after))
    return None


def flattened(wavelength: np.ndarray, flux: np.ndarray) -> np.ndarray:
    x = (wavelength - wavelength.mean()) / np.ptp(wavelength)
    return flux / np.polynomial.chebyshev.chebval(x, np.polynomial.chebyshev.chebfit(x, flux, 6)) - 1
