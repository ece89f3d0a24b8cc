"""The reader `example`: NumPy files of two rows. Light to import."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hml import BuildContext, Component, ComponentConfig, hookimpl

if TYPE_CHECKING:
    from hml import Reader


def _build(config: ComponentConfig, context: BuildContext) -> "Reader":
    from .reader import ExampleReader

    return ExampleReader()


@hookimpl
def hml_readers() -> Iterable[Component]:
    yield Component("example", "NumPy files of two rows: vacuum Å, flux", ComponentConfig, _build,
                    traits={"suffixes": (".npy",)})
