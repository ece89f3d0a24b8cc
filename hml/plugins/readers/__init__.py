"""Observed spectra from files: `csv`, `fits_table`, `fits_images`, `hpf`, `gaia_rvs`, `specutils`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from hml import BuildContext, Component, ComponentConfig, UserPath, hookimpl

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
    variance: str | None = Field(None, description="column of variances, the errors' squares; in place of error")
    order: str | None = Field(None, description="column that tells spectral orders apart; optional in the file")
    wavelength_unit: str | None = Field(None, description="any astropy unit; null: as the file says, else Å")
    flux_unit: str | None = Field(None, description="any astropy unit; null: as the file says, else dimensionless")


class FitsTableConfig(TableConfig):
    """Columns and units of a table in a FITS file."""

    extension: int | str | None = Field(
        None, description="number or name of the HDU; null: the first that fits, and those with the same columns"
    )


class FitsImagesConfig(FrameConfig):
    """Images of orders × pixels in the extensions of a FITS file, by name or number."""

    flux: int | str = Field("FLUX", description="extension of fluxes")
    wavelength: int | str = Field("WAVELENGTH", description="extension of wavelengths")
    error: int | str | None = Field(None, description="extension of standard deviations")
    variance: int | str | None = Field(None, description="extension of variances, the errors' squares")
    wavelength_unit: str = Field("AA", description="any astropy unit")
    flux_unit: str = Field("", description="any astropy unit")


class HpfConfig(ComponentConfig):
    """Spectra of the Habitable Zone Planet Finder."""

    wavelengths: UserPath | None = Field(
        None, description="file with the wavelengths (orders × pixels, vacuum Å) where the spectrum has none"
    )
    sky: float | None = Field(
        None, gt=0, description="the sky fibre times this is subtracted, errors included; null: nothing is"
    )


class GaiaRvsConfig(ComponentConfig):
    """Mean spectra of Gaia's radial velocity spectrometer."""


def _csv(config: TableConfig, context: BuildContext) -> Reader:
    from hml.plugins.readers.text import TextReader

    return TextReader(config)


def _fits(config: FitsTableConfig, context: BuildContext) -> Reader:
    from hml.plugins.readers.fits_table import FitsTableReader

    return FitsTableReader(config)


def _images(config: FitsImagesConfig, context: BuildContext) -> Reader:
    from hml.plugins.readers.fits_images import FitsImagesReader

    return FitsImagesReader(config)


def _hpf(config: HpfConfig, context: BuildContext) -> Reader:
    from hml.plugins.readers.hpf import HpfReader

    return HpfReader(config)


def _gaia(config: GaiaRvsConfig, context: BuildContext) -> Reader:
    from hml.plugins.readers.gaia import GaiaRvsReader

    return GaiaRvsReader()


def _specutils(config: FrameConfig, context: BuildContext) -> Reader:
    from hml.plugins.readers.specutils import SpecutilsReader

    return SpecutilsReader(config)


@hookimpl
def hml_readers() -> Iterator[Component]:
    yield Component("csv", "text tables: CSV, ECSV, columns of numbers", TableConfig, _csv,
                    traits={"suffixes": (".csv", ".ecsv", ".tsv", ".txt", ".dat")})
    yield Component("fits_table", "binary tables in FITS files", FitsTableConfig, _fits,
                    traits={"suffixes": (".fits", ".fit", ".gz")})
    yield Component("fits_images", "echelle orders as images in FITS files", FitsImagesConfig, _images,
                    traits={"suffixes": (".fits", ".fit", ".gz")})
    yield Component("hpf", "Habitable Zone Planet Finder: the team's Slope-*.optimal.fits, Goldilocks' *.spectra.fits",
                    HpfConfig, _hpf, reference="Mahadevan et al. 2014, SPIE 9147, 91471G",
                    traits={"suffixes": (".fits",), "instrument": "HPF"})
    yield Component("gaia_rvs", "Gaia RVS mean spectra as the archive's tables: nm in vacuum, the star at rest",
                    GaiaRvsConfig, _gaia, reference="Katz et al. 2023, A&A 674, A5",
                    traits={"suffixes": (".csv", ".ecsv"), "instrument": "Gaia RVS"})
    yield Component("specutils", "whatever specutils reads (needs the extra hml[specutils])", FrameConfig, _specutils,
                    traits={"suffixes": ()})
