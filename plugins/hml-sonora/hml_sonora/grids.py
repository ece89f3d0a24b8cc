"""The four grids: which names, which layout, which labels."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from hml import FileGrid, Frame, GridFile, GridSource, Node, Selection, Spectrum, air_to_vacuum, grid_files
from hml_sonora import BAND, BobcatConfig, ChollaConfig, DiamondbackConfig, ElfOwlConfig, SonoraConfig
from hml_sonora.names import BOBCAT, CHOLLA, ELF_OWL, fsed, node
from hml_sonora.netcdf import read_netcdf
from hml_sonora.text import PER_HZ, PER_METRE, Floats, Layout, read_text

Read = Callable[[GridFile], tuple[Floats, Floats]]
SHORTEST = 2000.0  # Å; wavelengths below are in vacuum by convention


def bobcat(config: BobcatConfig) -> GridSource:
    """Labels teff, logg, feh, co."""
    return _grid(config, "Sonora Bobcat", ("teff", "logg", "feh", "co"), BOBCAT, r"sp_t",
                 "sp_t1000g100nc_m0.0.gz or sp_t1000g1000nc_m+0.0_co0.5", _text(PER_HZ), PER_HZ.unit)  # fmt: skip


def cholla(config: ChollaConfig) -> GridSource:
    """Labels teff, logg, logkzz. The models do not share their wavelengths."""
    return _grid(config, "Sonora Cholla", ("teff", "logg", "logkzz"), CHOLLA, r"\d+K_.*\.spec$",
                 "1000K_1000g_logkzz2.spec", _text(PER_METRE), PER_METRE.unit, resample=True)  # fmt: skip


def diamondback(config: DiamondbackConfig) -> GridSource:
    """Labels teff, logg, feh, fsed."""
    files = grid_files(config.path, partial(fsed, clear=config.clear), "t1000g316f4_m0.0_co1.0.spec")
    return _of(config, "Sonora Diamondback", ("teff", "logg", "feh", "fsed"), files, _text(PER_METRE), PER_METRE.unit)


def elf_owl(config: ElfOwlConfig) -> GridSource:
    """Labels teff, logg, feh, co, logkzz."""
    return _grid(config, "Sonora Elf Owl", ("teff", "logg", "feh", "co", "logkzz"), ELF_OWL, r"spectra_logzz_.*\.nc$",
                 "spectra_logzz_4.0_teff_1200.0_grav_1000.0_mh_0.0_co_0.5.nc", read_netcdf,
                 "erg / (s cm3)")  # fmt: skip


def _grid(
    config: SonoraConfig, what: str, names: tuple[str, ...], pattern: re.Pattern[str], start: str, example: str,
    read: Read, unit: str, resample: bool = False,
) -> GridSource:  # fmt: skip
    files = grid_files(config.path, partial(node, pattern=pattern, labels=names, start=start), example)
    return _of(config, what, names, files, read, unit, resample)


def _of(
    config: SonoraConfig, what: str, names: tuple[str, ...], files: dict[Node, GridFile], read: Read, unit: str,
    resample: bool = False,
) -> GridSource:  # fmt: skip
    def spectrum(file: GridFile) -> Spectrum:
        wavelength, flux = read(file)
        if config.medium == "air":
            flux, wavelength = flux[wavelength >= SHORTEST], air_to_vacuum(wavelength[wavelength >= SHORTEST])
        return Spectrum(wavelength, flux, unit=unit, frame=Frame(medium=config.medium))

    select: dict[str, Selection | None] = {name: getattr(config, name) for name in names}
    return FileGrid(what, names, files, spectrum, select=select, band=config.wavelength or BAND,
                    resample=resample, told=(config.medium,))  # fmt: skip


def _text(layout: Layout) -> Read:
    return partial(read_text, layout=layout)
