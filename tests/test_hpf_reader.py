"""HPF files of both pipelines, Gaia RVS tables and echelle images: what is understood, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from echelle import EXPOSURE, HEADER, ORDERS, PIXELS, WAVE, star, write_hpf
from hypothesis import given, settings
from hypothesis import strategies as st

from hml import BuildContext, Reader, SpectrumError, installed
from hml.core.reading import find_reader
from hml.core.understood import photon_noise, snr

HPF = "observed/hpf"
TEAM = {"GJ_699": "Slope-20181003T014556_R01.optimal.fits", "GJ_273": "Slope-20180302T021512_R01.optimal.fits",
        "VB_10": "Slope-20190612T065809_R01.optimal.fits"}  # fmt: skip
A0V = "A0V/Goldilocks_20210801T083618_v1.0_0036.spectra.fits"
LFC = "calibration/LFC_wavecal_scifiber_v2.fits"


def make(name: str, **fields) -> Reader:
    component = installed().get("readers", name)
    return component.build(component.config(**fields), BuildContext())


# --- both kinds ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["team", "goldilocks"])
def test_both_kinds_give_the_same_errors(tmp_path: Path, kind: str) -> None:
    path = write_hpf(tmp_path / "star.fits", kind)
    assert find_reader(path, BuildContext())[0] == "hpf"
    orders = make("hpf").read(path)
    assert [order.name for order in orders] == [f"star.fits order {i}" for i in range(ORDERS)]
    for i, order in enumerate(orders):
        np.testing.assert_array_equal(order.wavelength, WAVE[i])
        assert order.used.sum() == PIXELS - 8
        assert order.meta["masked"] == {"no signal": 8}
        np.testing.assert_allclose(order.error[4:-4], np.sqrt(star()[i, 4:-4] / EXPOSURE), rtol=1e-6)
        pulls = (order.flux - star()[i])[order.used] / order.error[order.used]
        assert 0.85 < pulls.std() < 1.15
        assert photon_noise(order) == pytest.approx(1.0, abs=0.01)
        assert (order.frame.medium, order.frame.rest, order.unit) == ("vacuum", "observed", "electron / s")
    assert orders[0].meta["uncertainty"] == ("variances" if kind == "team" else "errors")


def test_errors_taken_for_variances_would_be_seen(tmp_path: Path) -> None:
    def mistaken(planes: dict) -> None:
        planes["Sci Variance"] = np.sqrt(planes["Sci Variance"])

    (order, *_) = make("hpf").read(write_hpf(tmp_path / "star.fits", change=mistaken))
    assert abs(np.log(photon_noise(order))) > 0.3


def test_no_wavelengths_in_the_file(tmp_path: Path) -> None:
    path = write_hpf(tmp_path / "star.fits", wavelengths=False)
    assert make("hpf").sniff(path)
    with pytest.raises(SpectrumError, match=r"star\.fits: has no wavelengths .*reader\.wavelengths=FILE"):
        make("hpf").read(path)
    lamp = tmp_path / "lamp.fits"
    fits.PrimaryHDU(WAVE.astype("f4")).writeto(lamp)
    for other in (lamp, write_hpf(tmp_path / "other.fits")):
        np.testing.assert_allclose(make("hpf", wavelengths=other).read(path)[1].wavelength, WAVE[1], atol=1e-3)
    fits.PrimaryHDU(WAVE[:, :9]).writeto(tmp_path / "short.fits")
    with pytest.raises(SpectrumError, match=r"short\.fits: has \(3, 9\) wavelengths .* for \(3, 400\) pixels"):
        make("hpf", wavelengths=tmp_path / "short.fits").read(path)


def test_the_sky_fibre_is_subtracted_with_its_noise(tmp_path: Path) -> None:
    path = write_hpf(tmp_path / "star.fits", sky=90.0)
    plain, less = make("hpf").read(path), make("hpf", sky=1.0).read(path)
    for i, (with_sky, without) in enumerate(zip(plain, less, strict=True)):
        inner = slice(4, -4)
        assert np.mean(with_sky.flux[inner] - star()[i, inner]) == pytest.approx(90, abs=0.5)
        assert np.mean(without.flux[inner] - star()[i, inner]) == pytest.approx(0, abs=0.5)
        np.testing.assert_allclose(without.error[inner] ** 2, with_sky.error[inner] ** 2 + 90.0 / EXPOSURE, rtol=1e-5)
        pulls = ((without.flux - star()[i]) / without.error)[inner]
        assert 0.85 < pulls.std() < 1.15
    half = make("hpf", sky=0.5).read(path)[0]
    assert np.mean(half.flux[4:-4] - star()[0, 4:-4]) == pytest.approx(45, abs=0.5)


def test_the_sky_is_taken_at_the_wavelengths_of_the_star(tmp_path: Path) -> None:
    """A slope in the sky, whose fibre has its pixels elsewhere."""

    def tilted(planes: dict) -> None:
        planes["Sky Wavl"] = WAVE + 0.03
        planes["Sky Flux"] = 1000.0 * (WAVE + 0.03 - WAVE[:, :1])
        planes["Sci Flux"] = 1000.0 * (WAVE - WAVE[:, :1]) + 7.0

    order = make("hpf", sky=1.0).read(write_hpf(tmp_path / "star.fits", change=tilted))[0]
    np.testing.assert_allclose(order.flux[5:-5], 7.0, atol=0.01)


@pytest.mark.parametrize(
    ("key", "value"), [("Flux", np.nan), ("Variance", 0.0), ("Variance", -1.0), ("Variance", np.nan)]
)
def test_useless_pixels_are_left_out(tmp_path: Path, key: str, value: float) -> None:
    def spoil(planes: dict) -> None:
        planes[f"Sci {key}"][1, 100:110] = value

    order = make("hpf").read(write_hpf(tmp_path / "star.fits", change=spoil))[1]
    assert not order.used[100:110].any()
    assert order.used.sum() == PIXELS - 18
    assert sum(order.meta["masked"].values()) == 18


def test_where_and_when(tmp_path: Path) -> None:
    pointing = make("hpf").read(write_hpf(tmp_path / "a.fits"))[0].pointing
    assert pointing.ra == pytest.approx(269.452042, abs=1e-5)
    assert pointing.dec == pytest.approx(4.693389, abs=1e-5)
    assert pointing.motion == (-798.6, 10328.1)
    assert pointing.time == pytest.approx(2458394.5755, abs=1e-3)
    assert pointing.lacks == []
    bare = {k: v for k, v in HEADER.items() if k not in ("QRA", "QDEC")}
    weighted = {**bare, "JD_FW0": 2458394.5, "JD_FW1": 2458394.7, "BRVCORR": -25913.8}
    pointing = make("hpf").read(write_hpf(tmp_path / "b.fits", header=weighted))[0].pointing
    assert pointing.lacks == ["ra", "dec"]
    assert pointing.time == pytest.approx(2458394.6)
    assert pointing.velocity == pytest.approx(-25.9138)
    nonsense = {"INSTRUME": "HPF", "QRA": "here", "DATE-OBS": "now"}
    broken = make("hpf").read(write_hpf(tmp_path / "c.fits", header=nonsense))
    assert broken[0].pointing.lacks == ["ra", "dec", "time"]
    assert broken[0].unit == ""


def test_files_of_others(tmp_path: Path) -> None:
    other = write_hpf(tmp_path / "a.fits", header={**HEADER, "INSTRUME": "CARMENES"})
    assert not make("hpf").sniff(other)
    with pytest.raises(SpectrumError, match=r"a\.fits: is of the instrument 'CARMENES', not of HPF"):
        make("hpf").read(other)
    fits.PrimaryHDU(WAVE).writeto(tmp_path / "b.fits")
    (tmp_path / "c.fits").write_bytes(b"SIMPLE  =   what")
    (tmp_path / "d.fits").write_bytes(write_hpf(tmp_path / "e.fits").read_bytes()[:20000])
    for name in ("b.fits", "c.fits", "missing.fits", "."):
        for reader in ("hpf", "gaia_rvs", "fits_images"):
            assert make(reader).sniff(tmp_path / name) is False
    for name in ("b.fits", "c.fits", "d.fits"):
        with pytest.raises(SpectrumError, match=rf"{name}: ") as caught:
            make("hpf").read(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_planes_that_do_not_fit_together(tmp_path: Path) -> None:
    def cut(planes: dict) -> None:
        planes["Sci Variance"] = planes["Sci Variance"][:, :-1]

    with pytest.raises(SpectrumError, match=r"error has 3 × 399 \(orders × pixels\), flux has 3 × 400"):
        make("hpf").read(write_hpf(tmp_path / "a.fits", change=cut))

    def cube(planes: dict) -> None:
        planes["Sci Flux"] = planes["Sci Flux"][None]

    with pytest.raises(SpectrumError, match=r"extension 'Sci Flux' is no image of orders × pixels"):
        make("hpf").read(write_hpf(tmp_path / "a.fits", change=cube))


# --- echelle images of any kind ------------------------------------------------------------------------------------


def images(path: Path, **planes: np.ndarray) -> Path:
    hdus = [fits.ImageHDU(np.asarray(plane, dtype=float), name=name) for name, plane in planes.items()]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path, overwrite=True)
    return path


def test_echelle_images(tmp_path: Path) -> None:
    path = images(tmp_path / "a.fits", FLUX=star(), WAVELENGTH=WAVE / 10, NOISE=np.full_like(WAVE, 4.0))
    assert find_reader(path, BuildContext())[0] == "fits_images"
    for setting, error in (("error", 4.0), ("variance", 2.0)):
        orders = make("fits_images", wavelength_unit="nm", flux_unit="Jy", **{setting: "NOISE"}).read(path)
        np.testing.assert_allclose([o.wavelength for o in orders], WAVE, rtol=1e-12)
        np.testing.assert_allclose([o.error for o in orders], error)
        assert orders[0].meta["uncertainty"] == f"{setting}s"
    assert make("fits_images", wavelength_unit="nm").read(path)[0].error is None
    with pytest.raises(SpectrumError, match=r"give one of the two"):
        make("fits_images", error=3, variance=3).read(path)
    with pytest.raises(SpectrumError, match=r"no extension 'ERR' \(spectrum\.reader\.error\); it has 1 FLUX, 2 WAVE"):
        make("fits_images", error="ERR").read(path)


def test_orders_that_run_backwards_are_turned(tmp_path: Path) -> None:
    path = images(tmp_path / "a.fits", FLUX=star()[::-1, ::-1], WAVELENGTH=WAVE[::-1, ::-1])
    orders = make("fits_images").read(path)
    np.testing.assert_array_equal([o.wavelength for o in orders], WAVE)
    np.testing.assert_array_equal([o.flux for o in orders], star())
    assert [o.meta["order"] for o in orders] == [2, 1, 0]


def test_one_row_of_wavelengths_serves_all_rows(tmp_path: Path) -> None:
    orders = make("fits_images").read(images(tmp_path / "a.fits", FLUX=star(), WAVELENGTH=WAVE[0]))
    assert len(orders) == ORDERS
    np.testing.assert_array_equal(orders[2].wavelength, WAVE[0])


# --- tables --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "ending"), [("csv", "ecsv"), ("fits_table", "fits")])
def test_variances_in_a_table(tmp_path: Path, name: str, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    Table({"wavelength": WAVE[0], "flux": star()[0], "flux_var": np.r_[-1.0, np.full(PIXELS - 1, 9.0)]}).write(path)
    (order,) = make(name).read(path)
    assert np.isnan(order.error[0])
    np.testing.assert_array_equal(order.error[1:], 3.0)
    assert order.meta["uncertainty"] == "variances"
    (as_error,) = make(name, error="flux_var").read(path)
    np.testing.assert_array_equal(as_error.error[1:], 9.0)
    with pytest.raises(SpectrumError, match="give one of the two"):
        make(name, error="flux", variance="flux_var").read(path)


def test_errors_come_before_variances(tmp_path: Path) -> None:
    path = tmp_path / "a.ecsv"
    Table({"wavelength": WAVE[0], "flux": star()[0], "variance": star()[0], "error": 2 + 0 * star()[0]}).write(path)
    np.testing.assert_array_equal(make("csv").read(path)[0].error, 2.0)
    np.testing.assert_allclose(make("csv", variance="variance").read(path)[0].error, np.sqrt(star()[0]))


def test_an_order_an_extension(tmp_path: Path) -> None:
    tables = [fits.BinTableHDU(Table({"wave": w, "flux": f}), name=f"ORDER{i}")
              for i, (w, f) in enumerate(zip(WAVE[::-1], star()[::-1], strict=True))]  # fmt: skip
    path = tmp_path / "a.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(Table({"other": [1]})), *tables]).writeto(path)
    orders = make("fits_table").read(path)
    np.testing.assert_array_equal([o.flux for o in orders], star())
    assert [o.name for o in orders] == ["a.fits ORDER2", "a.fits ORDER1", "a.fits ORDER0"]
    assert len(make("fits_table", extension="ORDER1").read(path)) == 1
    fits.HDUList([fits.PrimaryHDU(), tables[0], tables[0].copy()]).writeto(path, overwrite=True)
    with pytest.raises(SpectrumError, match=r"the same wavelengths, .*choose one with spectrum\.reader\.extension"):
        make("fits_table").read(path)


def gaia(path: Path, stars: int = 1) -> Path:
    rows = [f"{star},1.5,2.5,{846 + 0.01 * i:.2f},{'' if i < 3 else 0.99},{'' if i < 3 else 0.01}"
            for star in range(stars) for i in range(50)]  # fmt: skip
    path.write_text("source_id,ra,dec,wavelength,flux,flux_error\n" + "\n".join(rows) + "\n")
    return path


def test_gaia_rvs(tmp_path: Path) -> None:
    path = gaia(tmp_path / "rvs.csv")
    assert find_reader(path, BuildContext())[0] == "gaia_rvs"
    (order,) = make("gaia_rvs").read(path)
    assert order.band == pytest.approx((8460.0, 8464.9))
    assert (order.frame.medium, order.frame.rest, order.name) == ("vacuum", "rest", "rvs.csv")
    assert order.meta["masked"] == {"no signal": 3}
    with pytest.raises(SpectrumError, match=r"two\.csv: holds 2 stars"):
        make("gaia_rvs").read(gaia(tmp_path / "two.csv", 2))
    (tmp_path / "other.csv").write_text("wavelength,flux\n8500,1\n8501,1\n")
    assert find_reader(tmp_path / "other.csv", BuildContext())[0] == "csv"
    with pytest.raises(SpectrumError, match=r"other\.csv: no column 'error'|no column 'flux_error'"):
        make("gaia_rvs").read(tmp_path / "other.csv")


# --- real files ----------------------------------------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.parametrize(("star", "least", "most"), [("GJ_699", 280, 790), ("GJ_273", 170, 570), ("VB_10", 20, 135)])
def test_photon_statistics_of_the_teams_files(real_data: Path, star: str, least: float, most: float) -> None:
    """Up-the-ramp sampling makes 1.2 of photons alone; bright pixels have more."""
    reader = make("hpf", wavelengths=real_data / HPF / LFC if star == "GJ_273" else None)
    path = real_data / HPF / star / TEAM[star]
    assert reader.sniff(path)
    orders = reader.read(path)
    assert len(orders) == 28
    assert all(order.meta["uncertainty"] == "variances" for order in orders)
    assert 1.1 < np.median([photon_noise(order) for order in orders]) < 1.6
    ratios = [snr(order) for order in orders]
    assert least < min(ratios) < max(ratios) < most
    assert sum(int((~order.used).sum()) for order in orders) < 400


@pytest.mark.real
def test_photon_statistics_of_goldilocks(real_data: Path) -> None:
    orders = make("hpf").read(real_data / HPF / A0V)
    assert len(orders) == 28
    assert all(order.meta["uncertainty"] == "errors" for order in orders)
    bright = [photon_noise(order) for order in orders if snr(order) > 400]
    assert len(bright) > 15
    np.testing.assert_allclose(bright, 1.21, atol=0.03)


@pytest.mark.real
def test_the_sky_fibre_of_a_faint_star(real_data: Path) -> None:
    """Lines of the night sky, in places that a published mask names, go away."""
    path = real_data / HPF / "VB_10" / TEAM["VB_10"]
    mask = np.loadtxt(real_data / HPF / "calibration/HPF_SkyEmmissionLineWavlMask_broadened_11111_Compressed.txt")
    rough = []
    for scale in (None, 0.93):
        orders = make("hpf", sky=scale).read(path)
        order = orders[26]
        line = np.interp(order.wavelength, *mask.T) > 0.5
        smooth = np.interp(order.wavelength, order.wavelength[~line & order.used], order.flux[~line & order.used])
        rough.append(np.nanmean((order.flux - smooth)[line & order.used]))
    assert abs(rough[1]) < 0.4 * abs(rough[0])


@pytest.mark.real
def test_every_real_file_finds_its_reader_or_a_clear_refusal(real_data: Path) -> None:
    observed = real_data / "observed"
    expected = {**{f"hpf/{star}/{name}": "hpf" for star, name in TEAM.items()}, f"hpf/{A0V}": "hpf",
                "rvs/Kepler-93.csv": "gaia_rvs", "blase/WASP_69_hpf_stack.fits": "fits_table"}  # fmt: skip
    for name, reader in expected.items():
        assert find_reader(observed / name, BuildContext())[0] == reader, name
    for name in ("rvs/gaia_rvs_wavelength.fits", f"hpf/{LFC}"):
        with pytest.raises(SpectrumError, match=r"no reader knows|no wavelengths"):
            find_reader(observed / name, BuildContext())[1].read(observed / name)


@pytest.mark.real
def test_gaia_rvs_of_kepler_93(real_data: Path) -> None:
    (order,) = make("gaia_rvs").read(real_data / "observed/rvs/Kepler-93.csv")
    own = fits.getdata(real_data / "observed/rvs/gaia_rvs_wavelength.fits") * 10.0
    np.testing.assert_allclose(order.wavelength, own, atol=1e-6, rtol=0)
    assert order.frame.rest == "rest"
    triplet = order.wavelength[order.used & (order.wavelength > 8540) & (order.wavelength < 8548)]
    flux = order.flux[order.used & (order.wavelength > 8540) & (order.wavelength < 8548)]
    assert triplet[np.argmin(flux)] == pytest.approx(8544.44, abs=0.15)  # Ca II, vacuum: the star is at rest


# --- files that lie ------------------------------------------------------------------------------------------------


@given(place=st.integers(0, 40_000), junk=st.binary(min_size=1, max_size=200), cut=st.booleans())
@settings(max_examples=40)
def test_a_spoiled_file_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, place: int, junk: bytes, cut: bool
) -> None:
    path = write_hpf(tmp_path_factory.mktemp("spoiled") / "star.fits")
    whole = path.read_bytes()
    path.write_bytes(whole[:place] + junk + (b"" if cut else whole[place + len(junk) :]))
    for name in ("hpf", "fits_images", "fits_table", "gaia_rvs"):
        assert make(name).sniff(path) in (True, False)
        try:
            make(name).read(path)
        except SpectrumError as error:
            assert "\n" not in str(error)
            assert "star.fits" in str(error)


def test_an_image_that_claims_to_be_huge_is_not_taken_into_memory(tmp_path: Path) -> None:
    path = write_hpf(tmp_path / "star.fits")
    header = fits.Header({"XTENSION": "IMAGE", "BITPIX": -32, "NAXIS": 2, "NAXIS1": 10**6, "NAXIS2": 10**6,
                          "PCOUNT": 0, "GCOUNT": 1, "EXTNAME": "Sci Flux"})  # fmt: skip
    whole = path.read_bytes()
    path.write_bytes(whole[:2880] + header.tostring().encode() + whole[2880:])
    with pytest.raises(SpectrumError, match=r"star\.fits: "):
        make("hpf").read(path)
