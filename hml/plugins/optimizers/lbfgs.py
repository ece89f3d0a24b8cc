"""L-BFGS-B (scipy) with the objective's own gradients, from the best of a random batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from hml import Objective, Optimizer, OptimizeResult, Space, Status, Step
from hml.plugins.optimizers import LbfgsConfig
from hml.plugins.optimizers.search import Search

Floats = NDArray[np.float64]

FLAT = 1e-4  # a slope (per box width, over the value) that counts as none where the line search finds nothing lower


class Lbfgs(Optimizer):
    """Several descents; the lowest end counts."""

    def __init__(self, config: LbfgsConfig) -> None:
        self.config = config

    def minimize(
        self,
        objective: Objective,
        space: Space,
        rng: np.random.Generator,
        on_step: Callable[[Step], None] = lambda step: None,
    ) -> OptimizeResult:
        """The best point found; `points` holds the random batch and every accepted step."""
        search = Search(objective, space, on_step)
        if search.size == 0:
            return search.only_point()
        unit = rng.random((self.config.n_initial, search.size))
        values = search.ask(unit)
        starts = [unit[i] for i in np.argsort(values)[: self.config.n_starts] if np.isfinite(values[i])]
        ends = sorted((self._descend(search, start) for start in starts), key=lambda end: float(end.fun))
        if not ends:
            return search.result(Status.FAILED)
        meta = {"descents": len(ends), "same_minimum": sum(_same(end.x, ends[0].x) for end in ends)}
        return search.result(_verdict(ends[0]), str(ends[0].message), meta)

    def _descend(self, search: Search, start: Floats) -> optimize.OptimizeResult:
        def accepted(intermediate_result: optimize.OptimizeResult) -> None:
            search.record(search.point(intermediate_result.x)[None], np.array([float(intermediate_result.fun)]))

        return optimize.minimize(
            search.ask_gradient, start, jac=True, method="L-BFGS-B", bounds=[(0.0, 1.0)] * search.size,
            callback=accepted, options={"maxiter": self.config.max_steps, "ftol": self.config.tolerance, "gtol": 1e-8},
        )


def _same(one: Floats, other: Floats) -> bool:
    return bool(np.abs(one - other).max() < 1e-3)


def _verdict(end: optimize.OptimizeResult) -> Status:
    """The line search of L-BFGS-B gives up at rounding level (status 2), which is an end like any other if it is flat
    there."""
    slope = np.abs(np.clip(end.x - end.jac, 0.0, 1.0) - end.x).max()
    flat = slope <= FLAT * (1.0 + abs(float(end.fun)))
    return Status.CONVERGED if end.success or (end.status == 2 and flat) else Status.BUDGET
