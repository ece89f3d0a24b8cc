"""Differential evolution (scipy), one batch a generation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import optimize

from hml import Objective, Optimizer, OptimizeResult, Space, Status, Step
from hml.plugins.optimizers import DifferentialEvolutionConfig
from hml.plugins.optimizers.search import Search

_evolve: Any = optimize.differential_evolution
AT_EDGE = 1e-3  # of the box's width: mutants beyond a bound are drawn anew, so that none ever lies on it


class DifferentialEvolution(Optimizer):
    """A population that spreads over the box and contracts around the minimum."""

    def __init__(self, config: DifferentialEvolutionConfig) -> None:
        self.config = config

    def minimize(
        self,
        objective: Objective,
        space: Space,
        rng: np.random.Generator,
        on_step: Callable[[Step], None] = lambda step: None,
    ) -> OptimizeResult:
        """The best point found; deterministic for a given rng."""
        search = Search(objective, space, on_step, AT_EDGE)
        if search.size == 0:
            return search.only_point()
        found = _evolve(
            lambda unit: search.ask(unit.T), [(0.0, 1.0)] * search.size, seed=rng, vectorized=True,
            updating="deferred", popsize=self.config.population, maxiter=self.config.generations,
            tol=self.config.tolerance, polish=self.config.polish,
            callback=lambda x, convergence: not np.isfinite(search.best[1]),
        )
        status = Status.CONVERGED if found.success else Status.BUDGET
        return search.result(status, str(found.message), {"generations": int(found.nit)})
