"""A package of its own for each family, to start from: `write_package` writes one that works, under another name."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from hml import ConfigError, PluginError, __version__, installed

FAMILIES = {family[:-1]: family for family in (
    "grids", "preprocessors", "profiles", "interpolators", "optimizers", "samplers", "readers",
)}  # fmt: skip
"""What a user says → the family."""

PROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "hml-example"
version = "0.1.0"
description = "A FAMILY for hml"
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["hml>=VERSION", "numpy", "pydantic", "torch"]

# The one line that makes it a plugin: every module named here is asked for components.
[project.entry-points.hml]
example = "hml_example"

[tool.setuptools]
packages = ["hml_example"]
"""
README = """\
# hml-example

The FAMILY `example` for hml.

    pip install -e .             # or ., when nothing changes any more
    hml plugins                  # is it listed?
    hml check-plugin hml-example
    pytest                       # the same checks, and those of your own

`hml_example/__init__.py` registers: the config and the hook, light to import. `hml_example/FAMILY.py` computes, and is
imported when the part is built. `hml_example/checks.py` says how it is checked.
"""
TESTS = {
    "conftest.py": '"""The kit counts its checks, and tells."""\n\npytest_plugins = ["hml.testing.plugin"]\n',
    "test_conformance.py": '"""What hml asks of every part, and what this package asks of its own."""\n\n'
                           "from hml_example.checks import TestExample, TestPlugin  # noqa: F401\n",
}  # fmt: skip


def write_package(name: str, family: str, folder: Path) -> list[Path]:
    """Writes the package `hml-name` with one part called `name` into a new folder of that name below `folder`, and
    returns its files. ConfigError or PluginError if it cannot be called that."""
    if family not in FAMILIES:
        raise ConfigError(f"--family {family}: there are {', '.join(FAMILIES)}")
    name = _part(name)
    taken = [entry for entry in installed().family(FAMILIES[family]) if entry.component.name == name]
    if taken:
        raise PluginError(f"{family} {name!r} is offered by {taken[0].distribution}; choose another name")
    root = folder / f"hml-{name.replace('_', '-')}"
    if root.exists():
        raise ConfigError(f"{root} is there already; choose another name or folder")
    contents = _contents(name, family)
    for path, text in contents.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return [root / path for path in contents]


def _part(name: str) -> str:
    """The part's name, from that of the part or of the package."""
    plain = re.sub(r"^hml[-_]", "", name).replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", plain):
        raise ConfigError(f"{name!r}: expected small letters and digits, such as sonora or hml-sonora")
    return plain


def _contents(name: str, family: str) -> dict[str, str]:
    """Path in the package → text."""
    source = files(__name__) / family
    modules = {f"hml_example/{part}": (source / part).read_text(encoding="utf-8")
               for part in ("__init__.py", f"{family}.py", "checks.py")}  # fmt: skip
    plain = {"pyproject.toml": PROJECT, "README.md": README} | {f"tests/{k}": v for k, v in TESTS.items()}
    words = {
        "VERSION": ".".join(__version__.split(".")[:2]), "FAMILY": family,
        "hml-example": f"hml-{name.replace('_', '-')}", "Example": name.title().replace("_", ""), "example": name,
    }  # fmt: skip
    found = {}
    for path, text in {**plain, **modules}.items():
        for word, other in words.items():
            path, text = path.replace(word, other), text.replace(word, other)  # noqa: PLW2901
        found[path] = text
    return found
