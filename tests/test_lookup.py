"""The look-up of line parameters: fast sums against plain ones, 16 bits against float64, and whose memory is read."""

from __future__ import annotations

import logging
import warnings
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import BSpline
from test_interpolators import at, inside, interpolator, table_on
from torch.autograd import forward_ad

from hml import Table
from hml.plugins.interpolators import packed as packed_module
from hml.plugins.interpolators import sums
from hml.plugins.interpolators.basis import knots, piecewise, solver
from hml.plugins.interpolators.packed import neighbours, without_the_faint
from hml.plugins.interpolators.sums import Rows

NAMES = ("shift", "ln_amplitude", "ln_sigma", "ln_gamma")
AXES = {"teff": [3000, 3200, 3400, 3700, 4000, 4400], "logg": [3, 3.5, 4, 5, 5.5], "feh": [-0.5, 0]}
LOWEST, HIGHEST = np.array([-0.05, -9, -4, -5]), np.array([0.05, 0, -2, -1])


def line_table(lines=7, seed=0):
    """Line parameters between bounds that real ones keep: smooth in the labels but for some noise."""
    rng = np.random.default_rng(seed)
    middle, slopes = rng.uniform(LOWEST, HIGHEST, (lines, 4)), rng.normal(size=(3, lines, 4)) * (HIGHEST - LOWEST) / 10

    def values(nodes):
        x = (nodes - nodes.mean(0)) / np.ptp(nodes, axis=0)
        noise = rng.normal(size=(len(nodes), lines, 4)) * (HIGHEST - LOWEST) / 100
        return middle + np.einsum("mp,plk->mlk", x, slopes) + noise

    table = table_on(AXES, values)
    return Table(table.space, table.nodes, table.values, NAMES)


def points_of(table, count, seed=1):
    return torch.as_tensor(inside(table.space, count, seed))


# --- sums -----------------------------------------------------------------------------------------------------------


@st.composite
def problems(draw):
    """rows, weights, a table whose rows lie apart in memory, and its meaning as a plain array."""
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    height, width, many, batch = draw(st.integers(1, 9)), draw(st.integers(0, 70)), draw(st.integers(1, 9)), 5
    storage = draw(st.sampled_from([torch.int16, torch.float32, torch.float64]))
    whole = torch.as_tensor(rng.integers(-32767, 32768, (height, width + 3))).to(storage)
    numbers, scaled, meaning = whole[:, 2 : 2 + width], (), whole[:, 2 : 2 + width].double().numpy()
    if storage == torch.int16:
        scaled = torch.as_tensor(rng.uniform(0.1, 2, (2, width)), dtype=torch.float32)
        meaning = meaning * scaled[0].numpy() + scaled[1].double().numpy()
    more = None
    if storage == torch.int16 and width and draw(st.booleans()):
        columns = np.sort(rng.permutation(width)[:2])
        extra = torch.as_tensor(rng.normal(size=(height, len(columns))) * 1e4, dtype=torch.float32)
        more, meaning = (torch.as_tensor(columns), Rows(extra)), meaning.copy()
        meaning[:, columns] += extra.numpy()
    rows = torch.as_tensor(rng.integers(0, height, (batch, many)))
    return rows, torch.as_tensor(rng.normal(size=(batch, many))), Rows(numbers, *scaled, more=more), meaning


@given(problems(), st.booleans())
@settings(max_examples=80, deadline=None)
def test_sums_and_dots_are_those_of_plain_arrays(problem, on_cpu):
    rows, weights, table, meaning = problem
    tolerance = (1e-13 if table.dtype == torch.float64 else 2e-6) * max(1, rows.shape[1])
    there = meaning[rows.numpy()]
    vector = torch.as_tensor(np.random.default_rng(0).normal(size=(len(rows), there.shape[2])), dtype=table.dtype)
    with patch.object(Rows, "on_cpu", on_cpu):
        summed, dotted = sums.total(rows, weights, table), sums.dots(rows, vector, table)
    assert (summed.dtype, dotted.dtype) == (table.dtype, torch.float64)
    size = tolerance * np.abs(there).max(initial=1.0)
    assert np.abs(summed.numpy() - np.einsum("bc,bcn->bn", weights, there)).max(initial=0.0) < size
    assert np.abs(dotted.numpy() - np.einsum("bn,bcn->bc", vector, there)).max() < 10 * size


