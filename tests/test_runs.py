"""`hml runs`: what two runs do not share is named, and what they share gives the same result, bit for bit."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from toy import make

from hml.core import pipeline
from hml.core.config import parse_config
from hml.core.errors import ArtefactError
from hml.core.export import write_spectrum
from hml.core.runs import compare, find_run, list_runs, read_run
from hml.core.spectrum import Spectrum

TRUTH = {"teff": 5433.0, "logg": 4.4}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A generator in a file, and a star."""
    folder = tmp_path_factory.mktemp("site")
    generator = make()
    generator.save(folder / "toy.hml")
    star = generator.spectrum(TRUTH)
    flux = star.flux + 0.01 * np.random.default_rng(0).standard_normal(len(star))
    write_spectrum(Spectrum(star.wavelength, flux, np.full(len(star), 0.01)), folder / "star.ecsv")
    flux[7] += 1e-6
    write_spectrum(Spectrum(star.wavelength, flux, np.full(len(star), 0.01)), folder / "other.ecsv")
    return folder


@pytest.fixture(scope="module")
def run(site, tmp_path_factory):
    """`run(…)` is the folder of a run with these changes."""

    def ran(star="star", **changes):
        folder = tmp_path_factory.mktemp("run") / "output"
        search, path = {"name": "lm", "n_initial": 12, "n_starts": 1}, str(site / f"{star}.ecsv")
        slots = {"optimizer": search, "spectrum": {"path": path},
                 "generator": {"path": str(site / "toy.hml")}, "runtime": {"device": "cpu"}}
        pipeline.run(parse_config({**slots, **changes}), output=folder)
        return folder

    return ran


@pytest.fixture(scope="module")
def first(run):
    return run()


def differences(first, second):
    found = compare(read_run(first), read_run(second))
    return [d.what for d in found.ingredients], [d.what for d in found.results], found.verdict


def test_the_same_ingredients_give_the_same_bits(run, first):
    again = run()
    assert differences(first, again) == ([], [], "the same ingredients and, bit for bit, the same result")
    stored = [json.loads((folder / "result.json").read_text()) for folder in (first, again)]
    for data in stored:
        del data["folder"], data["seconds"]
    assert stored[0] == stored[1]
    pages = [re.sub(r"\d+\.\d+ s", "", (folder / "fit.png").read_bytes().hex()) for folder in (first, again)]
    assert pages[0] == pages[1]


@pytest.mark.parametrize(("changes", "named"), [
    ({"runtime": {"seed": 5, "device": "cpu"}}, ["runtime.seed"]),
    ({"optimizer": {"name": "lm", "n_initial": 14, "n_starts": 1}}, ["optimizer.n_initial"]),
    ({"star": "other"}, ["spectrum.path", "fingerprints.spectrum"]),
    ({"objective": {"continuum_degree": 4}}, ["objective.continuum_degree"]),
])
def test_every_ingredient_that_differs_is_named(run, first, changes, named):
    ingredients, results, verdict = differences(first, run(**changes))
    assert ingredients == named
    assert ("objective" in results) == (verdict == "other ingredients, and another result")
    if "star" in changes or "objective" in changes:
        assert "teff" in results


def test_other_versions_and_what_nothing_explains(first, tmp_path):
    data = json.loads((first / "result.json").read_text())
    data["versions"]["scipy"], data["fingerprints"]["grid"] = "0.1", "another"
    (tmp_path / "result.json").write_text(json.dumps(data))
    ingredients, results, _ = differences(first, tmp_path)
    assert ingredients == ["versions.scipy", "fingerprints.grid"]
    assert results == []
    data = json.loads((first / "result.json").read_text())
    data["parameters"][0]["value"] += data["parameters"][0]["error"]
    (tmp_path / "result.json").write_text(json.dumps(data))
    found = compare(read_run(first), read_run(tmp_path))
    assert found.verdict.startswith("the results differ although nothing does")
    assert [d.errors for d in found.results] == [pytest.approx(1.0)]


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"[]", b"{}", b"[" * 10**5, b'{"parameters": 3}',
                                     b'{"parameters": [{"name": 1}]}'])
def test_a_damaged_result_is_named_and_listed_as_such(first, tmp_path, monkeypatch, content):
    monkeypatch.setenv("HML_HOME", str(tmp_path))
    runs = tmp_path / "data" / "runs"
    for name in ("a", "b"):
        (runs / name).mkdir(parents=True)
    (runs / "a" / "result.json").write_bytes(content)
    (runs / "b" / "result.json").write_bytes((first / "result.json").read_bytes())
    assert [(name, run is None) for name, run in list_runs()] == [("a", True), ("b", False)]
    assert find_run("b") == runs / "b" == find_run(str(runs / "b" / "result.json"))
    with pytest.raises(ArtefactError, match=r"a/result\.json: .*run it again"):
        read_run(find_run("a"))
    with pytest.raises(ArtefactError, match="hml runs list"):
        find_run("../runs")


def test_the_command_says_it(first, tmp_path):
    data = json.loads((first / "result.json").read_text())
    data["target"] = "read from \x1b[31mred\x9b0m\u202e.fits"
    data["versions"]["scipy\x1b[2J"] = "1"
    place = tmp_path / "data" / "runs" / "mine"
    place.mkdir(parents=True)
    (place / "result.json").write_text(json.dumps(data))
    start = [sys.executable, "-c", "from hml.cli import main; main()", "runs"]
    environment = {**os.environ, "HML_HOME": str(tmp_path), "COLUMNS": "160"}
    for words in (["list"], ["list", "--json"], ["diff", str(first), "mine"], ["diff", str(first), "mine", "--json"]):
        done = subprocess.run([*start, *words], env=environment, capture_output=True, text=True, check=True)
        assert "red" in done.stdout or "scipy" in done.stdout
        assert all(c.isprintable() or c == "\n" for c in done.stdout)
