"""The preprocessor `example`: divides each order by a percentile of its flux. Light to import."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field

from hml import BuildContext, Component, ComponentConfig, hookimpl

if TYPE_CHECKING:
    from hml import Preprocessor


class ExampleConfig(ComponentConfig):
    """Which level becomes 1."""

    q: float = Field(95.0, gt=0, le=100, description="percentile of the flux of an order")


def _build(config: ExampleConfig, context: BuildContext) -> "Preprocessor":
    from .preprocessor import ExamplePreprocessor

    return ExamplePreprocessor(config.q)


@hookimpl
def hml_preprocessors() -> Iterable[Component]:
    yield Component("example", "divides each order by a percentile", ExampleConfig, _build,
                    traits={"needs_labels": False})