@pytest.mark.parametrize("storage", ["int16", "float32", "float64"])
def test_labels_of_a_batch_and_threads_that_call_at_once_do_not_meet(storage):
    table = line_table(1500)  # more than a block
    manifold, points = interpolator("cubic", storage=storage).fit(table), points_of(table, 40)

    def value_and_gradient(x):
        x = x.clone().requires_grad_()
        out = manifold(x)
        return out.detach(), torch.autograd.grad(out.square().sum(), x)[0]

    alone = [value_and_gradient(points[b : b + 1]) for b in range(40)]
    with ThreadPoolExecutor(4) as pool:
        for value, gradient in pool.map(value_and_gradient, [points] * 8):
            assert torch.equal(value, torch.cat([one for one, _ in alone]))
            assert torch.equal(gradient, torch.cat([one for _, one in alone]))


def test_elsewhere_than_on_the_cpu_the_numbers_are_the_same(monkeypatch):
    table = line_table(40)
    points = points_of(table, 6)
    for storage in ("int16", "float32", "float64"):
        manifold = interpolator("cubic", storage=storage).fit(table)
        results = []
        for on_cpu in (True, False):
            monkeypatch.setattr(Rows, "on_cpu", on_cpu)
            results.append((at(manifold, points), torch.func.jacrev(manifold)(points).numpy()))
        for here, there in zip(*results, strict=True):
            assert np.abs(here - there).max() < (1e-12 if storage == "float64" else 2e-6) * np.abs(here).max()


# --- splines --------------------------------------------------------------------------------------------------------


@given(st.integers(0, 5), st.lists(st.floats(0.2, 3.0), min_size=5, max_size=12))
@settings(max_examples=40, deadline=None)
def test_pieces_are_scipys_b_splines(degree, gaps):
    x = np.cumsum([-2.0, *gaps])
    breaks, pieces = piecewise(x, degree)
    if degree == 0:
        assert (pieces == 1).all()
        return
    reference = BSpline(knots(x, degree), np.eye(len(x)), degree)
    for i, u in enumerate(np.linspace(0.05, 0.95, len(pieces))):
        here = (u ** np.arange(degree + 1)) @ pieces[i]
        assert np.allclose(here, reference(breaks[i] + u * (breaks[i + 1] - breaks[i]))[i : i + degree + 1], atol=1e-12)
    assert np.allclose(reference(x) @ solver(x, degree), np.eye(len(x)), atol=1e-9)


@pytest.mark.parametrize("storage", ["int16", "float32"])
@pytest.mark.parametrize("name", ["linear", "cubic"])
def test_derivatives_in_single_precision_are_those_of_its_numbers(name, storage):
    """Against the same coefficients in float64, whose derivatives are checked by finite differences elsewhere."""
    table = line_table(60)
    manifold = interpolator(name, storage=storage).fit(table)
    double = interpolator(name, storage="float64").fit(table)
    numbers = manifold.coefficients.double()
    if storage == "int16":
        assert len(manifold.wide) == 0
        numbers = numbers * manifold.scale.double() + manifold.offset.double()
    double.load_state_dict({"coefficients": numbers})
    points = points_of(table, 5)

    def loss(m):
        return lambda x: (m(x).double() * torch.linspace(-1, 1, 240, dtype=torch.float64).view(60, 4)).sin().sum()

    for derivative in (torch.func.grad, torch.func.jacfwd, torch.func.hessian):
        here, there = (derivative(loss(m))(points).reshape(-1, 3) for m in (manifold, double))
        assert ((here - there).abs().amax(0) < 3e-5 * there.abs().amax(0)).all()


def test_forward_mode_needs_no_graph():
    table = line_table(5)
    manifold, points = interpolator("cubic").fit(table), points_of(table, 1).expand(3, -1)
    with torch.no_grad(), forward_ad.dual_level():
        dual = forward_ad.make_dual(points.clone(), torch.eye(3, dtype=torch.float64))
        tangent = forward_ad.unpack_dual(manifold(dual)).tangent
    jacobian = torch.func.jacrev(lambda x: manifold(x[None])[0])(points[0])
    assert torch.allclose(tangent, jacobian.movedim(-1, 0).to(tangent), rtol=1e-4, atol=1e-6)


