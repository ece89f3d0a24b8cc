"""From a table of node values to the coefficients of a spline, a block of lines at a time, in the precision wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from hml import GridError, Table
from hml.plugins.interpolators.basis import AxisPlan, Basis, Floats, solver
from hml.plugins.interpolators.packed import STRENGTH, Packed, neighbours
from hml.plugins.interpolators.spline import TensorSpline

AT_ONCE = 2**19  # numbers of a block, 4 MB


def fit(table: Table, degree: int, coordinates: Mapping[str, str], storage: str) -> TensorSpline:
    """The spline of `degree` (less on short axes) through every node of a rectilinear table.

    Storage int16 is for the parameters of lines; whatever else a table holds is then kept in float64.
    """
    order, shape = _grid_order(table), table.space.shape
    basis = Basis([
        AxisPlan(axis.name, axis.nodes, min(degree, len(axis.nodes) - 1), coordinates.get(axis.name, "identity"),
                 tuple(table.breaks.get(axis.name, ())))
        for axis in table.space.axes
    ])
    solvers = [
        solver(plan.in_coordinate(), plan.degree, plan.breaks) if plan.degree > 1 else None for plan in basis.plans
    ]
    state = stored(table, order, storage, neighbours(shape), lambda values: _solved(values, solvers, shape))
    return TensorSpline(basis, *state)


def stored(
    table: Table, order: NDArray[np.int64], storage: str, pairs: NDArray[np.int64],
    solved: Callable[[Floats], Floats] = lambda values: values,
) -> tuple[torch.Tensor, ...]:  # fmt: skip
    """The state of a `Weighted` whose rows are the nodes in this order `[M]`, of which `pairs` `[T, 2]` are neighbours.
    `solved` makes coefficients `[M, l, K]` of node values. GridError if one is not finite."""
    _check_finite(table)
    rows, (lines, params) = len(order), table.values.shape[1:]
    if storage == "int16" and STRENGTH in table.names:
        store: Packed | _Plain = Packed(rows, lines, table.names)
    else:
        store = _Plain((rows, lines, params), "float64" if storage == "int16" else storage)
    for some in _blocks(rows * params, lines):
        values = table.values[:, some][order].astype(np.float64, copy=False)
        store.put(some, solved(store.before(values, pairs)))
    return store.state()


class _Plain:
    """Spline coefficients `[M, L, K]` in a precision of their own."""

    def __init__(self, shape: tuple[int, ...], storage: str) -> None:
        self.coefficients = torch.empty(shape, dtype=getattr(torch, storage))

    def before(self, values: Floats, pairs: NDArray[np.int64]) -> Floats:
        return values

    def put(self, some: slice, values: Floats) -> None:
        self.coefficients[:, some] = torch.from_numpy(values)

    def state(self) -> tuple[torch.Tensor, ...]:
        return (self.coefficients,)


def _blocks(size: int, lines: int) -> Iterator[slice]:
    """Slices of lines whose values, `size` numbers a line, fill a block."""
    step = max(1, AT_ONCE // max(size, 1))
    return (slice(first, min(first + step, lines)) for first in range(0, lines, step))


def _solved(values: Floats, solvers: Sequence[Floats | None], shape: tuple[int, ...]) -> Floats:
    """Node values `[M, l, K]` in the order of the grid → spline coefficients `[M, l, K]`."""
    for p, matrix in enumerate(solvers):
        if matrix is not None:  # else the coefficients are the values
            values = (matrix @ values.reshape(prod(shape[:p]), shape[p], -1)).reshape(values.shape)
    return values


def _grid_order(table: Table) -> NDArray[np.int64]:
    """The order `[M]` in which the nodes are the product of the axes; GridError if one is missing."""
    nodes = [tuple(node) for node in table.nodes.tolist()]
    if missing := table.space.count_holes(nodes):
        hole = next(table.space.each_hole(nodes))
        raise GridError(f"the grid has no node at {_listed(table, hole)} ({missing} missing), and this "
                        "interpolator needs every node of the product of its axes; select a part of the grid without "
                        "holes, or an interpolator for ragged grids")
    return np.lexsort(table.nodes.T[::-1])


def _check_finite(table: Table) -> None:
    for node, values in zip(table.nodes, table.values, strict=True):
        if not np.isfinite(values).all():
            raise GridError(f"the line table holds a number that is not finite at {_listed(table, node)}; build it "
                            "again")


def _listed(table: Table, node: ArrayLike) -> str:
    return ", ".join(f"{name}={value:g}" for name, value in table.space.to_dict(node).items())
