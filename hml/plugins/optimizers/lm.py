"""Non-linear least squares (scipy's trust-region reflective) with the objective's own Jacobian, from several starts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from hml import Objective, Optimizer, OptimizeResult, Space, Status, Step
from hml.plugins.optimizers import LmConfig
from hml.plugins.optimizers.search import Search

Floats = NDArray[np.float64]

BEYOND = 1e6  # a residual where there is none: larger than any
SAME = 1e-3  # of the box: ends of descents that are nearer are one minimum
APART = 0.1  # of the box: starts are at least so far from one another, where that leaves enough of them


class LeastSquares(Optimizer):
    """Descents from the best of a random batch, far from one another; the lowest end counts. Where two ends of nearly
    the same value lie apart, the status says so."""

    def __init__(self, config: LmConfig) -> None:
        self.config = config

    def minimize(
        self,
        objective: Objective,
        space: Space,
        rng: np.random.Generator,
        on_step: Callable[[Step], None] = lambda step: None,
    ) -> OptimizeResult:
        """The best point found; `points` holds the random batch and the end of every descent."""
        search = Search(objective, space, on_step)
        if search.size == 0:
            return search.only_point()
        unit = rng.random((self.config.n_initial, search.size))
        values = search.ask(unit)
        ends = [self._descend(search, start) for start in self._starts(unit, values)]
        ends = sorted((end for end in ends if np.isfinite(end.cost)), key=lambda end: float(end.cost))
        if not ends:
            return search.result(Status.FAILED)
        return self._told(search, ends)

    def _starts(self, unit: Floats, values: Floats) -> list[Floats]:
        """The best points `[F]` of the batch that are apart from better ones; then the best of the others."""
        order = [i for i in np.argsort(values) if np.isfinite(values[i])]
        chosen: list[int] = []
        for i in order:
            if all(np.abs(unit[i] - unit[j]).max() > APART for j in chosen):
                chosen.append(i)
        others = [i for i in order if i not in chosen]
        return [unit[i] for i in (chosen + others)[: self.config.n_starts]]

    def _descend(self, search: Search, start: Floats) -> optimize.OptimizeResult:
        """From unit coordinates `[F]`; its evaluations are counted, its end is recorded."""

        def residuals(unit: Floats) -> Floats:
            search.evaluations += 1
            found = np.asarray(search.objective.residuals(search.point(unit)), dtype=np.float64)
            return found if np.isfinite(found).all() else np.full_like(found, BEYOND)

        def jacobian(unit: Floats) -> Floats:
            found = np.asarray(search.objective.jacobian(search.point(unit)), dtype=np.float64)
            return np.nan_to_num(found[:, search.free] * search.width, nan=0.0, posinf=0.0, neginf=0.0)

        inside = np.clip(start, 1e-9, 1 - 1e-9)
        end = optimize.least_squares(
            residuals, inside, jacobian, bounds=(0.0, 1.0), method="trf", x_scale="jac", ftol=self.config.tolerance,
            xtol=1e-10, gtol=1e-12, max_nfev=self.config.max_steps,
        )  # fmt: skip
        end.x = np.where(end.active_mask < 0, 0.0, np.where(end.active_mask > 0, 1.0, end.x))
        search.ask(end.x[None])
        return end

    def _told(self, search: Search, ends: list[optimize.OptimizeResult]) -> OptimizeResult:
        best = ends[0]
        apart = [end for end in ends[1:] if np.abs(end.x - best.x).max() > SAME]
        scatter = 2 * best.cost / len(best.fun)  # the square of a typical residual, whatever its unit
        rivals = [end for end in apart if 2 * (end.cost - best.cost) < self.config.rival * scatter]
        status = Status.CONVERGED if best.success and best.status > 0 else Status.BUDGET
        meta = {
            "descents": len(ends), "same_minimum": len(ends) - len(apart),
            "rivals": [search.space.to_dict(search.point(end.x)) for end in rivals],
        }  # fmt: skip
        return search.result(Status.MULTIMODAL if rivals and status is Status.CONVERGED else status, "", meta)

