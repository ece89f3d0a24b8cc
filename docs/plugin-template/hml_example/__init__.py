"""What this package brings to hml. Light to import: numpy and torch come with the modules that `build` imports."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field

from hml import BuildContext, Component, ComponentConfig, GridConfig, PreprocessorSlot, default_steps, hookimpl

if TYPE_CHECKING:
    from hml import GridSource, Interpolator, Optimizer


class GaussiansConfig(GridConfig):
    """Gaussian lines whose depths depend on labels."""

    # A grid says what its spectra need: these are normalised already.
    preprocess: tuple[PreprocessorSlot, ...] = default_steps()
    labels: dict[str, tuple[float, ...]] = Field(
        default={"teff": (4000.0, 5000.0, 6000.0), "logg": (4.0, 4.5, 5.0)}, description="node values per label"
    )
    lines: int = Field(10, ge=1, description="number of lines in the band")
    seed: int = Field(0, ge=0, description="of centres, depths and slopes")


class InverseDistanceConfig(ComponentConfig):
    """A weighted mean of all nodes."""

    power: float = Field(4.0, gt=0, description="weights fall with this power of the distance (labels scaled to 0…1)")


class ZoomConfig(ComponentConfig):
    """Random points in a shrinking box."""

    points: int = Field(100, ge=1, description="points per round")
    rounds: int = Field(6, ge=1, description="rounds; the box halves after each")


def _gaussians(config: GaussiansConfig, context: BuildContext) -> GridSource:
    from hml_example.grid import Gaussians

    return Gaussians(config)


def _inverse_distance(config: InverseDistanceConfig, context: BuildContext) -> Interpolator:
    from hml_example.interpolator import InverseDistance

    return InverseDistance(config.power)


def _zoom(config: ZoomConfig, context: BuildContext) -> Optimizer:
    from hml_example.optimizer import Zoom

    return Zoom(config)


@hookimpl
def hml_grids() -> Iterable[Component]:
    yield Component("gaussians", "Gaussian lines at labels of any name", GaussiansConfig, _gaussians,
                    traits={"truth": True})


@hookimpl
def hml_interpolators() -> Iterable[Component]:
    yield Component("inverse_distance", "weighted mean of all nodes", InverseDistanceConfig, _inverse_distance,
                    reference="Shepard 1968, Proc. 23rd ACM National Conference, 517",
                    traits={"requires_rectilinear": False, "differentiable": True})


@hookimpl
def hml_optimizers() -> Iterable[Component]:
    yield Component("zoom", "random points in a box that shrinks around the best", ZoomConfig, _zoom,
                    traits={"needs_gradient": False})
