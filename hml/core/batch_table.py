"""The table of a batch: a row a spectrum, kept in an ECSV file that is whole at any time and can be continued."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from hml.core.errors import ArtefactError
from hml.core.space import UNITS
from hml.core.store import write_text
from hml.core.untrusted import read_ecsv

KIND, SCHEMA = "hml batch", 1
LARGEST = 500_000_000  # bytes of a table that is read
WRITING = 0.02  # of the time, at most, is spent on writing the table
FAILED, CRASHED = "failed", "crashed"
"""Status of a spectrum that could not be measured: for a reason that is told, or through a bug."""
TEXT = ("file", "status", "message", "notes", "metric", "sha256")
ELSEWHERE = "give another --output, or remove the file"


@dataclass(frozen=True)
class Row:
    """What came of one file. Numbers are NaN where there are none."""

    file: str
    sha256: str  # of its content; "" where it could not be read
    status: str
    message: str = ""
    notes: tuple[str, ...] = ()
    values: Mapping[str, float] = field(default_factory=dict)
    errors: Mapping[str, float] = field(default_factory=dict)
    metric: str = ""
    objective: float = np.nan
    pixels: int = 0
    seconds: float = np.nan

    @property
    def measured(self) -> bool:
        return self.status not in (FAILED, CRASHED)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Row:
        return cls(**{**data, "notes": tuple(data["notes"])})


@dataclass(frozen=True)
class Heading:
    """What all rows share: the parameters in their order, and what rows of another table differ in."""

    parameters: tuple[str, ...]
    generator: str  # its key
    config: Mapping[str, Any]  # what of it decides a measurement
    versions: Mapping[str, str] = field(default_factory=dict)

    def require_same(self, other: Heading, path: Path) -> None:
        """ArtefactError if rows of the two cannot stand in one table."""
        if other.generator != self.generator:
            raise ArtefactError(f"{path}: holds results of another generator; {ELSEWHERE}")
        mine, theirs = dict(self.config), dict(other.config)
        if differ := [name for name in mine | theirs if mine.get(name) != theirs.get(name)]:
            raise ArtefactError(f"{path}: holds results of another config ({', '.join(differ)} differ); {ELSEWHERE}")
        if other.parameters != self.parameters:
            raise ArtefactError(f"{path}: holds other parameters ({', '.join(other.parameters)}); {ELSEWHERE}")


class Ledger:
    """Rows under a heading, at places of their own; the file holds those that are there, in the order of places. Rows
    of a large table wait until writing all of it has paid: that takes `WRITING` of the time at most."""

    def __init__(self, path: Path, heading: Heading) -> None:
        self.path, self.heading = path, heading
        self.rows: dict[int, Row] = {}
        self._lines: dict[int, str] = {}
        self._top = ""
        self._due = 0.0  # when the file may be written again
        self._waiting = False

    def put(self, rows: Mapping[int, Row]) -> None:
        """Add rows, and store all when it is due."""
        for place, row in rows.items():
            # a table of one row has the same heading as one of many
            *top, line = ecsv(self.heading, [row]).splitlines()
            self.rows[place], self._lines[place], self._top = row, line, "\n".join(top)
        self._waiting |= bool(rows)
        if time.monotonic() >= self._due:
            self.flush()

    def flush(self) -> None:
        """Store what is not stored yet."""
        if self._waiting:
            began = time.monotonic()
            lines = [self._lines[place] for place in sorted(self._lines)]
            write_text(self.path, "\n".join([self._top, *lines, ""]))
            self._waiting, now = False, time.monotonic()
            self._due = now + (now - began) / WRITING

    def sorted(self) -> tuple[Row, ...]:
        return tuple(self.rows[place] for place in sorted(self.rows))


# --- the file --------------------------------------------------------------------------------------------------


def ecsv(heading: Heading, rows: Sequence[Row]) -> str:
    """Rows as text; each is one line."""
    from astropy import units as u
    from astropy.table import Table

    table = Table(meta={"kind": KIND, "schema": SCHEMA, **asdict(heading), "parameters": list(heading.parameters)})
    table["file"] = [row.file for row in rows]
    for name in heading.parameters:
        unit = u.Unit(UNITS.get(name, ""))
        table[name] = u.Quantity([row.values.get(name, np.nan) for row in rows], unit)
        table[f"{name}_error"] = u.Quantity([row.errors.get(name, np.nan) for row in rows], unit)
    for name in ("status", "objective", "metric", "pixels", "message"):
        table[name] = [getattr(row, name) for row in rows]
    table["notes"] = ["; ".join(row.notes) for row in rows]
    table["seconds"] = [row.seconds for row in rows] * u.s
    table["sha256"] = [row.sha256 for row in rows]
    text = io.StringIO()
    table.write(text, format="ascii.ecsv")
    return text.getvalue()


def read_batch(path: Path) -> tuple[Heading, list[Row]]:
    """The table of an earlier batch; ArtefactError if it is not one."""
    if not path.is_file() or path.stat().st_size > LARGEST:
        what = "is larger than any table of results" if path.is_file() else "is not a file"
        raise ArtefactError(f"{path}: {what}; {ELSEWHERE}")
    try:
        table = read_ecsv(path)
        if table.meta.get("kind") != KIND or table.meta.get("schema") != SCHEMA:
            raise ValueError("it is another table")
        told = {name: table.meta[name] for name in ("parameters", "generator", "config", "versions")}
        heading = Heading(**{**told, "parameters": tuple(told["parameters"])})
        return heading, [_row(heading, record) for record in _records(table)]
    except Exception as error:  # astropy raises what it meets in a broken file: index, type, YAML errors
        reason = one_line(str(error), 200)
        raise ArtefactError(f"{path}: holds no results that could be continued ({reason}); {ELSEWHERE}") from None


def _records(table: Any) -> list[dict[str, Any]]:
    """Plain values; an empty cell is an empty text or NaN."""
    columns = {}
    for name in table.colnames:
        empty: Any = "" if name in TEXT else np.nan
        columns[name] = [empty if value is None else value for value in table[name].tolist()]
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _row(heading: Heading, record: Mapping[str, Any]) -> Row:
    notes = tuple(filter(None, str(record["notes"]).split("; ")))
    return Row(
        **{name: str(record[name]) for name in ("file", "sha256", "status", "message", "metric")},
        notes=notes,
        values=_numbers({name: record[name] for name in heading.parameters}),
        errors=_numbers({name: record[f"{name}_error"] for name in heading.parameters}),
        objective=float(record["objective"]),
        pixels=int(record["pixels"]),
        seconds=float(record["seconds"]),
    )


def _numbers(record: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in record.items() if np.isfinite(value)}


def renamed(row: Row, file: str) -> Row:
    """The row of a file with the same content."""
    return replace(row, file=file)


def shown(file: Path) -> str:
    """The name of a file in its row, which must not look like a comment."""
    name = one_line(str(file))
    return f"./{name}" if name.startswith("#") else name


def one_line(text: str, most: int = 1000) -> str:
    """Text of any origin as one line that can be printed and stored."""
    flat = " ".join(text.split())
    return "".join(c if c.isprintable() else "?" for c in flat)[:most]
