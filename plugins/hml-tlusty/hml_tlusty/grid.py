"""The clear models: names and the one table in each file."""

from __future__ import annotations

import io
import math
import re

import numpy as np
from numpy.typing import NDArray

from hml import FileGrid, Frame, GridError, GridFile, GridSource, Node, Selection, Spectrum, air_to_vacuum, grid_files
from hml_tlusty import BAND, CoolTlustyConfig

NAME = re.compile(
    r"T(?P<teff>\d{2,4})_g(?P<logg>\d\.\d\d)_Z(?P<z>\d\.\d{3})(?:_CDIFF(?P<cdiff>\d+e\d+))?(?:_HMIX(?P<hmix>\d\.\d{3}))?\.21"
)
NAMES = ("teff", "logg", "feh")
EXPECTED = "T400_g4.00_Z1.000.21 or T400_g4.00_Z1.000_CDIFF1e6.21"
KZZ = 6.0  # log10 of the published diffusion coefficient, cm²/s
LIMIT = 50_000_000  # bytes; 30,000 lines have about 4,000,000
WAVE, FLUX = "LAMBDA(mic)", "FLAM"

Floats = NDArray[np.float64]
Model = tuple[Node, bool, float | None]  # node, mixed, mixing length


def cool_tlusty(config: CoolTlustyConfig) -> GridSource:
    """Labels teff, logg, feh."""
    files = grid_files(config.path, model, EXPECTED)
    wanted = (config.chemistry == "mixed", config.hmix)
    held = {node: file for (node, mixed, hmix), file in files.items() if (mixed, hmix) == wanted}
    if not held:
        kinds = {(mixed, hmix) for _, mixed, hmix in files}
        raise GridError(f"grid.path: {config.path} holds no model with grid.chemistry = {config.chemistry} and "
                        f"grid.hmix = {config.hmix}; it has {', '.join(sorted(map(_told, kinds)))}")

    def spectrum(file: GridFile) -> Spectrum:
        wavelength, flux = read(file)
        vacuum = air_to_vacuum(wavelength) if config.medium == "air" else wavelength
        return Spectrum(vacuum, flux, unit="erg / (s cm2 AA)", frame=Frame(medium=config.medium))

    select: dict[str, Selection | None] = {name: getattr(config, name) for name in NAMES}
    return FileGrid("coolTLUSTY", NAMES, held, spectrum, select=select, band=config.wavelength or BAND, resample=True,
                    told=(config.medium,))  # fmt: skip


def model(name: str) -> Model | None:
    """What a file name tells; None if it is none of theirs. GridError for one like them that is not known."""
    if not re.fullmatch(r"T\d+_.*\.21", name):
        return None
    found = NAME.fullmatch(name)
    if found is None:
        raise GridError(f"{name[:200]!r}: is named like no clear model that is known here, such as {EXPECTED}; the "
                        "cloudy models are not read: move them elsewhere")
    if found["cdiff"] and abs(math.log10(float(found["cdiff"])) - KZZ) > 1e-6:
        raise GridError(f"{name!r}: has a diffusion coefficient of {found['cdiff']}, only 1e6 is known here")
    feh = round(math.log10(float(found["z"])), 2) + 0.0
    node = float(found["teff"]), float(found["logg"]), feh
    return node, found["cdiff"] is not None, float(found["hmix"]) if found["hmix"] else None


def read(file: GridFile) -> tuple[Floats, Floats]:
    """Wavelengths (Å, increasing) and surface flux in erg/s/cm²/Å; numbers have Fortran's D in their exponents."""
    try:
        head, _, body = file.read(LIMIT).decode("ascii").lstrip().partition("\n")
        names = head.split()
        if WAVE not in names or FLUX not in names:
            raise GridError(f"{file}: its first line names {', '.join(names)[:120]}, expected {WAVE} and {FLUX} among "
                            "its columns: not this grid's format as it is known here")
        use = names.index(WAVE), names.index(FLUX)
        if not body.endswith("\n"):
            raise GridError(f"{file}: is cut off, its last line does not end; get it again")
        table = np.loadtxt(io.StringIO(body.replace("D", "E")), usecols=use, ndmin=2)
    except (UnicodeDecodeError, ValueError) as error:
        raise GridError(f"{file}: is damaged ({' '.join(str(error).split())[:120]})") from None
    if len(table) < 2 or not np.isfinite(table).all():
        raise GridError(f"{file}: has {len(table)} lines of numbers, or values that are not finite")
    return _increasing(table[:, 0] * 1e4, table[:, 1], file)


def _increasing(wavelength: Floats, flux: Floats, file: GridFile) -> tuple[Floats, Floats]:
    if wavelength[0] > wavelength[-1]:
        wavelength, flux = wavelength[::-1], flux[::-1]
    if wavelength[0] <= 0 or (np.diff(wavelength) <= 0).any():
        raise GridError(f"{file}: its wavelengths are not in order")
    return wavelength, flux


def _told(kind: tuple[bool, float | None]) -> str:
    return f"{'mixed' if kind[0] else 'equilibrium'} with hmix {'null' if kind[1] is None else kind[1]}"
