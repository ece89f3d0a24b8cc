"""The command line as a person and a program meet it: output, exit codes, one clear line for every mistake."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TINY = [
    "--set", "grid.teff={nodes: [5000, 5200, 5400]}", "--set", "grid.logg={nodes: [4.0, 4.5]}",
    "--set", "grid.feh={nodes: [-0.5, 0.0]}", "--set", "grid.wavelength=[8700, 8715]", "--set", "clone.steps=10",
    "--set", "associate={rounds: 1, steps: 3}", "--set", "optimizer={name: lbfgs, n_initial: 10, n_starts: 1}",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One home for all commands of this file, so that the tiny generator is built once."""
    return tmp_path_factory.mktemp("cli_home")


@pytest.fixture
def hml(home, tmp_path):
    def call(*arguments, code=0, **environment):
        command = [sys.executable, "-c", "from hml.cli import main; main()", *map(str, arguments)]
        environment = {**os.environ, "HML_HOME": str(home), "COLUMNS": "200", **environment}
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        if code == 1:
            assert done.stderr.startswith("hml: error: ")
        return done.stdout if code == 0 else done.stderr

    return call


def test_run_prints_truth_and_result_and_writes_only_its_folder(hml, tmp_path):
    text = hml("run", *TINY, "--output", tmp_path / "out", "--seed", 3)
    for word in ("truth", "difference", "teff", "logg", "feh", "K", "status", "rv not applied"):
        assert word in text
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "fit.png").read_bytes().startswith(b"\x89PNG")


def test_run_as_json(hml, tmp_path):
    data = json.loads(hml("run", *TINY, "--output", tmp_path / "out", "--json"))
    assert {p["name"] for p in data["parameters"]} == {"teff", "logg", "feh"}
    assert data["status"] in ("converged", "budget", "at_bound")
    assert data["config"]["optimizer"]["name"] == "lbfgs"


def test_stages_one_by_one(hml, tmp_path):
    assert json.loads(hml("clone", *TINY, "--json"))["nodes"] == 12
    assert "tracks" in hml("build", *TINY)
    hml("reconstruct", *TINY, "--labels", "teff=5100,logg=4.2,feh=-0.1", "--output", "s.ecsv", "--flux", "absolute")
    text = hml("infer", *TINY, "--spectrum", "s.ecsv", "--output", "fit", "--set", "spectrum.reader=csv")
    assert "no errors given" in text
    measured = json.loads((tmp_path / "fit" / "result.json").read_text())
    values = {p["name"]: p["value"] for p in measured["parameters"]}
    assert abs(values["teff"] - 5100) < 30  # its own spectrum, without noise
    assert abs(values["logg"] - 4.2) < 0.1


SEARCH = TINY[-2:]


def test_a_generator_is_packed_described_and_used_where_there_is_nothing_else(hml, tmp_path):
    text = hml("grid", "pack", *TINY[:-2], "--output", "tiny.hml")
    digest = hashlib.sha256((tmp_path / "tiny.hml").read_bytes()).hexdigest()
    for word in ("synthetic", "tracks", "teff 5000–5400 K", "8700.0–8715.0 Å", "MB", f"sha256 {digest}\n",
                 "hml run --generator tiny.hml"):
        assert word in text
    facts = json.loads(hml("grid", "info", "tiny.hml", "--json"))
    assert (facts["nodes"], facts["sha256"]) == (12, digest)
    fresh = {"HML_HOME": str(tmp_path / "fresh")}
    data = json.loads(hml("run", "--generator", "tiny.hml", *SEARCH, "--json", **fresh))
    assert {p["name"] for p in data["parameters"] if p["truth"] is not None} == {"teff", "logg", "feh"}
    assert data["config"]["generator"]["path"] == str(tmp_path / "tiny.hml")
    point = ("--labels", "teff=5100,logg=4.2,feh=-0.1")
    hml("reconstruct", "--generator", "tiny.hml", *point, "--output", "s.ecsv", **fresh)
    hml("infer", "--generator", "tiny.hml", "--spectrum", "s.ecsv", *SEARCH, "--output", "fit", **fresh)
    measured = json.loads((tmp_path / "fit" / "result.json").read_text())
    assert abs(measured["parameters"][0]["value"] - 5100) < 30
    assert [p.name for p in (tmp_path / "fresh" / "data").iterdir()] == ["runs"]
    for command in (["build", *TINY], ["run", "--test"]):
        assert "generator" in hml(*command, "--set", "generator.path=tiny.hml", code=1)


def test_a_sampler_gives_errors_from_the_posterior_and_says_so(hml, tmp_path):
    text = hml("run", *TINY, "--sampler", "emcee", "--set", "sampler.length=10", "--output", "drawn")
    assert "16 – 84 %" in text and "draws by emcee" in text and "sample " in text
    assert {"corner.png", "posterior.nc"} <= {p.name for p in (tmp_path / "drawn").iterdir()}
    assert "dynesty" in hml("run", "--sampler", "dynasty", code=1)
    assert "--test" in hml("run", *TINY, "--test", "--sampler", "emcee", code=1)
    assert "name: emcee" in hml("config", "show", "--sampler", "emcee")


def test_plugins_lists_every_family(hml):
    data = json.loads(hml("plugins", "--json"))
    assert {c["family"] for c in data["components"]} == {
        "grids", "preprocessors", "profiles", "interpolators", "readers", "optimizers", "samplers"
    }
    assert data["failures"] == []
    assert "pseudo_voigt" in hml("plugins")


