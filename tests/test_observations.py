"""Masks, the barycentre, blazes and exposures: from files to orders that can be measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import erfa
import numpy as np
import pytest
from astropy.io import fits
from echelle import BLAZE, EXPOSURE, HEADER, ORDERS, PIXELS, START, WAVE, star, write_hpf
from hypothesis import given, settings
from hypothesis import strategies as st

from hml import BuildContext, ConfigError, Spectrum, SpectrumError, parse_config
from hml.cli import main
from hml.core.barycentre import LIGHT, Pointing, barycentric_velocity, julian_date, pointing_of
from hml.core.blaze import Blaze, envelopes, hydrogen
from hml.core.degree import choose_degree
from hml.core.exposures import read_exposures
from hml.core.figures import observed
from hml.core.observe import read_target
from hml.core.rezero import air_velocity, moved
from hml.core.understood import describe

HET = (-104.0147, 30.6814, 2025.0)
BARNARD = "GJ_699/Slope-20181003T014556_R01.optimal.fits"
LUYTEN = "GJ_273/Slope-20180302T021512_R01.optimal.fits"
WATER = {"drop": [[8503.0, 8506.0]]}


def exposures(path, **spectrum):
    return read_exposures(parse_config({"spectrum": {"path": path, **spectrum}}), BuildContext())


def exposure(path, **spectrum):
    (only,) = exposures(path, **spectrum)
    return only


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_hpf(tmp_path / "star.fits")


# --- the barycentre ------------------------------------------------------------------------------------------------


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


# --- masks ---------------------------------------------------------------------------------------------------------


def test_masks_work_on_the_observatorys_wavelengths_and_are_counted(file: Path, tmp_path: Path) -> None:
    (tmp_path / "sky.txt").write_text("8000 0\n8505 0\n8505.001 1\n8508 1\n8508.001 0\n9000 0\n")
    masks = {"water": WATER, "sky": {"file": str(tmp_path / "sky.txt")}}
    order = exposure(file, masks=masks).orders[0]
    out = ((WAVE[0] >= 8503) & (WAVE[0] <= 8506)) | ((WAVE[0] > 8505) & (WAVE[0] < 8508))
    np.testing.assert_array_equal(~order.used[4:-4], out[4:-4])
    assert order.meta["masked"] == {"no signal": 8, "water": 51, "sky": 33}
    assert sum(order.meta["masked"].values()) == (~order.used).sum()


@pytest.mark.parametrize(("frame", "rv"), [("observed", 0.0), ("barycentric", 0.0), ("rest", -110.0)])
def test_windows_in_any_frame(file: Path, frame: str, rv: float) -> None:
    mask = {"keep": [[8508.0, 8512.0]], "frame": frame, **({"rv": rv} if rv else {})}
    order = exposure(file, masks={"window": mask}).orders[0]
    velocity = exposure(file).velocity
    there = {"observed": WAVE[0], "barycentric": order.wavelength, "rest": order.wavelength / (1 + rv / LIGHT)}[frame]
    np.testing.assert_array_equal(order.used[4:-4], ((there >= 8508) & (there <= 8512))[4:-4])
    assert velocity is not None


@given(limit=st.floats(0.05, 0.95))
@settings(max_examples=15)
def test_thresholds_of_a_transmission(tmp_path_factory: pytest.TempPathFactory, limit: float) -> None:
    folder = tmp_path_factory.mktemp("mask")
    (folder / "air.csv").write_text("wavelength_A,transmission\n8500,0\n8520,1\n")
    path = write_hpf(folder / "star.fits")
    order = exposure(path, masks={"air": {"file": str(folder / "air.csv"), "below": limit}}).orders[0]
    clear = (WAVE[0] >= 8500) & (WAVE[0] <= 8520) & ((WAVE[0] - 8500) / 20 < limit)
    np.testing.assert_array_equal(order.used[4:-4], ~clear[4:-4])
    order = exposure(path, masks={"air": {"file": str(folder / "air.csv"), "above": limit}}).orders[0]
    clear = (WAVE[0] <= 8520) & ((WAVE[0] - 8500) / 20 > limit)
    np.testing.assert_array_equal(order.used[4:-4], ~clear[4:-4])


def test_the_mask_of_a_file_does_not_reach_beyond_it(file: Path, tmp_path: Path) -> None:
    (tmp_path / "m.txt").write_text("8500 1\n8505 1\n")
    order = exposure(file, masks={"m": {"file": str(tmp_path / "m.txt")}}).orders[0]
    np.testing.assert_array_equal(order.used[4:-4], WAVE[0][4:-4] > 8505)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ({}, r"spectrum\.masks\.m: expected one of file, drop and keep"),
        ({"drop": [[1, 2]], "keep": [[1, 2]]}, "expected one of file, drop and keep"),
        ({"drop": [[2, 1]]}, "low below high"),
        ({"drop": [[1, 2]], "below": 0.5}, "limits to the values of a file"),
        ({"drop": [[1, 2]], "rv": 5.0}, "rv is of no use without frame: rest"),
        ({"dorp": [[1, 2]]}, "unknown field 'dorp'"),
    ],
)
def test_masks_that_say_nothing_are_refused(mask: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_config({"spectrum": {"masks": {"m": mask}}})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("8500 0.3\n8501 0.5\n", "has values from 0.3 to 0.5, not 0 and 1; say with above or below"),
        ("8500 1\n", "two rows at least"),
        ("8500\n8501\n", "two columns"),
        ("8501 1\n8500 1\n", "rise from row to row"),
        ("8500 1\nnan 1\n", "must be finite"),
        ("wave value\nhere there\n", "is no table of wavelength and value"),
        ("", "is no table|two columns"),
        (None, "cannot be read"),
    ],
)
def test_bad_mask_files(file: Path, tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "m.txt").write_text(text)
    with pytest.raises(SpectrumError, match=rf"m\.txt.*({message})") as caught:
        exposure(file, masks={"m": {"file": str(tmp_path / "m.txt")}})
    assert "\n" not in str(caught.value)


def test_a_mask_that_cannot_be_placed_says_so(file: Path) -> None:
    with pytest.raises(SpectrumError, match=r"masks\.m has frame rest, the spectrum observed, and its velocity to"):
        exposure(file, masks={"m": {**WATER, "frame": "rest"}}, barycentric={"correct": False})


# --- what cannot be used -------------------------------------------------------------------------------------------


def spoiled(path: Path, row, **values: float) -> Path:
    def spoil(planes: dict) -> None:
        for name, value in values.items():
            planes[f"Sci {name}"][row] = value

    return write_hpf(path, change=spoil)


@pytest.mark.parametrize(
    ("values", "cause"),
    [({"Flux": np.nan}, "no signal 400"), ({"Variance": 0.0}, "error or variance not above zero 392"),
     ({"Variance": -1.0}, "error or variance not above zero 392"), ({"Flux": -1.0}, "no positive flux")],
)  # fmt: skip
def test_a_lost_order_is_dropped_with_a_note_and_a_lost_file_refused(tmp_path: Path, values: dict, cause: str) -> None:
    one = exposure(spoiled(tmp_path / "one.fits", 1, **values))
    assert len(one.orders) == ORDERS - 1
    assert len(one.dropped) == 1
    (note,) = one.notes
    assert note.startswith("one.fits: 1 of 3 orders (8620.0 Å): no p")
    assert cause in note
    with pytest.raises(SpectrumError, match=r"all\.fits: 3 of 3 orders") as caught:
        exposure(spoiled(tmp_path / "all.fits", slice(None), **values))
    assert "\n" not in str(caught.value)


def test_a_mask_that_hides_everything(file: Path) -> None:
    with pytest.raises(SpectrumError, match=r"star\.fits: 3 of 3 orders .*no pixel left \(no signal 24, all 1,176\)"):
        exposure(file, masks={"all": {"drop": [[1000.0, 20000.0]]}})


def test_orders_with_too_little_left_are_dropped(file: Path) -> None:
    masks = {"most": {"drop": [[8500.0, 8518.0]]}}
    assert len(exposure(file, masks=masks, least=0.2).orders) == 3
    found = exposure(file, masks=masks, least=0.4)
    assert [order.meta["order"] for order in found.orders] == [1, 2]
    (note,) = found.notes
    assert "1 of 3 orders (8500.0 Å): less than 40% of the pixels left (no signal 8, most 297); left out" in note
    with pytest.raises(SpectrumError, match=r"3 of 3 orders .* less than 99% of the pixels left"):
        exposure(file, least=0.99)


def test_bad_pixels_inside_a_masked_stretch_are_no_reason_to_stop(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    flux = ["nan" if 20 < i < 30 else "1" for i in range(60)]
    path.write_text("wavelength,flux\n" + "".join(f"{8500 + 0.1 * i:.1f},{f}\n" for i, f in enumerate(flux)))
    with pytest.raises(SpectrumError, match=r"flux is not finite at 8502\.1"):
        exposure(path)
    assert exposure(path, masks={"hole": {"drop": [[8502.0, 8503.0]]}}).orders[0].used.sum() == 49
    assert exposure(path, bad_pixels="mask").orders[0].meta["masked"] == {"flux not finite": 9}


def test_the_band_is_that_of_corrected_wavelengths(file: Path) -> None:
    order = exposure(file, wavelength=[8535.0, 8545.0], barycentric={"velocity": 1000.0}).orders[0]
    assert 8535.0 <= order.band[0] < 8535.1
    assert 8544.9 < order.band[1] <= 8545.0
    with pytest.raises(SpectrumError, match=r"no pixels inside spectrum\.wavelength"):
        exposure(file, wavelength=[9505.0, 9515.0])


# --- several exposures ---------------------------------------------------------------------------------------------


def test_every_exposure_keeps_its_orders(tmp_path: Path) -> None:
    later = {**HEADER, "DATE-OBS": "2018-12-03T01:46:19.85"}
    files = [write_hpf(tmp_path / "a.fits"), write_hpf(tmp_path / "b.fits", "goldilocks", seed=2, header=later)]
    target = read_target(parse_config({"spectrum": {"path": [str(f) for f in files]}}), BuildContext())
    assert len(target.orders) == 2 * ORDERS
    assert target.story == "read from a.fits and 1 more exposures"
    assert [o.name for o in target.orders[::ORDERS]] == ["a.fits order 0", "b.fits order 0"]
    first, second = target.exposures
    assert abs(first.velocity - second.velocity) > 5
    assert target.orders[0].wavelength[0] != target.orders[ORDERS].wavelength[0]


def test_paths_as_people_write_them(tmp_path: Path) -> None:
    one = parse_config({"spectrum": {"path": "a.fits"}}).spectrum
    two = parse_config({"spectrum": {"path": ["a.fits", "b.fits"]}}).spectrum
    assert [p.name for p in one.paths] == ["a.fits"]
    assert [p.name for p in two.paths] == ["a.fits", "b.fits"]
    assert parse_config({}).spectrum.paths == ()
    with pytest.raises(ConfigError, match=r"spectrum\.path"):
        parse_config({"spectrum": {"path": []}})


# --- the blaze -----------------------------------------------------------------------------------------------------


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


# --- the degree of the continuum -----------------------------------------------------------------------------------


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


# --- hml spectrum info ---------------------------------------------------------------------------------------------


def test_everything_that_was_understood_is_told(file: Path) -> None:
    facts = describe(exposure(file, masks={"water": WATER}, reader={"name": "hpf", "sky": 0.9}))
    assert facts["reader"] == "hpf"
    assert (facts["orders"], facts["orders_used"]) == (3, 3)
    assert facts["pixels_used"] == ORDERS * (PIXELS - 8) - facts["masked"]["water"]
    assert facts["uncertainty"] == "variances"
    assert facts["sky_subtracted"] == 0.9
    assert facts["photon_noise"] == pytest.approx(1.0, abs=0.02)
    assert (facts["medium"], facts["frame"]) == ("vacuum", "barycentric")
    snr = np.median(np.sqrt(star()[1, 4:-4] * EXPOSURE))
    assert facts["order"][1]["snr"] == pytest.approx(snr, rel=0.02)
    assert [row["number"] for row in facts["order"]] == [0, 1, 2]
    json.dumps(facts)


def test_the_command(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def hml(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["hml", "spectrum", "info", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code, capsys.readouterr().err
        return capsys.readouterr().out

    facts = json.loads(hml(str(file), "--json"))
    assert facts["barycentric_velocity"] == pytest.approx(-25.914, abs=0.01)
    text = hml(str(file), "--set", "spectrum.masks.water.drop=[[8503, 8506]]", "--plot", str(tmp_path / "a.png"))
    for word in ("variances, of which roots are taken", "km/s applied", "water 51", "8499.3", "made up", "barycentric"):
        assert word in text
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("kind", ["one order", "no errors", "dropped"])
def test_pictures_of_whatever_was_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a$.fits"
    if kind == "dropped":
        found = exposure(spoiled(path, 1, Flux=np.nan))
    else:
        rows = slice(0, 1) if kind == "one order" else slice(None)
        hdus = [fits.ImageHDU(plane[rows], name=name) for name, plane in {"FLUX": star(), "WAVELENGTH": WAVE}.items()]
        fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
        found = exposure(path)
        assert describe(found)["uncertainty"] is None
        assert describe(found)["order"][0]["snr"] is None
    assert observed(found)[:4] == b"\x89PNG"


@pytest.mark.real
def test_real_files_are_understood(real_data: Path) -> None:
    folder = real_data / "observed/hpf/calibration"
    masks = {
        "tellurics": {"file": str(folder / "telfit_HPFtemplate_temp286_hum050.csv"), "below": 0.95},
        "sky": {"file": str(folder / "HPF_SkyEmmissionLineWavlMask_broadened_11111_Compressed.txt")},
    }
    facts = describe(exposure(real_data / "observed/hpf" / BARNARD, masks=masks))
    assert facts["orders"] == 28
    assert facts["pixels"] == 28 * 2048
    assert facts["object"] == "GJ_699"
    assert facts["masked"]["no signal"] == 296
    assert 0.2 < facts["masked"]["tellurics"] / facts["pixels"] < 0.5
    assert 0.03 < facts["masked"]["sky"] / facts["pixels"] < 0.1
    assert START[0] > facts["wavelength"][0]


# --- the zero point ------------------------------------------------------------------------------------------------


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


def borrowing(real_data: Path) -> dict:
    """What the file of GJ 273 lacks."""
    lamp = real_data / "observed/hpf/calibration/LFC_wavecal_scifiber_v2.fits"
    return {"reader": {"name": "hpf", "wavelengths": str(lamp)}, "barycentric": {"ra": 111.85208, "dec": 5.22579}}


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
