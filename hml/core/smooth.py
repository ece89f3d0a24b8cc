"""The line table, smoothed over the labels: what neighbours agree on, for what no node can tell alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hml.core.around import told_around
from hml.core.lines import Breaks
from hml.core.space import Floats, Space

ROUGH = {"shift": 0.1, "ln_amplitude": 0.1, "ln_sigma": 0.1}
"""Ordinary second differences (of shifts in line widths, of the rest in e-folds); 0.3 for other parameters."""

Indices = NDArray[np.int64]

AT_ONCE = 2**22  # numbers of the lines that are solved together
STEPS = 40  # of conjugate gradients
FREE = 1e-6  # of an ordinary second difference: keeps what nobody knows where it is
FARTHEST = 30.0  # ordinary second differences: what a node knows holds near its own values only


def roughness(names: Sequence[str]) -> Floats:
    """`ROUGH` `[1 + K]` of a table's columns."""
    return np.array([ROUGH.get(name, 0.3) for name in names])


def smoothed(
    space: Space, nodes: Floats, values: Floats, information: Floats, rough: Floats, breaks: Breaks
) -> Floats:
    """The values `[M, L, K]` near those given, which nodes know with `information` `[M, L, K, K]` (inverse
    covariances), that have small second differences along every axis, compared with `rough` `[K]`: the minimum of
    Σ (x - value)ᵀ information (x - value) + Σ (second difference/rough)².

    No difference is taken across a break. Nodes may be missing; what has no two neighbours along an axis is free there.
    Where no nodes are on lines, those around take their place.
    """
    triples = [second_differences(space, nodes, p, breaks.get(axis.name, ())) for p, axis in enumerate(space.axes)]
    index, weight = (np.concatenate(parts) for parts in zip(*triples, strict=True))
    if len(index) == 0:
        index, weight = differences_around(nodes)
    out, count = np.empty_like(values), max(1, AT_ONCE // max(information[:, :1].size, 1))
    scale = np.multiply.outer(rough, rough)
    for first in range(0, values.shape[1], count):
        some = slice(first, first + count)
        out[:, some] = rough * _solved(values[:, some] / rough, information[:, some] * scale, index, weight)
    return out


def second_differences(space: Space, nodes: Floats, p: int, breaks: Sequence[int]) -> tuple[Indices, Floats]:
    """Triples of neighbours along axis p `[T, 3]` and their weights `[T, 3]`, in units of the local step."""
    row = {tuple(node): m for m, node in enumerate(nodes.tolist())}
    axis, index, weight = space.axes[p].nodes, [], []
    for node, m in row.items():
        i = axis.index(node[p])
        if not 0 < i < len(axis) - 1 or {i - 1, i} & set(breaks):
            continue
        around = [row.get((*node[:p], axis[j], *node[p + 1 :])) for j in (i - 1, i + 1)]
        if None not in around:
            a, b = axis[i] - axis[i - 1], axis[i + 1] - axis[i]
            index.append([around[0], m, around[1]])
            weight.append([b / (a + b) * 2, -2.0, a / (a + b) * 2])
    return np.array(index, dtype=np.int64).reshape(-1, 3), np.array(weight).reshape(-1, 3)


def differences_around(nodes: Floats) -> tuple[Indices, Floats]:
    """Nodes with those that tell of them `[T, 1 + K]`, and weights of twice the difference `[T, 1 + K]`, which is what
    a second difference is."""
    items = list(told_around(nodes))
    index = np.array([[m, *others] for m, others, _ in items], dtype=np.int64)
    weight = np.array([[-2.0, *(2 * weights)] for *_, weights in items])
    columns = index.shape[1] if items else 1
    return index.reshape(-1, columns), weight.reshape(-1, columns)


def _solved(values: Floats, information: Floats, index: Indices, weight: Floats) -> Floats:
    """Conjugate gradients, all lines at once, each with steps of its own."""

    def penalty(x: Floats) -> Floats:
        difference = np.einsum("tk,tk...->t...", weight, x[index])
        out = np.zeros_like(x)
        for k in range(index.shape[1]):
            np.add.at(out, index[:, k], weight[:, k, None, None] * difference)
        return out

    diagonal = np.full(len(values), FREE)
    np.add.at(diagonal, index.ravel(), (weight**2).ravel())
    pre = np.linalg.inv(information + diagonal[:, None, None, None] * np.eye(values.shape[-1]))
    # information · (value - x) is zero at the start
    move, residual = np.zeros_like(values), -penalty(values)
    z = np.einsum("mlij,mlj->mli", pre, residual)
    direction, size = z.copy(), (residual * z).sum((0, 2))[:, None]
    for _ in range(STEPS):
        along = np.einsum("mlij,mlj->mli", information, direction) + penalty(direction)
        step = size / np.maximum((direction * along).sum((0, 2))[:, None], 1e-300)
        move += step * direction
        residual -= step * along
        z = np.einsum("mlij,mlj->mli", pre, residual)
        new = (residual * z).sum((0, 2))[:, None]
        direction, size = z + new / np.maximum(size, 1e-300) * direction, new
    return values + np.clip(move, -FARTHEST, FARTHEST)
