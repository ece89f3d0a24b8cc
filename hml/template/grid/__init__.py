"""The grid `example`: spectra in text files. Light to import; what needs time to load comes with `build`."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field

from hml import BuildContext, Component, GridConfig, PreprocessorSlot, UserPath, default_steps, hookimpl

if TYPE_CHECKING:
    from hml import GridSource


class ExampleConfig(GridConfig):
    """Where the files are."""

    preprocess: tuple[PreprocessorSlot, ...] = default_steps("continuum")  # what spectra of this grid need
    path: UserPath = Field(description="folder of files such as teff5000_logg4.50.txt: vacuum Å, flux")


def _build(config: ExampleConfig, context: BuildContext) -> "GridSource":
    from .grid import ExampleGrid

    return ExampleGrid(config)


@hookimpl
def hml_grids() -> Iterable[Component]:
    yield Component("example", "spectra in text files, one a node", ExampleConfig, _build)
