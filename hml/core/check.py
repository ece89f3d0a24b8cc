"""How smooth a grid is: what its neighbours tell of each node, where it breaks, which nodes stand out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hml.core.breaks import find_breaks
from hml.core.lines import Breaks
from hml.core.parts import Parts
from hml.core.space import Floats, Node, Space

PIXELS = 8192  # of a spectrum, about, that are compared
SIDE = 2  # neighbours along an axis, to either side: beyond an end nothing is told that others do not tell
BAD = 3.0  # times what the nodes around it have
AROUND = 1.5  # grid steps: which nodes are around


@dataclass(frozen=True, eq=False)
class GridCheck:
    """left_out `[M]`: rms of a node's spectrum from what its neighbours along the longest axis tell of it, over the
    error that nodes with an error of one would have, NaN where there are too few of them; in normalised flux."""

    space: Space
    nodes: Floats
    left_out: Floats
    breaks: Breaks
    bad: tuple[Node, ...]


def check_grid(parts: Parts) -> GridCheck:
    """Of the nodes of a grid as selected. All are loaded; a part of their pixels is kept."""
    grid, kept = parts.grid, []
    nodes = list(grid.nodes())
    with parts.context.progress("loading", total=len(nodes), unit="nodes") as advance:
        for node in nodes:
            flux = parts.prepared(node).flux
            kept.append(flux[:: max(1, len(flux) // PIXELS)].astype(np.float32))
            advance(1)
    space, points, flux = Space.from_nodes(grid.space.names, nodes), np.array(nodes), np.stack(kept)
    breaks = find_breaks(space, points, flux)
    left_out = left_out_rms(space, points, flux, breaks)
    return GridCheck(space, points, left_out, breaks, tuple(nodes[m] for m in bad_nodes(space, points, left_out)))


def left_out_rms(space: Space, nodes: Floats, flux: Floats, breaks: Breaks) -> Floats:
    """See `GridCheck.left_out`, for spectra `[M, n]`. Neighbours beyond a break do not count."""
    p = max(range(len(space)), key=lambda p: len(space.axes[p].nodes))
    axis = space.axes[p]
    row = {tuple(node): m for m, node in enumerate(nodes.tolist())}
    side = np.searchsorted(np.array(breaks.get(axis.name, ())), np.arange(len(axis.nodes)))
    out = np.full(len(nodes), np.nan)
    for node, m in row.items():
        i = axis.nodes.index(node[p])
        same = [j for j in range(len(axis.nodes)) if j != i and side[j] == side[i]]
        same = [j for j in same if (*node[:p], axis.nodes[j], *node[p + 1 :]) in row]
        near = [j for j in same if abs(j - i) <= SIDE]
        if len(near) < SIDE + 1:
            continue
        x = np.array([axis.nodes[j] for j in near])
        weights = np.array([np.prod([(node[p] - b) / (a - b) for b in x if b != a]) for a in x])
        told = weights @ flux[[row[(*node[:p], axis.nodes[j], *node[p + 1 :])] for j in near]]
        out[m] = np.sqrt(np.mean((told - flux[m]) ** 2) / (1 + weights @ weights))
    return out


def bad_nodes(space: Space, nodes: Floats, left_out: Floats) -> list[int]:
    """Nodes whose spectra fit their neighbours far worse than those around them do, the worst first. A bad node spoils
    what is told of its neighbours too, so that of those only the largest is named."""
    steps = np.stack(
        [np.interp(nodes[:, p], axis.nodes, np.arange(len(axis.nodes))) for p, axis in enumerate(space.axes)], -1
    )
    long = int(np.argmax(space.shape))
    others = np.arange(len(space)) != long
    found: list[int] = []
    for m in np.argsort(-np.nan_to_num(left_out)).tolist():
        gap = np.abs(steps - steps[m])
        across = (gap.max(1) <= AROUND) & (gap[:, others].max(1, initial=0) > 0)
        around = left_out[across & np.isfinite(left_out)]
        spoilt = any(gap[f, others].max(initial=0) == 0 and gap[f, long] <= SIDE for f in found)
        if np.isfinite(left_out[m]) and len(around) > 1 and not spoilt and left_out[m] > BAD * np.median(around):
            found.append(m)
    return found
