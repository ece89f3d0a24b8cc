"""The engine of both interpolators: tensor-product splines of any degree as one differentiable module.

The table's node values are turned into B-spline coefficients once. A spline of degree k then needs k + 1 coefficients
an axis at any label, so that a look-up is a weighted sum of (k + 1)^P rows of the table, all lines together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import factorial
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import BSpline, make_interp_spline

from hml import GridError, Manifold, Table
from hml.plugins.interpolators.rows import weighted_rows

Floats = NDArray[np.float64]

THETA = 5040.0  # K; θ = 5040/Teff is the excitation scale of the curve of growth
COORDINATES = {"identity": lambda x: x, "log": lambda x: x.log(), "inverse": lambda x: -THETA / x}
"""Increasing functions of a label, for torch tensors."""


@dataclass(frozen=True)
class AxisPlan:
    """What is known of one axis before any number is: n nodes, a spline of `degree` in `coordinate`."""

    name: str
    n: int
    degree: int
    coordinate: str


class TensorSpline(Manifold):
    """labels `[B, P]` → `[B, L, K]` as Σ over rows of (product of the axes' B-splines) × coefficients."""

    differentiable = True
    coefficients: torch.Tensor

    def __init__(self, plans: Sequence[AxisPlan], coefficients: torch.Tensor) -> None:
        """coefficients `[n1·…·nP, L, K]`; breaks and pieces of the axes are zero until they are set."""
        super().__init__()
        self.plans = tuple(plans)
        self.register_buffer("coefficients", coefficients.contiguous())
        for p, plan in enumerate(self.plans):
            pieces, order = plan.n - plan.degree, plan.degree + 1
            self.register_buffer(f"breaks_{p}", torch.zeros(pieces + 1, dtype=torch.float64))
            self.register_buffer(f"pieces_{p}", torch.zeros(pieces, order, order, dtype=torch.float64))

    @classmethod
    def empty(cls, header: Mapping[str, Any]) -> TensorSpline:
        """A module of the shape that `header` tells; its numbers come with `load_state_dict`."""
        plans = [AxisPlan(**plan) for plan in header["axes"]]
        shape = (int(np.prod([plan.n for plan in plans])), header["lines"], header["params"])
        return cls(plans, torch.zeros(shape, dtype=getattr(torch, header["storage"])))

    def header(self) -> dict[str, Any]:
        """What `empty` needs."""
        _, lines, params = self.coefficients.shape
        storage = str(self.coefficients.dtype).removeprefix("torch.")
        return {"axes": [asdict(plan) for plan in self.plans], "lines": lines, "params": params, "storage": storage}

    def subset(self, lines: Sequence[int] | slice | NDArray[np.int64]) -> TensorSpline:
        """The same spline for some of the lines."""
        chosen = lines if isinstance(lines, slice) else torch.from_numpy(np.array(lines, dtype=np.int64))
        part = TensorSpline(self.plans, self.coefficients[:, chosen])
        axes = {name: value for name, value in self.state_dict().items() if name != "coefficients"}
        part.to(self.coefficients.device).load_state_dict(axes, strict=False)
        return part

    def forward(self, labels: torch.Tensor) -> torch.Tensor:
        """labels `[B, P]` → `[B, L, K]` in the storage's precision."""
        if labels.ndim != 2 or labels.shape[1] != len(self.plans):
            raise ValueError(f"labels have shape {tuple(labels.shape)}, expected [B, {len(self.plans)}]")
        rows = torch.zeros(len(labels), 1, dtype=torch.int64, device=labels.device)
        weights = torch.ones(len(labels), 1, dtype=torch.float64, device=labels.device)
        for p, plan in enumerate(self.plans):
            first, local = self._local(p, labels[:, p])
            along = first[:, None] + torch.arange(plan.degree + 1, device=labels.device)
            rows = (rows[:, :, None] * plan.n + along[:, None, :]).flatten(1)
            weights = (weights[:, :, None] * local[:, None, :]).flatten(1)
        table = self.coefficients.flatten(1)
        out = weighted_rows(rows, weights.to(table.dtype), table)
        return out.view(len(labels), *self.coefficients.shape[1:])

    def _local(self, p: int, label: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The first of the B-splines that are not zero at each label `[B]`, and the values of all `[B, degree + 1]`."""
        breaks = cast(torch.Tensor, getattr(self, f"breaks_{p}"))
        pieces = cast(torch.Tensor, getattr(self, f"pieces_{p}"))
        x = COORDINATES[self.plans[p].coordinate](label.to(torch.float64))
        piece = (x.detach()[:, None] >= breaks[1:-1]).sum(dim=1)
        u = (x - breaks[piece]) / (breaks[piece + 1] - breaks[piece])
        powers = torch.stack([u**m for m in range(pieces.shape[-1])], dim=-1)
        return piece, torch.einsum("bm,bmj->bj", powers, pieces[piece])


def fit(table: Table, degree: int, coordinates: Mapping[str, str], storage: str) -> TensorSpline:
    """The spline of `degree` (less on short axes) through every node of a rectilinear table."""
    values = _complete(table)
    plans, breaks, pieces = [], [], []
    for p, axis in enumerate(table.space.axes):
        k = min(degree, len(axis.nodes) - 1)
        plans.append(AxisPlan(axis.name, len(axis.nodes), k, coordinates.get(axis.name, "identity")))
        matrix, *rest = spline_basis(_coordinate(axis.name, axis.nodes, plans[-1].coordinate), k)
        if k > 1:  # else the coefficients are the values
            before, n, *after = int(np.prod(values.shape[:p])), *values.shape[p:]
            values = (matrix @ values.reshape(before, n, int(np.prod(after)))).reshape(values.shape)
        breaks.append(torch.from_numpy(rest[0]))
        pieces.append(torch.from_numpy(rest[1]))
    flat = torch.from_numpy(values.reshape(-1, *values.shape[-2:]))
    spline = TensorSpline(plans, flat.to(getattr(torch, storage)))
    axes = {f"breaks_{p}": b for p, b in enumerate(breaks)} | {f"pieces_{p}": q for p, q in enumerate(pieces)}
    spline.load_state_dict(axes, strict=False)
    return spline


def spline_basis(x: Floats, degree: int) -> tuple[Floats, Floats, Floats]:
    """The not-a-knot B-splines of `degree` on increasing x `[n]`, n > degree.

    Returns the matrix `[n, n]` from node values to coefficients; the breaks `[n - degree + 1]` between polynomial
    pieces; and pieces `[n - degree, degree + 1, degree + 1]`: on piece i, B-spline i + j is Σ_m pieces[i, m, j] u^m
    with u from 0 to 1 along the piece.
    """
    n = len(x)
    if degree == 0:
        return np.eye(1), np.array([x[0], x[0] + 1.0]), np.ones((1, 1, 1))
    spline = make_interp_spline(x, np.eye(n), k=degree)
    breaks = spline.t[degree : n + 1]
    basis = BSpline(spline.t, np.eye(n), degree)
    taylor = [basis(breaks[:-1], nu=m) * (np.diff(breaks) ** m / factorial(m))[:, None] for m in range(degree + 1)]
    local = np.arange(n - degree)[:, None] + np.arange(degree + 1)
    pieces = np.take_along_axis(np.stack(taylor, axis=1), local[:, None], axis=2)
    return spline.c, np.array(breaks), pieces


def _complete(table: Table) -> Floats:
    """Values `[n1, …, nP, L, K]`; GridError if one is missing or not finite."""
    holes = table.space.holes([tuple(node) for node in table.nodes.tolist()])
    if holes:
        raise GridError(f"the grid has no node at {_listed(table, holes[0])} ({len(holes)} missing), and this "
                        "interpolator needs every node of the product of its axes; select a part of the grid without "
                        "holes, or an interpolator for ragged grids")
    finite = np.isfinite(table.values).all(axis=(1, 2))
    if not finite.all():
        node = table.nodes[np.argmin(finite)]
        raise GridError(f"the line table holds a number that is not finite at {_listed(table, node)}; build it again")
    return table.on_grid()


def _listed(table: Table, node: ArrayLike) -> str:
    return ", ".join(f"{name}={value:g}" for name, value in table.space.to_dict(node).items())


def _coordinate(name: str, nodes: Sequence[float], coordinate: str) -> Floats:
    if coordinate != "identity" and nodes[0] <= 0:
        raise GridError(f"axis {name!r} reaches {nodes[0]:g}, and coordinate {coordinate!r} needs values above zero; "
                        f"set interpolator.coordinates to {{{name}: identity}}")
    return np.asarray(COORDINATES[coordinate](torch.tensor(nodes, dtype=torch.float64)))
