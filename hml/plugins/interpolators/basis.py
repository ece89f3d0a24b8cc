"""The product of the axes' B-splines: which rows of a table a label needs, and with what weights.

The weights are worked out on the CPU in float64 wherever the table lies: they are a few hundred numbers a label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hml import GridError, coordinate
from hml.plugins.interpolators.kernels import spline_weights

Floats = NDArray[np.float64]

MOST = 2**14  # seven cubic axes


@dataclass(frozen=True)
class AxisPlan:
    """All that is to know of one axis: a spline of `degree`, less than the number of nodes, in `coordinate`. Over the
    intervals `breaks`, where spectra jump, it is straight, and what lies on one side knows nothing of the other."""

    name: str
    nodes: tuple[float, ...]
    degree: int
    coordinate: str
    breaks: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        known = 0 <= self.degree < min(len(self.nodes), 6)  # a file may say anything
        if not known or not all(a < b for a, b in pairwise(self.nodes)):
            raise ValueError(f"axis {self.name!r}: expected more nodes than the degree {self.degree}, increasing, and "
                             "a degree of 5 at most")
        ends = (-1, *self.breaks, len(self.nodes) - 1)
        if not all(a < b for a, b in pairwise(ends)):
            raise ValueError(f"axis {self.name!r}: breaks {list(self.breaks)} are not some of its intervals, sorted")

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> AxisPlan:
        """From what `dataclasses.asdict` made, or a file that says so."""
        return cls(str(data["name"]), tuple(map(float, data["nodes"])), int(data["degree"]), data["coordinate"],
                   tuple(map(int, data.get("breaks", ()))))

    def in_coordinate(self) -> Floats:
        """The nodes in the coordinate; GridError if they are not positive where it needs that."""
        if self.coordinate != "identity" and self.nodes[0] <= 0:
            raise GridError(f"axis {self.name!r} reaches {self.nodes[0]:g}, and coordinate {self.coordinate!r} needs "
                            f"values above zero; set interpolator.coordinates to {{{self.name}: identity}}")
        return np.asarray(coordinate(self.coordinate)(torch.tensor(self.nodes, dtype=torch.float64, device="cpu")))


class Basis:
    """The tensor product of P axes; C (`many`) B-splines are not zero at a label, of as many as nodes (`rows`)."""

    def __init__(self, plans: Sequence[AxisPlan]) -> None:
        self.plans = tuple(plans)
        self.sizes = np.array([len(plan.nodes) for plan in plans])
        self.degrees = np.array([plan.degree for plan in plans])
        self.many = prod(plan.degree + 1 for plan in plans)
        self.rows = prod(len(plan.nodes) for plan in plans)
        if self.many > MOST:  # a file may say anything
            raise ValueError(f"{self.many:,} neighbours of a label would be looked up; expected {MOST:,} at most: "
                             "fewer axes, or lower degrees")
        made = [pieced(plan.in_coordinate(), plan.degree, plan.breaks) for plan in plans]
        self.counts = np.array([len(firsts) for _, firsts, _ in made])
        most, order = int(self.counts.max()), int(self.degrees.max()) + 1
        self.breaks = np.zeros((len(plans), most + 1))
        self.firsts = np.zeros((len(plans), most), dtype=np.int64)
        self.pieces = np.zeros((len(plans), most, order, order))
        for p, (breaks, firsts, pieces) in enumerate(made):
            self.breaks[p, : len(breaks)] = breaks
            self.firsts[p, : len(firsts)] = firsts
            self.pieces[p, : len(pieces), : pieces.shape[1], : pieces.shape[2]] = pieces

    def coordinates(self, labels: Tensor) -> Tensor:
        """labels `[B, P]` → what the splines run in, `[B, P]` float64 on the CPU."""
        labels = labels.to("cpu", torch.float64)
        if all(plan.coordinate == "identity" for plan in self.plans):
            return labels
        columns = zip(self.plans, labels.unbind(1), strict=True)
        return torch.stack([coordinate(plan.coordinate)(column) for plan, column in columns], 1)

    def evaluate(self, x: Tensor, order: int = 0) -> tuple[Tensor, Tensor]:
        """x `[B, P]` → rows `[B, C]` int64, and all derivatives of one order of their weights `[B, P, …, P, C]`."""
        points = np.ascontiguousarray(x.detach().numpy())
        batch, axes = points.shape
        rows = np.empty((batch, self.many), dtype=np.int64)
        weights = np.empty((batch, axes**order, self.many))
        spline_weights(points, self.sizes, self.degrees, self.counts, self.breaks, self.firsts, self.pieces, order,
                       rows, weights)  # fmt: skip
        return torch.from_numpy(rows), torch.from_numpy(weights.reshape(batch, *[axes] * order, self.many))

    def slopes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x `[B, P]` → rows `[B, C]` and first derivatives of their weights `[B, P, C]`, themselves differentiable any
        number of times in both modes."""
        return cast(tuple[Tensor, Tensor], _Weights.apply(x, self, 1))  # type: ignore[no-untyped-call]


