"""Nodes that a grid lacks, made up from those it has, for interpolators that need every one."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack
from scipy.sparse.linalg import splu

from hml.core.lines import Table
from hml.core.smooth import second_differences
from hml.core.space import Floats, Node, Space

SLOPE = 1e-4  # weight of first differences: they decide only where no second difference tells anything
AT_ONCE = 2**22  # numbers that are solved for together


def whole(table: Table) -> Table:
    """The table with a row for every node of the product of the axes: those that are missing come last, with the values
    that have the least sum of squared second differences along all axes, none across a break. One node that is missing
    on a line of others gets what the cubic through its four neighbours has there; beyond the last node it is a straight
    continuation."""
    holes = table.space.holes([tuple(node) for node in table.nodes.tolist()])
    if not holes:
        return table
    nodes = np.concatenate([table.nodes, np.array(holes)])
    known = len(table.nodes)
    penalty = _penalty(table, nodes)
    solve = splu(penalty[known:, known:].tocsc()).solve
    given = table.values.reshape(known, -1)
    made = np.empty((len(holes), given.shape[1]))
    step = max(1, AT_ONCE // known)
    for first in range(0, given.shape[1], step):
        some = slice(first, first + step)
        made[:, some] = solve(-(penalty[known:, :known] @ given[:, some]))
    values = np.concatenate([table.values, made.reshape(len(holes), *table.values.shape[1:])])
    return replace(table, nodes=nodes, values=values)


def _penalty(table: Table, nodes: Floats) -> csr_array:
    """The matrix `[n, n]` of a sum of squared differences over all nodes `[n, P]`."""
    parts = []
    for p, axis in enumerate(table.space.axes):
        bends = second_differences(table.space, nodes, p, table.breaks.get(axis.name, ()))
        slopes = _first_differences(table.space, nodes, p)
        parts += [_rows(*bends, len(nodes)), np.sqrt(SLOPE) * _rows(*slopes, len(nodes))]
    every = csr_array(vstack(parts))
    return csr_array(every.T @ every)


def _rows(index: NDArray[np.int64], weight: Floats, count: int) -> csr_array:
    """Differences as rows of a matrix `[T, count]`: weights `[T, k]` of nodes index `[T, k]`."""
    starts = np.arange(len(index) + 1) * index.shape[1]
    return csr_array((weight.ravel(), index.ravel(), starts), shape=(len(index), count))


def _first_differences(space: Space, nodes: Floats, p: int) -> tuple[NDArray[np.int64], Floats]:
    row: dict[Node, int] = {tuple(node): m for m, node in enumerate(nodes.tolist())}
    axis = space.axes[p].nodes
    after = dict(pairwise(axis))
    pairs = [(m, row[(*node[:p], after[node[p]], *node[p + 1 :])]) for node, m in row.items() if node[p] in after]
    index = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return index, np.broadcast_to([-1.0, 1.0], index.shape)
