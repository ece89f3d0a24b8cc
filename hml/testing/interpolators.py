"""The checks of an interpolator and of the manifolds that it makes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from hml import HmlError, Interpolator, Manifold, Table
from hml.testing.base import Checks
from hml.testing.suite import NotApplicable, expect
from hml.testing.toy import ToyGrid

Floats = NDArray[np.float64]

SHORT = {"teff": (4800.0, 5000.0, 5200.0, 5400.0), "logg": (4.0, 5.0), "feh": (0.0,)}
ONE = {"strength": (0.0, 0.3, 0.5, 1.0, 1.7)}
ROUNDING = 1e-6  # of the spread of a parameter; what is kept in float32 is no better
STEP = 1e-3  # of an axis, for finite differences


class InterpolatorChecks(Checks[Interpolator]):
    """An interpolator, on tables whose values are known at any label.

    Errors are fractions of the spread (largest minus smallest value) of a line's parameter over the nodes.
    """

    family = "interpolators"
    interface = Interpolator
    at_nodes: ClassVar[float] = 1e-3
    """The largest error at a node. A manifold that is trained may say what it reaches."""
    between: ClassVar[float] = 0.2
    """The largest error between the nodes, where the truth is quadratic in the labels."""
    at_slope: ClassVar[float] = 1e-3
    """The largest error of a derivative beside a finite difference, as a fraction of the largest derivative."""

    # --- what a subclass may replace

    @classmethod
    def grids(cls) -> dict[str, ToyGrid]:
        """The grids whose tables are carried: several axes, a short one and one of a single value, one axis, and, if
        the interpolator does not require a rectilinear grid, one with nodes left out."""
        some = {"two axes": ToyGrid(), "short axes": ToyGrid(SHORT), "one axis": ToyGrid(ONE)}
        return some if cls.trait("requires_rectilinear") else {**some, "ragged": ToyGrid.ragged()}

    # --- what checks use

    def fitted(self, name: str) -> tuple[ToyGrid, Manifold]:
        """One of the grids and the manifold through its table, made once."""
        key = f"manifold {name}"
        if key not in self._kept:
            grid = self.grids()[name]
            self._kept[key] = grid, self.part.fit(grid.table())
        kept: tuple[ToyGrid, Manifold] = self._kept[key]
        return kept

    def all_fitted(self) -> list[tuple[str, ToyGrid, Manifold]]:
        """Every grid with its manifold."""
        return [(name, *self.fitted(name)) for name in self.grids()]

    def work(self) -> None:
        table = ToyGrid().table()
        at(self.part.fit(table), table.nodes)

    # --- the checks

    def test_the_manifold_says_how_it_is(self) -> None:
        expect(self.chosen().traits.keys() >= {"requires_rectilinear", "differentiable"},
               "the component's traits must say requires_rectilinear and differentiable")
        for name, _, manifold in self.all_fitted():
            expect(isinstance(manifold, Manifold), f"fit gave {type(manifold).__name__}, which is no Manifold")
            expect(manifold.differentiable == self.trait("differentiable"),
                   f"{name}: the manifold says differentiable={manifold.differentiable}, the trait says otherwise")

    def test_shapes_are_those_of_the_table(self) -> None:
        for name, grid, manifold in self.all_fitted():
            points, wanted = inside(grid, 3), (3, *grid.table().values.shape[1:])
            expect(at(manifold, points).shape == wanted, f"{name}: {at(manifold, points).shape}, expected {wanted}")
            expect(at(manifold, points[:0]).shape == (0, *wanted[1:]), f"{name}: no points must give no values")

    def test_nodes_are_hit(self) -> None:
        for name, grid, manifold in self.all_fitted():
            table = grid.table()
            error = largest(at(manifold, table.nodes) - table.values, table)
            expect(error <= self.at_nodes, f"{name}: {error:.2g} of the spread off at nodes, {self.at_nodes:g} allowed")

    def test_it_is_near_the_truth_between_nodes(self) -> None:
        for name, grid, manifold in self.all_fitted():
            points = inside(grid, 50)
            error = largest(at(manifold, points) - grid.parameters(points), grid.table())
            expect(error <= self.between, f"{name}: {error:.2g} of the spread off, {self.between:g} allowed")

    def test_the_order_of_nodes_does_not_matter(self) -> None:
        grid, manifold = self.fitted("two axes")
        table, order = grid.table(), np.random.default_rng(1).permutation(len(grid.nodes()))
        shuffled = self.part.fit(Table(table.space, table.nodes[order], table.values[order], table.names))
        points = inside(grid, 10)
        error = largest(at(shuffled, points) - at(manifold, points), table)
        expect(error <= max(ROUNDING, self.at_nodes), f"{error:.2g} of the spread off when nodes are shuffled")

    def test_a_batch_is_its_members(self) -> None:
        for name, grid, manifold in self.all_fitted():
            points = np.concatenate([inside(grid, 5), grid.table().nodes[:2]])
            one_by_one = np.concatenate([at(manifold, point[None]) for point in points])
            error = largest(at(manifold, points) - one_by_one, grid.table())
            expect(error <= ROUNDING, f"{name}: a batch differs from its members by {error:.2g} of the spread")

    def test_a_subset_is_those_lines(self) -> None:
        for name, grid, manifold in self.all_fitted():
            points, count = inside(grid, 4), len(grid.table().values[0])
            whole = at(manifold, points)
            for lines in ([count - 1, 0], np.arange(0, count, 2), slice(1, 3), []):
                index = np.array(lines, dtype=np.int64) if isinstance(lines, list) else lines
                error = largest(at(manifold.subset(lines), points) - whole[:, index], grid.table())
                expect(error <= ROUNDING, f"{name}: subset({lines}) differs by {error:.2g} of the spread")

    def test_state_goes_round(self) -> None:
        for name, grid, manifold in self.all_fitted():
            header = json.loads(json.dumps(manifold.header(), allow_nan=False))
            again = filled(self.part, header, {k: v.clone() for k, v in manifold.state_dict().items()})
            points = inside(grid, 5)
            expect(np.array_equal(at(again, points), at(manifold, points)), f"{name}: other numbers after storing")
            expect(again.header() == manifold.header(), f"{name}: header() differs after storing")

    def test_same_table_same_manifold(self) -> None:
        grid, manifold = self.fitted("two axes")
        points, again = inside(grid, 10), self.build().fit(grid.table())
        expect(np.array_equal(at(again, points), at(manifold, points)),
               "a second fit with the same seed gives other numbers; draw from np.random.default_rng(context.seed)")

    def test_the_table_is_left_as_it_was(self) -> None:
        table, before = ToyGrid().table(), ToyGrid().table()
        at(self.part.fit(table), table.nodes)
        expect(np.array_equal(table.values, before.values) and np.array_equal(table.nodes, before.nodes),
               "fit changes the arrays of the table that it is given")

    def test_gradients_are_those_of_finite_differences(self) -> None:
        if not self.trait("differentiable"):
            raise NotApplicable("the component says that it is not differentiable")
        for name, grid, manifold in self.all_fitted():
            points = inside(grid, 6)
            slope = jacobian(manifold, points)  # [B, P, L, K]
            width = np.array([axis.width for axis in grid.space.axes])
            for p in np.flatnonzero(width > 0):
                step = STEP * width[p] * np.eye(len(width))[p]
                expected = (at(manifold, points + step) - at(manifold, points - step)) / (2 * STEP)
                error = np.abs(slope[:, p] * width[p] - expected).max() / max(np.abs(expected).max(), 1e-12)
                expect(error <= self.at_slope,
                       f"{name}: the gradient along {grid.space.names[p]} is {error:.2g} off a finite difference")

    def test_gradients_are_finite_at_nodes_and_edges(self) -> None:
        if not self.trait("differentiable"):
            raise NotApplicable("the component says that it is not differentiable")
        for name, grid, manifold in self.all_fitted():
            expect(np.isfinite(jacobian(manifold, grid.table().nodes)).all(), f"{name}: NaN or inf at a node")

    def test_wrong_shapes_raise(self) -> None:
        grid, manifold = self.fitted("two axes")
        for shape in ((2, len(grid.space) + 1), (2, len(grid.space) - 1)):
            try:
                manifold(torch.as_tensor(np.full(shape, 4.5)))
            except (ValueError, RuntimeError, HmlError):
                continue
            raise AssertionError(f"labels of shape {shape} are taken for {len(grid.space)} labels; raise ValueError")

    def test_a_missing_node_raises(self) -> None:
        if not self.trait("requires_rectilinear"):
            raise NotApplicable("the component does without a rectilinear grid")
        full = ToyGrid().table()
        holed = Table(full.space, np.delete(full.nodes, 4, 0), np.delete(full.values, 4, 0), full.names)
        try:
            self.part.fit(holed)
        except HmlError:
            return
        raise AssertionError("a table with a node missing is taken; raise GridError naming the node")


def inside(grid: ToyGrid, count: int) -> Floats:
    """Points `[B, P]` well inside a grid's space, away from its nodes."""
    space = grid.space
    unit = np.random.default_rng(5).uniform(0.04, 0.96, (count, len(space)))
    for p, axis in enumerate(space.axes):
        if axis.width > 0:
            known = (np.array(axis.nodes) - axis.lower) / axis.width
            near = np.abs(unit[:, p, None] - known).min(1) < 5 * STEP
            unit[near, p] += 10 * STEP
    return np.asarray(space.lower + unit * (space.upper - space.lower))


