"""Least squares from several starts: against problems of known solution."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hml import Axis, BuildContext, Objective, Space, Status, installed

LABELS = Space((Axis("teff", 3000.0, 7000.0), Axis("logg", 3.0, 5.0), Axis("feh", -1.0, 0.5)))
WIDTH = LABELS.upper - LABELS.lower
TRUTH = np.array([4321.0, 4.2, -0.3])
X = np.linspace(0, 1, 40)


class Residuals(Objective):
    """Of a function point `[P]` → `[N]`, with central differences; remembers every point."""

    differentiable = True

    def __init__(self, function, space=LABELS):
        self.function, self.space, self.asked = function, space, []

    def values(self, points):
        return np.array([np.mean(self.residuals(point) ** 2) for point in points])

    def value_and_gradient(self, point):
        raise NotImplementedError("least squares need none")

    def residuals(self, point):
        self.asked.append(point)
        return self.function(point)

    def jacobian(self, point):
        steps = np.diag(1e-6 * np.maximum(self.space.upper - self.space.lower, 1e-9))
        return np.stack([(self.function(point + s) - self.function(point - s)) / (2 * s.sum()) for s in steps], -1)


def curve(point, truth=TRUTH):
    """A curve that bends with its parameters, less the true one."""

    def flux(at):
        t, g, z = (at - LABELS.lower) / WIDTH
        return np.exp(-2 * t * X) * (1 + g * X**2) + np.sin(3 * z * X)

    return 100 * (flux(point) - flux(np.asarray(truth))) + np.cos(37 * X)  # noise that no parameter explains


def search(function, space=LABELS, seed=0, on_step=lambda step: None, **fields):
    component = installed().get("optimizers", "lm")
    optimizer = component.build(component.config(**fields), BuildContext())
    objective = Residuals(function, space)
    return optimizer.minimize(objective, space, np.random.default_rng(seed), on_step), objective


def test_the_minimum_is_found_from_anywhere_in_the_box():
    results = [search(curve, seed=seed)[0] for seed in range(4)]
    for result in results:
        assert result.status is Status.CONVERGED
        np.testing.assert_allclose(result.point, results[0].point, rtol=1e-5, atol=1e-6)
        assert result.value == pytest.approx(np.mean(curve(result.point) ** 2))
    slope = Residuals(curve).jacobian(results[0].point).T @ curve(results[0].point) * WIDTH
    assert np.abs(slope).max() < 1e-3  # flat there
    assert np.abs((results[0].point - TRUTH) / WIDTH).max() < 0.02


@settings(max_examples=10, deadline=None)
@given(corner=st.tuples(*[st.floats(-0.5, 1.5)] * 3), seed=st.integers(0, 1000))
def test_points_never_leave_the_box_and_an_edge_is_reported(corner, seed):
    target = LABELS.lower + np.array(corner) * WIDTH
    result, objective = search(lambda point: (point - target) / WIDTH * 10, seed=seed)
    asked = np.array(objective.asked)
    assert ((asked >= LABELS.lower) & (asked <= LABELS.upper)).all()
    np.testing.assert_allclose(result.point, np.clip(target, LABELS.lower, LABELS.upper), atol=1e-4 * WIDTH.max())
    beyond = min(corner) < -1e-3 or max(corner) > 1.001
    assert (result.status is Status.AT_BOUND) or not beyond


def test_another_minimum_that_is_as_good_is_told():
    def two(point, depth=0.0):
        x = (point[0] - 5000) / 1000
        return np.array([5 * (x**2 - 1), depth * (x > 0), (point[1] - 4) * 3, (point[2] + 0.3) * 3, 1.0, 1.0])

    result, _ = search(two, n_initial=100, n_starts=4)
    assert result.status is Status.MULTIMODAL
    (rival,) = {round(rival["teff"], -1) for rival in result.meta["rivals"]}
    assert {rival, round(float(result.point[0]), -1)} == {4000.0, 6000.0}
    result, _ = search(lambda point: two(point, depth=9.0), n_initial=100, n_starts=4)
    assert result.status is Status.CONVERGED and result.point[0] == pytest.approx(4000, abs=1)


def test_what_is_not_finite_is_survived_and_nothing_finite_is_a_status():
    result, _ = search(lambda point: np.full(4, np.nan) if point[1] > 4.4 else curve(point))
    assert result.point[1] < 4.4 and result.value < 1.0 and result.meta["not_finite"] > 0
    result, objective = search(lambda point: np.full(4, np.nan))
    assert result.status is Status.FAILED and len(objective.asked) == 60


def test_fixed_labels_stay_budgets_are_kept_and_seeds_decide():
    space = Space((LABELS["teff"], Axis("logg", 4.2, 4.2), LABELS["feh"]))
    result, objective = search(curve, space)
    assert (np.array(objective.asked)[:, 1] == 4.2).all() and result.status is Status.CONVERGED
    result, _ = search(curve, max_steps=2, n_starts=1)
    assert result.status is Status.BUDGET and result.evaluations <= 60 + 2 + 1
    nothing = Space(tuple(Axis(n, v, v) for n, v in zip(LABELS.names, TRUTH, strict=True)))
    assert search(curve, nothing)[0].point == pytest.approx(TRUTH)
    steps = []
    first, again = search(curve, seed=3, on_step=steps.append)[0], search(curve, seed=3)[0]
    np.testing.assert_array_equal(first.points, again.points)
    best = [step.best_value for step in steps]
    assert best == sorted(best, reverse=True) and len(steps) == 4
