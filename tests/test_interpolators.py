"""Interpolators against scipy, against functions they must reproduce, and against finite differences."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import CubicSpline, RegularGridInterpolator

from hml import Axis, BuildContext, GridError, Space, Table, installed

IRREGULAR = {"teff": [3000, 3100, 3200, 3300, 3500, 3900], "logg": [3, 3.5, 4, 5], "feh": [-1, -0.5, 0], "alpha": [0.2]}


def interpolator(name, **fields):
    component = installed().get("interpolators", name)
    return component.build(component.config(**fields), BuildContext())


def cubic(**fields):
    return interpolator("cubic", **{"coordinates": {}, **fields})


def table_on(axes, function=None, lines=5, params=4, seed=0):
    """A table over {name: nodes} in shuffled node order; `function(nodes [M, P])` → values `[M, L, K]`, or random."""
    space = Space(tuple(Axis.of(name, nodes) for name, nodes in axes.items()))
    nodes = np.array(list(product(*[axis.nodes for axis in space.axes])))
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(len(nodes), lines, params)) if function is None else function(nodes)
    order = rng.permutation(len(nodes))
    return Table(space, nodes[order], values[order])


def inside(space, count, seed=1):
    rng = np.random.default_rng(seed)
    points = space.lower + rng.random((count, len(space))) * (space.upper - space.lower)
    return np.clip(points, space.lower, space.upper)


def at(manifold, points):
    with torch.no_grad():
        return manifold(torch.as_tensor(points, dtype=torch.float64)).numpy()


def scipy_cubic(table, point):
    """The tensor product of CubicSpline (not-a-knot) along every axis, one after the other."""
    values = table.on_grid()
    for axis, x in zip(table.space.axes, point, strict=True):
        values = CubicSpline(axis.nodes, values, axis=0)(x) if len(axis.nodes) > 1 else values[0]
    return values


@st.composite
def tables(draw):
    gaps = st.lists(st.floats(0.2, 2.0), min_size=0, max_size=5)
    count = draw(st.integers(1, 4))
    axes = {f"x{p}": np.cumsum([draw(st.floats(-5, 5)), *draw(gaps)]) for p in range(count)}
    return table_on(axes, lines=draw(st.integers(1, 3)), params=draw(st.integers(1, 3)), seed=draw(st.integers(0, 99)))


@given(tables())
@settings(max_examples=40, deadline=None)
def test_linear_is_scipys_regular_grid_interpolator(table):
    points = np.concatenate([inside(table.space, 7), table.nodes])
    many = [p for p, axis in enumerate(table.space.axes) if len(axis.nodes) > 1]
    result = at(interpolator("linear").fit(table), points)
    if many:
        values = table.on_grid().reshape(*[len(table.space.axes[p].nodes) for p in many], *table.values.shape[1:])
        reference = RegularGridInterpolator([table.space.axes[p].nodes for p in many], values)
        assert np.allclose(result, reference(points[:, many]), atol=1e-12)
    else:
        assert (result == table.values[0]).all()


@given(tables())
@settings(max_examples=40, deadline=None)
def test_cubic_is_the_tensor_product_of_scipys_splines(table):
    points = inside(table.space, 5)
    reference = np.stack([scipy_cubic(table, point) for point in points])
    assert np.allclose(at(cubic().fit(table), points), reference, atol=1e-10 * np.abs(reference).max())


@given(tables(), st.sampled_from(["linear", "cubic"]))
@settings(max_examples=40, deadline=None)
def test_nodes_batches_and_subsets(table, name):
    manifold = interpolator(name).fit(table)
    points = inside(table.space, 4)
    together = at(manifold, points)
    assert np.allclose(at(manifold, table.nodes), table.values, atol=1e-10)
    assert np.allclose(together, np.concatenate([at(manifold, point[None]) for point in points]), atol=1e-13)
    chosen = np.arange(table.values.shape[1])[::-1]
    assert np.array_equal(at(manifold.subset(chosen), points), together[:, chosen])
    assert np.array_equal(at(manifold.subset(slice(1, 3)), points), together[:, 1:3])


@given(tables(), st.sampled_from(["linear", "cubic"]), st.sampled_from(["float64", "float32"]))
@settings(max_examples=20, deadline=None)
def test_state_round_trip_is_exact(table, name, storage):
    part = interpolator(name, storage=storage)
    manifold = part.fit(table)
    again = part.empty(json.loads(json.dumps(manifold.header())))
    again.load_state_dict(manifold.state_dict())
    points = inside(table.space, 4)
    assert np.array_equal(at(again, points), at(manifold, points))
    assert again.header() == manifold.header()


@pytest.mark.parametrize("count, degree", [(1, 0), (2, 1), (3, 2), (4, 3), (7, 3)])
def test_cubic_takes_the_highest_order_an_axis_allows(count, degree):
    axes = {"x": np.cumsum(np.arange(1, count + 1)), "y": [0.0, 0.3, 1.0, 2.0]}

    def polynomial(nodes):
        return sum((nodes[:, 0] / 10) ** m * (nodes[:, 1] - 0.5) ** 3 for m in range(degree + 1))[:, None, None]

    table = table_on(axes, polynomial)
    points = inside(table.space, 20)
    assert np.allclose(at(cubic().fit(table), points), polynomial(points), atol=1e-11)


@pytest.mark.parametrize("name, order", [("linear", 2), ("cubic", 4)])
def test_order_of_convergence(name, order):
    def smooth(x):
        return (np.sin(x[:, 0]) * np.exp(-0.5 * x[:, 1]))[:, None, None]

    points = inside(Space((Axis.of("x", [1, 2]), Axis.of("y", [1, 2]))), 400)  # the ends have their own, lower order
    errors = []
    for count in (25, 49, 97):
        table = table_on({"x": np.linspace(0, 3, count), "y": np.linspace(0, 3, count)}, smooth)
        errors.append(np.sqrt(np.mean((at(interpolator(name).fit(table), points) - smooth(points)) ** 2)))
    measured = np.log2(np.array(errors[:-1]) / errors[1:])
    assert measured == pytest.approx([order, order], abs=0.2)


@pytest.mark.parametrize("name", ["linear", "cubic"])
def test_gradients(name):
    axes = {"teff": np.array([3.0, 3.1, 3.3, 3.4, 3.9]), "logg": [3, 3.5, 4], "feh": [0.0]}
    manifold = interpolator(name).fit(table_on(axes, lines=3, params=2))
    labels = torch.tensor([[3.17, 3.2, 0.0], [3.5, 3.8, 0.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(manifold, (labels,), eps=1e-6, atol=1e-6, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(manifold, (labels,), eps=1e-6, atol=1e-5)
    forward, reverse = torch.func.jacfwd(manifold)(labels), torch.func.jacrev(manifold)(labels)
    assert torch.allclose(forward, reverse, atol=1e-12)
    one_by_one = torch.func.vmap(lambda label: manifold(label[None])[0])(labels)
    assert torch.allclose(one_by_one, manifold(labels), atol=1e-13)


def test_cubic_has_no_kinks_at_nodes_and_linear_does():
    table = table_on(IRREGULAR)
    eps = torch.tensor([[1e-5, 0, 0, 0]], dtype=torch.float64)
    node = torch.tensor([[3300, 3.7, -0.4, 0.2]], dtype=torch.float64)

    def slopes(manifold):
        return [torch.func.jvp(manifold, (x,), (eps / 1e-5,))[1] for x in (node - eps, node + eps)]

    smooth, kinked = slopes(cubic().fit(table)), slopes(interpolator("linear").fit(table))
    assert (smooth[0] - smooth[1]).abs().max() < 1e-6 * smooth[0].abs().max()
    assert (kinked[0] - kinked[1]).abs().max() > 0.1 * kinked[0].abs().max()


@pytest.mark.parametrize("coordinate, inverse", [("inverse", lambda t: 5040 / t), ("log", np.log)])
def test_coordinates(coordinate, inverse):
    def cubic_in_coordinate(nodes):
        u = inverse(nodes[:, 0]) - inverse(4000)
        return (1 + 2 * u - 3 * u**2 + u**3)[:, None, None]

    table = table_on({"teff": [3000, 3100, 3400, 4000, 5000, 7000]}, cubic_in_coordinate)
    points = inside(table.space, 20)
    manifold = interpolator("cubic", coordinates={"teff": coordinate}).fit(table)
    assert np.allclose(at(manifold, points), cubic_in_coordinate(points), atol=1e-12)
    assert np.abs(at(cubic().fit(table), points) - cubic_in_coordinate(points)).max() > 1e-6


def test_the_default_cubic_runs_in_the_coordinates_that_the_table_names():
    header = interpolator("cubic").fit(replace(table_on(IRREGULAR), coordinates={"teff": "inverse"})).header()
    assert [axis["coordinate"] for axis in header["axes"]] == ["inverse", "identity", "identity", "identity"]


def test_float32_storage_keeps_the_look_up_in_float64():
    table = table_on(IRREGULAR)
    points = inside(table.space, 50)
    for name in ("linear", "cubic"):
        single = interpolator(name, storage="float32").fit(table)
        assert single(torch.as_tensor(points)).dtype == torch.float32
        assert np.allclose(at(single, points), at(interpolator(name).fit(table), points), atol=3e-6)


@pytest.mark.parametrize("name", ["linear", "cubic"])
def test_a_hole_is_named(name):
    full = table_on(IRREGULAR)
    hole = full.nodes[7]
    table = Table(full.space, np.delete(full.nodes, 7, 0), np.delete(full.values, 7, 0))
    with pytest.raises(GridError, match=rf"no node at teff={hole[0]:g}, logg={hole[1]:g}.*\(1 missing\).*holes"):
        interpolator(name).fit(table)


def test_other_bad_input_is_one_clear_line():
    table = table_on(IRREGULAR)
    bad = np.array(table.values)
    bad[3, 1, 2] = np.nan
    with pytest.raises(GridError, match=f"not finite at teff={table.nodes[3, 0]:g}"):
        cubic().fit(Table(table.space, table.nodes, bad))
    with pytest.raises(GridError, match=r"axis 'feh' reaches -1.*needs values above zero"):
        interpolator("cubic", coordinates={"feh": "log"}).fit(table)
    with pytest.raises(ValueError, match=r"\(2, 3\), expected \[B, 4\]"):
        cubic().fit(table)(torch.zeros(2, 3))


def test_no_lines_and_no_points_are_fine():
    manifold = cubic().fit(table_on(IRREGULAR))
    points = torch.as_tensor(inside(table_on(IRREGULAR).space, 3))
    assert manifold.subset([])(points).shape == (3, 0, 4)
    assert manifold(points[:0]).shape == (0, 5, 4)


def test_traits_can_be_read_without_building():
    for name in ("linear", "cubic"):
        traits = installed().get("interpolators", name).traits
        assert traits == {"requires_rectilinear": True, "differentiable": True}
