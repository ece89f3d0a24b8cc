"""The packages under plugins/: their own names, their imports, what hml says when they are missing."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import hml
from hml import PluginError, Registry
from hml.core.registry import known_packages

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = sorted((ROOT / "plugins").glob("hml-*"))
NAMES = [package.name for package in PACKAGES]


@pytest.mark.parametrize("package", PACKAGES, ids=NAMES)
def test_only_public_names_of_hml_are_imported(package: Path) -> None:
    public = {*hml.__all__, "testing"}
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and re.match(r"hml(\.|$)", node.module or ""):
                here = f"{file.relative_to(ROOT)}:{node.lineno}"
                assert node.module == "hml" or (node.module or "").startswith("hml.testing"), here
                assert node.module != "hml" or {alias.name for alias in node.names} <= public, here
            elif isinstance(node, ast.Import):
                assert not any(re.match(r"hml\.(?!testing)", alias.name) for alias in node.names), file


@pytest.mark.parametrize("package", PACKAGES, ids=NAMES)
def test_a_package_imports_no_other(package: Path) -> None:
    others = {name.replace("-", "_") for name in NAMES} - {package.name.replace("-", "_")}
    for file in package.rglob("*.py"):
        assert not any(re.search(rf"^\s*(from|import) {other}\b", file.read_text("utf-8"), re.M) for other in others)


@pytest.mark.parametrize("package", PACKAGES, ids=NAMES)
def test_versions_follow_those_of_hml(package: Path) -> None:
    """See docs/plugins.md."""
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    major, minor = map(int, hml.__version__.split(".")[:2])
    assert project["name"] == package.name
    assert project["version"].split(".")[:2] == [str(major), str(minor)]
    assert f"hml>={major}.{minor},<{major}.{minor + 1}" in project["dependencies"]
    assert (package / "README.md").is_file()
    assert list((package / "tests").glob("test_*.py"))


@pytest.mark.parametrize("package", PACKAGES, ids=NAMES)
def test_what_a_package_brings_is_known_without_it(package: Path) -> None:
    """Registered in a process that has the package on its path, installed or not; and light to import."""
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    code = f"""
import json, sys
from importlib.metadata import EntryPoint
from hml import discover
points = [EntryPoint(*item, "hml") for item in {list(project["entry-points"]["hml"].items())!r}]
registry = discover(points)
heavy = [name for name in ("torch", "skopt", "astropy", "scipy", "matplotlib", "h5py") if name in sys.modules]
brought = [(e.family, e.component.name) for e in registry.entries]
print(json.dumps([brought, [f.error for f in registry.failures], heavy]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=package)
    assert done.returncode == 0, done.stderr
    brought, failures, heavy = json.loads(done.stdout)
    assert brought
    assert (failures, heavy) == ([], [])
    told = {(family, name) for family, names in known_packages().items() for name, of in names.items()
            if of == package.name}  # fmt: skip
    assert {tuple(item) for item in brought} == told


def test_no_package_is_told_of_that_is_not_there() -> None:
    assert {of for names in known_packages().values() for of in names.values()} == set(NAMES)


@pytest.mark.parametrize(
    ("family", "name", "package"),
    [(family, name, of) for family, names in known_packages().items() for name, of in names.items()],
)
def test_a_missing_package_is_named(family: str, name: str, package: str) -> None:
    empty = Registry((), ())
    with pytest.raises(PluginError) as error:
        empty.get(family, name)
    text = str(error.value)
    assert f"there is no {family[:-1]} {name!r}. Available: none." in text
    assert text.endswith(f"{name!r} comes with the package {package}: pip install {package}.")
    with pytest.raises(PluginError, match=f"did you mean '{name}'.*pip install {package}"):
        empty.get(family, name.replace("o", "", 1) if "o" in name else name + "s")


def test_the_core_names_no_grid_or_manifold_of_a_package() -> None:
    words = {"sonora", "bobcat", "cholla", "diamondback", "elf_owl", "elf owl", "atlas9", "kurucz", "castelli",
             "tlusty", "newera", "new era", "neural"}  # fmt: skip
    words |= {name for names in known_packages().values() for name in names}
    for file in (ROOT / "hml" / "core").rglob("*"):
        if file.suffix in {".py", ".html", ".pyi", ".toml"}:
            text = file.read_text(encoding="utf-8").lower()
            assert not [word for word in words if word in text], file
