"""What every optimizer needs: the free labels as a unit box, a record of what was asked, and a fair verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hml import Objective, OptimizeResult, Space, Status, Step

Floats = NDArray[np.float64]

AT_EDGE = 1e-6  # of the box's width
Report = Callable[[Step], None]


class Search:
    """One search: F free labels (axes of the box that are wider than zero) run from 0 to 1, the others stay fixed."""

    def __init__(self, objective: Objective, space: Space, on_step: Report, at_edge: float = AT_EDGE) -> None:
        self.objective, self.space, self.on_step, self.at_edge = objective, space, on_step, at_edge
        self.lower, self.upper = space.lower.astype(np.float64), space.upper.astype(np.float64)
        self.free = self.upper > self.lower
        self.width = (self.upper - self.lower)[self.free]
        self.points: list[Floats] = []
        self.values: list[float] = []
        self.evaluations = 0
        self.not_finite = 0
        self.best: tuple[Floats, float] = (self.point(np.full(self.free.sum(), 0.5)), np.inf)

    @property
    def size(self) -> int:
        """F."""
        return int(self.free.sum())

    @property
    def worst(self) -> float:
        """The largest finite value so far; 0 if there is none."""
        finite = [value for value in self.values if np.isfinite(value)]
        return max(finite, default=0.0)

    def point(self, unit: Floats) -> Floats:
        """Unit coordinates `[..., F]` → labels `[..., P]`, never outside the box."""
        labels = np.broadcast_to(self.lower, (*unit.shape[:-1], len(self.space))).copy()
        labels[..., self.free] += unit * self.width
        return np.clip(labels, self.lower, self.upper)

    def unit(self, point: Floats) -> Floats:
        """Labels `[P]` → unit coordinates `[F]`."""
        return np.asarray((point - self.lower)[self.free] / self.width)

    def ask(self, unit: Floats) -> Floats:
        """Values `[B]` at `[B, F]` in one batch; infinite where the objective is not finite."""
        points = self.point(np.asarray(unit, dtype=np.float64))
        values = np.asarray(self.objective.values(points), dtype=np.float64)
        self.not_finite += int((~np.isfinite(values)).sum())
        values = np.where(np.isfinite(values), values, np.inf)
        self.evaluations += len(points)
        self.record(points, values)
        return values

    def ask_gradient(self, unit: Floats) -> tuple[float, Floats]:
        """Value and gradient `[F]` at `[F]`. Where they are not finite: a value above all others, no slope."""
        point = self.point(unit)
        value, gradient = self.objective.value_and_gradient(point)
        self.evaluations += 1
        scaled = np.asarray(gradient, dtype=np.float64)[self.free] * self.width
        if not (np.isfinite(value) and np.isfinite(scaled).all()):
            self.not_finite += 1
            return self.worst + abs(self.worst) + 1.0, np.zeros(self.size)
        self._improve(point, float(value))
        return float(value), scaled

    def record(self, points: Floats, values: Floats) -> None:
        """Keep `[B, P]` and `[B]` for the result, and report."""
        self.points += list(points)
        self.values += values.tolist()
        lowest = int(np.argmin(values))
        self._improve(points[lowest], float(values[lowest]))
        self.on_step(Step(self.evaluations, *self.best))

    def _improve(self, point: Floats, value: float) -> None:
        if value < self.best[1]:
            self.best = (point.copy(), value)

    def result(self, status: Status, message: str = "", meta: Mapping[str, Any] | None = None) -> OptimizeResult:
        """The outcome; FAILED and AT_BOUND come before the `status` that the method arrived at."""
        point, value = self.best
        if not np.isfinite(value):
            status, message, value = Status.FAILED, message or "no finite value", np.nan
        elif self._at_edge(point):
            status = Status.AT_BOUND
        return OptimizeResult(
            point=point, value=value, status=status, points=np.array(self.points).reshape(-1, len(self.space)),
            values=np.array(self.values), evaluations=self.evaluations, message=message,
            meta={**(meta or {}), "not_finite": self.not_finite},
        )

    def _at_edge(self, point: Floats) -> bool:
        unit = self.unit(point)
        return bool((np.minimum(unit, 1.0 - unit) <= self.at_edge).any())

    def only_point(self) -> OptimizeResult:
        """The outcome where every label is fixed: there is one point to look at."""
        self.ask(np.zeros((1, 0)))
        return self.result(Status.CONVERGED, "every label is fixed")
