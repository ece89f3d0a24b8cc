"""Breaks of a grid, found from its own nodes: where spectra jump between two neighbouring nodes of an axis.

Each node is predicted by a straight line through its two neighbours on an axis. Beside a jump J that misses by J/2 at
both ends of the broken interval, and nowhere else. A single bad node misses too, but for one value of the other labels,
and a break for most; where spectra merely bend more, as among cool stars, the neighbours beyond miss nearly as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hml import Axis, Space, Table

Floats = NDArray[np.float64]

SHARP = 2.0  # times the misses beyond the interval; a bad node alone reaches that at the end of an axis at most
LEAST = 1e-3  # of flux (rms): a jump that misses by less is none
FEWEST = 5  # nodes of an axis in which a break can be told from a bend


@dataclass(frozen=True)
class Break:
    """Between two neighbouring nodes of an axis; `miss` is the rms by which they are mispredicted (half the jump)."""

    label: str
    low: float
    high: float
    miss: float


def find_breaks(table: Table) -> list[Break]:
    """Of flux `[M, N, 1]` at the nodes of a rectilinear grid."""
    cube = table.on_grid()
    axes = enumerate(table.space.axes)
    return [found for p, axis in axes if len(axis.nodes) >= FEWEST for found in _along(axis, np.moveaxis(cube, p, 0))]


def _along(axis: Axis, cube: Floats) -> list[Break]:
    """cube `[n, …, N, 1]`."""
    missed = misses(np.array(axis.nodes), cube)
    found = []
    for i, (low, high) in enumerate(pairwise(axis.nodes)):
        inside = np.nanmin(missed[i : i + 2])
        beyond = np.nanmax([missed[j] for j in (i - 1, i + 2) if 0 <= j < len(missed) and np.isfinite(missed[j])])
        if inside > max(LEAST, SHARP * beyond):
            found.append(Break(axis.name, low, high, float(inside)))
    return found


def misses(nodes: Floats, cube: Floats) -> Floats:
    """rms `[n]` by which nodes are mispredicted from their two neighbours, of the median line along the axis; NaN at
    both ends. cube `[n, …, N, 1]`."""
    share = ((nodes[1:-1] - nodes[:-2]) / (nodes[2:] - nodes[:-2])).reshape(-1, *[1] * (cube.ndim - 1))
    off = cube[:-2] * (1 - share) + cube[2:] * share - cube[1:-1]
    each = np.sqrt(np.mean(off[..., 0] ** 2, axis=-1)).reshape(len(off), -1)
    return np.pad(np.median(each, axis=1), 1, constant_values=np.nan)


def between(points: Floats, space: Space, breaks: Sequence[Break]) -> NDArray[np.bool_]:
    """Which points `[T, P]` lie in a broken interval, its two nodes included."""
    inside = np.zeros(len(points), dtype=bool)
    for found in breaks:
        values = points[:, space.names.index(found.label)]
        inside |= (values >= found.low) & (values <= found.high)
    return inside
