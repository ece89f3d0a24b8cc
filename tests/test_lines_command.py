"""`hml lines` as a person and a program meet it, on a generator of known lines with a list that names them."""

import json

import numpy as np
import pytest
from astropy.table import QTable
from toy import make
from typer.testing import CliRunner

from hml import HmlError, vacuum_to_air
from hml.cli import app
from hml.core.generator import Generator
from hml.core.tracks import survey

POINT = "teff=5444,logg=4.6"
HERE = {"teff": 5444.0, "logg": 4.6}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A generator in a file; a list in which its lines are Fe I and Ti II in turn, each with a weak TiO line beside it
    and, for every fourth, none at all."""
    folder = tmp_path_factory.mktemp("lines")
    generator = make("cubic")
    generator.save(folder / "toy.hml")
    rows = ["what the lines of the toy are"]
    for i, wavelength in enumerate(vacuum_to_air(generator.reference.numpy())):
        if i % 4 < 3:
            rows.append(f"{wavelength:10.4f} {'26.0' if i % 2 == 0 else '22.1'}  2.000 -1.000")
            rows.append(f"{wavelength * (1 + 1e-6):10.4f} 822.0 0.100 -4.000")
    (folder / "toy.moog").write_text("\n".join(rows))
    return folder


@pytest.fixture
def lines(folder, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments, listed=True):
        options = ["--line-list", str(folder / "toy.moog")] if listed else []
        given = ["--generator", str(folder / "toy.hml"), *options, *map(str, arguments)]
        done = CliRunner().invoke(app, ["lines", *given])
        if done.exception is not None:
            raise done.exception
        return done.output

    return call


def test_as_json_it_is_the_survey(lines, folder):
    data = json.loads(lines("--json", listed=False))
    tracks = survey(Generator.load(folder / "toy.hml"))
    assert [row["number"] for row in data["tracks"]] == list(range(40))
    for name in ("centre", "width", "depth"):
        np.testing.assert_allclose([row[name] for row in data["tracks"]], getattr(tracks, name), rtol=1e-6)
    assert [row["presence"] for row in data["tracks"]] == tracks.presence.tolist()
    assert data["tracks"][3]["where"] == dict(zip(("teff", "logg"), tracks.where[3], strict=True))
    assert "species" not in data["tracks"][0]
    assert "nodes of 20" in data["presence"]


def test_every_track_is_what_the_list_says(lines):
    data = json.loads(lines("--json", "--tolerance", 1))
    for row in data["tracks"]:
        expected = None if row["number"] % 4 == 3 else "Fe I" if row["number"] % 2 == 0 else "Ti II"
        if row["competing"] <= 2:  # no other track of the toy is that near
            assert row["species"] == expected
        if row["species"] is not None:
            assert abs(row["offset"]) <= 1
            assert [a["species"] for a in row["alternatives"]].count("TiO") >= 1
    assert sum(row["species"] is None for row in data["tracks"]) == 10
    assert "air wavelengths (assumed)" in data["line list"]
    assert "5400 K" in data["match"]
    assert data["matched"].startswith("30 of 40; 30 of them had several")


def test_the_frame_and_the_temperature_can_be_said(lines):
    data = json.loads(lines("--json", "--medium", "vacuum", "--tolerance", 5, "--teff", 4000))
    assert "vacuum wavelengths (as asked)" in data["line list"]
    assert "4000 K" in data["match"]
    assert sum(row["species"] is None for row in data["tracks"]) > 20  # 2.3 Å away, nothing meets but by chance


def test_selected_and_sorted(lines):
    every = json.loads(lines("--json", listed=False))["tracks"]
    some = json.loads(lines("--json", "--wavelength", "8510:8530", "--strongest", 5, "--sort", "strength"))["tracks"]
    inside = [row for row in every if 8510 <= row["centre"] <= 8530]
    best = sorted(inside, key=lambda row: -row["width"])[:5]
    assert [row["number"] for row in some] == [row["number"] for row in best]
    titanium = json.loads(lines("--json", "--species", "22.1"))["tracks"]
    assert {row["species"] for row in titanium} == {"Ti II"}
    assert len(titanium) >= 8


def test_for_a_person(lines):
    text = lines("--strongest", 3)
    for word in ("centre (Å)", "width (mÅ)", "Δv (km/s)", "margin", "TiO 85", "converted to vacuum", "3 tracks"):
        assert word in text
    assert "the first 40" not in lines("--strongest", 40)


def test_a_long_table_is_cut_and_says_so(lines, monkeypatch):
    monkeypatch.setattr("hml.cli.line_table.SHOWN", 7)
    assert "the first 7 are shown" in lines()


def test_as_a_file(lines, tmp_path):
    lines("--output", tmp_path / "t.ecsv")
    table = QTable.read(tmp_path / "t.ecsv", format="ascii.ecsv")
    rows = json.loads(lines("--json"))["tracks"]
    assert len(table) == 40
    np.testing.assert_allclose(table["centre"].to_value("nm") * 10, [row["centre"] for row in rows])
    np.testing.assert_allclose(table["width"].to_value("AA"), [row["width"] for row in rows])
    assert [str(s) or None for s in table["species"].filled("")] == [row["species"] for row in rows]
    assert table["teff_at_largest"].tolist() == [row["where"]["teff"] for row in rows]
    assert np.isfinite(table["excitation"].value).sum() == 30
    assert "TiO" in table["alternatives"][0]
    assert "line list" in table.meta


def test_a_file_without_a_list(lines, tmp_path):
    lines("--output", tmp_path / "t.ecsv", listed=False)
    table = QTable.read(tmp_path / "t.ecsv", format="ascii.ecsv")
    assert table.colnames == ["number", "centre", "width", "depth", "median_width", "presence", "teff_at_largest",
                              "logg_at_largest"]  # fmt: skip


def test_a_species_alone_is_the_sum_of_its_tracks(lines, folder, tmp_path):
    files = "--output", tmp_path / "fe.ecsv", "--plot", tmp_path / "fe.png"
    text = lines("--species", "Fe 1", "--labels", POINT, *files)
    assert "Fe I alone" in text
    numbers = [row["number"] for row in json.loads(lines("--species", "Fe I", "--teff", 5444, "--json"))["tracks"]]
    alone = Generator.load(folder / "toy.hml").only(np.array(numbers)).spectrum(HERE)
    table = QTable.read(tmp_path / "fe.ecsv", format="ascii.ecsv")
    np.testing.assert_allclose(table["flux"].value, alone.flux, rtol=1e-12)
    assert (tmp_path / "fe.png").read_bytes().startswith(b"\x89PNG")


def test_a_window_of_lines_alone(lines, tmp_path):
    lines("--labels", POINT, "--wavelength", "8510:8515", "--output", tmp_path / "s.ecsv", listed=False)
    table = QTable.read(tmp_path / "s.ecsv", format="ascii.ecsv")
    assert 8510 <= table["wavelength"].value[0] < table["wavelength"].value[-1] <= 8515 + 1e-9
    assert table["flux"].min() < 0.9


def test_the_manifold_of_a_track(lines, folder, tmp_path):
    centre = float(Generator.load(folder / "toy.hml").reference[7])
    text = lines("--track", f"{centre + 0.02:.3f}", "--plot", tmp_path / "m.png", "--over", "logg", listed=False)
    assert f"{centre:.4f}" in text
    assert (tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("arguments", "words"), [
    (["--track", "7"], ["--track", "--plot FILE.png"]), (["--plot", "x.png"], ["--track", "--labels"]),
    (["--track", "99", "--plot", "x.png"], ["from 0 to 39"]), (["--sort", "depth"], ["--sort depth", "presence"]),
    (["--track", "7", "--plot", "x.png", "--over", "mass"], ["no label 'mass'"]),
    (["--labels", POINT], ["--output FILE.ecsv"]), (["--labels", "teff=1", "--output", "x"], ["logg is missing"]),
    (["--labels", "teff=9000,logg=4.5", "--output", "x"], ["outside the grid"]),
    (["--species", "Fe I"], ["--line-list"]), (["--wavelength", "8"], ["low:high"]),
    (["--line-list", "nowhere.txt"], ["nowhere.txt", "cannot be read"]), (["--medium", "water"], ["air or vacuum"]),
    (["--species", "Xe I", "--line-list", "{folder}/toy.moog"], ["Xe I", "Fe I (", "Ti II ("]),
    (["--species", "Iron", "--line-list", "{folder}/toy.moog"], ["--species Iron", "Fe I"]),
    (["--grid", "phoenix"], ["--grid phoenix", "decides that"]),
])  # fmt: skip
def test_mistakes_are_one_clear_line(lines, folder, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HmlError) as raised:
        lines(*(str(a).replace("{folder}", str(folder)) for a in arguments), listed=False)
    assert "\n" not in str(raised.value)
    for word in words:
        assert word in str(raised.value)
    assert list(tmp_path.iterdir()) == []
