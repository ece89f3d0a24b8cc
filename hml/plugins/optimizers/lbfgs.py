"""L-BFGS-B (scipy) with the objective's own gradients, from the best of a random batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hml import Objective, Optimizer, OptimizeResult, Space, Status, Step
from hml.plugins.optimizers import LbfgsConfig
from hml.plugins.optimizers.descent import descend, verdict
from hml.plugins.optimizers.search import Search

Floats = NDArray[np.float64]

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
        ends = sorted(
            (descend(search, start, self.config.max_steps, self.config.tolerance) for start in starts),
            key=lambda end: float(end.fun),
        )
        if not ends:
            return search.result(Status.FAILED)
        meta = {"descents": len(ends), "same_minimum": sum(_same(end.x, ends[0].x) for end in ends)}
        return search.result(verdict(ends[0]), "", meta)


def _same(one: Floats, other: Floats) -> bool:
    return bool(np.abs(one - other).max() < 1e-3)
