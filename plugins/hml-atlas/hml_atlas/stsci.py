"""STScI's layout: a FITS table a (Teff, [M/H]), a column a log g; a column of zeros is a model that does not exist.

Read from the genuine files of the 1993 atlas. The Castelli & Kurucz atlas is described alike (names begin with a c).
"""

from __future__ import annotations

import io
import re
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hml import GridError, GridFile
from hml_atlas.model import Key, Model

NAME = re.compile(r"c?k(?P<sign>[pm])(?P<z>\d\d)_(?P<teff>\d{4,5})\.fits")
LIMIT = 5_000_000  # bytes; the files have about 65,000
COLUMN = re.compile(r"g(\d)(\d)")
ANGSTROM = {"ANGSTROM", "ANGSTROMS"}
FORMS = {"E": ">f4", "1E": ">f4", "D": ">f8", "1D": ">f8"}

Floats = NDArray[np.float64]


def key_of(name: str) -> tuple[float, float] | None:
    """(teff, feh) of a file name; None if it is not one of the atlas."""
    if not re.match(r"c?k[pm]\d\d_.*\.fits", name):
        return None
    found = NAME.fullmatch(name)
    if found is None:
        raise GridError(f"{name[:200]!r}: is named like no table of the atlas, such as kp00_5000.fits, ckm05_5000.fits")
    feh = float(found["z"]) / 10 * (-1 if found["sign"] == "m" else 1)
    return float(found["teff"]), feh + 0.0


def models(file: GridFile, teff: float, feh: float) -> dict[Key, Model]:
    """Those of one file."""
    data = _table(file, teff, feh)
    found: dict[Key, Model] = {}
    for name in (data.dtype.names or ())[1:]:
        gravity = COLUMN.fullmatch(name)
        if gravity is None:
            raise GridError(f"{file}: has a column {name!r}, expected g00 to g50: not the atlas's layout")
        if np.any(data[name]):
            found[teff, float(f"{gravity[1]}.{gravity[2]}"), feh] = Model(file, name)
    return found


def read(model: Model, teff: float, feh: float) -> tuple[Floats, Floats]:
    """Wavelengths (Å, as they are) and surface flux in erg/s/cm²/Å."""
    data = _table(model.file, teff, feh)
    return data["WAVELENGTH"].astype(np.float64), data[model.part].astype(np.float64)


def _table(file: GridFile, teff: float, feh: float) -> NDArray[np.void]:
    """The rows of the file's table, once header and columns are what they must be."""
    from astropy.io import fits

    content = file.read(LIMIT)
    # headers come from strangers: whatever astropy stumbles over is a damaged file
    try:
        with warnings.catch_warnings(), fits.open(io.BytesIO(content), memmap=False) as hdus:
            warnings.simplefilter("ignore")
            _agree(file, hdus[0].header, teff, feh)
            row, rows = _row(file, hdus[1].header), int(hdus[1].header["NAXIS2"])
            return np.frombuffer(content, row, rows, hdus[1].fileinfo()["datLoc"])
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, fits.VerifyError) as error:
        raise GridError(f"{file}: is damaged ({' '.join(str(error).split())[:120]})") from None


def _agree(file: GridFile, header: Any, teff: float, feh: float) -> None:
    for card, value in (("TEFF", teff), ("LOG_Z", feh)):
        if not abs(float(header[card]) - value) < 0.01:
            raise GridError(f"{file}: the header says {card} = {header[card]}, the name says {value:g}")


def _row(file: GridFile, header: Any) -> np.dtype[np.void]:
    """The type of a row."""
    columns = [[str(header[f"{card}{i + 1}"]).strip() for card in ("TTYPE", "TFORM", "TUNIT")]
               for i in range(int(header["TFIELDS"]))]  # fmt: skip
    names, forms, units = zip(*columns, strict=True)
    if names[0] != "WAVELENGTH" or units[0].upper() not in ANGSTROM or set(units[1:]) != {"FLAM"}:
        raise GridError(f"{file}: its columns are in {', '.join(dict.fromkeys(units))}, expected WAVELENGTH in "
                        "ANGSTROMS and fluxes in FLAM: not the atlas's layout")
    row = np.dtype([(name, FORMS[form]) for name, form in zip(names, forms, strict=True)])
    if row.itemsize != header["NAXIS1"]:
        raise ValueError(f"rows of {header['NAXIS1']} bytes, its columns have {row.itemsize}")
    return row
