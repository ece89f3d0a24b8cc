"""Tracks that every node has: where they begin, which are still missing, and what neighbours agree on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hml.core.associate import APART, pile
from hml.core.check import GridCheck
from hml.core.interfaces import LineProfile
from hml.core.lines import Clone, FoundLines, LineTable, Table
from hml.core.smooth import roughness, smoothed
from hml.core.space import Floats

CLEAR = 0.02  # depth: lines at least as deep tell how wide lines are
TOLD = 0.1  # e-folds: how well a solver without second derivatives is taken to know a line as deep as its rms
FREE = 1.0  # e-folds
SPREAD = 0.5  # of ordinary second differences: how far a node may stray from what its neighbours agree on


def typical_width(found: Sequence[FoundLines]) -> float:
    """The median full width of clear lines, over their wavelengths."""
    width = np.concatenate([f.fwhm / f.centre for f in found])
    depth = np.concatenate([f.depth for f in found])
    return float(np.median(width[depth >= min(CLEAR, float(np.median(depth)))]))


def no_tracks(grid: GridCheck, profile: LineProfile) -> LineTable:
    """A table of no line yet at the nodes of a grid."""
    empty = np.zeros((len(grid.nodes), 0, 1 + len(profile.params)))
    table = Table(grid.space, grid.nodes, empty, ("shift", *profile.params), grid.breaks, grid.coordinates)
    return LineTable(np.zeros(0), table, np.ones(empty.shape[:2], dtype=bool))


def with_more(lines: LineTable, seen: Sequence[FoundLines], profile: LineProfile, width: float) -> LineTable:
    """With further tracks where lines were seen at nodes, apart from the tracks that are there. All begin alike, with
    the shape of a typical line and without an amplitude (NaN), which each node finds itself: what begins alike stays
    alike, while fits from starts of their own tell blends apart in different ways."""
    new = pile([s.centre for s in seen], [s.depth for s in seen], width)
    if len(lines) and len(new):
        gap = np.abs(np.log(new)[:, None] - np.log(lines.reference)).min(1)
        new = new[gap >= APART * width]
    one = np.ones(len(new))
    shape = profile.initial(FoundLines(new, one, one, width * new))
    shape[:, 0] = np.nan
    begin = np.broadcast_to(
        np.concatenate([np.zeros((len(new), 1)), shape], 1), (len(lines.table.nodes), len(new), 1 + len(profile.params))
    )
    reference = np.concatenate([lines.reference, new])
    order = np.argsort(reference, kind="stable")
    values = np.concatenate([lines.table.values, begin], 1)[:, order]
    return LineTable(reference[order], replace(lines.table, values=values), np.ones(values.shape[:2], dtype=bool))


def agreed(lines: LineTable, clones: Sequence[Clone], width: float) -> LineTable:
    """The table of what was fitted at the nodes, smoothed over the labels."""
    centre = np.stack([c.centre for c in clones])
    shift = (centre / lines.reference - 1) / width
    values = np.concatenate([shift[..., None], np.stack([c.params for c in clones])], -1)
    information = np.stack([_information(c) for c in clones]).astype(np.float64)
    table = lines.table
    values = smoothed(table.space, table.nodes, values, information, roughness(table.names), table.breaks)
    values[..., 0] *= width * lines.reference  # Å
    return replace(lines, table=replace(table, values=values))


def fitted(lines: LineTable, clones: Sequence[Clone]) -> LineTable:
    """The table of what was fitted at the nodes."""
    shift = np.stack([c.centre for c in clones]) - lines.reference
    values = np.concatenate([shift[..., None], np.stack([c.params for c in clones])], -1)
    return replace(lines, table=replace(lines.table, values=values))


def _information(clone: Clone) -> NDArray[Any]:
    """`[L, 1 + K, 1 + K]`: the solver's, else that a line is known the better the deeper it is."""
    if clone.information is not None:
        return clone.information
    strength = np.exp(np.clip(2 * clone.params[:, 0], -60, 60)) / (TOLD * clone.rms) ** 2
    return strength[:, None, None] * np.eye(1 + clone.params.shape[1])


def spreads(lines: LineTable) -> Floats:
    """How far `[L, 1 + K]` a node may stray from the table; in the amplitude of new tracks as far as it likes."""
    out = np.repeat(SPREAD * roughness(lines.table.names)[None], len(lines), 0)
    out[np.isnan(lines.table.values[0, :, 1]), 1] = FREE
    return out
