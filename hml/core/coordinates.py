"""In what a label is best counted, and what the nodes of a grid tell of one that is left out.

Line strengths are nearly straight in the inverse temperature where they follow Boltzmann's factor, and nearly straight
in the label itself elsewhere. Which it is the nodes say: each is left out in turn, and told from the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hml.core.lines import Breaks
from hml.core.space import Floats, Node, Space

THETA = 5040.0  # K; θ = 5040/Teff is the excitation scale of the curve of growth
COORDINATES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "log": lambda x: x.log(),
    "inverse": lambda x: -THETA / x,
}
"""Increasing functions of a label, for torch tensors. All but `identity` are of labels above zero."""

SIDE = 2  # neighbours along an axis, to either side: beyond an end nothing is told that others do not tell
OFFSETS = tuple(k for k in range(-SIDE, SIDE + 1) if k)

Told = tuple[int, NDArray[np.int64], Floats]
"""The number of a node, those of others, and their weights: what the others tell of it."""


def coordinate(name: str) -> Callable[[Tensor], Tensor]:
    """The increasing function of a label that a name of `Table.coordinates` means: `identity`, `log` or `inverse` (of
    labels above zero), for torch tensors of any shape."""
    return COORDINATES[name]


def counted(values: Floats, coordinate: str) -> Floats:
    """Values of a label `[n]` in a coordinate."""
    return np.asarray(COORDINATES[coordinate](torch.as_tensor(values, dtype=torch.float64, device="cpu")))


def smoothest(space: Space, nodes: Floats, flux: Floats, breaks: Breaks) -> dict[str, str]:
    """Label → the coordinate in which spectra `[M, n]` (any choice of pixels) at nodes `[M, P]` that are left out are
    told best along its axis. Axes with too few nodes to tell are left as they are, and not named."""
    chosen = {}
    for p, axis in enumerate(space.axes):
        names = [name for name in COORDINATES if name == "identity" or axis.lower > 0]
        missed = {name: _missed(flux, list(told(space, nodes, p, breaks, name))) for name in names}
        if np.isfinite(missed["identity"]):
            chosen[axis.name] = min(names, key=lambda name: missed[name])
    return chosen


def _missed(flux: Floats, items: list[Told]) -> float:
    """Mean square of what the others miss; NaN where nothing is told."""
    return float(np.mean([np.mean((w @ flux[others] - flux[m]) ** 2) for m, others, w in items])) if items else np.nan


def told(space: Space, nodes: Floats, p: int, breaks: Breaks, coordinate: str = "identity") -> Iterator[Told]:
    """What the polynomial through its neighbours along axis p tells of each node: of those with the same other labels,
    `SIDE` steps away at most, on its side of the breaks. With too few of them, as at an end, nothing is told."""
    along = _Along(space, nodes, p, breaks, coordinate)
    for node in along.row:
        there = [offset for offset in OFFSETS if along.neighbour(node, offset) is not None]
        if len(there) > SIDE:
            yield along.told(node, there)


def spaced(
    space: Space, nodes: Floats, p: int, breaks: Breaks, coordinate: str = "identity"
) -> Iterator[tuple[Told, Told, Told, Told]]:
    """Four ways to tell a node: as `told` does, and by a straight line between its two neighbours; then both by others
    in the same places twice as many steps away. Only nodes of which all four tell."""
    along = _Along(space, nodes, p, breaks, coordinate)
    for node in along.row:
        there = [offset for offset in OFFSETS if along.neighbour(node, 2 * offset) is not None]
        whole = all(along.neighbour(node, offset) is not None for offset in there)
        if len(there) > SIDE and whole and {-1, 1} <= set(there):
            near, far = (
                (along.told(node, [step * o for o in there]), along.told(node, [-step, step])) for step in (1, 2)
            )
            yield *near, *far


class _Along:
    """The nodes `[M, P]` of a grid along axis p."""

    def __init__(self, space: Space, nodes: Floats, p: int, breaks: Breaks, coordinate: str) -> None:
        self.p, self.axis = p, space.axes[p]
        self.x = counted(np.array(self.axis.nodes), coordinate)
        self.side = np.searchsorted(np.array(breaks.get(self.axis.name, ())), np.arange(len(self.x)))
        self.row = {tuple(node): m for m, node in enumerate(nodes.tolist())}

    def neighbour(self, node: Node, offset: int) -> int | None:
        """The number of the node some steps away, on the same side of the breaks, if there is one."""
        i = self.axis.nodes.index(node[self.p])
        j = i + offset
        if not 0 <= j < len(self.x) or self.side[i] != self.side[j]:
            return None
        return self.row.get((*node[: self.p], self.axis.nodes[j], *node[self.p + 1 :]))

    def told(self, node: Node, offsets: list[int]) -> Told:
        i = self.axis.nodes.index(node[self.p])
        others = np.array([self.neighbour(node, offset) for offset in offsets], dtype=np.int64)
        return self.row[node], others, _weights(self.x[[i + offset for offset in offsets]], self.x[i])


def _weights(x: Floats, at: float) -> Floats:
    """Of values at x in the polynomial through them (Lagrange's)."""
    return np.array([np.prod((at - np.delete(x, i)) / (x[i] - np.delete(x, i))) for i in range(len(x))])
