"""Distributions from outside the package are found, configured, checked and run; a broken one disturbs nobody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hml.template import FAMILIES, write_package
from hml.testing import ToyGrid

ROOT = Path(__file__).resolve().parent.parent
THREE = {"tiles": "grid", "shepard": "interpolator", "zoom": "optimizer"}
CLI = ("-c", "from hml.cli import main; main()")

BROKEN = {
    "pyproject.toml": """
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"
[project]
name = "hml-broken"
version = "0.0.7"
[project.entry-points.hml]
broken = "hml_broken"
[tool.setuptools]
py-modules = ["hml_broken"]
""",
    "hml_broken.py": "import a_package_that_is_not_there\n",
}


def install(packages: Path) -> None:
    """Every package of a folder outside the repository, into its folder `site`, without a network."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
           "--disable-pip-version-check", "--target", str(packages / "site")]  # fmt: skip
    done = subprocess.run([*pip, *map(str, packages.glob("hml-*"))], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def run_in(packages: Path, folder: Path, *command: str, code: int = 0) -> str:
    """Runs a command in a folder, where the packages are installed, and returns what it wrote to standard output."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(packages / "site"), str(ROOT)]),
                   "OMP_NUM_THREADS": "1", "HML_HOME": str(folder / "home")}  # fmt: skip
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, cwd=folder, env=environment,
                          check=False, stdin=subprocess.DEVNULL)  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three packages as `hml plugin new` writes them, and a broken one, installed."""
    work = tmp_path_factory.mktemp("third_party")
    for name, family in THREE.items():
        run_in(work, work, *CLI, "plugin", "new", name, "--family", family)
    (work / "hml-broken").mkdir()
    for name, text in BROKEN.items():
        (work / "hml-broken" / name).write_text(text, encoding="utf-8")
    install(work)
    return work


@pytest.fixture
def inside(packages: Path, tmp_path: Path):
    def run(*command: str, code: int = 0) -> str:
        return run_in(packages, tmp_path, *command, code=code)

    return run


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A run with all three: files of a grid, and a spectrum between its nodes."""
    toy = ToyGrid()
    (tmp_path / "models").mkdir()
    for teff, logg in toy.nodes():
        star = toy.load((teff, logg))
        columns = np.stack([star.wavelength, star.flux], axis=1)
        np.savetxt(tmp_path / f"models/teff{teff:.0f}_logg{logg:.2f}.txt", columns)
    star = toy.truth({"teff": 5150.0, "logg": 4.3})
    rows = (f"{w!r},{f!r},0.005" for w, f in zip(star.wavelength.tolist(), star.flux.tolist(), strict=True))
    (tmp_path / "star.csv").write_text("wavelength,flux,error\n" + "\n".join(rows) + "\n", encoding="utf-8")
    path = tmp_path / "run.yaml"
    path.write_text(f"""
grid: {{name: tiles, path: {tmp_path / "models"}, preprocess: []}}
interpolator: {{name: shepard, power: 4}}
optimizer: {{name: zoom, points: 60, rounds: 8}}
associate: {{rounds: 1, steps: 100}}
spectrum: {{path: {tmp_path / "star.csv"}}}
""", encoding="utf-8")
    return path


def test_the_three_parts_are_found_and_the_broken_plugin_is_a_failure_only(inside) -> None:
    found = json.loads(inside("-c", """
import json
from hml import discover
registry = discover()
ours = [(e.family, e.component.name, e.distribution, e.version) for e in registry.entries if e.distribution != "hml"]
print(json.dumps([ours, [(f.plugin, f.distribution, f.version, f.error) for f in registry.failures]]))
"""))
    assert found == [
        [["interpolators", "shepard", "hml-shepard", "0.1.0"], ["grids", "tiles", "hml-tiles", "0.1.0"],
         ["optimizers", "zoom", "hml-zoom", "0.1.0"]],
        [["broken", "hml-broken", "0.0.7",
          "ModuleNotFoundError: No module named 'a_package_that_is_not_there'"]],
    ]  # fmt: skip


def test_yaml_that_names_them_is_validated_with_their_own_classes(inside, config: Path) -> None:
    text = inside("-c", f"""
from pathlib import Path
from hml import load_config
config = load_config(Path({str(config)!r}))
assert load_config(Path({str(config)!r}), sets=["optimizer.rounds=2"]).optimizer.config.rounds == 2
print(type(config.grid.config).__name__, config.interpolator.config.power, config.optimizer.config.rounds)
""")
    assert text.split() == ["TilesConfig", "4.0", "8"]


def test_a_mistake_in_their_fields_is_one_clear_line(inside) -> None:
    text = inside("-c", """
from hml import ConfigError, load_config
try:
    load_config(slots={"optimizer": "zoom"}, sets=["optimizer.round=2"])
except ConfigError as error:
    print(error)
""")
    assert text == "config: optimizer: unknown field 'round'; did you mean 'rounds'? Known here: points, rounds\n"


def test_an_unknown_name_mentions_the_broken_plugin(inside) -> None:
    text = inside("-c", """
from hml import ConfigError, load_config
try:
    load_config(slots={"grid": "broken"})
except ConfigError as error:
    print(error)
""")
    assert "broken (hml-broken 0.0.7): ModuleNotFoundError" in text
    assert text.count("\n") == 1


def test_the_command_line_lists_them_and_the_failure(inside) -> None:
    text = inside(*CLI, "plugins")
    for word in ("tiles", "shepard", "zoom", "hml-tiles", "hml-broken", "phoenix"):
        assert word in text
    assert "tiles" not in inside(*CLI, "--help")


def test_a_run_with_all_three_measures_the_truth(inside, config: Path, tmp_path: Path) -> None:
    inside(*CLI, "run", "--config", str(config), "--output", str(tmp_path / "out"))
    result = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    measured = {p["name"]: p["value"] for p in result["parameters"]}
    # inverse distance is a poor interpolator: a third of a grid step is what can be asked of it
    assert abs(measured["teff"] - 5150) < 70
    assert abs(measured["logg"] - 4.3) < 0.17


# --- the conformance kit ---------------------------------------------------------------------------------------------


def test_a_new_package_passes_the_kit_unchanged(inside) -> None:
    text = inside(*CLI, "check-plugin", "hml-tiles")
    assert "package hml-tiles: 4 passed\ngrids tiles: 23 passed, 1 left out, 2 n/a\n" in text


def test_the_kit_says_what_is_broken_and_ends_with_1(inside) -> None:
    text = inside(*CLI, "check-plugin", "hml-broken", code=1)
    assert "failed: test_everything_it_offers_is_found: does not load: broken: ModuleNotFoundError" in text


def own_tests(packages: Path, folder: Path, names: list[str]) -> str:
    tests = [str(packages / f"hml-{name}" / "tests") for name in names]
    return run_in(packages, folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-c",
                  os.devnull, f"--rootdir={packages}", *tests)  # fmt: skip


def test_their_own_tests_pass(packages: Path, tmp_path: Path) -> None:
    text = own_tests(packages, tmp_path, ["tiles"])
    assert "TestPlugin (package hml-tiles): 4 of 4 checks ran" in text
    assert "TestTiles (grids tiles): 22 of 25 checks ran; 2 do not apply; left out: the files that" in text


ALL = """
import sys
from hml.testing import check_package
for name in sys.argv[1:]:
    for checked in check_package(name):
        print(checked.what, checked.name, checked.passed, *[o for o in checked.outcomes if o.status == "failed"])
"""


@pytest.mark.slow
def test_new_packages_of_every_family_pass_the_kit_and_their_own_tests(tmp_path: Path) -> None:
    names = [f"my-{family}" for family in FAMILIES]
    for name, family in zip(names, FAMILIES, strict=True):
        write_package(name, family, tmp_path)
    install(tmp_path)
    lines = run_in(tmp_path, tmp_path, "-c", ALL, *(f"hml-{name}" for name in names)).splitlines()
    parts = zip(names, FAMILIES.items(), strict=True)
    rows = [[f"package hml-{name} True", f"{plural} my_{family} True"] for name, (family, plural) in parts]
    assert lines == [line for pair in rows for line in pair]
    assert own_tests(tmp_path, tmp_path, names).count(" checks ran") >= len(names)
