"""Line lists as ECSV tables: columns wavelength, species, excitation and log_gf, with their units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hml.core.errors import LineListError
from hml.core.linelist.species import species_name
from hml.core.linelist.values import Medium, Rows
from hml.core.untrusted import read_ecsv

NAMES = {
    "wavelength": ("wavelength", "wavelength_vac", "wavelength_vacuum", "wavelength_air", "wave", "wl"),
    "species": ("species",),
    "excitation": ("excitation", "ep", "e_low", "chi"),
    "log_gf": ("log_gf", "loggf"),
}
"""What columns may be called."""


def parse(path: Path) -> Rows:
    """The lines of a table; LineListError naming the column or row that cannot be used."""
    table = _table(path)
    names = {what: _name(path, table, what) for what in NAMES}
    wavelength = _numbers(path, table, names["wavelength"], "AA")
    excitation, log_gf = _numbers(path, table, names["excitation"], "eV"), _numbers(path, table, names["log_gf"], "")
    rows = Rows(path, "ECSV", _medium(table, names["wavelength"]))
    for i, species in enumerate(table[names["species"]]):
        try:
            rows.add(float(wavelength[i]), species_name(str(species)), float(excitation[i]), float(log_gf[i]))
        except ValueError as error:
            raise LineListError(f"{path}: row {i + 1}: {error}") from None
    return rows


def _table(path: Path) -> Any:
    try:
        return read_ecsv(path)
    except Exception as error:  # astropy raises what it meets in a broken file: index, type, YAML errors
        reason = " ".join(str(error).split())[:200]
        raise LineListError(f"{path}: is not an ECSV table that can be read ({reason})") from None


def _name(path: Path, table: Any, what: str) -> str:
    by_lower: dict[str, str] = {name.lower(): name for name in table.colnames}
    found = next((by_lower[name] for name in NAMES[what] if name in by_lower), None)
    if found is None:
        there = ", ".join(table.colnames)[:200]
        raise LineListError(f"{path}: expected a column {' or '.join(NAMES[what])}; it has {there}")
    return found


def _numbers(path: Path, table: Any, name: str, unit: str) -> Any:
    """A column in this unit (a column without one is taken to be in it), NaN where a cell is empty."""
    from astropy import units as u

    column = table[name]
    if column.dtype.kind not in "fiu" or column.ndim != 1:
        raise LineListError(f"{path}: column {name!r}: expected numbers")
    values = np.ma.filled(np.ma.asarray(column).astype(np.float64), np.nan)
    try:
        given = u.Unit(column.unit or unit)
        return (values * given).to_value(u.Unit(unit), u.spectral())
    except (ValueError, TypeError):
        problem = f"is in {str(column.unit)!r}; expected {unit or 'no unit'}"
        raise LineListError(f"{path}: column {name!r} {problem}") from None


def _medium(table: Any, name: str) -> Medium | None:
    told = str(table.meta.get("medium", "")).lower() or name.lower().rpartition("_")[2]
    return "air" if told.startswith("air") else "vacuum" if told.startswith("vac") else None
