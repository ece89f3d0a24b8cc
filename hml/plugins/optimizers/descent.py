"""One descent by L-BFGS-B (scipy) with the objective's own gradients."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from hml import Status
from hml.plugins.optimizers.search import Search

Floats = NDArray[np.float64]

FLAT = 1e-4  # a slope (per box width, over the value) that counts as none where the line search finds nothing lower


def descend(search: Search, start: Floats, max_steps: int, tolerance: float) -> optimize.OptimizeResult:
    """From unit coordinates `[F]` downhill; every accepted step is recorded. Ends when a step lowers the value by less
    than `tolerance` of it."""

    def accepted(intermediate_result: optimize.OptimizeResult) -> None:
        search.record(search.point(intermediate_result.x)[None], np.array([float(intermediate_result.fun)]))

    return optimize.minimize(
        search.ask_gradient, start, jac=True, method="L-BFGS-B", bounds=[(0.0, 1.0)] * search.size,
        callback=accepted, options={"maxiter": max_steps, "ftol": tolerance, "gtol": 1e-8},
    )


def verdict(end: optimize.OptimizeResult) -> Status:
    """The line search of L-BFGS-B gives up at rounding level (status 2), which is an end like any other if it is flat
    there."""
    slope = np.abs(np.clip(end.x - end.jac, 0.0, 1.0) - end.x).max()
    flat = slope <= FLAT * (1.0 + abs(float(end.fun)))
    return Status.CONVERGED if end.success or (end.status == 2 and flat) else Status.BUDGET
