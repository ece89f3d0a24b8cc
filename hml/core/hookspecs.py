"""Every hook, in the order in which a run meets it. Hooks only register: they take nothing and return components.

A plugin is a module (or object) named in the entry point group `hml`:

    [project.entry-points.hml]
    mine = "hml_mine"
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from hml.core.components import Component

PROJECT = "hml"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a plugin's function as the implementation of the hook of the same name."""


@hookspec
def hml_grids() -> Iterable[Component]:
    """Grids of model spectra; `build` returns a `GridSource`.

    class MyConfig(GridConfig):
        path: Path = Field(description="where the files are")

    def build(config: MyConfig, context: BuildContext) -> GridSource:
        from hml_mine.source import MyGrid
        return MyGrid(config)

    @hookimpl
    def hml_grids():
        yield Component("mine", "my models", MyConfig, build)
    """
    return ()


@hookspec
def hml_preprocessors() -> Iterable[Component]:
    """Steps that normalise a spectrum; `build` returns a `Preprocessor`.

    class HalveConfig(ComponentConfig):
        by: float = Field(2.0, description="divisor")

    @hookimpl
    def hml_preprocessors():
        yield Component("halve", "divide by a number", HalveConfig, lambda config, context: Halve(config.by))
    """
    return ()


@hookspec
def hml_profiles() -> Iterable[Component]:
    """Shapes of a spectral line; `build` returns a `LineProfile`.

    @hookimpl
    def hml_profiles():
        yield Component("gauss", "a Gaussian", ComponentConfig, lambda config, context: Gauss())
    """
    return ()


@hookspec
def hml_interpolators() -> Iterable[Component]:
    """Ways from nodes to any label; `build` returns an `Interpolator`.

    @hookimpl
    def hml_interpolators():
        yield Component("nearest", "the nearest node", ComponentConfig, lambda config, context: Nearest(),
                        traits={"requires_rectilinear": False, "differentiable": False})
    """
    return ()


@hookspec
def hml_readers() -> Iterable[Component]:
    """File formats of observed spectra; `build` returns a `Reader`.

    @hookimpl
    def hml_readers():
        yield Component("npy", "NumPy columns", ComponentConfig, lambda config, context: NpyReader(),
                        traits={"suffixes": (".npy",)})
    """
    return ()


@hookspec
def hml_optimizers() -> Iterable[Component]:
    """Ways to minimise an objective; `build` returns an `Optimizer`.

    @hookimpl
    def hml_optimizers():
        yield Component("random", "the best of many points", RandomConfig,
                        lambda config, context: Random(config), traits={"needs_gradient": False})
    """
    return ()


@hookspec
def hml_samplers() -> Iterable[Component]:
    """Ways to draw from a posterior; `build` returns a `Sampler`.

    @hookimpl
    def hml_samplers():
        yield Component("importance", "weighted draws from the box", ComponentConfig,
                        lambda config, context: Importance(), traits={"evidence": True})
    """
    return ()


FAMILIES = {
    "grids": "hml_grids",
    "preprocessors": "hml_preprocessors",
    "profiles": "hml_profiles",
    "interpolators": "hml_interpolators",
    "readers": "hml_readers",
    "optimizers": "hml_optimizers",
    "samplers": "hml_samplers",
}
"""Family name → hook name, in calling order."""
