"""Interpolators: `linear` and `cubic` for rectilinear grids, `scattered` for any. Light to import; torch and scipy come
with `build`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from hml import BuildContext, Component, ComponentConfig, hookimpl

if TYPE_CHECKING:
    from hml import Interpolator

TRAITS = {"requires_rectilinear": True, "differentiable": True}
STORAGE: Any = Field(
    "int16",
    description="how line parameters are kept: as integers of 16 bits, each parameter of each line with a scale of its "
    "own (a quarter of float64, less than 1e-4 in flux), or as they are",
)
COORDINATES: Any = Field(
    None,
    description="label → what the spline runs in: the label, its logarithm, or 5040/label; other labels as they "
    "are, names that the grid lacks have no effect; null: along each axis that in which nodes that are left out "
    "are told best by the others",
)


class LinearConfig(ComponentConfig):
    """Multilinear interpolation in the labels themselves."""

    storage: Literal["int16", "float32", "float64"] = STORAGE


class CubicConfig(ComponentConfig):
    """Cubic splines along every axis."""

    coordinates: dict[str, Literal["identity", "log", "inverse"]] | None = COORDINATES
    storage: Literal["int16", "float32", "float64"] = STORAGE


class ScatteredConfig(ComponentConfig):
    """Polyharmonic splines through nodes that lie anywhere."""

    coordinates: dict[str, Literal["identity", "log", "inverse"]] | None = COORDINATES
    power: Literal[3, 5, 7] | None = Field(
        None,
        description="of distances: 3 for what is rough, 7 for what is smooth; null: that by which nodes that are left "
        "out are told best by the others",
    )
    storage: Literal["int16", "float32", "float64"] = STORAGE


def _linear(config: LinearConfig, _: BuildContext) -> Interpolator:
    from hml.plugins.interpolators.linear import Linear

    return Linear(config.storage)


def _cubic(config: CubicConfig, _: BuildContext) -> Interpolator:
    from hml.plugins.interpolators.cubic import Cubic

    return Cubic(config.coordinates, config.storage)


def _scattered(config: ScatteredConfig, _: BuildContext) -> Interpolator:
    from hml.plugins.interpolators.scattered import Scattered

    return Scattered(config.coordinates, config.power, config.storage)


@hookimpl
def hml_interpolators() -> Iterable[Component]:
    """The interpolators of hml itself."""
    yield Component("linear", "multilinear between nodes, continuous but with kinks at them", LinearConfig, _linear,
                    traits=TRAITS)
    yield Component("cubic", "not-a-knot cubic splines along every axis, smooth; short axes at the order they allow",
                    CubicConfig, _cubic, reference="de Boor 1978, A Practical Guide to Splines", traits=TRAITS)
    yield Component("scattered", "polyharmonic splines through nodes anywhere, smooth: for ragged grids",
                    ScatteredConfig, _scattered, reference="Duchon 1977, Lect. Notes Math. 571, 85",
                    traits={"requires_rectilinear": False, "differentiable": True})
