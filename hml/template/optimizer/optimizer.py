"""Random search in a shrinking box: an `Optimizer`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from hml import Objective, Optimizer, OptimizeResult, Space, Status, Step

if TYPE_CHECKING:
    from . import ExampleConfig

SHRINK = 2 / 3


class ExampleOptimizer(Optimizer):
    """Every round asks for one batch of random points; then the box shrinks around the best of all so far."""

    def __init__(self, config: ExampleConfig) -> None:
        self.config = config

    def minimize(
        self,
        objective: Objective,
        space: Space,
        rng: np.random.Generator,
        on_step: Callable[[Step], None] = lambda step: None,
    ) -> OptimizeResult:
        low, high = space.lower, space.upper
        points, values = np.empty((0, len(space))), np.empty(0)
        for turn in range(self.config.rounds):
            new = rng.uniform(low, high, (self.config.points, len(space)))
            points, values = np.vstack([points, new]), np.append(values, objective.values(new))
            best = int(np.argmin(np.where(np.isnan(values), np.inf, values)))
            half = 0.5 * (space.upper - space.lower) * SHRINK ** (turn + 1)
            low = np.clip(points[best] - half, space.lower, space.upper)
            high = np.clip(points[best] + half, space.lower, space.upper)
            on_step(Step(len(values), points[best], float(values[best])))
        status = Status.BUDGET if np.isfinite(values[best]) else Status.FAILED
        return OptimizeResult(points[best], float(values[best]), status, points, values, len(values))
