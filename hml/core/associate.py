"""Lines of different nodes become tracks: one line followed across the grid, a row of the line table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hml.core.config import AssociateConfig
from hml.core.lines import Clone, LineTable, Table
from hml.core.space import LIGHT, Floats, Space

SENTINEL = -1000.0  # the paper's filling of all four parameters where a line is missing
PAPER_CUT = -100.0  # the paper renders lines with ln a above this
LOOK_BACK = 6  # nearest nodes already walked that a line may be followed from
FADE = 1.0  # ln a lost per grid step beyond the last node where a line was found


def associate(space: Space, nodes: Floats, clones: Sequence[Clone], config: AssociateConfig) -> LineTable:
    """The line table of clones at `nodes` `[M, P]`."""
    rows = _identical(clones) if config.method == "paper" else _followed(space, nodes, clones, config.tolerance)
    tracks = 1 + max((int(row.max()) for row in rows if len(row)), default=-1)
    centre = np.full((len(clones), tracks), np.nan)
    params = np.full((len(clones), tracks, len(clones[0].names)), np.nan)
    for m, (row, clone) in enumerate(zip(rows, clones, strict=True)):
        centre[m, row] = clone.found if config.method == "paper" else clone.centre
        params[m, row] = clone.params
    reference = np.nanmean(centre, axis=0)
    if config.method == "paper":  # matched by the centre before the fit, rendered at the one after it
        for m, (row, clone) in enumerate(zip(rows, clones, strict=True)):
            centre[m, row] = clone.centre
    order = np.argsort(reference)
    reference, centre, params = reference[order], centre[:, order], params[:, order]
    present = np.isfinite(centre)
    values = np.concatenate([(centre - reference)[..., None], params], axis=-1)
    names = ("shift", *clones[0].names)
    if config.method == "paper":
        values[~present] = SENTINEL
        values[..., 0] -= np.where(present, 0.0, reference)
        return LineTable(reference, Table(space, nodes, values, names), present, PAPER_CUT)
    return LineTable(reference, Table(space, nodes, _faded(space, nodes, values, present), names), present)


def _identical(clones: Sequence[Clone]) -> list[NDArray[np.int64]]:
    """Track of every line, by identical centre before the fit (the paper's way)."""
    _, track = np.unique(np.concatenate([c.found for c in clones]), return_inverse=True)
    return list(np.split(track, np.cumsum([len(c) for c in clones])[:-1]))


def steps_between(space: Space, nodes: Floats) -> Floats:
    """Distances `[M, M]` between nodes, in grid steps."""
    scaled = np.stack(
        [np.interp(nodes[:, p], axis.nodes, np.arange(len(axis.nodes))) for p, axis in enumerate(space.axes)], -1
    )
    return np.asarray(np.abs(scaled[:, None] - scaled[None]).sum(-1))


def _followed(space: Space, nodes: Floats, clones: Sequence[Clone], tolerance: float) -> list[NDArray[np.int64]]:
    """Track of every line: nodes are walked outwards from the middle, lines linked to the nearest nodes walked so far
    if they are each other's nearest within `tolerance` km/s."""
    distance = steps_between(space, nodes)
    walk = np.argsort(distance[distance.sum(1).argmin()], kind="stable")
    tracks, rows = 0, [np.empty(0, dtype=np.int64)] * len(clones)
    for i, m in enumerate(walk):
        expected = np.full(tracks, np.nan)
        nearest = walk[:i][np.argsort(distance[m, walk[:i]], kind="stable")][:LOOK_BACK]
        for near in nearest[::-1]:  # the nearest has the last word
            expected[rows[near]] = clones[near].centre
        row = _linked(clones[m].centre, expected, tolerance)
        new = row < 0
        row[new] = tracks + np.arange(new.sum())
        tracks += int(new.sum())
        rows[m] = row
    return rows


def _linked(centre: Floats, expected: Floats, tolerance: float) -> NDArray[np.int64]:
    """For each centre the index of the expected one that is mutually nearest, or -1."""
    known = np.flatnonzero(np.isfinite(expected))
    if len(known) == 0 or len(centre) == 0:
        return np.full(len(centre), -1, dtype=np.int64)
    known = known[np.argsort(expected[known])]
    there = _nearest(expected[known], centre)
    line_order = np.argsort(centre)
    back = line_order[_nearest(centre[line_order], expected[known])]
    close = np.abs(centre / expected[known][there] - 1) * LIGHT < tolerance
    mutual = back[there] == np.arange(len(centre))
    return np.where(close & mutual, known[there], -1)


def _nearest(sorted_values: Floats, wanted: Floats) -> NDArray[np.int64]:
    right = np.clip(np.searchsorted(sorted_values, wanted), 1, max(len(sorted_values) - 1, 1))
    left = right - 1
    right = np.minimum(right, len(sorted_values) - 1)
    return np.where(wanted - sorted_values[left] <= sorted_values[right] - wanted, left, right)


def _faded(space: Space, nodes: Floats, values: Floats, present: NDArray[np.bool_]) -> Floats:
    """Missing lines take the shape they have at the nearest node and fade with the distance from it, so that an
    interpolated line goes to zero smoothly."""
    distance = steps_between(space, nodes)
    filled = values.copy()
    weakest = np.nanmin(np.where(present, values[..., 1], np.nan), axis=0)
    for m in range(len(nodes)):
        lost = np.flatnonzero(~present[m])
        away = np.where(present[:, lost], distance[m][:, None], np.inf)
        source = away.argmin(0)
        filled[m, lost] = values[source, lost]
        filled[m, lost, 1] = np.minimum(values[source, lost, 1], weakest[lost]) - FADE * away.min(0)
    return filled
