"""Pixels that are left out: files, thresholds and windows in three frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from echelle import (
    WAVE,
    exposure,
    write_hpf,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from hml import ConfigError, SpectrumError, parse_config
from hml.core.barycentre import LIGHT

WATER = {"drop": [[8503.0, 8506.0]]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_hpf(tmp_path / "star.fits")


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
