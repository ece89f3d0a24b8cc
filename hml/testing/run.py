"""Runs the checks of a whole package without pytest, and keeps what came of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal
from unittest import SkipTest

from hml import ConfigError, HmlError
from hml.testing.base import Checks
from hml.testing.grids import GridChecks
from hml.testing.interpolators import InterpolatorChecks
from hml.testing.optimizers import OptimizerChecks
from hml.testing.plugins import PluginChecks, packages_of, registry_of
from hml.testing.preprocessors import PreprocessorChecks
from hml.testing.profiles import ProfileChecks
from hml.testing.readers import ReaderChecks
from hml.testing.samplers import SamplerChecks
from hml.testing.suite import NotApplicable, Suite, checks_of

FAMILIES: Mapping[str, type[Checks[Any]]] = {
    kit.family: kit
    for kit in (GridChecks, PreprocessorChecks, ProfileChecks, InterpolatorChecks, ReaderChecks, OptimizerChecks,
                SamplerChecks)
}  # fmt: skip
DECLARED = "checks"  # the module of a package in which its author says how its parts are checked

Status = Literal["passed", "failed", "left out", "n/a"]


@dataclass(frozen=True)
class Outcome:
    """What came of one check."""

    check: str
    status: Status
    text: str = ""  # what is wrong, or why it did not run


@dataclass(frozen=True)
class Checked:
    """What came of all checks of one part, or of the package itself."""

    what: str  # "grids", …, or "package"
    name: str
    suite: str
    outcomes: tuple[Outcome, ...]

    def count(self, status: Status) -> int:
        """How many checks came out so."""
        return sum(outcome.status == status for outcome in self.outcomes)

    @property
    def passed(self) -> bool:
        """Whether checks ran and none failed."""
        return self.count("failed") == 0 < self.count("passed")


def check_package(package: str, fields: Mapping[str, Mapping[str, Any]] | None = None) -> Iterator[Checked]:
    """Every part of a distribution (or importable package), after the package itself. Parts are checked as the
    package's own module `checks` says; others with `fields` (component → its config), else their defaults."""
    suites = suites_of(package, fields or {})
    yield run_checks(type("PluginChecks", (PluginChecks,), {"package": package}))
    for suite in suites:
        yield run_checks(suite)


def suites_of(package: str, fields: Mapping[str, Mapping[str, Any]]) -> list[type[Checks[Any]]]:
    """One class of checks a part, or more."""
    entries = registry_of(package).entries
    unknown = set(fields) - {entry.component.name for entry in entries}
    if unknown:
        names = ", ".join(sorted({entry.component.name for entry in entries}))
        raise ConfigError(f"{package} has no component {', '.join(sorted(unknown))}; it has {names or 'none'}")
    declared = list(_declared(package))
    suites: list[type[Checks[Any]]] = []
    for entry in entries:
        component = entry.component
        wanted = entry.family, component.name
        own: list[type[Checks[Any]]] = [suite for suite in declared if suite.subject() == wanted]
        if component.name in fields or not own:
            own = [FAMILIES[entry.family]]
        given = {"fields": fields[component.name]} if component.name in fields else {}
        inside = {"component": component, "__module__": package, **given}
        suites += [type(suite.__name__, (suite,), inside) for suite in own]
    return suites


def _declared(package: str) -> Iterator[type[Checks[Any]]]:
    for top in sorted({module.split(".")[0] for module in packages_of(package)}):
        spec = find_spec(top)
        inside = spec is not None and spec.submodule_search_locations is not None
        if inside and find_spec(f"{top}.{DECLARED}") is not None:
            for value in vars(import_module(f"{top}.{DECLARED}")).values():
                if isinstance(value, type) and issubclass(value, Checks) and value.subject()[1]:
                    yield value


def run_checks(suite: type[Suite]) -> Checked:
    """All checks of one class, one after the other."""
    try:
        suite.setup_class()
        outcomes = [run_check(suite, check) for check in names_of(suite)]
    except Exception as error:
        outcomes = [Outcome("setup", "failed", _said(error))]
    finally:
        if hasattr(suite, "_folder"):
            suite.teardown_class()
    return Checked(*suite.subject(), suite.__name__, tuple(outcomes))


def names_of(suite: type[Suite]) -> Iterable[str]:
    """The kit's checks, then those that the class adds."""
    own = [name for name in dir(suite) if name.startswith("test_") and callable(getattr(suite, name))]
    return dict.fromkeys([*checks_of(suite), *own])


def run_check(suite: type[Suite], check: str) -> Outcome:
    """One check of a class that was set up."""
    self = suite()
    method = getattr(self, check)
    try:
        self.setup_method(method)
        method()
    except NotApplicable as reason:
        return Outcome(check, "n/a", str(reason))
    except SkipTest as reason:
        return Outcome(check, "left out", str(reason))
    # a part may raise anything, and the other checks are to run all the same
    except Exception as error:
        return Outcome(check, "failed", _said(error))
    return Outcome(check, "passed")


def _said(error: Exception) -> str:
    text = str(error).strip()
    if isinstance(error, AssertionError | HmlError) and text:
        return text
    return f"{type(error).__name__}: {text}".rstrip(": ")
