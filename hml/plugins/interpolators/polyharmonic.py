"""Weights by which values at scattered nodes make a smooth function of the labels: polyharmonic splines.

Σ λ_i |x - x_i|^k + polynomial, with Σ λ_i q(x_i) = 0 for every polynomial q of that kind, is what a spline of degree k
(3, 5 or 7) is on a line, in any number of labels and for any places of nodes (Duchon 1977, Lect. Notes Math. 571, 85;
Wendland 2005, Scattered Data Approximation, chapter 8). It is linear in the values, so that the values themselves are
kept, and each has a weight that depends on the labels alone: 1 at its own node, 0 at all others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hml import GridError, coordinate

Floats = NDArray[np.float64]

POWERS = (3, 5, 7)  # k: the higher, the better for what is smooth, and the worse for what is not
DEGREE = 3  # of the polynomials, in all labels together
MOST = 5000  # nodes: their weights are found from a matrix of as many rows and columns, at 16 bytes an element
KNOWN = 1e-9  # of the largest singular value: polynomials that nodes tell apart by less are not told apart
EXACT = 1e-7  # of a value: where rounding costs more at the nodes themselves, a power is too high
TINY = 1e-24  # squares of distances are not less, where roots have no derivatives


@dataclass(frozen=True)
class Label:
    """One label: the coordinate it is counted in, and the intervals over which spectra jump."""

    name: str
    coordinate: str
    breaks: tuple[tuple[float, float], ...] = ()

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Label:
        """From what `dataclasses.asdict` made, or a file that says so."""
        breaks = tuple((float(low), float(high)) for low, high in data["breaks"])
        return cls(str(data["name"]), str(data["coordinate"]), breaks)

    def __call__(self, values: Tensor) -> Tensor:
        """Values of the label, in the coordinate."""
        return coordinate(self.coordinate)(values)

    def require(self, lowest: float) -> None:
        """GridError if a label this low has no such coordinate."""
        if self.coordinate != "identity" and lowest <= 0:
            raise GridError(f"axis {self.name!r} reaches {lowest:g}, and coordinate {self.coordinate!r} needs values "
                            f"above zero; set interpolator.coordinates to {{{self.name}: identity}}")  # fmt: skip


class Scatter:
    """Nodes `[M, P]` with the weights of their values. On either side of a break there is a spline of its own, over it
    the straight line between their ends."""

    def __init__(self, labels: Sequence[Label], nodes: Tensor, power: int) -> None:
        self.labels, self.count = tuple(labels), len(nodes)
        if power not in POWERS:
            raise ValueError(f"power is {power}; expected one of {', '.join(map(str, POWERS))}")
        if self.count > MOST:  # a file may say anything
            raise GridError(f"{self.count:,} nodes; interpolator 'scattered' takes {MOST:,} at most: select a part of "
                            "the grid")  # fmt: skip
        x = self._counted(nodes.to("cpu", torch.float64))
        ends = [[[float(label(torch.tensor(end, dtype=torch.float64))) for end in pair] for pair in label.breaks]
                for label in self.labels]  # fmt: skip
        sides = [_Side.of(choice, x, power) for choice in product(*map(_stretches, ends))]
        self.sides = [side for side in sides if side is not None]

    def _counted(self, labels: Tensor) -> Tensor:
        """labels `[B, P]` → their coordinates."""
        return torch.stack([label(column) for label, column in zip(self.labels, labels.unbind(1), strict=True)], 1)

    def pairs(self) -> NDArray[np.int64]:
        """Neighbours `[T, 2]`: every node with those nearest to it, two for each label, on its side of the breaks."""
        return np.concatenate([side.rows.numpy()[_nearest(side.spline, 2 * len(self.labels))] for side in self.sides])

    def left_out(self, values: Floats) -> Floats | None:
        """What the others miss of values `[M, n]` at each node, were it left out (Rippa 1999, Adv. Comput. Math. 11,
        193), NaN at nodes without which a polynomial is not told; None where rounding spoils the values themselves."""
        missed = np.full_like(values, np.nan)
        for side in self.sides:
            if not side.spline.exact:
                return None
            rows, solved = side.rows.numpy(), side.spline.solved[: len(side.rows)].numpy()
            alone = np.diagonal(solved)
            told = np.abs(alone) > KNOWN * np.abs(alone).max()
            missed[rows[told]] = (solved @ values[rows])[told] / alone[told, None]
        return missed

    def weights(self, labels: Tensor) -> Tensor:
        """labels `[B, P]` → weights `[B, M]` float64 on the CPU, differentiable any number of times in both modes."""
        x = self._counted(labels.to("cpu", torch.float64))
        if len(self.sides) == 1:
            return self.sides[0].weights(x)
        shares = torch.stack([side.share(x) for side in self.sides])
        shares = shares / shares.sum(0).clamp(min=1e-12)  # a side without nodes leaves its place to the others
        total = x.new_zeros(len(x), self.count)
        for share, side in zip(shares, self.sides, strict=True):
            total = total.index_add(1, side.rows, share[:, None] * side.weights(x))
        return total


def _nearest(spline: _Spline, count: int) -> NDArray[np.int64]:
    from scipy.spatial import cKDTree

    places = spline.places.numpy()
    _, others = cKDTree(places).query(places, k=range(1, min(count + 1, len(places)) + 1))
    return np.stack(np.broadcast_arrays(np.arange(len(places))[:, None], others), -1).reshape(-1, 2)


Stretch = tuple[tuple[float, float] | None, tuple[float, float] | None]
"""Of one coordinate: the breaks below and above, None at an end."""


def _stretches(breaks: Sequence[Sequence[float]]) -> list[Stretch]:
    return list(pairwise([None, *((low, high) for low, high in breaks), None]))


@dataclass(frozen=True, eq=False)
class _Side:
    """The nodes `rows` `[m]` between breaks."""

    stretches: tuple[Stretch, ...]
    rows: Tensor
    spline: _Spline

    @classmethod
    def of(cls, stretches: tuple[Stretch, ...], x: Tensor, power: int) -> _Side | None:
        """None where there is no node."""
        inside = torch.ones(len(x), dtype=torch.bool)
        for (below, above), column in zip(stretches, x.unbind(1), strict=True):
            low, high = below[1] if below else -torch.inf, above[0] if above else torch.inf
            inside &= (column >= low) & (column <= high)
        rows = inside.nonzero()[:, 0]
        return cls(stretches, rows, _Spline(x[rows], power)) if len(rows) else None

    def share(self, x: Tensor) -> Tensor:
        """How much `[B]` this side has to say at `[B, P]`: 1 on it, falling to 0 over the breaks around it."""
        total = torch.ones_like(x[:, 0])
        for (below, above), column in zip(self.stretches, x.unbind(1), strict=True):
            total = total * _risen(column, below) if below else total
            total = total * (1 - _risen(column, above)) if above else total
        return total

    def weights(self, x: Tensor) -> Tensor:
        """`[B, m]` at `[B, P]`; beyond the side those at its end."""
        columns = [
            column.clamp(below[1] if below else None, above[0] if above else None) if below or above else column
            for (below, above), column in zip(self.stretches, x.unbind(1), strict=True)
        ]
        return self.spline.weights(torch.stack(columns, 1))


def _risen(column: Tensor, over: tuple[float, float]) -> Tensor:
    """From 0 to 1 over an interval."""
    return ((column - over[0]) / (over[1] - over[0])).clamp(0, 1)


class _Spline:
    """The spline through values at x `[m, P]`, m above 0; labels of one value have no part in it."""

    def __init__(self, x: Tensor, power: int) -> None:
        self.power = power
        self.low, self.high = x.min(0).values, x.max(0).values
        sizes = [len(np.unique(column.numpy())) for column in x.unbind(1)]
        axes = max(1, sum(size > 1 for size in sizes))
        # an axis counts as many steps as in a grid of so many nodes with axes alike, if it has them
        self.steps = torch.tensor([min(size - 1.0, len(x) ** (1 / axes)) for size in sizes], dtype=torch.float64)
        ranges = (range(min(size, DEGREE + 1)) for size in sizes)
        self.powers = torch.tensor([powers for powers in product(*ranges) if sum(powers) <= DEGREE])
        self.unit = self._scaled(x)
        _, size, turn = torch.linalg.svd(self._polynomials(self.unit), full_matrices=False)
        self.turn = turn[size > KNOWN * size[0]].T.contiguous()
        self.solved = self._solution()

    def _scaled(self, x: Tensor) -> Tensor:
        """-1 to 1 along each label."""
        wide = self.high > self.low
        return torch.where(wide, 2 * (x - self.low) / torch.where(wide, self.high - self.low, 1.0) - 1, 0.0)

    @property
    def places(self) -> Tensor:
        """Nodes `[m, P]` in steps."""
        places: Tensor = self.unit * (self.steps / 2)
        return places

    def _solution(self) -> Tensor:
        """The matrix `[m + Q, m]` from functions at a place to the weights of values."""
        known = self._functions(self.unit)
        many, every = known.shape
        whole = torch.zeros(every, every, dtype=torch.float64)
        whole[:many], whole[many:, :many] = known, known[:, many:].T
        solved: Tensor = torch.linalg.solve(whole, torch.eye(every, many, dtype=torch.float64))
        return solved

    @property
    def exact(self) -> bool:
        """Whether values come back at their nodes."""
        error = (self._functions(self.unit) @ self.solved).fill_diagonal_(0)  # of what others put there
        return bool(error.abs().max() < EXACT)

    def _functions(self, unit: Tensor) -> Tensor:
        """Powers of distances from all nodes, and polynomials: `[B, m + Q]`."""
        away = (unit * (self.steps / 2))[:, None] - self.places
        far = (away.square().sum(-1) + TINY) ** (self.power / 2)
        return torch.cat([far, self._polynomials(unit) @ self.turn], 1)

    def _polynomials(self, unit: Tensor) -> Tensor:
        """Products of powers `[B, E]`."""
        total = torch.ones(len(unit), len(self.powers), dtype=torch.float64)
        for p, column in enumerate(unit.unbind(1)):
            total = total * torch.stack([column**e for e in range(DEGREE + 1)], 1)[:, self.powers[:, p]]
        return total

    def weights(self, x: Tensor) -> Tensor:
        """`[B, m]` at `[B, P]`."""
        weights: Tensor = self._functions(self._scaled(x)) @ self.solved
        return weights
