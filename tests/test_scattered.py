"""The interpolator for nodes anywhere: against polynomials, scipy, finite differences, and itself from a file."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import RBFInterpolator
from test_interpolators import at, interpolator, table_on

from hml import Axis, GridError, Space, Table, installed
from hml.plugins.interpolators import polyharmonic

NAMES = ("shift", "ln_amplitude", "ln_sigma", "ln_gamma")


def scattered(**fields):
    return interpolator("scattered", **{"coordinates": {}, "storage": "float64", **fields})


def space_of(nodes):
    return Space.from_nodes([f"x{p}" for p in range(nodes.shape[1])], [tuple(n) for n in nodes.tolist()])


def table_at(nodes, function=None, lines=3, params=2, **more):
    values = np.random.default_rng(1).normal(size=(len(nodes), lines, params)) if function is None else function(nodes)
    return Table(space_of(nodes), nodes, values, **more)


def anywhere(count, axes, seed=0, scale=1.0):
    return np.random.default_rng(seed).random((count, axes)) * scale


def ragged(seed=0, keep=0.6):
    """A part of a grid of three labels, all values of which occur: no box is left of it."""
    axes = [np.array([3000.0, 3100, 3200, 3300, 3500, 3900]), np.array([3.0, 3.5, 4, 5]), np.array([-1.0, -0.5, 0])]
    nodes = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    return nodes[np.random.default_rng(seed).random(len(nodes)) < keep]


def cubics(nodes, seed=0):
    """Random polynomials of third degree in labels of any scale, `[M, 4, 1]`."""
    rng, x = np.random.default_rng(seed), (nodes - nodes.mean(0)) / np.maximum(np.ptp(nodes, axis=0), 1e-9)
    linear = [1 + x @ rng.normal(size=(x.shape[1], 4)) for _ in range(3)]
    return (linear[0] * linear[1] * linear[2])[..., None]


@pytest.mark.parametrize("axes, count", [(1, 9), (2, 30), (3, 60), (4, 120), (5, 200)])
def test_cubics_come_back_from_nodes_anywhere(axes, count):
    nodes, points = anywhere(count, axes), anywhere(50, axes, seed=7)
    every = cubics(np.concatenate([nodes, points]))
    made = scattered().fit(table_at(nodes, lambda _: every[:count]))
    np.testing.assert_allclose(at(made, points), every[count:], atol=1e-8)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(1, 40), st.integers(0, 99), st.sampled_from([1e-3, 1.0, 1e4]))
def test_nodes_batches_subsets_and_files_whatever_the_nodes(axes, count, seed, scale):
    nodes = anywhere(count, axes, seed, scale).round(3 if scale < 1 else 1)
    nodes = np.unique(nodes, axis=0)
    table = table_at(nodes)
    made, points = scattered().fit(table), anywhere(4, axes, seed + 1) * np.ptp(nodes, axis=0) + nodes.min(0)
    np.testing.assert_allclose(at(made, nodes), table.values, atol=1e-7)
    together = at(made, points)
    np.testing.assert_allclose(np.concatenate([at(made, p[None]) for p in points]), together, atol=1e-6)
    assert np.array_equal(at(made.subset([2, 0]), points), together[:, [2, 0]])
    assert np.array_equal(at(made.subset(slice(1, 3)), points), together[:, 1:3])
    again = interpolator("scattered").empty(json.loads(json.dumps(made.header())))
    again.load_state_dict(made.state_dict())
    assert np.array_equal(at(again, points), together) and again.header() == made.header()


def test_it_is_scipys_radial_function_where_labels_count_alike():
    """Which has steps of its own choosing and polynomials of another degree; here they are the same."""
    nodes = anywhere(150, 3)
    nodes[:8] = np.stack(np.meshgrid(*[[0.0, 1.0]] * 3), -1).reshape(-1, 3)  # the box is the same along all
    table, points = table_at(nodes), anywhere(40, 3, seed=3)
    for power, kernel in ((3, "cubic"), (5, "quintic")):
        theirs = RBFInterpolator(nodes, table.values.reshape(150, -1), kernel=kernel, degree=3)
        ours = at(scattered(power=power).fit(table), points).reshape(40, -1)
        np.testing.assert_allclose(ours, theirs(points), atol=1e-7 * np.abs(theirs(points)).max())


def test_the_order_in_which_nodes_come_does_not_matter():
    nodes, points = ragged(), np.array([[3250.0, 3.7, -0.3]])
    table = table_at(nodes)
    mixed = np.random.default_rng(3).permutation(len(nodes))
    other = Table(table.space, nodes[mixed], table.values[mixed])
    assert np.array_equal(at(scattered().fit(table), points), at(scattered().fit(other), points))


@pytest.mark.parametrize("axes, power, least", [(1, 3, 3.7), (2, 3, 3.7), (2, 5, 5.2)])
def test_order_of_convergence(axes, power, least):
    def smooth(x):
        return (np.sin(x[:, :1]) * np.exp(-0.5 * x[:, -1:]))[..., None]

    points, errors = anywhere(300, axes, seed=5, scale=3.0), []
    for count in (13, 25, 49) if axes == 1 else (9, 17, 33):
        lines = [np.linspace(0, 3, count)] * axes
        nodes = np.stack(np.meshgrid(*lines, indexing="ij"), -1).reshape(-1, axes)
        inner = (nodes > 0).all(1) & (nodes < 3).all(1)
        nodes = nodes + inner[:, None] * (anywhere(len(nodes), axes) - 0.5) / count  # no grid any more
        error = np.abs(at(scattered(power=power).fit(table_at(nodes, smooth)), points) - smooth(points))[:, 0, 0]
        errors.append([error[((points > 0.75) & (points < 2.25)).all(1)].max(), error.max()])
    inner, ends = np.log2(np.array(errors[:-1]) / errors[1:]).mean(0)
    assert inner > least and ends > least - 2  # at ends as a natural spline


@pytest.mark.parametrize("breaks", [{}, {"x0": (2,)}, {"x0": (0, 3), "x1": (1,)}])
def test_gradients_in_both_modes(breaks):
    made = scattered().fit(table_at(ragged(), breaks=breaks))
    labels = torch.tensor([[3170, 3.2, -0.4], [3250, 3.8, -0.7]], dtype=torch.float64, requires_grad=True)
    unit = torch.tensor([300.0, 1.0, 0.5], dtype=torch.float64)

    def of_unit(x):
        return made(x * unit)

    x = (labels / unit).detach().requires_grad_()
    assert torch.autograd.gradcheck(of_unit, (x,), eps=1e-6, atol=1e-5, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(of_unit, (x,), eps=1e-6, atol=1e-4)
    forward, reverse = torch.func.jacfwd(of_unit)(x), torch.func.jacrev(of_unit)(x)
    torch.testing.assert_close(forward, reverse, atol=1e-10, rtol=0)
    one_by_one = torch.func.vmap(lambda label: made(label[None])[0])(labels)
    torch.testing.assert_close(one_by_one, made(labels), atol=1e-12, rtol=0)


def test_derivatives_are_finite_at_nodes():
    made = scattered().fit(table_at(ragged()))
    node = torch.tensor(ragged()[7:8], requires_grad=True)
    (slope,) = torch.autograd.grad(made(node).sum(), node, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), node)
    assert torch.isfinite(slope).all() and torch.isfinite(bend).all()


def test_a_label_of_one_value_and_nodes_in_a_plane_are_fine():
    nodes = np.concatenate([ragged(), np.full((len(ragged()), 1), 0.2)], 1)
    table, points = table_at(nodes), np.array([[3210.0, 3.7, -0.3, 0.2]])
    without = at(scattered().fit(table_at(ragged())), points[:, :3])
    np.testing.assert_allclose(at(scattered().fit(table), points), without, atol=1e-7)
    nodes[:, 3] = nodes[:, 1] / 10 + 1  # no new label
    straight = Table(space_of(nodes), nodes, cubics(nodes[:, :3]))
    np.testing.assert_allclose(at(scattered().fit(straight), nodes), straight.values, atol=1e-9)


def test_a_side_of_a_break_knows_nothing_of_the_other():
    nodes = ragged(keep=0.8)
    table = Table(Space.from_nodes(("teff", "logg", "feh"), [tuple(n) for n in nodes.tolist()]), nodes,
                  cubics(nodes), breaks={"teff": (2,)})  # fmt: skip
    jumped = replace(table, values=table.values + 100.0 * (nodes[:, 0, None, None] > 3250))
    points = np.array([[3110.0, 3.6, -0.4], [3199.0, 4.5, -0.2], [3400.0, 4.2, -0.9], [3301.0, 3.2, -0.5]])
    before, after = (at(scattered().fit(t), points) for t in (table, jumped))
    expected = np.array([0, 0, 100, 100])[:, None, None] * np.ones_like(before)
    np.testing.assert_allclose(after - before, expected, atol=1e-6)
    half = np.array([[3200.0, 4.0, -0.5], [3250.0, 4.0, -0.5], [3300.0, 4.0, -0.5]])
    low, middle, high = at(scattered().fit(jumped), half)
    np.testing.assert_allclose(middle, (low + high) / 2, atol=1e-8)


def test_a_side_without_nodes_leaves_its_place_to_the_others():
    nodes = np.array([[x, y] for x in range(6) for y in range(4) if not (x > 2 and y > 1)], dtype=float)
    made = scattered().fit(table_at(nodes, breaks={"x0": (2,), "x1": (1,)}))
    assert np.isfinite(at(made, np.array([[4.0, 3.0], [2.5, 2.9], [5.0, 1.5]]))).all()


def test_coordinates_are_those_of_the_config_or_of_the_table():
    nodes = ragged()
    table = Table(Space.from_nodes(("teff", "logg", "feh"), [tuple(n) for n in nodes.tolist()]), nodes,
                  (5040 / nodes[:, :1, None]) ** 3, coordinates={"teff": "inverse"})  # fmt: skip
    points = np.array([[3250.0, 3.7, -0.3], [3700.0, 4.7, -0.1]])
    truth = (5040 / points[:, :1, None]) ** 3
    assert np.allclose(at(scattered(coordinates=None).fit(table), points), truth, atol=1e-9)
    assert np.abs(at(scattered().fit(table), points) - truth).max() > 1e-6
    with pytest.raises(GridError, match=r"axis 'feh' reaches -1.*needs values above zero"):
        scattered(coordinates={"feh": "log"}).fit(table)


def test_sixteen_bits_hold_what_lines_need():
    rng, nodes = np.random.default_rng(2), ragged()
    x = (nodes - nodes.mean(0)) / np.ptp(nodes, axis=0)
    low, high = np.array([-0.05, -9, -4, -5]), np.array([0.05, 0, -2, -1])
    slopes = rng.normal(size=(3, 20, 4)) * (high - low) / 9
    values = rng.uniform(low, high, (20, 4)) + np.einsum("mp,plk->mlk", x, slopes)
    table, points = Table(space_of(nodes), nodes, values, NAMES), anywhere(30, 3) * np.ptp(nodes, axis=0) + nodes.min(0)
    small, whole = (scattered(storage=s).fit(table) for s in ("int16", "float64"))
    assert small.coefficients.dtype == torch.int16
    assert np.abs(at(small, points) - at(whole, points)).max() < 5e-4  # a few halves of the widest step
    again = interpolator("scattered").empty(small.header())
    again.load_state_dict(small.state_dict())
    assert np.array_equal(at(again.subset([3, 9]), points), at(small, points)[:, [3, 9]])


def test_it_agrees_with_cubic_on_a_whole_grid():
    def smooth(nodes):
        return (np.exp(-nodes[:, 0] / 3) * np.cos(nodes[:, 1] / 2) + 0.1 * nodes[:, 2])[:, None, None]

    table = table_on({"a": np.linspace(0, 4, 12), "b": np.linspace(0, 2, 7), "c": [0.0, 0.5, 1.0]}, smooth)
    points = anywhere(200, 3, seed=4) * [4, 2, 1]
    missed = [np.abs(at(made.fit(table), points) - smooth(points)) for made in
              (interpolator("cubic", coordinates={}), scattered())]  # fmt: skip
    assert missed[1].mean() < 2 * missed[0].mean() and missed[1].max() < 4 * missed[0].max()


def test_the_power_is_that_which_suits_the_values():
    nodes, rng = anywhere(200, 2, scale=4.0), np.random.default_rng(0)
    smooth = np.sin(nodes[:, :1] + rng.normal(size=5) * nodes[:, 1:])[..., None]
    kinked = np.abs(nodes[:, :1] - rng.uniform(1, 3, 5))[..., None]
    assert scattered().fit(table_at(nodes, lambda _: smooth)).power > 3
    assert scattered().fit(table_at(nodes, lambda _: kinked)).power == 3
    table = table_at(nodes, lambda _: smooth)
    one = Table(space_of(nodes[1:]), nodes[1:], smooth[1:])
    told = at(scattered(power=5, coordinates={}).fit(one), nodes[:1])
    known = scattered(power=5).fit(table).known
    row = int(np.flatnonzero((np.array(sorted(nodes.tolist())) == nodes[0]).all(1))[0])
    order = np.lexsort(nodes.T[::-1])
    left = known.left_out(smooth[order, :, 0])[row]
    np.testing.assert_allclose(smooth[0, :, 0] - told[0, :, 0], left, rtol=0.05)  # scales differ a little


def test_what_cannot_be_interpolated_is_one_clear_line(monkeypatch):
    nodes = ragged()
    twice = np.concatenate([nodes, nodes[4:5]])
    with pytest.raises(GridError, match=r"two nodes at .*3000"):
        scattered().fit(Table(space_of(nodes), twice, np.zeros((len(twice), 1, 1))))
    values = np.zeros((len(nodes), 1, 1))
    values[5] = np.nan
    with pytest.raises(GridError, match="not finite at"):
        scattered().fit(Table(space_of(nodes), nodes, values))
    monkeypatch.setattr(polyharmonic, "MOST", 20)
    with pytest.raises(GridError, match=r"takes 20 at most: select"):
        scattered().fit(table_at(nodes + 1))
    with pytest.raises(ValueError, match=r"\(2, 2\), expected \[B, 3\]"):
        scattered().fit(table_at(nodes[:9]))(torch.zeros(2, 2))


def test_traits_can_be_read_without_building():
    traits = installed().get("interpolators", "scattered").traits
    assert traits == {"requires_rectilinear": False, "differentiable": True}
    assert Axis.of("x", [1]).width == 0
