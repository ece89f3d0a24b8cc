"""Which line of a list is a track? The strongest within a tolerance; all others that are near are kept and told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hml.core.linelist.values import LineList
from hml.core.space import LIGHT, Floats

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Matches:
    """For every track `[L]` the lines of a list that it may be."""

    lines: LineList
    teff: float  # K, at which strengths are compared
    tolerance: float  # km/s
    centre: Floats  # [L] vacuum Å
    candidates: tuple[Ints, ...]  # L × indices into the list, the strongest first

    @property
    def chosen(self) -> Ints:
        """Index `[L]` into the list, -1 where no line is near enough."""
        return np.array([near[0] if len(near) else -1 for near in self.candidates], dtype=np.int64)

    @property
    def competing(self) -> Ints:
        """How many lines `[L]` of the list are near enough."""
        return np.array([len(near) for near in self.candidates], dtype=np.int64)

    @property
    def sharing(self) -> Ints:
        """How many tracks `[L]`, itself among them, have the same line; 0 without one."""
        chosen = self.chosen
        return np.where(chosen < 0, 0, np.bincount(chosen + 1, minlength=1)[chosen + 1])

    @property
    def species(self) -> list[str]:
        """Of each track, empty where no line is near enough."""
        return [str(self.lines.species[i]) if i >= 0 else "" for i in self.chosen]

    @property
    def offset(self) -> Floats:
        """Track minus line `[L]`, km/s; NaN where no line is near enough."""
        there = self.lines.wavelength[self.chosen]
        return np.where(self.chosen < 0, np.nan, (self.centre / there - 1) * LIGHT)

    @property
    def margin(self) -> Floats:
        """By how much `[L]` (dex) the line is stronger than the strongest near line of another species; infinite where
        there is none."""
        strength, species = self.lines.strength(self.teff), self.lines.species
        out = np.full(len(self.candidates), np.inf)
        for i, near in enumerate(self.candidates):
            others = near[species[near] != species[near[:1]]] if len(near) else near
            if len(others):
                out[i] = strength[near[0]] - strength[others[0]]
        return out


def match(centre: Floats, lines: LineList, tolerance: float, teff: float) -> Matches:
    """The lines within `tolerance` (km/s) of tracks at `centre` `[L]` (vacuum Å), ordered by log gf − θ·χ at `teff`."""
    reach = tolerance / LIGHT
    first = np.searchsorted(lines.wavelength, centre * (1 - reach), side="left")
    last = np.searchsorted(lines.wavelength, centre * (1 + reach), side="right")
    strength = lines.strength(teff)
    near = (np.arange(low, high) for low, high in zip(first, last, strict=True))
    ordered = tuple(index[np.argsort(-strength[index], kind="stable")] for index in near)
    return Matches(lines, teff, tolerance, np.asarray(centre), ordered)