class _Weights(torch.autograd.Function):
    """`Basis.evaluate`; its derivative is itself with the order one higher."""

    @staticmethod
    def forward(x: Tensor, basis: Basis, order: int) -> tuple[Tensor, Tensor]:
        return basis.evaluate(x, order)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Basis, int], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[0])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])
        ctx.basis, ctx.order = inputs[1:]

    @staticmethod
    def _derivative(ctx: Any) -> Tensor:
        """With the axis it is along before those of the derivatives so far: `[B, P, *shape of the output]`."""
        (x,) = ctx.saved_tensors
        return cast(Tensor, _Weights.apply(x, ctx.basis, ctx.order + 1)[1])  # type: ignore[no-untyped-call]

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None, __: None) -> Any:
        along = tangent.reshape(*tangent.shape, *[1] * (ctx.order + 1))
        return None, (_Weights._derivative(ctx) * along).sum(1)

    @staticmethod
    def backward(ctx: Any, _: None, gradient: Tensor | None) -> Any:
        if gradient is None:
            return None, None, None
        return (_Weights._derivative(ctx) * gradient[:, None]).flatten(2).sum(2), None, None

    @staticmethod
    def vmap(info: Any, dims: tuple[int, None, None], x: Tensor, basis: Basis, order: int) -> Any:
        x = x.movedim(dims[0], 0)
        made = _Weights.apply(x.flatten(0, 1), basis, order)  # type: ignore[no-untyped-call]
        return tuple(part.unflatten(0, x.shape[:2]) for part in made), (0, 0)


def knots(x: Floats, degree: int) -> Floats:
    """Of the not-a-knot spline of `degree` on increasing x `[n]`, n > degree (de Boor 1978, chapter XIII)."""
    inner = x if degree % 2 else (x[1:] + x[:-1]) / 2
    half = (degree + 1) // 2
    ends = np.ones(degree + 1)
    return np.concatenate([x[0] * ends, inner[half : len(inner) - half], x[-1] * ends])


def piecewise(x: Floats, degree: int) -> tuple[Floats, Floats]:
    """The not-a-knot B-splines on x `[n]` as polynomials.

    Returns breaks `[n - degree + 1]` between pieces, and pieces `[n - degree, degree + 1, degree + 1]`: on piece i,
    B-spline i + j is Σ_m pieces[i, m, j] u^m with u from 0 to 1 along the piece (de Boor 1978, X.(9)).
    """
    if degree == 0:
        return np.array([x[0], x[0] + 1.0]), np.ones((1, 1, 1))
    t, count = knots(x, degree), len(x) - degree
    here = np.arange(count)[:, None] + degree
    pieces = np.zeros((count, degree + 1, degree + 1))
    pieces[:, 0, 0] = 1.0
    step = t[here + 1] - t[here]
    for d in range(1, degree + 1):  # B-splines of degree d from those of degree d - 1
        j = np.arange(d)
        left, right = t[here + 1 - d + j], t[here + 1 + j]
        lower = pieces[:, :d, :d] / (right - left)[:, None]
        begin, slope = (t[here] - left)[:, None], step[:, None]  # (x - left) and (right - x) are begin + slope u
        new = np.zeros_like(pieces)
        new[:, :d, 1 : d + 1] += lower * begin
        new[:, 1 : d + 1, 1 : d + 1] += lower * slope
        new[:, :d, :d] += lower * (right - t[here])[:, None]
        new[:, 1 : d + 1, :d] -= lower * slope
        pieces = new
    return np.append(t[here[:, 0]], t[len(x)]), pieces


def pieced(x: Floats, degree: int, jumps: Sequence[int] = ()) -> tuple[Floats, NDArray[np.int64], Floats]:
    """As `piecewise`, with a spline of its own on either side of every interval in `jumps` (of a lower degree where
    there are too few nodes), and straight lines over these. Since the first and last B-spline of a side have the value
    there, the whole is continuous.

    Returns breaks `[pieces + 1]`, the number of the first B-spline of each piece `[pieces]`, and pieces.
    """
    if len(x) == 1:
        breaks, pieces = piecewise(x, 0)
        return breaks, np.zeros(1, dtype=np.int64), pieces
    starts = [0, *(j + 1 for j in jumps)]
    ends: list[float] = [x[0]]
    firsts: list[int] = []
    pieces_: list[Floats] = []

    def put(end: float, first: int, piece: Floats) -> None:
        here = min(first, len(x) - 1 - degree)  # so that no B-spline is named that there is not
        whole = np.zeros((degree + 1, degree + 1))
        whole[: len(piece), first - here : first - here + piece.shape[1]] = piece
        ends.append(end)
        firsts.append(here)
        pieces_.append(whole)

    for start, stop in zip(starts, [*starts[1:], len(x)], strict=True):
        side = x[start:stop]
        if len(side) > 1:
            breaks, pieces = piecewise(side, min(degree, len(side) - 1))
            for i, piece in enumerate(pieces):
                put(breaks[i + 1], start + i, piece)
        if stop < len(x):
            put(x[stop], stop - 1, np.array([[1.0, 0.0], [-1.0, 1.0]]))
    return np.array(ends), np.array(firsts, dtype=np.int64), np.stack(pieces_)


def solver(x: Floats, degree: int, breaks: Sequence[int] = ()) -> Floats:
    """The matrix `[n, n]` from values at x `[n]` to the coefficients of the spline through them."""
    axis = Basis([AxisPlan("", tuple(x), degree, "identity", tuple(breaks))])
    rows, weights = axis.evaluate(torch.from_numpy(x)[:, None])
    collocation = np.zeros((len(x), len(x)))
    np.put_along_axis(collocation, rows.numpy(), weights.numpy(), 1)
    return np.asarray(np.linalg.inv(collocation))
