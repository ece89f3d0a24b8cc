"""Which line of a list is a track? The strongest within a tolerance; all others that are near are kept and told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hml.core.linelist.values import LineList
from hml.core.space import LIGHT, Floats

Ints = NDArray[np.int64]

ROUNDS = 4  # of choosing lines and learning from them how strong each species is


@dataclass(frozen=True, eq=False)
class Matches:
    """For every track `[L]` the lines of a list `[N]` that it may be."""

    lines: LineList
    teff: float  # K, at which strengths are compared
    tolerance: float  # km/s
    strength: Floats  # [N] of the lines, dex: log gf − θ·χ, and the level of the species if it was learnt
    centre: Floats  # [L] vacuum Å
    candidates: tuple[Ints, ...]  # L × indices into the list, the strongest first
    sharing: Ints  # [L] how many tracks, itself among them, have the same line; 0 without one

    def take(self, which: Ints) -> Matches:
        """Those of some tracks, in this order."""
        near = tuple(self.candidates[i] for i in which)
        return replace(self, centre=self.centre[which], candidates=near, sharing=self.sharing[which])

    @property
    def chosen(self) -> Ints:
        """Index `[L]` into the list, -1 where no line is near enough."""
        return _first(self.candidates)

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
        species = self.lines.species
        out = np.full(len(self.candidates), np.inf)
        for i, near in enumerate(self.candidates):
            others = near[species[near] != species[near[:1]]] if len(near) else near
            if len(others):
                out[i] = self.strength[near[0]] - self.strength[others[0]]
        return out


def match(centre: Floats, lines: LineList, tolerance: float, teff: float, width: Floats | None = None) -> Matches:
    """The lines within `tolerance` (km/s) of tracks at `centre` `[L]` (vacuum Å), ordered by log gf − θ·χ at `teff`.

    With the equivalent widths `[L]` (Å) of the tracks there, the level of each species is added: how much of it there
    is beside the others, which no list tells.
    """
    reach = tolerance / LIGHT
    first = np.searchsorted(lines.wavelength, centre * (1 - reach), side="left")
    last = np.searchsorted(lines.wavelength, centre * (1 + reach), side="right")
    near = [np.arange(low, high) for low, high in zip(first, last, strict=True)]
    strength = lines.strength(teff)
    if width is not None:
        strength = strength + _levels(near, lines, strength, width / centre)
    ordered = _ordered(near, strength)
    chosen = _first(ordered)
    sharing = np.where(chosen < 0, 0, np.bincount(chosen + 1, minlength=1)[chosen + 1])
    return Matches(lines, teff, tolerance, strength, np.asarray(centre), ordered, sharing)


def _levels(near: Sequence[Ints], lines: LineList, strength: Floats, width: Floats) -> Floats:
    """The level `[N]` (dex) of each line's species: the median of log10(W/λ) − (log gf − θ·χ) of its tracks.

    On the linear part of the curve of growth that is the species' abundance and population over the continuous opacity
    (Gray 2005, ch. 16). First tracks with a single candidate are looked at, then all, with the lines that then win; a
    species never seen is taken to be like the others.
    """
    names, kind = np.unique(lines.species, return_inverse=True)
    chosen = np.array([index[0] if len(index) == 1 else -1 for index in near], dtype=np.int64)
    total = strength
    for _ in range(ROUNDS):
        seen = np.flatnonzero((chosen >= 0) & (width > 0))
        excess, kinds = np.log10(width[seen]) - strength[chosen[seen]], kind[chosen[seen]]
        known = {k: float(np.median(excess[kinds == k])) for k in np.unique(kinds)}
        usual = float(np.median(list(known.values()))) if known else 0.0
        total = strength + np.array([known.get(k, usual) for k in range(len(names))])[kind]
        chosen = _first(_ordered(near, total))
    return total - strength


def _ordered(near: Sequence[Ints], strength: Floats) -> tuple[Ints, ...]:
    return tuple(index[np.argsort(-strength[index], kind="stable")] for index in near)


def _first(near: Sequence[Ints]) -> Ints:
    return np.array([index[0] if len(index) else -1 for index in near], dtype=np.int64)
