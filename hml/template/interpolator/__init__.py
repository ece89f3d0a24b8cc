"""The interpolator `example`: a weighted mean of all nodes. Light to import; torch comes with `build`."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field

from hml import BuildContext, Component, ComponentConfig, hookimpl

if TYPE_CHECKING:
    from hml import Interpolator


class ExampleConfig(ComponentConfig):
    """How fast a node's weight falls."""

    power: float = Field(4.0, gt=1, description="weights fall with this power of the distance (labels scaled to 0…1)")


def _build(config: ExampleConfig, context: BuildContext) -> "Interpolator":
    from .interpolator import ExampleInterpolator

    return ExampleInterpolator(config.power)


@hookimpl
def hml_interpolators() -> Iterable[Component]:
    yield Component("example", "weighted mean of all nodes", ExampleConfig, _build,
                    reference="Shepard 1968, Proc. 23rd ACM National Conference, 517",
                    traits={"requires_rectilinear": False, "differentiable": True})