# --- 16 bits --------------------------------------------------------------------------------------------------------


@given(st.integers(0, 999), st.sampled_from(["linear", "cubic"]))
@settings(max_examples=20, deadline=None)
def test_16_bits_round_no_coarser_than_their_scale(seed, name):
    table = line_table(seed=seed)
    packed, exact = interpolator(name).fit(table), interpolator(name, storage="float64").fit(table)
    points = points_of(table, 20)
    step = packed.scale.double().numpy()
    error = np.abs(at(packed, points) - at(exact, points))
    wide = np.isin(np.arange(7), packed.wide.numpy())
    single = 5e-7 * np.abs(table.values).max((0, 1)) * (1 if name == "linear" else 30)
    assert (error[:, ~wide] <= 0.5 * step[~wide] + single).all()
    assert (error[:, wide] <= single).all()
    if name == "linear":  # all of the range is used, and 16 bits are what it is cut into
        assert np.allclose(step, np.ptp(table.values, axis=0) / 65534, rtol=1e-5)
        assert not wide.any()


def test_a_column_that_never_changes_is_exact():
    table = line_table()
    values = table.values.copy()
    values[:, 2] = [0.1, -3.3, 1e-7, 12345.678]
    values[:, 3, 2] = -2.7 + 1e-9 * np.arange(len(values))  # nor one that hardly does
    for name in ("linear", "cubic"):
        manifold = interpolator(name).fit(Table(table.space, table.nodes, values, NAMES))
        out = at(manifold, points_of(table, 9))
        assert (out[:, 2] == values[0, 2].astype(np.float32)).all()
        assert np.abs(out[:, 3, 2] + 2.7).max() < 4e-7


def test_what_is_no_line_table_keeps_its_precision():
    table = line_table()
    for names in ((), ("ln_continuum",) * 4):
        manifold = interpolator("cubic").fit(Table(table.space, table.nodes, table.values, names))
        assert manifold.coefficients.dtype == torch.float64
    assert interpolator("cubic", storage="float32").fit(table).coefficients.dtype == torch.float32
    assert interpolator("cubic").fit(table).coefficients.dtype == torch.int16
    assert interpolator("linear").fit(table).coefficients.dtype == torch.int16


def test_the_faint_end_of_a_line_takes_none_of_the_range():
    strength = np.zeros((6, 3))
    strength[:, 0] = [0, -3, -12, -20, -40, -60]  # fades
    strength[:, 1] = [0, -1, -2, -3, -2, -1]  # is seen everywhere
    strength[:, 2] = [0, 0, -40, -40, -40, -40]  # ends between two nodes
    raised = without_the_faint(strength, neighbours((6,)))
    assert raised[:, 0].tolist() == [0, -3, -12, -14, -14, -14]
    assert np.array_equal(raised[:, 1:], strength[:, 1:])
    across = without_the_faint(strength.reshape(3, 2, 3).swapaxes(0, 1).reshape(6, 3), neighbours((2, 3)))
    assert across[:, 0].tolist() == strength.reshape(3, 2, 3).swapaxes(0, 1).reshape(6, 3)[:, 0].tolist()


@pytest.mark.parametrize("name", ["linear", "cubic"])
def test_sentinels_of_the_papers_tables_are_kept_apart(name, caplog, monkeypatch):
    """-1000 in all parameters where a line is missing, as `associate.method: paper` has it."""
    table = line_table(50)
    values, present = table.values.copy(), np.random.default_rng(3).random(table.values.shape[:2]) > 0.03
    values[~present] = -1000.0
    values[..., 0] -= np.where(present, 0.0, 8500.0)
    table = Table(table.space, table.nodes, values, NAMES)
    monkeypatch.setattr(packed_module.log, "disabled", False)  # other tools' logging configs switch loggers off
    with caplog.at_level(logging.INFO, logger="hml"):
        packed = interpolator(name).fit(table)
    lost = np.flatnonzero(~present.all(0))
    assert set(lost) <= set(packed.wide.tolist())
    assert 5 < len(lost) < 50
    assert f"{len(packed.wide)} of 50 lines" in caplog.text
    exact, single = (interpolator(name, storage=s).fit(table) for s in ("float64", "float32"))
    points = points_of(table, 30)
    assert np.array_equal(at(packed, points)[:, lost], at(single, points)[:, lost])
    others = np.setdiff1d(np.arange(50), lost)
    assert np.abs(at(packed, points) - at(exact, points))[:, others].max() < 1e-4
    error = np.abs(at(packed, table.nodes) - values)[present]  # where a line is found it is what it was
    assert error.max() < (1e-4 if name == "linear" else 1e-2)


