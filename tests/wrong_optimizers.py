"""Optimizers with one fault each, and the check that must find it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from wrong import Fault, checks

from hml import (
    Axis,
    OptimizeResult,
    Space,
    Status,
)
from hml.template.optimizer import ExampleConfig as SearchConfig
from hml.template.optimizer.optimizer import ExampleOptimizer
from hml.testing import (
    OptimizerChecks,
)


def optimizer(
    check: str, words: str, minimize: Any = ExampleOptimizer.minimize, *, traits: Any = None, **more: Any
) -> Fault:
    made = type("WrongOptimizer", (ExampleOptimizer,), {"minimize": minimize})
    traits = {"needs_gradient": False} if traits is None else traits
    more = {"budget": 2000, **more}
    suite = checks(OptimizerChecks, lambda config, context: made(config), SearchConfig, traits, **more)
    return Fault(check, words, suite)


def after(change: Any) -> Any:
    """The right result, changed."""
    return lambda self, objective, space, rng, on_step=print: change(
        ExampleOptimizer.minimize(self, objective, space, rng, on_step)
    )


def within(change: Any) -> Any:
    """The search in another box."""
    return lambda self, objective, space, rng, on_step=print: ExampleOptimizer.minimize(
        self, objective, change(space), rng, on_step
    )


def naive(self: Any, objective: Any, space: Any, rng: Any, on_step: Any = print) -> Any:
    points = rng.uniform(space.lower, space.upper, (1000, len(space)))
    values = objective.values(points)
    best = int(np.argmin(values))
    return OptimizeResult(points[best], float(values[best]), Status.BUDGET, points, values, len(values))


def grown(space: Space) -> Space:
    return Space(tuple(Axis(a.name, a.lower - 0.1 * a.width, a.upper + 0.1 * a.width) for a in space.axes))


def cut_below(space: Space) -> Space:
    """Without the lower of the two minima."""
    first, *others = space.axes
    return Space((Axis(first.name, first.lower + 0.6 * first.width, first.upper), *others))


def jitter(space: Space) -> Space:
    return Space(tuple(Axis(a.name, a.lower, max(a.upper, a.lower + 0.1)) for a in space.axes))


def greedy(self: Any, objective: Any, space: Any, rng: Any, on_step: Any = print) -> Any:
    found = ExampleOptimizer.minimize(self, objective, space, rng, on_step)
    objective.value_and_gradient(found.point)
    return found


def reverse_steps(self: Any, objective: Any, space: Any, rng: Any, on_step: Any = print) -> Any:
    steps: list[Any] = []
    found = ExampleOptimizer.minimize(self, objective, space, rng, steps.append)
    for one in reversed(steps):
        on_step(one)
    return found


OPTIMIZERS = [
    optimizer("test_it_says_whether_it_needs_gradients", "must say needs_gradient", traits={"evidence": True}),
    optimizer("test_the_minimum_is_found", "off the minimum", after(lambda r: replace(r, point=r.points[0]))),
    optimizer("test_the_minimum_is_found", "status is MULTIMODAL",
              after(lambda r: replace(r, status=Status.MULTIMODAL))),
    optimizer("test_the_lower_of_two_minima_is_found", "higher minimum", within(cut_below)),
    optimizer("test_the_result_is_what_it_says", "at a point where it is",
              after(lambda r: replace(r, value=r.value / 2))),
    optimizer("test_the_result_is_what_it_says", "better value",
              after(lambda r: replace(r, point=r.points[0], value=float(r.values[0])))),
    optimizer("test_evaluations_are_counted_and_bounded", "it says 7", after(lambda r: replace(r, evaluations=7))),
    optimizer("test_evaluations_are_counted_and_bounded", "its budget is 10", budget=10),
    optimizer("test_every_step_is_reported", "never called", lambda self, objective, space, rng, on_step=print:
              ExampleOptimizer.minimize(self, objective, space, rng)),
    optimizer("test_every_step_is_reported", "do not grow", reverse_steps),
    optimizer("test_same_seed_same_result", "is another", lambda self, objective, space, rng, on_step=print:
              ExampleOptimizer.minimize(self, objective, space, np.random.default_rng(), on_step)),
    optimizer("test_the_box_is_never_left", "outside the box", within(grown)),
    optimizer("test_nan_is_survived", "makes the result NaN", naive),
    optimizer("test_nothing_finite_is_a_failure_that_ends", "the status is BUDGET",
              after(lambda r: replace(r, status=Status.BUDGET))),
    optimizer("test_a_fixed_label_stays_fixed", "outside the box", within(jitter)),
    optimizer("test_all_labels_fixed_is_no_error", "ZeroDivisionError",
              within(lambda s: 1 / int(s.axes[0].width) and s)),
    optimizer("test_gradients_are_not_asked_of_what_has_none", "says that it has none", greedy),
]  # fmt: skip
