"""A neural manifold for hml. Light to import: numpy and torch come with the modules that `build` imports."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field

from hml import BuildContext, Component, ComponentConfig, hookimpl

if TYPE_CHECKING:
    from hml import Interpolator


class NeuralConfig(ComponentConfig):
    """A small network from labels to the strengths of a few patterns of line parameters."""

    size: float = Field(
        0.1, gt=0, le=1, description="bytes of the manifold over those of the nodes' line parameters in 16 bits"
    )
    hidden: int = Field(32, ge=2, le=1024, description="units of each of the two hidden layers")
    held_out: float = Field(
        0.1, ge=0, le=0.5, description="part of the nodes on which it is found when to stop, before all are learnt"
    )
    steps: int = Field(3000, ge=1, description="steps of L-BFGS at most")
    patience: int = Field(200, ge=1, description="steps without a better error at nodes held out, after which it stops")
    decay: float = Field(1e-7, ge=0, description="penalty on the squares of the weights, which keeps them small")


def _neural(config: NeuralConfig, context: BuildContext) -> Interpolator:
    from hml_neural.interpolator import Neural

    return Neural(config, context.seed, context.progress)


@hookimpl
def hml_interpolators() -> Iterable[Component]:
    """The interpolator of this package."""
    yield Component(
        "neural", "a small smooth network from labels to all line parameters, for any set of nodes", NeuralConfig,
        _neural, traits={"requires_rectilinear": False, "differentiable": True},
    )  # fmt: skip
