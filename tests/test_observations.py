"""From files to orders that can be measured: what is lost, several exposures, and what is told of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from echelle import (
    BARNARD,
    EXPOSURE,
    HEADER,
    ORDERS,
    PIXELS,
    START,
    WAVE,
    exposure,
    spoiled,
    star,
    write_hpf,
)

from hml import BuildContext, ConfigError, SpectrumError, parse_config
from hml.cli import main
from hml.core.figures import observed
from hml.core.observe import read_target
from hml.core.understood import describe

WATER = {"drop": [[8503.0, 8506.0]]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_hpf(tmp_path / "star.fits")


# --- what cannot be used ---------------------------------------------------------------------------------------------


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


# --- several exposures -----------------------------------------------------------------------------------------------


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


# --- hml spectrum info -----------------------------------------------------------------------------------------------


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
