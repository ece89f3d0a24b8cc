"""Kurucz's text format: 1221 wavelengths (nm, 8F10.2), then for each model a line and twice 1221 numbers (8E10.4): H_ν
and that of the continuum alone, erg/s/cm²/Hz/ster. The files of 1993 begin with the program that wrote them."""

from __future__ import annotations

import re
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from hml import GridError, GridFile
from hml_atlas.model import Key, Model

NAME = re.compile(r"f(?P<sign>[pm])(?P<z>\d\d)(?P<alpha>a?)k(?P<vturb>\d)(?:odfnew|nover)?\.pck(?:\.gz)?")
HEADER = re.compile(rb"TEFF\s+(\d+)\.\s+GRAVITY\s+(\d\.\d+)\s+(.*)")
METALS = re.compile(rb"\[\s*([+-]?\d+\.\d+)(a?)\s*\]")
WAVES = re.compile(rb"(?:[ \d]{7}\.\d\d){1,8}\s*")
POINTS = 1221
LINES = -(-POINTS // 8)
LIMIT = 100_000_000  # bytes of a file; one has about 12,000,000
LIGHT = 2.99792458e18  # Å/s

Floats = NDArray[np.float64]
Which = tuple[float, float, float]  # feh, alpha, vturb


def key_of(name: str) -> Which | None:
    """Metallicity, [α/Fe] and microturbulence of a file name; None if it is not Kurucz's."""
    if not re.match(r"f[pm]\d\d.*\.pck", name):
        return None
    found = NAME.fullmatch(name)
    if found is None:
        raise GridError(f"{name[:200]!r}: is named like no file of fluxes that is known here, such as fp00k2odfnew.pck")
    feh = float(found["z"]) / 10 * (-1 if found["sign"] == "m" else 1)
    return feh + 0.0, 0.4 if found["alpha"] else 0.0, float(found["vturb"])


def models(file: GridFile, which: Which) -> dict[Key, Model]:
    """Those of one file, by (teff, logg, feh)."""
    found: dict[Key, Model] = {}
    at, since = 0, 0
    for line in file.read(LIMIT).splitlines(keepends=True):
        at += len(line)
        header = HEADER.search(line)
        if header is None:
            since += bool(line.strip())
            continue
        _whole(found, since, file)
        key, since = _key(header, which, file), 0
        if key in found:
            raise GridError(f"{file}: has {_shown(line)!r} twice")
        found[key] = Model(file, _shown(header[0]), at)
    if not found:
        raise GridError(f"{file}: has no line like 'TEFF   5000.  GRAVITY 4.50000': not Kurucz's format")
    _whole(found, since, file)
    return found


def _key(header: re.Match[bytes], which: Which, file: GridFile) -> Key:
    metals = METALS.search(header[3])
    if metals is None or (float(metals[1]), 0.4 if metals[2] else 0.0) != which[:2]:
        raise GridError(f"{file}: a model says {_shown(header[0])!r}, the name says [M/H] = {which[0]:g}")
    return float(header[1]), float(header[2]), which[0]


def _whole(found: dict[Key, Model], lines: int, file: GridFile) -> None:
    """GridError if the model found last, if any, has other than its `lines` of numbers."""
    if found and lines != 2 * LINES:
        raise GridError(f"{file}: {list(found.values())[-1].part!r} has {lines} lines of numbers, expected {2 * LINES}")


def read(file: GridFile, start: int) -> tuple[Floats, Floats]:
    """Wavelengths (Å) and surface flux in erg/s/cm²/Å, F_λ = 4π H_ν c/λ², of the model whose numbers begin there."""
    data = file.read(LIMIT)
    wavelength = 10 * _wavelengths(data, file)
    lines = data[start : start + 100 * LINES].splitlines()[:LINES]
    h_nu = _numbers(b"".join(lines), f"{file}, byte {start}")
    return wavelength, 4 * np.pi * h_nu * LIGHT / wavelength**2


def _wavelengths(data: bytes, file: GridFile) -> Floats:
    """nm: the lines of numbers right before the first model."""
    first = HEADER.search(data)
    before = data[: first.start() if first else 0].splitlines()
    lines = list(takewhile(WAVES.fullmatch, reversed(before)))[::-1]
    text = b"".join(line.rstrip() if line is lines[-1] else line.ljust(80)[:80] for line in lines)
    values = np.array([float(text[i : i + 10]) for i in range(0, len(text), 10)])
    if len(values) != POINTS or values[0] <= 0 or (np.diff(values) <= 0).any():
        raise GridError(f"{file}: has {len(values)} wavelengths before its first model, expected {POINTS} in order")
    return values


def _numbers(text: bytes, where: str) -> Floats:
    """Numbers of ten characters each, which may touch."""
    fields = [text[i : i + 10] for i in range(0, 10 * POINTS, 10)]
    try:
        return np.array([_number(field) for field in fields])
    except ValueError:
        raise GridError(f"{where}: is damaged, expected {POINTS} numbers of ten characters each") from None


def _number(field: bytes) -> float:
    try:
        return float(field)
    except ValueError:  # Fortran leaves the E out of exponents of three digits
        return float(field[:-4] + b"E" + field[-4:])


def _shown(line: bytes) -> str:
    return " ".join(line.decode("ascii", "replace").split())[:80]
