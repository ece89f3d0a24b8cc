"""The authors' text files: a short header, then two columns, wavelength (µm) and flux; long wavelengths first."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hml import GridError, GridFile

LIMIT = 100_000_000  # bytes of one unpacked spectrum; the largest published have about 15 MB
HEADER = 8  # lines that may come before the numbers
PIXELS = 5_000_000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Layout:
    """What the header must say (regular expressions, any case), and the flux unit that this is."""

    says: tuple[str, ...]
    unit: str


PER_HZ = Layout((r"micron", r"erg\s*/\s*cm\W*2\s*/\s*s\s*/\s*hz"), "erg / (s cm2 Hz)")
PER_METRE = Layout((r"micron|\bum\b", r"w\s*/\s*m\W*2\s*/\s*m\b"), "W / m3")


def read_text(file: GridFile, layout: Layout) -> tuple[Floats, Floats]:
    """Wavelengths (Å, increasing) and flux of a file. GridError where it is not as described."""
    try:
        text = file.read(LIMIT).decode("ascii")
    except UnicodeDecodeError:
        raise GridError(f"{file}: is no text; if it is packed, unpack it first") from None
    header, rest = _split(text, file)
    for words in layout.says:
        if not re.search(words, header, re.IGNORECASE):
            raise GridError(f"{file}: its header says {' | '.join(header.split())[:120]!r}, expected microns and "
                            f"{layout.unit}: not this grid's format as it is known here")
    if not rest.endswith("\n"):
        raise GridError(f"{file}: is cut off, its last line does not end; get it again")
    return columns(rest, file)


def columns(text: str, file: GridFile) -> tuple[Floats, Floats]:
    """Two columns of numbers, checked, the first from µm to Å and in increasing order."""
    try:
        table = np.loadtxt(io.StringIO(text), ndmin=2)
    except ValueError as error:
        raise GridError(f"{file}: is damaged ({' '.join(str(error).split())[:120]})") from None
    if table.shape[1] != 2 or not 2 <= len(table) <= PIXELS:
        raise GridError(f"{file}: has a table of shape {table.shape}, expected two columns")
    return checked(table[:, 0] * 1e4, table[:, 1], file)


def checked(wavelength: Floats, flux: Floats, file: GridFile) -> tuple[Floats, Floats]:
    """Both `[N]` in increasing wavelength, if they are finite and in order."""
    if not (np.isfinite(wavelength).all() and np.isfinite(flux).all()):
        raise GridError(f"{file}: has values that are not finite")
    if wavelength[0] > wavelength[-1]:
        wavelength, flux = wavelength[::-1], flux[::-1]
    if wavelength[0] <= 0 or (np.diff(wavelength) <= 0).any():
        raise GridError(f"{file}: its wavelengths are not in order")
    return wavelength, flux


def _split(text: str, file: GridFile) -> tuple[str, str]:
    """The header, and what begins with the first line of two numbers."""
    at = 0
    for line in text.splitlines(keepends=True)[: HEADER + 1]:
        words = line.split()
        if len(words) == 2 and all(re.fullmatch(r"[-+0-9.eEdD]+", word) for word in words):
            return text[:at], text[at:]
        at += len(line)
    raise GridError(f"{file}: no two columns of numbers begin in its first {HEADER} lines")
