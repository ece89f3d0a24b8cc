"""Breaks of a grid, found from its own nodes: where spectra jump between two neighbouring nodes of an axis.

Each node is predicted by a straight line through its two neighbours on an axis. Beside a jump J that misses by J/2 at
both ends of the broken interval, and nowhere else; where spectra merely bend more, as among cool stars, the neighbours
beyond miss nearly as much. A jump shows in all pixels and for all values of the other labels: the miss of a node is
the median over these and the geometric mean over pixels, so that neither single bad nodes nor a few strong lines, which
bend most, decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hml import Axis, Space, Table

Floats = NDArray[np.float64]

SHARP = 2.2  # times the misses beyond the interval, where both its ends are predicted
SHARP_AT_END = 1.5  # the same for the first and the last interval of an axis, of which one end is predicted
LEAST = 2e-4  # of flux: a jump that misses by less is none
FLAT = 1e-5  # of flux: added to every pixel's miss, so that pixels without any line do not decide
FEWEST = 5  # nodes of an axis in which a break can be told from a bend


@dataclass(frozen=True)
class Break:
    """Between two neighbouring nodes of an axis; `miss` is what they are mispredicted by, half of the jump."""

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
        ends = missed[i : i + 2]
        inside, sharp = float(np.nanmin(ends)), SHARP if np.isfinite(ends).all() else SHARP_AT_END
        beyond = np.nanmax(np.concatenate([missed[max(i - 1, 0) : i], missed[i + 2 : i + 3]]))
        if inside > max(LEAST, sharp * beyond):
            found.append(Break(axis.name, low, high, inside))
    return found


def misses(nodes: Floats, cube: Floats) -> Floats:
    """Flux `[n]` by which nodes are mispredicted from their two neighbours; NaN at both ends. cube `[n, …, N, 1]`."""
    share = ((nodes[1:-1] - nodes[:-2]) / (nodes[2:] - nodes[:-2])).reshape(-1, *[1] * (cube.ndim - 1))
    off = np.abs(cube[:-2] * (1 - share) + cube[2:] * share - cube[1:-1])
    each = np.median(off.reshape(len(off), -1, off.shape[-2]), axis=1)
    return np.pad(np.exp(np.log(each + FLAT).mean(1)), 1, constant_values=np.nan)


def between(points: Floats, space: Space, breaks: Sequence[Break]) -> NDArray[np.bool_]:
    """Which points `[T, P]` lie in a broken interval, its two nodes included."""
    inside = np.zeros(len(points), dtype=bool)
    for found in breaks:
        values = points[:, space.names.index(found.label)]
        inside |= (values >= found.low) & (values <= found.high)
    return inside
