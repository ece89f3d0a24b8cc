"""One model of a file of many."""

from __future__ import annotations

from dataclasses import dataclass

from hml import GridFile


@dataclass(frozen=True)
class Model:
    """Where a model lies: a column of a table, or a block of text."""

    file: GridFile
    part: str
    start: int | None = None  # byte of a block's first line of fluxes; None: a column

    def __str__(self) -> str:
        return f"{self.file}, {self.part}"

    @property
    def stamp(self) -> tuple[str | int, ...]:
        return (*self.file.stamp, self.part)


Key = tuple[float, float, float]  # teff, logg, feh
