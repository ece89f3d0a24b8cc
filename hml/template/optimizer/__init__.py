"""The optimizer `example`: random points in a shrinking box. Light to import."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field

from hml import BuildContext, Component, ComponentConfig, hookimpl

if TYPE_CHECKING:
    from hml import Optimizer


class ExampleConfig(ComponentConfig):
    """How long it searches."""

    points: int = Field(200, ge=1, description="points per round")
    rounds: int = Field(10, ge=1, description="rounds; the box shrinks by a third after each")


def _build(config: ExampleConfig, context: BuildContext) -> "Optimizer":
    from .optimizer import ExampleOptimizer

    return ExampleOptimizer(config)


@hookimpl
def hml_optimizers() -> Iterable[Component]:
    yield Component("example", "random points in a box that shrinks around the best", ExampleConfig, _build,
                    traits={"needs_gradient": False})
