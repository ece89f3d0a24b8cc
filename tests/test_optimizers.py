"""Optimizers on functions whose minimum is known."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skopt import gp_minimize
from skopt.learning import GaussianProcessRegressor
from skopt.space import Real
from skopt.space import Space as Box
from skopt.utils import cook_estimator

from hml import Axis, BuildContext, Objective, Space, Status, installed
from hml.plugins.optimizers import GpConfig
from hml.plugins.optimizers.gp import _proposer

QUICK = {
    "gp": {"n_initial": 25, "n_calls": 5, "candidates": 500},
    "differential_evolution": {"population": 10, "generations": 40},
    "lbfgs": {"n_initial": 20, "n_starts": 3},
}
ALL = sorted(QUICK)
LABELS = Space((Axis("teff", 3000.0, 7000.0), Axis("logg", 3.0, 5.0), Axis("feh", -1.0, 0.5)))
TRUTH = np.array([4321.0, 4.2, -0.3])


class FunctionObjective(Objective):
    """A function `[B, P]` → `[B]` with central differences; remembers the size of every batch and every point."""

    differentiable = True

    def __init__(self, function, space):
        self.function, self.space = function, space
        self.batches, self.asked, self.gradients = [], [], 0

    def values(self, points):
        self.batches.append(len(points))
        self.asked += list(points)
        return self.function(points)

    def value_and_gradient(self, point):
        self.gradients += 1
        self.asked.append(point)
        steps = np.diag(1e-6 * np.maximum(self.space.upper - self.space.lower, 1e-12))
        with np.errstate(invalid="ignore"):
            slope = (self.function(point + steps) - self.function(point - steps)) / (2 * np.diag(steps))
        return float(self.function(point[None])[0]), slope

    def residuals(self, point):
        raise NotImplementedError("not needed here")

    def jacobian(self, point):
        raise NotImplementedError("not needed here")


def bowl(points):
    """A skewed quadratic in labels of very different units, 1 at TRUTH."""
    u = (points - TRUTH) / (LABELS.upper - LABELS.lower)
    return 1.0 + 300 * np.einsum("bi,ij,bj->b", u, [[4, 0.8, 0.5], [0.8, 1, 0.3], [0.5, 0.3, 1.5]], u)


def rastrigin(points):
    x = (points - TRUTH) / (LABELS.upper - LABELS.lower) * 6
    return 10 * x.shape[1] + (x**2 - 10 * np.cos(2 * np.pi * x)).sum(axis=1)


def ackley(points):
    x = points - 0.7
    rms, wave = np.sqrt((x**2).mean(axis=1)), np.cos(2 * np.pi * x).mean(axis=1)
    return 20 + np.e - 20 * np.exp(-0.2 * rms) - np.exp(wave)


def rosenbrock(points):
    x, y = points.T
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def square(low=-2.0, high=2.0, count=2):
    return Space(tuple(Axis(f"x{i}", low, high) for i in range(count)))


def search(name, function, space, seed=0, on_step=lambda step: None, **fields):
    component = installed().get("optimizers", name)
    optimizer = component.build(component.config(**{**QUICK[name], **fields}), BuildContext())
    objective = FunctionObjective(function, space)
    return optimizer.minimize(objective, space, np.random.default_rng(seed), on_step), objective


def test_differential_evolution_finds_the_lowest_of_many_minima():
    result, _ = search("differential_evolution", rastrigin, LABELS, population=20, generations=300, tolerance=1e-8)
    assert np.abs((result.point - TRUTH) / (LABELS.upper - LABELS.lower)).max() < 1e-3
    result, _ = search("differential_evolution", ackley, square(-5, 5), generations=150)
    assert np.abs(result.point - 0.7).max() < 1e-3


def test_gp_beats_its_own_random_points_among_many_minima():
    result, _ = search("gp", ackley, square(-5, 5), n_initial=60, n_calls=12)
    assert result.value < 0.7 * result.values[:60].min()


def test_differential_evolution_polishes():
    result, _ = search("differential_evolution", bowl, LABELS, generations=5, polish=True)
    assert np.abs((result.point - TRUTH) / (LABELS.upper - LABELS.lower)).max() < 1e-4


def test_lbfgs_follows_rosenbrocks_valley():
    result, objective = search("lbfgs", rosenbrock, square(), tolerance=1e-14)
    assert np.abs(result.point - 1).max() < 1e-3
    assert result.status is Status.CONVERGED
    assert result.evaluations == 20 + objective.gradients
    assert result.meta["descents"] == 3 == result.meta["same_minimum"]


def test_several_starts_escape_a_local_minimum():
    def two_wells(points):
        x = points[:, 0]
        return np.minimum((x + 1) ** 2 + 0.5, 4 * (x - 1) ** 2) + points[:, 1] ** 2

    result, _ = search("lbfgs", two_wells, square(), n_initial=30, n_starts=6)
    assert np.abs(result.point - [1, 0]).max() < 1e-4


@pytest.mark.parametrize("name", ALL)
@given(corner=st.tuples(*[st.floats(-0.5, 1.5)] * 3), seed=st.integers(0, 1000))
@settings(max_examples=4, deadline=None)
def test_points_never_leave_the_box(name, corner, seed):
    target = LABELS.lower + np.array(corner) * (LABELS.upper - LABELS.lower)

    def function(points):
        return (((points - target) / (LABELS.upper - LABELS.lower)) ** 2).sum(axis=1)

    small = {"gp": {"n_initial": 10, "n_calls": 2}, "differential_evolution": {"generations": 5}, "lbfgs": {}}
    result, objective = search(name, function, LABELS, seed, **small[name])
    asked = np.array(objective.asked)
    assert ((asked >= LABELS.lower) & (asked <= LABELS.upper)).all()
    assert ((result.points >= LABELS.lower) & (result.points <= LABELS.upper)).all()


@pytest.mark.parametrize("name", ["differential_evolution", "lbfgs"])
def test_a_minimum_beyond_the_box_is_reported(name):
    fields = {"generations": 200, "tolerance": 1e-4} if name == "differential_evolution" else {}
    result, _ = search(name, lambda points: points[:, 0] + (points[:, 1] - 0.3) ** 2, square(), **fields)
    assert result.status is Status.AT_BOUND
    assert result.point == pytest.approx([-2, 0.3], abs=1e-2)


@pytest.mark.parametrize("name", ALL)
def test_same_seed_same_result(name):
    first, again, other = (search(name, bowl, LABELS, seed)[0] for seed in (3, 3, 4))
    assert np.array_equal(first.points, again.points)
    assert np.array_equal(first.values, again.values)
    assert not np.array_equal(first.points[:5], other.points[:5])


def test_budgets_are_kept_and_batches_used():
    result, objective = search("gp", bowl, LABELS, polish=False)
    assert objective.batches == [25] + [1] * 5
    assert result.evaluations == 30 == len(result.points) == len(result.values)
    result, objective = search("differential_evolution", bowl, LABELS, population=6, generations=7, tolerance=0)
    assert objective.batches == [18] * 8
    assert result.evaluations == 18 * 8 == len(result.points)
    assert result.status is Status.BUDGET
    result, objective = search("lbfgs", rosenbrock, square(), max_steps=2, n_starts=2)
    assert objective.batches == [20]
    assert result.status is Status.BUDGET
    assert len(result.points) <= 20 + 2 * 2
    assert result.evaluations == 20 + objective.gradients


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_bad_values_are_survived(name, bad):
    def holed(points):
        return np.where(points[:, 1] > 4.4, bad, bowl(points))

    result, _ = search(name, holed, LABELS, **({"n_calls": 10} if name == "gp" else {}))
    assert result.value < (result.values[:25].min() if name == "gp" else 2)
    assert result.point[1] <= 4.4
    assert result.meta["not_finite"] > 0


@pytest.mark.parametrize("name", ALL)
def test_nothing_finite_is_a_status_and_ends_soon(name):
    result, objective = search(name, lambda points: np.full(len(points), np.nan), LABELS)
    assert result.status is Status.FAILED
    assert np.isnan(result.value)
    assert result.meta["not_finite"] == result.evaluations == len(objective.asked) <= 90


@pytest.mark.parametrize("name", ALL)
def test_a_fixed_label_stays_fixed(name):
    space = Space((LABELS["teff"], Axis("logg", 4.2, 4.2), LABELS["feh"]))
    result, objective = search(name, bowl, space)
    assert (np.array(objective.asked)[:, 1] == 4.2).all()
    assert np.abs((result.point - TRUTH) / (LABELS.upper - LABELS.lower)).max() < 0.03
    assert result.status is not Status.AT_BOUND


@pytest.mark.parametrize("name", ALL)
def test_all_labels_fixed_is_one_evaluation(name):
    space = Space(tuple(Axis(n, v, v) for n, v in zip(LABELS.names, TRUTH, strict=True)))
    result, objective = search(name, bowl, space)
    assert objective.batches == [1]
    assert result.point == pytest.approx(TRUTH)
    assert result.value == 1.0
    assert result.status is Status.CONVERGED


@pytest.mark.parametrize("fields", [{"scale": "none"}, {"acquisition": "gp_hedge", "refit": "restarts"}])
def test_gp_variants(fields):
    result, _ = search("gp", bowl, LABELS, **fields)
    assert result.value < result.values[:25].min()


def test_gp_asks_where_gp_minimize_would():
    plain = {"acquisition": "gp_hedge", "scale": "none", "refit": "restarts", "candidates": 200, "refined": 2}
    result, _ = search("gp", bowl, LABELS, seed=3, n_initial=8, n_calls=4, polish=False, **plain)
    rng = np.random.default_rng(3)
    unit, seed = rng.random((8, 3)), int(rng.integers(2**31 - 1))
    width, box = LABELS.upper - LABELS.lower, Box([Real(0.0, 1.0, transform="normalize")] * 3)
    found = gp_minimize(
        lambda x: float(bowl(LABELS.lower + np.array([x]) * width)[0]), box, x0=unit.tolist(), n_initial_points=0,
        y0=bowl(LABELS.lower + unit * width).tolist(), n_calls=4, n_points=200, n_restarts_optimizer=2,
        base_estimator=cook_estimator("GP", space=box, random_state=seed, noise="gaussian"), random_state=seed,
        acq_func="gp_hedge",
    )
    np.testing.assert_allclose((result.points - LABELS.lower) / width, found.x_iters, atol=1e-9)


def test_gp_predicts_as_scikit_optimize_does():
    """One way for many points, another with gradients: they must agree, and the slope must be that of the first."""
    rng = np.random.default_rng(0)
    process = _proposer(GpConfig(), 3, 0).base_estimator_.set_params(optimizer=None)
    known, points = rng.random((40, 3)), rng.random((30, 3))
    process.fit(known, np.sin(4 * known @ [1.0, 0.7, 0.5]) + rng.normal(0, 0.05, 40))
    for ours, theirs in zip(process.predict(points, return_std=True),
                            GaussianProcessRegressor.predict(process, points, return_std=True), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-7)
    mean, _, slope, _ = process.predict(points[:1], return_std=True, return_mean_grad=True, return_std_grad=True)
    steps = points[:1] + 1e-5 * np.eye(3)
    np.testing.assert_allclose((process.predict(steps) - mean) / 1e-5, slope, atol=1e-3)


def test_gp_does_not_mind_the_unit_of_the_objective():
    first, scaled = (search("gp", lambda p, k=k: k * bowl(p), LABELS, polish=False)[0] for k in (1.0, 2.0**-20))
    assert np.allclose(first.points, scaled.points)


@pytest.mark.parametrize("constant", [0.0, -3.0, 1e-300])
def test_gp_takes_flat_and_negative_functions_quietly(constant):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result, _ = search("gp", lambda points: np.full(len(points), constant), LABELS, n_calls=3)
    assert result.value == constant
    assert result.status is Status.CONVERGED


def test_gp_tells_a_finished_search_from_one_that_was_still_falling():
    finished, _ = search("gp", bowl, LABELS, n_calls=9, polish=False)
    cut, _ = search("gp", bowl, LABELS, n_initial=5, n_calls=1, tolerance=0, polish=False)
    assert finished.status is Status.CONVERGED
    assert cut.status is (Status.BUDGET if cut.values[-1] < cut.values[:-1].min() else Status.CONVERGED)


def test_gp_polishes_where_there_are_gradients():
    polished, objective = search("gp", bowl, LABELS, n_calls=3)
    plain, _ = search("gp", bowl, LABELS, n_calls=3, polish=False)
    assert polished.value < plain.value
    assert polished.evaluations == plain.evaluations + objective.gradients
    objective = FunctionObjective(bowl, LABELS)
    objective.differentiable = False
    gp = installed().get("optimizers", "gp")
    optimizer = gp.build(gp.config(n_initial=25, n_calls=3), BuildContext())
    optimizer.minimize(objective, LABELS, np.random.default_rng(0))
    assert objective.gradients == 0


def test_traits_say_who_needs_gradients():
    needs = {name: installed().get("optimizers", name).traits["needs_gradient"] for name in ALL}
    assert needs == {"differential_evolution": False, "gp": False, "lbfgs": True}
