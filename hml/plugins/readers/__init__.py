"""Observed spectra from files: `csv`, `fits_table`, `specutils`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from hml import BuildContext, Component, ComponentConfig, hookimpl

if TYPE_CHECKING:
    from hml import Reader


class FrameConfig(ComponentConfig):
    """What a file may not tell of its wavelengths."""

    medium: Literal["vacuum", "air"] | None = Field(
        None, description="what wavelengths were measured in; null: as the file says, else vacuum"
    )
    frame: Literal["rest", "barycentric", "observed"] | None = Field(
        None, description="whose wavelengths they are; null: as the file says, else observed"
    )


class TableConfig(FrameConfig):
    """Columns and units of a table; null: recognised by name, as the file says."""

    wavelength: str | None = Field(None, description="column of wavelengths (or frequencies, or wavenumbers)")
    flux: str | None = Field(None, description="column of fluxes")
    error: str | None = Field(None, description="column of standard deviations of the flux; optional in the file")
    order: str | None = Field(None, description="column that tells spectral orders apart; optional in the file")
    wavelength_unit: str | None = Field(None, description="any astropy unit; null: as the file says, else Å")
    flux_unit: str | None = Field(None, description="any astropy unit; null: as the file says, else dimensionless")


class FitsTableConfig(TableConfig):
    """Columns and units of a table in a FITS file."""

    extension: int | str | None = Field(None, description="number or name of the HDU; null: the first that fits")


def _csv(config: TableConfig, context: BuildContext) -> Reader:
    from hml.plugins.readers.text import TextReader

    return TextReader(config)


def _fits(config: FitsTableConfig, context: BuildContext) -> Reader:
    from hml.plugins.readers.fits_table import FitsTableReader

    return FitsTableReader(config)


def _specutils(config: FrameConfig, context: BuildContext) -> Reader:
    from hml.plugins.readers.specutils import SpecutilsReader

    return SpecutilsReader(config)


@hookimpl
def hml_readers() -> Iterator[Component]:
    yield Component("csv", "text tables: CSV, ECSV, columns of numbers", TableConfig, _csv,
                    traits={"suffixes": (".csv", ".ecsv", ".tsv", ".txt", ".dat")})
    yield Component("fits_table", "binary tables in FITS files", FitsTableConfig, _fits,
                    traits={"suffixes": (".fits", ".fit", ".gz")})
    yield Component("specutils", "whatever specutils reads (needs the extra hml[specutils])", FrameConfig, _specutils,
                    traits={"suffixes": ()})
