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
from hml.core.space import Floats, Space

THETA = 5040.0  # K; θ = 5040/Teff is the excitation scale of the curve of growth
COORDINATES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "log": lambda x: x.log(),
    "inverse": lambda x: -THETA / x,
}
"""Increasing functions of a label, for torch tensors. All but `identity` are of labels above zero."""

SIDE = 2  # neighbours along an axis, to either side: beyond an end nothing is told that others do not tell

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
    axis = space.axes[p]
    x = counted(np.array(axis.nodes), coordinate)
    side = np.searchsorted(np.array(breaks.get(axis.name, ())), np.arange(len(x)))
    row = {tuple(node): m for m, node in enumerate(nodes.tolist())}
    for node, m in row.items():
        i = axis.nodes.index(node[p])
        near = [j for j in range(max(i - SIDE, 0), min(i + SIDE + 1, len(x))) if j != i and side[j] == side[i]]
        others = {j: row.get((*node[:p], axis.nodes[j], *node[p + 1 :])) for j in near}
        there = [j for j, other in others.items() if other is not None]
        if len(there) > SIDE:
            yield m, np.array([others[j] for j in there], dtype=np.int64), _weights(x[there], x[i])


def _weights(x: Floats, at: float) -> Floats:
    """Of values at x in the polynomial through them (Lagrange's)."""
    return np.array([np.prod((at - np.delete(x, i)) / (x[i] - np.delete(x, i))) for i in range(len(x))])
