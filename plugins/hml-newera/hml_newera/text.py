"""The reduced spectra: text files of one metallicity each, two lines a model, the second with all its fluxes.

Fields of the first line (counted from 0), as the authors' own reader has them: 5 the code, 8 number of wavelengths, 9,
10, 11 their start, end and step in nm (vacuum), 12 Teff, 13 log g, 19 [α/M]. Fluxes are in W/m²/nm.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from hml import GridError, GridFile, Node, readable

NAME = re.compile(
    r"PHOENIX-NewEra(?:V\d+)?-(?:LowRes|JWST|GAIA-DR4(?:_v[\d.]+)?)-SPECTRA\.Z(?P<feh>[+-]\d\.\d)"
    r"(?:\.alpha=(?P<alpha>[+-]?\d\.\d))?\.txt"
)
LONGEST = 4096  # bytes of a first line
LIMIT = 100_000_000  # bytes of a second line
FIELDS = 20
POINTS = 5_000_000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Block:
    """Two lines of a file."""

    file: GridFile
    start: int  # byte of the second
    stop: int
    axis: tuple[int, float, float, float]  # number, start, end, step (nm)
    part: str

    def __str__(self) -> str:
        return f"{self.file}, {self.part}"

    @property
    def stamp(self) -> tuple[str | int, ...]:
        return (*self.file.stamp, self.part)


def key_of(name: str) -> tuple[float, float] | None:
    """(feh, alpha) of a file name; None for other files."""
    if not re.match(r"PHOENIX-NewEra.*\.txt$", name):
        return None
    found = NAME.fullmatch(name)
    if found is None:
        raise GridError(f"{name[:200]!r}: is named like no NewEra file that is known here, such as "
                        "PHOENIX-NewEraV3-LowRes-SPECTRA.Z-0.0.txt")
    return float(found["feh"]) + 0.0, float(found["alpha"] or 0.0) + 0.0


def blocks(file: GridFile, feh: float, alpha: float) -> dict[Node, Block]:
    """The models of a file, by (teff, logg, feh, alpha)."""
    found: dict[Node, Block] = {}
    for line, start, stop in _lines(file):
        words = line.split()
        try:
            axis = int(words[8]), float(words[9]), float(words[10]), float(words[11])
            key = float(words[12]), float(words[13]), feh, alpha
            enhanced = float(words[19]) if len(words) > 19 else alpha
        except (IndexError, ValueError):
            raise _unknown(file, line) from None
        if words[5] != b"PHOENIX1D" or not 2 <= axis[0] <= POINTS or abs(enhanced - alpha) > 0.01:
            raise _unknown(file, line)
        if key in found:
            raise GridError(f"{file}: has teff = {key[0]:g}, logg = {key[1]:g} twice")
        found[key] = Block(file, start, stop, axis, f"teff {key[0]:g}, logg {key[1]:g}")
    if not found:
        raise GridError(f"{file}: is empty; get it again")
    return found


def read(block: Block) -> tuple[Floats, Floats]:
    """Wavelengths (vacuum Å) and flux in W/m²/nm."""
    count, low, high, step = block.axis
    if abs(low + (count - 1) * step - high) > 0.5 * step:
        raise GridError(f"{block}: tells of {count} wavelengths from {low:g} to {high:g} nm in steps of {step:g}, "
                        "which do not fit together")
    with readable(block.file), block.file.path.open("rb") as source:
        source.seek(block.start)
        text = source.read(block.stop - block.start)
    try:
        flux = np.array(text.split(), dtype=np.float64)
    except ValueError:
        raise GridError(f"{block}: is damaged, its fluxes are no numbers") from None
    if len(flux) != count or not np.isfinite(flux).all():
        raise GridError(f"{block}: has {len(flux)} fluxes, expected {count} finite ones")
    return 10 * np.linspace(low, high, count), flux


def _unknown(file: GridFile, line: bytes) -> GridError:
    shown = " ".join(line.decode("ascii", "replace").split())[:80]
    return GridError(f"{file}: has a line {shown!r} where one on a model is expected: not NewEra's format as it is "
                     "known here")


def _lines(file: GridFile) -> Iterator[tuple[bytes, int, int]]:
    """First lines, with begin and end of the second lines. All models of a file have as many wavelengths, so that a
    jump to where the last second line would end is tried before its end is looked for."""
    length = 0
    with readable(file), file.path.open("rb") as source:
        while line := source.readline(LONGEST):
            start = source.tell()
            length = _length(source, start, length)
            if length > LIMIT:
                raise GridError(f"{file}: has a line of more than {LIMIT / 1e6:.0f} MB")
            if not length or not _ends(source, start + length):
                raise GridError(f"{file}: is cut off, its last line does not end; get it again")
            yield line, start, start + length
            source.seek(start + length)


def _length(source: BinaryIO, start: int, guess: int) -> int:
    """Bytes of the line that begins at `start`; the file's position is anywhere after."""
    if guess:
        source.seek(start + guess - 1)
        if source.read(6) in (b"\nstar ", b"\n"):
            return guess
        source.seek(start)
    return len(source.readline(LIMIT + 1))


def _ends(source: BinaryIO, stop: int) -> bool:
    source.seek(stop - 1)
    return source.read(1) == b"\n"
