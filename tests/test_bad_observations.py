"""Observations that cannot be used, through the command line: one clear line each, and nothing left behind."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from echelle import HEADER, spoiled, write_hpf
from toy import make

from hml.cli import main

SEARCH = ["--set", "optimizer={name: lm, n_initial: 5, n_starts: 1}"]


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of spectra with a resolving power of 50,000, 8500–8540 Å: the first order of the files lies in it."""
    path = tmp_path_factory.mktemp("generator") / "toy.hml"
    make(resolving_power=50_000.0).save(path)
    return path


@pytest.fixture
def measure(generator: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """`hml infer` of a file → its exit code, and what it said on stdout or stderr."""

    def call(file: Path, *arguments: str) -> tuple[int, str]:
        command = ["hml", "infer", "--generator", str(generator), "--spectrum", str(file), *SEARCH, *arguments]
        monkeypatch.setattr(sys, "argv", [*command, "--output", str(tmp_path / "out"), "--json"])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        code = int(end.value.code or 0)
        return code, said.err if code else said.out

    return call


def refused(measure, folder: Path, file: Path, *arguments: str) -> str:
    """The one line that is said; no result is left."""
    code, said = measure(file, *arguments)
    assert code == 1
    lines = said.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("hml: error: ")
    assert "Traceback" not in said
    assert not (folder / "out").exists()
    return lines[0]


LOST = [
    ({"Flux": np.nan}, "no signal"),
    ({"Variance": 0.0}, "error or variance not above zero"),
    ({"Variance": -1.0}, "error or variance not above zero"),
    ({"Variance": np.nan}, "error or variance not above zero|no signal"),
]  # fmt: skip


@pytest.mark.parametrize(("planes", "cause"), LOST)
def test_an_order_that_is_lost_is_left_out_and_the_rest_measured(measure, tmp_path: Path, planes, cause) -> None:
    code, said = measure(spoiled(tmp_path / "star.fits", 1, **planes))
    assert code == 0
    result = json.loads(said)
    assert result["counts"]["orders"] == 1  # the second is lost, the third beyond the generator
    (note,) = [note for note in result["notes"] if "of 3 orders" in note]
    assert any(word in note for word in cause.split("|"))


@pytest.mark.parametrize(("planes", "cause"), LOST)
def test_a_file_of_lost_orders(measure, tmp_path: Path, planes, cause) -> None:
    line = refused(measure, tmp_path, spoiled(tmp_path / "star.fits", slice(None), **planes))
    assert "star.fits: 3 of 3 orders" in line
    assert any(word in line for word in cause.split("|"))


def test_the_only_order_that_the_grid_covers_is_lost(measure, tmp_path: Path) -> None:
    line = refused(measure, tmp_path, spoiled(tmp_path / "star.fits", 0, Flux=np.nan))
    assert "no usable pixel between 8500.0 and 8540.0 Å" in line


def test_variances_of_zero_in_a_table(measure, tmp_path: Path) -> None:
    rows = [f"{8510 + 0.05 * i:.2f},1.0,0.0" for i in range(300)]
    (tmp_path / "star.csv").write_text("\n".join(["wavelength,flux,variance", *rows]))
    assert "no usable error, all are zero" in refused(measure, tmp_path, tmp_path / "star.csv")


@pytest.mark.parametrize("reader", [["--set", "spectrum.reader=hpf"], []])
def test_a_file_of_another_instrument(measure, tmp_path: Path, reader) -> None:
    file = write_hpf(tmp_path / "star.fits", header={**HEADER, "INSTRUME": "NEID"})
    line = refused(measure, tmp_path, file, *reader)
    assert "star.fits" in line
    assert ("is of the instrument 'NEID', not of HPF" if reader else "spectrum.reader") in line


def test_a_spectrum_of_other_wavelengths(measure, tmp_path: Path) -> None:
    rows = [f"{22000 + 0.1 * i:.1f},1.0" for i in range(300)]
    (tmp_path / "k_band.csv").write_text("\n".join(["wavelength,flux", *rows]))
    line = refused(measure, tmp_path, tmp_path / "k_band.csv")
    assert "k_band.csv" in line
    assert "no usable pixel between 8500.0 and 8540.0 Å" in line


@pytest.mark.parametrize("mask", ["{drop: [[1000, 20000]]}", "{keep: [[5000, 5001]]}"])
def test_a_mask_that_hides_everything(measure, tmp_path: Path, mask: str) -> None:
    file = write_hpf(tmp_path / "star.fits")
    line = refused(measure, tmp_path, file, "--set", f"spectrum.masks.all={mask}")
    assert "star.fits: 3 of 3 orders" in line
    assert "no pixel left (no signal 24, all 1,176)" in line


@pytest.mark.parametrize("wish", ["60000", "[40000, 60000]"])
def test_a_resolution_higher_than_the_grids(measure, tmp_path: Path, wish: str) -> None:
    file = write_hpf(tmp_path / "star.fits")
    line = refused(measure, tmp_path, file, "--set", f"objective.resolving_power={wish}")
    assert "objective.resolving_power: 60000 is more than the grid's own 50000" in line
    assert "give 50000 or less" in line
