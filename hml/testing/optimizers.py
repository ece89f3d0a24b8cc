"""The checks of an optimizer, on functions whose minimum is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hml import Axis, Objective, Optimizer, OptimizeResult, Space, Status, Step
from hml.testing.base import Checks
from hml.testing.suite import expect

Floats = NDArray[np.float64]
Residuals = Callable[[Floats], Floats]

SPACE = Space((Axis("teff", 3000.0, 7000.0), Axis("logg", 3.0, 5.0), Axis("feh", -1.0, 0.5)))
BEST = np.array([4321.0, 4.2, -0.3])
MIXING = np.array([[1.8, 0.4, 0.2], [0.0, 1.0, 0.2], [0.0, 0.0, 1.2]])


class Known(Objective):
    """The sum of squares of `residuals` (`[B, P]`, from the minimum, in widths of the box → `[B, N]`). It counts what
    it is asked and refuses points outside the box."""

    def __init__(self, residuals: Residuals, space: Space = SPACE, differentiable: bool = True) -> None:
        self.function, self.space, self.differentiable = residuals, space, differentiable
        self.asked: list[Floats] = []
        self.calls = 0  # spectra that would have been rendered, derivatives apart

    def values(self, points: Floats) -> Floats:
        self._note(points)
        return np.asarray((self._residuals(points) ** 2).sum(-1))

    def value_and_gradient(self, point: Floats) -> tuple[float, Floats]:
        if not self.differentiable:
            raise AssertionError("a gradient is asked of an objective that says that it has none")
        residuals = self.residuals(point)
        return float(residuals @ residuals), np.asarray(2 * residuals @ self._jacobian(point))

    def residuals(self, point: Floats) -> Floats:
        self._note(point[None])
        return np.asarray(self._residuals(point[None])[0])

    def jacobian(self, point: Floats) -> Floats:
        return self._jacobian(point)

    def _residuals(self, points: Floats) -> Floats:
        return self.function((points - BEST) / (SPACE.upper - SPACE.lower))

    def _jacobian(self, point: Floats) -> Floats:
        steps = np.diag(1e-6 * (SPACE.upper - SPACE.lower))
        difference = self._residuals(point + steps) - self._residuals(point - steps)  # [P, N]
        return np.asarray(difference.T / (2 * np.diag(steps)))

    def _note(self, points: Floats) -> None:
        inside = (points >= self.space.lower) & (points <= self.space.upper)
        expect(inside.all(), f"asked outside the box, at {points[~inside.all(1)][:1].tolist()}")
        self.asked += list(np.array(points, dtype=np.float64))
        self.calls += len(points)


def bowl(u: Floats) -> Floats:
    """A skewed quadratic, 1 at its minimum."""
    return np.concatenate([17.0 * u @ MIXING.T, np.ones((len(u), 1))], axis=1)


def two_wells(u: Floats) -> Floats:
    """0 at the minimum, and a minimum of 4 at +0.4 along the first axis."""
    aside = u - np.array([0.4, 0.0, 0.0])
    here, there = np.pad(10 * u, ((0, 0), (0, 1))), np.pad(10 * aside, ((0, 0), (0, 1)), constant_values=2.0)
    lower = (here**2).sum(1) <= (there**2).sum(1)
    return np.where(lower[:, None], here, there)


def slope(u: Floats) -> Floats:
    """Least beyond the box: at minus one along the first axis."""
    return np.asarray(u + np.array([1.0, 0.0, 0.0]))


def holed(u: Floats) -> Floats:
    """The bowl, and NaN in a third of the box."""
    return np.asarray(np.where(u[:, 1:2] > 0.1, np.nan, bowl(u)))


def nothing(u: Floats) -> Floats:
    """NaN everywhere."""
    return np.full((len(u), 4), np.nan)


class OptimizerChecks(Checks[Optimizer]):
    """An optimizer, in a box of three labels of very different units."""

    family = "optimizers"
    interface = Optimizer
    at_optimum: ClassVar[float] = 0.02
    """How far from the minimum of a quadratic it may end, as a fraction of the box."""
    budget: ClassVar[int] = 20_000
    """The most spectra that it may ask for with these fields."""

    # --- what checks use

    def search(
        self, residuals: Residuals, space: Space = SPACE, on_step: Callable[[Step], None] = lambda step: None
    ) -> tuple[OptimizeResult, Known]:
        """What it finds, and the objective that it asked."""
        objective = Known(residuals, space)
        return self.build().minimize(objective, space, np.random.default_rng(1), on_step), objective

    def in_bowl(self) -> tuple[OptimizeResult, Known, list[Step]]:
        """The search of the bowl, made once."""
        if "bowl" not in self._kept:
            steps: list[Step] = []
            self._kept["bowl"] = *self.search(bowl, on_step=steps.append), steps
        kept: tuple[OptimizeResult, Known, list[Step]] = self._kept["bowl"]
        return kept

    def work(self) -> None:
        self.search(bowl)

    # --- the checks

    def test_it_says_whether_it_needs_gradients(self) -> None:
        expect("needs_gradient" in self.chosen().traits, "the component's traits must say needs_gradient")

    def test_the_minimum_is_found(self) -> None:
        result, _, _ = self.in_bowl()
        error = off(result.point)
        expect(error <= self.at_optimum, f"{error:.2g} of the box off the minimum, {self.at_optimum:g} allowed")
        expect(result.status in (Status.CONVERGED, Status.BUDGET), f"the status is {result.status.name}")

    def test_the_lower_of_two_minima_is_found(self) -> None:
        result, _ = self.search(two_wells)
        expect(off(result.point) < 0.2, f"it ended in the higher minimum, at {result.point.tolist()}")

    def test_the_result_is_what_it_says(self) -> None:
        result, _, _ = self.in_bowl()
        expect(isinstance(result, OptimizeResult), f"minimize gave {type(result).__name__}")
        here = float(Known(bowl).values(result.point[None])[0])
        expect(np.isclose(result.value, here, rtol=1e-9), f"value {result.value} at a point where it is {here}")
        shape, length = np.shape(result.points), len(result.values)
        expect(shape == (length, len(SPACE)), f"points {shape} and values [{length}] do not belong together")
        expect(result.value <= np.nanmin(result.values) * (1 + 1e-12), "a better value was seen than the result's")

    def test_evaluations_are_counted_and_bounded(self) -> None:
        result, objective, _ = self.in_bowl()
        distinct = len(np.unique(np.array(objective.asked), axis=0))
        expect(distinct - 1 <= result.evaluations <= objective.calls,
               f"it says {result.evaluations} evaluations, {objective.calls} spectra were asked for")
        expect(objective.calls <= self.budget, f"{objective.calls} spectra were asked for, its budget is {self.budget}")

    def test_every_step_is_reported(self) -> None:
        _, _, steps = self.in_bowl()
        expect(steps, "on_step was never called")
        counts, best = [step.evaluations for step in steps], [step.best_value for step in steps]
        expect(counts == sorted(counts) and counts[0] > 0, f"evaluations do not grow from step to step: {counts[:9]}")
        expect(best == sorted(best, reverse=True), "best_value rises from one step to another")

    def test_same_seed_same_result(self) -> None:
        (first, _, _), (again, _) = self.in_bowl(), self.search(bowl)
        expect(np.array_equal(first.points, again.points) and np.array_equal(first.point, again.point),
               "a second search with the same generator of random numbers is another")

    def test_the_box_is_never_left(self) -> None:
        result, objective = self.search(slope)  # Known refuses points outside
        expect(objective.asked, "nothing was asked")
        space = SPACE
        expect(((result.point >= space.lower) & (result.point <= space.upper)).all(), "the result is outside the box")
        if result.point[0] == space.lower[0]:
            expect(result.status is Status.AT_BOUND, f"the result is at the edge, the status is {result.status.name}")

    def test_nan_is_survived(self) -> None:
        result, objective = self.search(holed)
        expect(np.isfinite(result.value), "NaN in a part of the box makes the result NaN")
        seen = np.nanmin(Known(holed).values(np.array(objective.asked)))
        expect(result.value <= seen * (1 + 1e-9), "NaN counts as better than a number that was seen")
        expect(off(result.point) < max(0.1, 2 * self.at_optimum), "NaN in a part of the box leads it away")

    def test_nothing_finite_is_a_failure_that_ends(self) -> None:
        result, objective = self.search(nothing)
        expect(result.status is Status.FAILED, f"nothing was finite, the status is {result.status.name}")
        expect(objective.calls <= self.budget, f"{objective.calls} spectra were asked for, its budget is {self.budget}")

    def test_a_fixed_label_stays_fixed(self) -> None:
        space = Space((SPACE.axes[0], Axis("logg", 4.2, 4.2), SPACE.axes[2]))
        result, _ = self.search(bowl, space)
        expect(result.point[1] == 4.2, f"logg is fixed at 4.2 and became {result.point[1]}")
        expect(off(result.point) < max(0.1, 2 * self.at_optimum), "a fixed label leads it away from the minimum")

    def test_all_labels_fixed_is_no_error(self) -> None:
        space = Space(tuple(Axis(axis.name, v, v) for axis, v in zip(SPACE.axes, BEST.tolist(), strict=True)))
        result, _ = self.search(bowl, space)
        expect(np.array_equal(result.point, BEST), f"all labels are fixed, the result is {result.point.tolist()}")
        expect(np.isclose(result.value, 1.0), f"all labels are fixed where the value is 1, and it says {result.value}")

    def test_gradients_are_not_asked_of_what_has_none(self) -> None:
        if self.trait("needs_gradient"):
            return
        objective = Known(bowl, differentiable=False)  # which refuses
        result = self.build().minimize(objective, SPACE, np.random.default_rng(1))
        expect(np.isfinite(result.value), "without gradients it finds nothing")


def off(point: Any) -> float:
    """The largest distance from the minimum, as a fraction of the box."""
    return float(np.abs((np.asarray(point) - BEST) / (SPACE.upper - SPACE.lower)).max())
