"""The rows of a table as the nodes of a grid."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from astropy import units as u
from numpy.typing import NDArray

from hml import FileGrid, Frame, GridError, Node, Spectrum, air_to_vacuum
from hml.plugins.tables import TableConfig
from hml.plugins.tables.arrays import Array, read_arrays

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """One model."""

    index: int
    where: str
    stamp: tuple[str | int, ...]

    def __str__(self) -> str:
        return f"{self.where}, row {self.index}"


def table_grid(config: TableConfig) -> FileGrid[Row]:
    """The grid that a config describes; GridError says which array is missing or wrong."""
    arrays, where = read_arrays(config.path), str(config.path)
    wavelength = _wavelength(_get(arrays, config.wave, 1, where), config, where)
    flux = _get(arrays, config.flux, 2, where)
    if flux.shape[1] != len(wavelength):
        raise GridError(f"{where}: {config.flux!r} has {flux.shape[1]} columns, {config.wave!r} {len(wavelength)}")
    columns = {name: a for name, a in arrays.items() if a.shape == flux.shape[:1] and name != config.wave}
    keep = _kept(columns, config.rows, len(flux), where)
    names, values = _labels(columns, keep, config, where)
    stamp = _digest(config)
    held = {
        node: Row(int(index), where, (*stamp, int(index)))
        for node, index in _nodes(names, values, keep, columns, where).items()
    }

    def read(row: Row) -> Spectrum:
        values = flux[row.index].astype(np.float64)
        if not np.isfinite(values).all():
            raise GridError(f"{row}: {config.flux!r} has values that are not finite; choose other rows (grid.rows)")
        return Spectrum(wavelength, values, unit=config.unit, frame=Frame(medium=config.medium))

    return FileGrid(config.path.name, names, held, read, select=config.select, band=config.wavelength,
                    resolving_power=config.resolving_power,
                    told=(config.wave, config.wave_unit, config.medium, config.flux, config.unit))  # fmt: skip


def _get(arrays: Mapping[str, Array], name: str, dimensions: int, where: str) -> Array:
    if name not in arrays:
        raise GridError(f"{where}: has no array {name!r}; it has {', '.join(arrays) or 'none'}")
    if arrays[name].ndim != dimensions or arrays[name].dtype.kind not in "fiu" or not arrays[name].size:
        raise GridError(f"{where}: {name!r} has shape {arrays[name].shape} and type {arrays[name].dtype}, expected "
                        f"numbers in {dimensions} dimension{'s' * (dimensions > 1)}")
    return arrays[name]


def _wavelength(raw: Array, config: TableConfig, where: str) -> Floats:
    try:
        values = np.asarray((raw.astype(np.float64) * u.Unit(config.wave_unit)).to_value(u.AA))
        u.Unit(config.unit)
    except (ValueError, u.UnitConversionError) as error:
        raise GridError(f"grid.wave_unit, grid.unit: {' '.join(str(error).split())[:200]}") from None
    if not np.isfinite(values).all() or values[0] <= 0 or (np.diff(values) <= 0).any():
        raise GridError(f"{where}: {config.wave!r} is not in increasing order")
    return air_to_vacuum(values) if config.medium == "air" else values


def _kept(columns: Mapping[str, Array], rows: Mapping[str, str | float], count: int, where: str) -> NDArray[np.int64]:
    """Indices of the rows that are used."""
    keep = np.ones(count, dtype=bool)
    for name, value in rows.items():
        if name not in columns:
            raise GridError(f"grid.rows: {where} has no column {name!r}; it has {', '.join(columns)}")
        column = columns[name]
        same = column == str(value) if column.dtype.kind in "US" else column == _number(value, name)
        if not same.any():
            there = ", ".join(sorted({str(v) for v in column.tolist()})[:12])
            wish = value if isinstance(value, str) else f"{value:g}"
            raise GridError(f"grid.rows: {where} has no row with {name} = {wish}; it has {there}")
        keep &= same
    if not keep.any():
        raise GridError(f"grid.rows: {where} has no row with all of {dict(rows)}")
    return np.flatnonzero(keep)


def _number(value: str | float, name: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise GridError(f"grid.rows: column {name!r} holds numbers, not {value!r}") from None


def _labels(
    columns: Mapping[str, Array], keep: NDArray[np.int64], config: TableConfig, where: str
) -> tuple[tuple[str, ...], Floats]:
    """Names of the labels and their values `[rows used, P]`."""
    wanted = config.labels
    if wanted is None:
        numbers = {n: _numbers(c[keep]) for n, c in columns.items() if n not in config.rows}
        wanted = {n: n for n, v in numbers.items() if v is not None and len(np.unique(v)) > 1}
    if not wanted:
        raise GridError(f"{where}: no column of numbers varies among the rows used; name them in grid.labels")
    values = []
    for label, name in wanted.items():
        if name not in columns:
            raise GridError(f"grid.labels: {where} has no column {name!r} for {label!r}; it has {', '.join(columns)}")
        numbers_of = _numbers(columns[name][keep])
        if numbers_of is None:
            raise GridError(f"grid.labels: column {name!r} of {where} holds no finite numbers in every row used")
        values.append(numbers_of)
    return tuple(wanted), np.stack(values, -1) + 0.0  # -0.0 becomes 0.0


def _numbers(column: Array) -> Floats | None:
    """A column as numbers, also where they are written as text; None where they are none."""
    try:
        values = column.astype(np.float64)
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None


def _nodes(
    names: tuple[str, ...], values: Floats, keep: NDArray[np.int64], columns: Mapping[str, Array], where: str
) -> dict[Node, int]:
    nodes: dict[Node, int] = {}
    for node, index in zip(map(tuple, values.tolist()), keep.tolist(), strict=True):
        if node in nodes:
            other = nodes[node]
            differ = [n for n, c in columns.items() if n not in names and c[index] != c[other]]
            raise GridError(f"{where}: rows {other} and {index} are the same node "
                            f"({', '.join(f'{n}={v:g}' for n, v in zip(names, node, strict=True))}); "
                            f"they differ in {', '.join(differ) or 'nothing'}: choose with grid.rows or grid.labels")
        nodes[node] = index
    return nodes


def _digest(config: TableConfig) -> tuple[str, ...]:
    with config.path.open("rb") as stream:
        return (hashlib.file_digest(stream, "sha256").hexdigest(),)
