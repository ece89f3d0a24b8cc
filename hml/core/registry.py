"""Finds plugins through the entry point group `hml`; keeps broken ones as values; answers by name."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files

import pluggy

from hml.core import hookspecs
from hml.core.components import Component, ComponentConfig
from hml.core.errors import PluginError
from hml.core.hookspecs import FAMILIES, PROJECT


@dataclass(frozen=True)
class Entry:
    """A component and where it came from."""

    family: str
    component: Component
    plugin: str
    distribution: str
    version: str


@dataclass(frozen=True)
class Failure:
    """A plugin, or one of its hooks, that does not work here."""

    plugin: str
    distribution: str
    version: str
    error: str


@dataclass(frozen=True)
class Registry:
    """Everything that was found. Make one with `discover`; it never changes."""

    entries: tuple[Entry, ...]
    failures: tuple[Failure, ...]

    def family(self, family: str) -> list[Entry]:
        """The entries of one family, sorted by name."""
        return sorted((e for e in self.entries if e.family == family), key=lambda e: e.component.name)

    def get(self, family: str, name: str) -> Component:
        """The component of that name; PluginError says what else there is, or who else claims it."""
        found = [e for e in self.family(family) if e.component.name == name]
        if len(found) > 1:
            raise PluginError(
                f"{family[:-1]} {name!r} is offered by {' and by '.join(_origin(e) for e in found)}; "
                "uninstall one of them"
            )
        if not found:
            raise PluginError(self._unknown(family, name))
        return found[0].component

    def _unknown(self, family: str, name: str) -> str:
        names = sorted({e.component.name for e in self.family(family)})
        elsewhere = known_packages().get(family, {})
        close = difflib.get_close_matches(name, [*names, *elsewhere], n=1)
        text = f"there is no {family[:-1]} {name!r}"
        text += f"; did you mean {close[0]!r}?" if close and close[0] != name else "."
        text += f" Available: {', '.join(names) or 'none'}."
        text += self._failed()
        if close and close[0] in elsewhere:
            package = elsewhere[close[0]]
            text += f" {close[0]!r} comes with the package {package}: pip install {package}."
        elif not close:
            text += f" A package that provides it must be installed first (pip install hml-{name}?)."
        return text

    def _failed(self) -> str:
        failed = (f"{f.plugin} ({_origin(f)}): {f.error}" for f in self.failures)
        return f" Failed to load: {'; '.join(failed)}." if self.failures else ""


@cache
def known_packages() -> Mapping[str, Mapping[str, str]]:
    """family → component → the distribution that brings it, of packages that may be missing here."""
    return tomllib.loads((files(PROJECT) / "packages.toml").read_text(encoding="utf-8"))


def _origin(item: Entry | Failure) -> str:
    return f"{item.distribution} {item.version}"


def discover(points: Iterable[EntryPoint] | None = None) -> Registry:
    """Load every plugin of the entry point group, each on its own."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    entries: list[Entry] = []
    failures: list[Failure] = []
    for point in sorted(entry_points(group=PROJECT) if points is None else points, key=lambda p: (_dist(p), p.name)):
        try:
            manager.register(point.load(), name=f"{_dist(point)[0]}:{point.name}")
            # BaseException-derived exits at import (a plugin calling sys.exit) must not end hml either
        except (Exception, SystemExit) as error:
            failures.append(_failure(point, error))
            continue
        found, failed = _components(manager, point)
        entries += found
        failures += failed
    return Registry(tuple(entries), tuple(failures))


def _components(manager: pluggy.PluginManager, point: EntryPoint) -> tuple[list[Entry], list[Failure]]:
    distribution, version = _dist(point)
    plugin = manager.get_plugin(f"{distribution}:{point.name}")
    found: list[Entry] = []
    unknown = LookupError(f"there is no hook of this name; the hooks are {', '.join(FAMILIES.values())}")
    failed = [_failure(point, unknown, c.name) for c in manager.get_hookcallers(plugin) or () if not c.has_spec()]
    for family, hook in FAMILIES.items():
        for impl in (i for i in getattr(manager.hook, hook).get_hookimpls() if i.plugin is plugin):
            try:
                components = [_checked(c) for c in impl.function()]
            except (Exception, SystemExit) as error:
                failed.append(_failure(point, error, hook))
                continue
            found += [Entry(family, c, point.name, distribution, version) for c in components]
    return found, failed


def _checked(component: object) -> Component:
    if not isinstance(component, Component):
        raise TypeError(f"a hook must yield Component records, not {type(component).__name__}")
    if not (isinstance(component.config, type) and issubclass(component.config, ComponentConfig)):
        raise TypeError(f"component {component.name!r}: config must be a subclass of ComponentConfig")
    return component


def _failure(point: EntryPoint, error: BaseException, where: str = "") -> Failure:
    lines = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {lines[0] if lines else ''}".rstrip(": ")
    return Failure(point.name, *_dist(point), f"{where}: {text}" if where else text)


def _dist(point: EntryPoint) -> tuple[str, str]:
    dist = point.dist
    return (dist.metadata["Name"], dist.version) if dist else ("unknown", "?")


def origins(parts: Iterable[tuple[str, str]]) -> list[str]:
    """Distribution and version of those (family, name) that hml does not bring itself: part of what a result is made
    from."""
    wanted = set(parts)
    entries = [e for e in installed().entries if (e.family, e.component.name) in wanted and e.distribution != "hml"]
    return sorted(f"{e.component.name}: {_origin(e)}" for e in entries)


@cache
def installed() -> Registry:
    """The plugins of this installation (found once a process)."""
    return discover()
