"""Where a grid breaks: intervals between nodes over which all its spectra jump.

Libraries are computed in parts, with other physics here and there. A spline that is led over such a place swings for
several nodes to either side. A break shows in the nodes themselves: every difference of third order that spans it is
many times as large as those before and after it, over most of the pixels. Single lines that come and go do not count,
since the median over the pixels is taken, nor do single bad nodes, since the median over the other axes is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hml.core.lines import Breaks
from hml.core.space import Floats, Space

ORDER = 3  # of the differences: a cubic's fourth neighbour is told by three
FEWEST = 7  # nodes of an axis: with fewer there is nothing to compare with
TIMES = 2.0  # larger than what the trend along the axis expects
SIGMAS = 5.0  # of the scatter about that trend, besides


@dataclass(frozen=True, eq=False)
class Roughness:
    """Differences along one axis: number j is of nodes j … j + ORDER. size and expected `[n - ORDER]`."""

    name: str
    size: Floats
    expected: Floats
    breaks: tuple[int, ...]


def find_breaks(space: Space, nodes: Floats, flux: Floats) -> Breaks:
    """Label → the intervals between its nodes that are breaks, from normalised spectra `[M, n]` (any choice of pixels)
    at nodes `[M, P]`."""
    found = {rough.name: rough.breaks for rough in roughness_of(space, nodes, flux)}
    return {name: breaks for name, breaks in found.items() if breaks}


def roughness_of(space: Space, nodes: Floats, flux: Floats) -> list[Roughness]:
    """Of every axis that has nodes enough."""
    return [
        _along(space, nodes, flux, p) for p, axis in enumerate(space.axes) if len(axis.nodes) >= FEWEST
    ]  # fmt: skip


def _along(space: Space, nodes: Floats, flux: Floats, p: int) -> Roughness:
    size = _differences(space, nodes, flux, p)
    known, place = np.isfinite(size) & (size > 0), np.arange(float(len(size)))
    if known.sum() <= ORDER:
        return Roughness(space.axes[p].name, size, np.full(len(size), np.nan), ())
    slope, level = _trend(place[known], np.log(size[known]))
    expected = np.exp(level + slope * place)
    above = np.log(np.where(known, size, expected) / expected)
    scatter = 1.4826 * np.median(np.abs(above[known]))
    large = above > max(np.log(TIMES), SIGMAS * scatter)
    return Roughness(space.axes[p].name, size, expected, _fewest(large, len(space.axes[p].nodes) - 1))


def _trend(x: Floats, y: Floats) -> tuple[float, float]:
    """Slope and level of the line through two points that is nearest to most of them: least median of squares
    (Rousseeuw 1984, J. Am. Stat. Assoc. 79, 871), which bears that nearly half of them lie elsewhere."""
    i, j = np.triu_indices(len(x), 1)
    slope = (y[j] - y[i]) / (x[j] - x[i])
    level = y[i] - slope * x[i]
    best = np.median(np.abs(y - level[:, None] - slope[:, None] * x), axis=1).argmin()
    return float(slope[best]), float(level[best])


def _differences(space: Space, nodes: Floats, flux: Floats, p: int) -> Floats:
    """The typical size of what a parabola through ORDER nodes misses at the next one `[n - ORDER]`, NaN where there are
    no such nodes; over the noise that it would have of nodes with an error of one."""
    axis, others = space.axes[p].nodes, np.delete(nodes, p, 1)
    out = np.full(len(axis) - ORDER, np.nan)
    rows = {(*other, node[p]): m for m, (node, other) in enumerate(zip(nodes.tolist(), others.tolist(), strict=True))}
    series = sorted({tuple(other) for other in others.tolist()})
    for j in range(len(out)):
        x = np.array(axis[j : j + ORDER + 1])
        weights = [np.prod([(x[-1] - b) / (a - b) for b in x[:-1] if b != a]) for a in x[:-1]] + [-1.0]
        sizes = []
        for other in series:
            here = [rows.get((*other, value)) for value in x]
            if None not in here:
                sizes.append(np.median(np.abs(np.array(weights) @ flux[np.array(here, dtype=np.int64)])))
        if sizes:
            out[j] = np.median(sizes) / np.linalg.norm(weights)
    return out


def _fewest(large: Sequence[bool] | np.ndarray[tuple[int], np.dtype[np.bool_]], intervals: int) -> tuple[int, ...]:
    """The fewest breaks that account for all large differences, none of them spanned by one that is not large."""
    spans = [set(range(max(0, i - ORDER + 1), min(i, len(large) - 1) + 1)) for i in range(intervals)]
    left, breaks = set(np.flatnonzero(large).tolist()), []
    while left:
        able = [i for i, span in enumerate(spans) if all(large[j] for j in span) and span & left]
        if not able:
            break
        # of those that explain as much the one whose differences are centred on it: a break in the middle of a run
        best = max(able, key=lambda i: (len(spans[i] & left), len(spans[i])))
        breaks.append(best)
        left -= spans[best]
    return tuple(sorted(breaks))