# --- memory ---------------------------------------------------------------------------------------------------------


def with_wide_lines():
    table = line_table(12)
    values = table.values.copy()
    values[:, [3, 4, 9], 2] = np.random.default_rng(5).uniform(-30, 30, (len(values), 3))
    return Table(table.space, table.nodes, values, NAMES)


@pytest.mark.parametrize("storage", ["int16", "float64"])
def test_some_of_the_lines(storage):
    table = with_wide_lines()
    manifold, points = interpolator("cubic", storage=storage).fit(table), points_of(table, 4)
    whole = at(manifold, points)
    for chosen in (slice(2, 10), slice(None), slice(4, 4), slice(0, 9, 2), slice(-3, None), [9, 3, 3, 0], [], [-1]):
        part = manifold.subset(chosen)
        index = np.array(chosen, dtype=np.int64) if isinstance(chosen, list) else chosen
        assert np.array_equal(at(part, points), whole[:, index])
        assert np.array_equal(at(part.subset(slice(1, 3)), points), whole[:, index][:, 1:3])
        again = interpolator("cubic").empty(part.header())
        again.load_state_dict(part.state_dict())
        assert np.array_equal(at(again, points), whole[:, index])


def test_a_slice_of_lines_is_a_view():
    manifold = interpolator("cubic").fit(with_wide_lines())
    part = manifold.subset(slice(2, 7))
    assert part.coefficients.data_ptr() == manifold.coefficients[:, 2:].data_ptr()
    assert part.coefficients.untyped_storage().data_ptr() == manifold.coefficients.untyped_storage().data_ptr()


def test_a_table_in_a_file_is_read_where_it_lies(tmp_path):
    table = with_wide_lines()
    manifold, points = interpolator("cubic").fit(table), points_of(table, 4)
    state = {}
    for name, tensor in manifold.state_dict().items():
        np.save(tmp_path / f"{name}.npy", tensor.numpy())
        mapped = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
        with warnings.catch_warnings(action="ignore"):  # torch says once that nobody should write to it
            state[name] = torch.from_numpy(mapped)
    empty = interpolator("cubic").empty(manifold.header())
    assert all(tensor.is_meta for tensor in empty.state_dict().values())
    empty.load_state_dict(state, assign=True)
    assert all(tensor.data_ptr() == state[name].data_ptr() for name, tensor in empty.state_dict().items())
    assert np.array_equal(at(empty, points), at(manifold, points))
    gradients = [torch.func.jacrev(m)(points) for m in (empty, manifold, empty.subset(slice(3, 8)))]
    assert torch.equal(gradients[0], gradients[1])
    assert torch.allclose(gradients[0][:, 3:8], gradients[2])


def test_a_state_that_does_not_fit_is_refused():
    manifold = interpolator("cubic").fit(with_wide_lines())
    header, state = manifold.header(), manifold.state_dict()
    with pytest.raises(ValueError, match="'teff': expected more nodes than the degree"):
        interpolator("cubic").empty({**header, "axes": [{**header["axes"][0], "degree": 6}, *header["axes"][1:]]})
    for wrong, message in (
        ({"coefficients": state["coefficients"].float()}, r"coefficients is torch.float32, torch.int16 was expected"),
        ({"coefficients": state["coefficients"][:-1]}, r"size mismatch for coefficients"),
        ({"wide": torch.tensor([3, 4, 12])}, r"numbers of some of 12 lines"),
        ({"wide": torch.tensor([4, 3, 9])}, r"increasing"),
    ):
        with pytest.raises(RuntimeError, match=message):
            interpolator("cubic").empty(header).load_state_dict({**state, **wrong})
    with pytest.raises(RuntimeError, match="float16 are not known"):
        interpolator("cubic").empty({**header, "storage": "float16"}).load_state_dict({
            "coefficients": state["coefficients"].half()
        })