def at(manifold: Manifold, points: Floats) -> Floats:
    """The manifold's values `[B, L, K]` at `[B, P]`."""
    with torch.no_grad():
        out: torch.Tensor = manifold(torch.as_tensor(points, dtype=torch.float64))
    return np.asarray(out.double().numpy())


def filled(interpolator: Interpolator, header: Mapping[str, Any], state: Mapping[str, torch.Tensor]) -> Manifold:
    """The manifold of that header and state, made as hml makes it from a file."""
    with torch.device("meta"):
        made = interpolator.empty(header)
    outline = made.state_dict()
    shapes = [{k: (tuple(v.shape), v.dtype) for k, v in part.items()} for part in (outline, state)]
    expect(shapes[0] == shapes[1], f"empty() outlines {shapes[0]}, fit() has {shapes[1]}")
    if any(name not in outline for name, _ in (*made.named_parameters(), *made.named_buffers())):
        made = interpolator.empty(header)  # it has buffers that are not stored
    made.load_state_dict(dict(state), assign=True)
    loose = [name for part in made.modules() for name, value in vars(part).items() if isinstance(value, torch.Tensor)]
    expect(not loose, f"not in a buffer or parameter, so not stored: {', '.join(loose)}")
    return made


def jacobian(manifold: Manifold, points: Floats) -> Floats:
    """Derivatives `[B, P, L, K]` of the values at `[B, P]`, by reverse mode."""
    labels = torch.as_tensor(points, dtype=torch.float64).requires_grad_()
    out = manifold(labels)
    rows = [torch.autograd.grad(v, labels, retain_graph=True)[0] for v in out.double().sum(0).flatten()]
    return np.moveaxis(torch.stack(rows, -1).numpy(), -1, 2).reshape(*points.shape, *out.shape[1:])


def largest(difference: Any, table: Table) -> float:
    """The largest difference `[B, L, K]`, as a fraction of the spread of its kind of parameter over lines and nodes."""
    spread = np.maximum(np.ptp(table.values, axis=(0, 1)), 1e-12)
    return float(np.abs(difference / spread).max(initial=0.0))
