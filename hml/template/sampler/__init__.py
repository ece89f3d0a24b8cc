"""The sampler `example`: weighted points around the best fit. Light to import."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field

from hml import BuildContext, Component, ComponentConfig, hookimpl

if TYPE_CHECKING:
    from hml import Sampler


class ExampleConfig(ComponentConfig):
    """How many points."""

    points: int = Field(20_000, ge=1000, description="points drawn")


def _build(config: ExampleConfig, context: BuildContext) -> "Sampler":
    from .sampler import ExampleSampler

    return ExampleSampler(config.points)


@hookimpl
def hml_samplers() -> Iterable[Component]:
    yield Component("example", "weighted points of the box", ExampleConfig, _build, traits={"evidence": True})
