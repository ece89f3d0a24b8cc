"""A line list as a value, and the rows it is made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hml.core.errors import LineListError
from hml.core.space import Floats
from hml.core.wavelength import SHORTEST, air_to_vacuum

Medium = Literal["air", "vacuum"]

THETA = 5039.8
"""K: log10 of e, over Boltzmann's constant in eV/K."""


@dataclass
class Rows:
    """What a file says, row by row, before anything is converted but units."""

    path: Path
    kind: str  # the format
    medium: Medium | None  # None: the file does not say
    wavelength: list[float] = field(default_factory=list)  # Å
    species: list[str] = field(default_factory=list)
    excitation: list[float] = field(default_factory=list)  # eV
    log_gf: list[float] = field(default_factory=list)

    def add(self, wavelength: float, species: str, excitation: float, log_gf: float) -> None:
        """One line; ValueError if it cannot be meant."""
        if not 10 <= wavelength <= 1e9:
            raise ValueError(f"{wavelength:g} Å is no wavelength of a line")
        if not (0 <= excitation < 1e3 and abs(log_gf) < 100):
            raise ValueError(f"excitation {excitation:g} eV or log gf {log_gf:g} cannot be meant")
        self.wavelength.append(wavelength)
        self.species.append(species)
        self.excitation.append(excitation)
        self.log_gf.append(log_gf)


@dataclass(frozen=True, eq=False)
class LineList:
    """Known lines, sorted by wavelength. Every array is `[N]`."""

    wavelength: Floats  # vacuum Å
    species: NDArray[np.str_]  # as `species_name` writes them
    excitation: Floats  # of the lower level, eV
    log_gf: Floats
    story: str  # where they come from, in which format and medium

    def __len__(self) -> int:
        return len(self.wavelength)

    @classmethod
    def of(cls, rows: Rows, medium: Medium | None, usual: Medium) -> LineList:
        """The lines of a file in vacuum. Its medium is `medium` if given, else what the file says, else the `usual`
        one; wavelengths below 2000 Å are in vacuum always. LineListError if there are none."""
        if not rows.wavelength:
            raise LineListError(f"{rows.path}: holds no lines ({rows.kind}); ask for a list with lines in your band")
        why = "as asked" if medium else "as it says" if rows.medium else "assumed"
        chosen = medium or rows.medium or usual
        wavelength = np.array(rows.wavelength)
        if chosen == "air":
            wavelength = np.where(wavelength >= SHORTEST, air_to_vacuum(np.maximum(wavelength, SHORTEST)), wavelength)
        order = np.argsort(wavelength, kind="stable")
        told = f"{chosen} wavelengths ({why}){', converted to vacuum' if chosen == 'air' else ''}"
        return cls(
            wavelength[order], np.array(rows.species)[order], np.array(rows.excitation)[order],
            np.array(rows.log_gf)[order], f"{rows.path.name}: {len(order):,} lines, {rows.kind}, {told}",
        )  # fmt: skip

    def strength(self, teff: float) -> Floats:
        """log gf − θ·χ `[N]` with θ = 5039.8 K / Teff: how strong lines of one species are among themselves where
        levels are populated as Boltzmann says (Gray 2005, The Observation and Analysis of Stellar Photospheres, ch. 1).
        It does not know how abundant a species is."""
        return np.asarray(self.log_gf - THETA / teff * self.excitation)
