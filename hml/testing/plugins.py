"""The checks of a whole plugin package: what it imports, and what it costs to find its parts."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import hml
from hml import PluginError, Registry, discover, installed
from hml.testing.suite import Suite, expect

GROUP = "hml"
HEAVY = ("torch", "numba", "scipy", "astropy", "skopt", "sklearn", "matplotlib", "pandas", "h5py", "specutils")
LOADED = "import importlib, json, sys\nfor name in sys.argv[2:]:\n    importlib.import_module(name)\n" \
         "print(json.dumps([m for m in sys.argv[1].split(',') if m in sys.modules]))"  # fmt: skip


class PluginChecks(Suite):
    """A package and its plugins, before any part is built.

    class TestPlugin(PluginChecks):
        package = "hml-mine"
    """

    package: ClassVar[str] = ""
    """The installed distribution, or the package that can be imported."""

    @classmethod
    def subject(cls) -> tuple[str, str]:
        return "package", cls.package

    def test_everything_it_offers_is_found(self) -> None:
        found = registry_of(self.package)
        broken = [f"{failure.plugin}: {failure.error}" for failure in found.failures]
        expect(not broken, f"does not load: {'; '.join(broken)}")
        expect(found.entries, f"no hook of {', '.join(modules_of(self.package))} yields a component")

    def test_its_names_are_its_own(self) -> None:
        ours = {(e.family, e.component.name): e.distribution for e in registry_of(self.package).entries}
        twice = Counter((e.family, e.component.name) for e in registry_of(self.package).entries)
        expect(max(twice.values(), default=0) < 2, f"offered twice: {[k for k, n in twice.items() if n > 1]}")
        for entry in installed().entries:
            key = entry.family, entry.component.name
            expect(ours.get(key, entry.distribution) == entry.distribution,
                   f"{key[0][:-1]} {key[1]!r} is offered by {entry.distribution} too")

    def test_finding_its_parts_loads_nothing_heavy(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.curdir for path in sys.path)}
        command = [sys.executable, "-c", LOADED, ",".join(HEAVY), *modules_of(self.package)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        expect(done.returncode == 0, f"does not import: {done.stderr.strip().splitlines()[-1:]}")
        heavy = json.loads(done.stdout.splitlines()[-1])
        expect(not heavy, f"importing it loads {', '.join(heavy)}; import that inside build: hml --help is to be fast")

    def test_it_imports_public_names_only(self) -> None:
        for own in packages_of(self.package):
            for path in sources_of(own):
                for line, module in imports(path):
                    where = f"{path.name}:{line} imports {module}"
                    expect(is_public(module, own), f"{where}; only what `from hml import …` offers is promised to stay")


def modules_of(package: str) -> list[str]:
    """The plugin modules of a distribution, or of the package itself; PluginError if there is no such thing."""
    found = [point.module for point in points_of(package)]
    if not found:
        raise PluginError(
            f"{package!r} is no installed distribution with an entry point in the group {GROUP!r}, and no package that "
            "can be imported; install it first (pip install -e .)"
        )
    return sorted(set(found))


def points_of(package: str) -> list[EntryPoint]:
    """Its entry points; for a package that is not installed, one that names the package."""
    wanted = package.lower().replace("_", "-")
    all_points = [p for p in entry_points(group=GROUP) if p.dist is not None]
    found = [p for p in all_points if p.dist and p.dist.metadata["Name"].lower().replace("_", "-") == wanted]
    found = found or [p for p in all_points if p.module.split(".")[0] == package]
    if not found and package.isidentifier() and find_spec(package) is not None:
        found = [EntryPoint(package, package, GROUP)]
    return found


@cache
def registry_of(package: str) -> Registry:
    """What the package offers, and what of it fails."""
    modules_of(package)
    return discover(points_of(package))


def packages_of(package: str) -> list[str]:
    """The plugin modules, or the packages that they belong to."""
    named = set()
    for module in modules_of(package):
        spec = find_spec(module)
        inside = spec is not None and spec.submodule_search_locations is None and "." in module
        named.add(module.rpartition(".")[0] if inside else module)
    return sorted(named)


def sources_of(module: str) -> list[Path]:
    """The Python files of a module or package."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return []
    places = [Path(place) for place in spec.submodule_search_locations or ()]
    return [file for place in places for file in sorted(place.rglob("*.py"))] or [Path(spec.origin)]


def is_public(module: str, own: str) -> bool:
    """Whether a plugin of the package `own` may import this."""
    top, _, name = module.partition(".")
    if top != "hml" or f"{module}.".startswith(f"{own}."):
        return True
    return name in ("", *vars(hml)["__all__"]) or name.split(".")[0] == "testing"


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and module of everything that a file imports by an absolute name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            inner = [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "hml" else [node.module]
            yield from ((node.lineno, name) for name in inner)
