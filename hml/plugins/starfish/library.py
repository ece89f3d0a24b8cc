"""One HDF5 library, read without trusting it.

Two layouts exist: `grid_points` (M, P) with the attribute `names` and `flux` with the attribute `key_name`; and, older,
`pars` (M, P) with names and key pattern by convention. Both hold `wl` (N,) and one dataset (N,) a node in `flux`.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from astropy import units as u
from numpy.typing import NDArray

from hml import GridError, Node, air_to_vacuum

Floats = NDArray[np.float64]

AXES = {"t": "teff", "temp": "teff", "teff": "teff", "logg": "logg", "z": "feh", "feh": "feh", "fe_h": "feh",
        "alpha": "alpha", "a": "alpha"}
CONVENTION = ("t{0:.0f}", "g{1:.1f}", "z{2:.1f}", "a{3:.1f}")
LONGEST = 2**16  # bytes of an attribute
LARGEST = 20_000_000  # values a dataset may hold: beyond the whole of PHOENIX, a broken or hostile header
FIELD = re.compile(r"\{(\d?)(?::((?:[^{}][<>=^])?[+\- ]?0?\d{0,2}(?:\.\d{1,2})?[dfg]?))?\}")


@dataclass(frozen=True, eq=False)
class Library:
    """What one file holds. The file is opened anew for every spectrum, so that threads need no lock."""

    path: Path
    wavelength: Floats  # vacuum Å [N]
    medium: Literal["vacuum", "air"]  # of the file
    names: tuple[str, ...]
    keys: dict[Node, str]  # node → name of its dataset

    @classmethod
    def read(cls, path: Path, medium: Literal["vacuum", "air"] | None, key_name: str | None) -> Library:
        """The header of a file; GridError says what is missing or wrong in it."""
        with opened(path) as file:
            wl, flux = _get(file, "wl", h5py.Dataset, path), _get(file, "flux", h5py.Group, path)
            table = _get(file, "grid_points" if "grid_points" in file else "pars", h5py.Dataset, path)
            medium = medium or _medium(wl, path)
            names, nodes = _axes(table, path), _read(table, 2, path)
            pattern = key_name or _text(_told(flux, "key_name", path)) or "".join(CONVENTION[: len(names)])
            keys = _keys(set(flux), nodes, pattern, path)
            return cls(path, _wavelength(wl, medium, path), medium, names, keys)

    def flux(self, node: Node) -> tuple[Floats, str]:
        """Flux `[N]` of a node, and its unit ("" where it was scaled)."""
        with opened(self.path) as file:
            group = _get(file, "flux", h5py.Group, self.path)
            data = _get(group, self.keys[node], h5py.Dataset, self.path)
            if data.shape != self.wavelength.shape:
                raise GridError(f"{self.path}: {data.name} has shape {data.shape}, wl has {self.wavelength.shape}")
            unit = "" if _told(data, "norm", self.path) else _text(_told(group, "units", self.path)) or ""
            return _read(data, 1, self.path), unit

    def digest(self) -> str:
        """sha256 of the file."""
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """The file, open for reading; whatever h5py finds wrong with it becomes a GridError."""
    try:
        with h5py.File(path, "r") as file:
            yield file
    except GridError:
        raise
    except Exception as error:  # of many kinds, as deep as the damage lies
        reason = " ".join(str(error).split())
        raise GridError(f"{path}: cannot be read as HDF5 ({reason}); it may be truncated, get it again") from None


def _get(group: Any, name: str, kind: type, path: Path) -> Any:
    link = group.get(name, getlink=True)
    if link is None:
        raise GridError(f"{path}: has no {name!r}; a Starfish library holds wl, flux and grid_points (or pars)")
    if not isinstance(link, h5py.HardLink):
        raise GridError(f"{path}: {name!r} is a link to another place, which is not followed; copy the data into it")
    item = group[name]
    if not isinstance(item, kind):
        raise GridError(f"{path}: {name!r} is a {type(item).__name__}, expected a {kind.__name__}")
    return item


def _read(data: h5py.Dataset, dimensions: int, path: Path) -> Floats:
    """Finite numbers of a dataset; shape and type are looked at before anything is read."""
    if data.is_virtual or data.external:
        raise GridError(f"{path}: {data.name} keeps its values in another file, which is not followed")
    chunk = math.prod(data.chunks or ()) * data.dtype.itemsize
    if chunk > 8 * LARGEST:
        raise GridError(f"{path}: {data.name} is stored in chunks of {chunk:,} bytes, more than can be meant")
    if data.ndim != dimensions or data.dtype.kind not in "fiu" or not 0 < data.size <= LARGEST:
        raise GridError(f"{path}: {data.name} has shape {data.shape} and type {data.dtype}, expected numbers in "
                        f"{dimensions} dimension{'s' * (dimensions > 1)}")
    values = np.asarray(data[()], dtype=np.float64)
    if not np.isfinite(values).all():
        raise GridError(f"{path}: {data.name} holds values that are not finite; make the library again")
    return values


def _told(item: Any, name: str, path: Path) -> Any:
    """An attribute, None where there is none; what it claims is looked at before it is read."""
    if name not in item.attrs:
        return None
    size = item.attrs.get_id(name).get_storage_size()
    if size > LONGEST:
        raise GridError(f"{path}: the attribute {name!r} of {item.name} has {size:,} bytes; {LONGEST:,} are the most")
    return item.attrs[name]


def _wavelength(wl: h5py.Dataset, medium: str, path: Path) -> Floats:
    unit = _text(_told(wl, "units", path)) or "AA"
    try:
        values = (_read(wl, 1, path) * u.Unit(unit)).to_value(u.AA)
    except (ValueError, u.UnitConversionError):
        raise GridError(f"{path}: wl is in {unit!r}, which is no unit of length") from None
    if (np.diff(values) <= 0).any() or values[0] <= 0:
        raise GridError(f"{path}: wl is not in increasing order")
    return air_to_vacuum(values) if medium == "air" else values


def _medium(wl: h5py.Dataset, path: Path) -> Literal["vacuum", "air"]:
    air = _told(wl, "air", path)
    if air is None:
        raise GridError(f"{path}: does not say whether wl is in air or vacuum; set grid.medium")
    return "air" if bool(air) else "vacuum"


def _axes(table: h5py.Dataset, path: Path) -> tuple[str, ...]:
    count = table.shape[1] if table.ndim == 2 else 0
    raw = _told(table, "names", path)
    raw = _told(table, "par_names", path) if raw is None else raw
    names = ["teff", "logg", "feh", "alpha"][:count] if raw is None else [_text(name) or "" for name in raw]
    if not 1 <= count <= 8 or len(names) != count:
        raise GridError(f"{path}: {table.name} has shape {table.shape}, expected one column for each of {names}")
    return tuple(AXES.get(name.strip("[]").replace("/", "_").lower(), name) for name in names)


def _keys(there: set[str], nodes: Floats, pattern: str, path: Path) -> dict[Node, str]:
    """node → dataset name, for the nodes that have one."""
    if re.search(r"[{}]", FIELD.sub("", pattern)):
        raise GridError(f"{path}: key_name {pattern!r} is not a plain pattern such as t{{0:.0f}}g{{1:.1f}}z{{2:.1f}}")
    keys: dict[Node, str] = {}
    for node in nodes + 0.0:  # -0.0 becomes 0.0
        try:
            names = (pattern.format(*node), pattern.format(*np.where(node == 0, -0.0, node)))
        except (IndexError, ValueError):
            raise GridError(f"{path}: key_name {pattern!r} does not fit {nodes.shape[1]} labels") from None
        keys |= {tuple(node.tolist()): name for name in names if name in there}
    if not keys:
        example = min(there, default="nothing")
        raise GridError(f"{path}: no spectrum is named like {pattern!r}; there is {example!r}: set grid.key_name")
    return keys


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return None if value is None else str(value)