def test_config_commands(hml, tmp_path):
    hml("config", "init", "run.yaml", "--optimizer", "lbfgs")
    assert "name: lbfgs" in (tmp_path / "run.yaml").read_text()
    assert "is there already" in hml("config", "init", "run.yaml", code=1)
    assert "valid" in hml("config", "check", "run.yaml")
    assert hml("config", "show", "run.yaml") == (tmp_path / "run.yaml").read_text()
    schema = json.loads(hml("config", "schema"))
    assert "grid" in schema["properties"]


def test_grid_commands(hml):
    assert {g["name"] for g in json.loads(hml("grid", "list", "--json"))} >= {"phoenix", "synthetic", "starfish_hdf5"}
    facts = json.loads(hml("grid", "info", "synthetic", "--teff", "5200:5600", "--json"))
    assert facts["holes"] == 0
    assert facts["teff"].startswith("5200, 5400, 5600 K")
    assert "needs no download" in hml("grid", "fetch", "synthetic")


def test_doctor(hml):
    facts = json.loads(hml("doctor", "--json"))
    assert facts["versions"]["torch"]
    assert "cpu" in facts["devices"]
    assert "GB free" in facts["places"]["data"]


@pytest.mark.parametrize(("arguments", "words"), [
    (["run", "--set", "grid.tef=[1,2]"], ["grid", "unknown field 'tef'", "did you mean 'teff'"]),
    (["run", "--grid", "phonix"], ["there is no grid 'phonix'", "did you mean 'phoenix'"]),
    (["run", "--config", "nowhere.yaml"], ["nowhere.yaml", "cannot be read"]),
    (["run", "--set", "grid.teff"], ["--set grid.teff", "expected field=value"]),
    (["run", "--spectrum", "nowhere.csv", *TINY], ["nowhere.csv", "no such file"]),
    (["run", "--set", "truth.labels={teff: 9000, logg: 4.4, feh: 0}", *TINY], ["teff = 9000", "outside the grid"]),
    (["run", "--device", "abacus"], ["runtime.device", "abacus"]),
    (["reconstruct", "--labels", "teff=5100", "--output", "x.ecsv", *TINY], ["label logg, feh is missing"]),
    (["reconstruct", "--labels", "teff:5100", "--output", "x.ecsv"], ["--labels", "name=number"]),
    (["reconstruct", "--labels", "teff=5100,logg=4.2,feh=-0.1", "--output", "x", "--wavelength", "8"], ["low:high"]),
    (["run", "--generator", "x.hml", "--grid", "phoenix"], ["--grid phoenix: --generator x.hml decides that"]),
    (["run", "--generator", "x.hml", "--interpolator", "linear"], ["--interpolator linear: --generator x.hml"]),
    (["run", "--generator", "x.hml", "--set", "grid.teff=5000"], ["--set grid.teff=5000: --generator x.hml"]),
    (["run", "--generator", "x.hml"], ["x.hml", "cannot be read"]),
    (["reconstruct", "--generator", ".", "--labels", "teff=1", "--output", "x.ecsv"], ["Is a directory"]),
    (["grid", "info", "x.hml"], ["x.hml", "cannot be read"]),
    (["grid", "info", "x.hml", "--teff", "5000"], ["x.hml", "leave the options out"]),
    (["grid", "export", "out", "starfish_hdf5", "--set", "grid.path=nowhere"], ["nowhere"]),
])
def test_mistakes_are_one_clear_line(hml, tmp_path, arguments, words):
    text = hml(*arguments, code=1)
    assert len(text.strip().splitlines()) == 1
    for word in words:
        assert word in text
    assert list(tmp_path.iterdir()) == []  # nothing half-written


@pytest.mark.parametrize(("name", "content", "words"), [
    ("run.yaml", "grid: [", ["is not YAML"]),
    ("run.yaml", "- a list", ["expected fields"]),
    ("run.yaml", "profile: {name: voigt, strat: paper}", ["profile", "unknown field 'strat'", "'start'"]),
    ("star.csv", "wavelength,flux\n8700,1\n8701,1\n8700.5,1\n", ["star.csv", "increasing order"]),
    ("star.csv", "wavelength,flux\n8700,1\n8700,1\n8701,1\n", ["star.csv", "repeated"]),
    ("star.csv", "wavelength,flux,error\n8700,1,1\n8701,nan,1\n8702,1,1\n", ["star.csv", "not finite", "=mask"]),
    ("star.csv", "wavelength,flux,error\n8700,1,1\n8701,1,0\n8702,1,1\n", ["star.csv", "error is zero"]),
    ("star.csv", "wavelength,flux\n5000,1\n5001,1\n5002,1\n", ["star.csv", "no usable pixel"]),
    ("star.fits", "SIMPLE  =                    T", ["star.fits"]),
    ("star.csv", "", ["star.csv"]),
])
def test_bad_files_are_one_clear_line(hml, tmp_path, name, content, words):
    (tmp_path / name).write_text(content)
    option = "--config" if name.endswith("yaml") else "--spectrum"
    text = hml("run", option, name, *TINY, "--output", "out", code=1)
    assert len(text.strip().splitlines()) == 1
    for word in words:
        assert word in text
    assert not Path(tmp_path, "out", "result.json").exists()


def test_a_usage_mistake_exits_with_two(hml):
    assert "No such option" in hml("run", "--colour", code=2)
