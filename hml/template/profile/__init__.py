"""The profile `example`: a Gaussian. Light to import; torch comes with `build`."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hml import BuildContext, Component, ComponentConfig, hookimpl

if TYPE_CHECKING:
    from hml import LineProfile


def _build(config: ComponentConfig, context: BuildContext) -> "LineProfile":
    from .profile import ExampleProfile

    return ExampleProfile()


@hookimpl
def hml_profiles() -> Iterable[Component]:
    yield Component("example", "a Gaussian", ComponentConfig, _build)
