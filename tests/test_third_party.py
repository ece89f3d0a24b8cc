"""A distribution from outside the package is found, configured and run; a broken one beside it disturbs nobody."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "docs" / "plugin-template"

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


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the template and a broken distribution were installed, from folders outside the package."""
    work = tmp_path_factory.mktemp("third_party")
    shutil.copytree(TEMPLATE, work / "hml-example", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    (work / "hml-broken").mkdir()
    for name, text in BROKEN.items():
        (work / "hml-broken" / name).write_text(text, encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
           "--disable-pip-version-check", "--target", str(work / "site")]
    done = subprocess.run([*pip, str(work / "hml-example"), str(work / "hml-broken")], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    return work / "site"


@pytest.fixture
def inside(site: Path, tmp_path: Path):
    """Runs a command where both distributions are installed, and returns what it wrote to standard output."""

    def run(*command: str, code: int = 0) -> str:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)]), "OMP_NUM_THREADS": "1",
                       "HML_HOME": str(tmp_path / "home")}
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True, cwd=tmp_path,
                              env=environment, check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    return run


def test_the_three_parts_are_found_and_the_broken_plugin_is_a_failure_only(inside) -> None:
    found = json.loads(inside("-c", """
import json
from hml import discover
registry = discover()
ours = [(e.family, e.component.name, e.version) for e in registry.entries if e.distribution == "hml-example"]
print(json.dumps([ours, [(f.plugin, f.distribution, f.version, f.error) for f in registry.failures]]))
"""))
    assert found == [
        [["grids", "gaussians", "0.1.0"], ["interpolators", "inverse_distance", "0.1.0"],
         ["optimizers", "zoom", "0.1.0"]],
        [["broken", "hml-broken", "0.0.7",
          "ModuleNotFoundError: No module named 'a_package_that_is_not_there'"]],
    ]


def test_yaml_that_names_them_is_validated_with_their_own_classes(inside) -> None:
    (config,) = [inside("-c", f"""
from pathlib import Path
from hml import dump_config, load_config
config = load_config(Path({str(TEMPLATE / 'toy.yaml')!r}))
assert load_config(Path({str(TEMPLATE / 'toy.yaml')!r}), sets=["optimizer.rounds=2"]).optimizer.config.rounds == 2
print(type(config.grid.config).__name__, config.interpolator.config.power, config.optimizer.config.rounds)
""")]
    assert config.split() == ["GaussiansConfig", "4.0", "4"]


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


def test_their_own_tests_pass(inside) -> None:
    inside("-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, str(TEMPLATE / "tests"))


def test_the_command_line_lists_them_and_the_failure(inside) -> None:
    text = inside(*CLI, "plugins")
    for word in ("gaussians", "inverse_distance", "zoom", "hml-example", "hml-broken", "phoenix"):
        assert word in text
    assert "gaussians" not in inside(*CLI, "--help")


def test_a_run_with_all_three_measures_the_truth(inside, tmp_path: Path) -> None:
    inside(*CLI, "run", "--config", str(TEMPLATE / "toy.yaml"), "--output", str(tmp_path / "out"))
    result = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    measured = {p["name"]: p for p in result["parameters"]}
    assert measured["teff"]["truth"] == 5150
    # inverse distance is a poor interpolator: a third of a grid step is what can be asked of it
    assert abs(measured["teff"]["value"] - 5150) < 70
    assert abs(measured["logg"]["value"] - 4.3) < 0.17
