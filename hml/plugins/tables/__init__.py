"""Grids as tables in one `.npz` file: a row a model, a column a label."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from hml import (
    BuildContext,
    Component,
    GridConfig,
    PreprocessorSlot,
    Selection,
    UserPath,
    default_steps,
    hookimpl,
)

if TYPE_CHECKING:
    from hml import GridSource


class TableConfig(GridConfig):
    """Which arrays of the file are what, and which rows are used."""

    path: UserPath = Field(description="the .npz file")
    labels: dict[str, str] | None = Field(
        None, description="label → column with its values, {teff: teff, feh: z}; null: every column of numbers that "
        "varies, by its own name",
    )
    rows: dict[str, str | float] = Field(
        {}, description="column → the value that the rows to be used have in it, {clouds: NC}"
    )
    select: dict[str, Selection] = Field({}, description="label → nodes to use, {teff: [400, 600]}")
    wave: str = Field("wave_um", description="array of wavelengths [N]")
    wave_unit: str = Field("um", description="of the wavelengths")
    medium: Literal["vacuum", "air"] = Field("vacuum", description="what the wavelengths are measured in")
    flux: str = Field("flux", description="array of fluxes [rows, N]")
    unit: str = Field("", description="of the fluxes, as astropy writes it: erg / (s cm2 um); '': scaled, none")
    resolving_power: float | None = Field(
        None, gt=0, description="λ/Δλ (FWHM) the spectra were convolved to; null: native sampling"
    )
    # most tables are of low resolution or scaled: one number for each spectrum is what suits all
    preprocess: tuple[PreprocessorSlot, ...] = default_steps("percentile")


def _build(config: TableConfig, context: BuildContext) -> GridSource:
    from hml.plugins.tables.source import table_grid

    return table_grid(config)


@hookimpl
def hml_grids() -> Iterator[Component]:
    yield Component("table_npz", "a table of spectra in a .npz file, a row a model", TableConfig, _build)
