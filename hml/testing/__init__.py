"""The conformance kit: what every part of a family must do, as classes that the author of a plugin subclasses.

    from hml.testing import GridChecks

    class TestMine(GridChecks):
        name = "mine"

See docs/testing.md. Light to import: the families' classes come when they are named.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hml.testing.base import Checks as Checks
    from hml.testing.grids import GridChecks as GridChecks
    from hml.testing.interpolators import InterpolatorChecks as InterpolatorChecks
    from hml.testing.optimizers import OptimizerChecks as OptimizerChecks
    from hml.testing.plugins import PluginChecks as PluginChecks
    from hml.testing.preprocessors import PreprocessorChecks as PreprocessorChecks
    from hml.testing.profiles import ProfileChecks as ProfileChecks
    from hml.testing.readers import ReaderChecks as ReaderChecks
    from hml.testing.run import check_package as check_package
    from hml.testing.run import run_checks as run_checks
    from hml.testing.samplers import SamplerChecks as SamplerChecks
    from hml.testing.suite import NotApplicable as NotApplicable
    from hml.testing.suite import Suite as Suite
    from hml.testing.suite import expect as expect
    from hml.testing.toy import ToyGrid as ToyGrid

_HOMES = {
    "base": ["Checks"],
    "grids": ["GridChecks"],
    "interpolators": ["InterpolatorChecks"],
    "optimizers": ["OptimizerChecks"],
    "plugins": ["PluginChecks"],
    "preprocessors": ["PreprocessorChecks"],
    "profiles": ["ProfileChecks"],
    "readers": ["ReaderChecks"],
    "run": ["check_package", "run_checks"],
    "samplers": ["SamplerChecks"],
    "suite": ["NotApplicable", "Suite", "expect"],
    "toy": ["ToyGrid"],
}
_WHERE = {name: module for module, names in _HOMES.items() for name in names}

__all__ = list(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'hml.testing' has no attribute {name!r}")
    return getattr(import_module(f"hml.testing.{_WHERE[name]}"), name)
