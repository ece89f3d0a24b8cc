"""From data to labels: search, then the errors that the curvature at the minimum implies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hml.core.components import Progress, quiet
from hml.core.config import RunConfig
from hml.core.errors import SpectrumError
from hml.core.generator import Generator
from hml.core.interfaces import Optimizer, OptimizeResult, Status, Step
from hml.core.likelihood import SpectrumObjective, parameters
from hml.core.observe import Target
from hml.core.posterior import Sampled
from hml.core.space import Floats

MADE_UP = "the grid has no node at a corner of the cell that the labels lie in; it was made up from others"


@dataclass(frozen=True, eq=False)
class Inference:
    """What was measured. `errors` are one standard deviation, for the free parameters only."""

    values: Mapping[str, float]
    errors: Mapping[str, float]
    covariance: Floats | None  # [P, P] in the order of the free parameters
    search: OptimizeResult
    objective: SpectrumObjective
    sampled: Sampled | None = None  # where a sampler was chosen


def infer(
    generator: Generator, target: Target, optimizer: Optimizer, config: RunConfig, progress: Progress = quiet
) -> Inference:
    """The labels (and free extrinsic parameters) at which the generator comes closest to the target."""
    search = parameters(generator.space, config.box, config.objective)
    objective = SpectrumObjective(generator, target.orders, search, config.objective)
    rng = np.random.default_rng([config.runtime.seed, 2])
    with progress("measuring", total=None, unit="spectra") as advance:
        seen = 0

        def on_step(step: Step) -> None:
            nonlocal seen
            advance(step.evaluations - seen)
            seen = step.evaluations

        result = optimizer.minimize(objective, objective.space, rng, on_step)
    if result.status is Status.FAILED:
        raise SpectrumError(f"{target.orders[0].name or target.story}: {Status.FAILED.value}")
    if generator.made_up({name: search.complete(result.point)[name] for name in generator.space.names}):
        objective.notes.append(MADE_UP)
    covariance = laplace(objective, result.point)
    spread = {} if covariance is None else dict(zip(search.space.names, np.sqrt(np.diag(covariance)), strict=True))
    return Inference(
        search.complete(result.point), {k: float(v) for k, v in spread.items()}, covariance, result, objective
    )


def laplace(objective: SpectrumObjective, point: Floats) -> Floats | None:
    """Covariance `[P, P]` of the parameters: the inverse of JᵀJ at `point`, scaled by the mean squared residual where
    that exceeds the errors (or where there are none). None if the data leave a parameter undetermined."""
    jacobian, residuals = objective.jacobian(point), objective.residuals(point)
    if not (np.isfinite(jacobian).all() and np.isfinite(residuals).all()):
        return None
    width = objective.space.upper - objective.space.lower
    scaled = jacobian * width  # parameters in units of the box: the condition number then means something
    normal = scaled.T @ scaled
    if np.linalg.cond(normal) > 1e12:
        return None
    mean = float((residuals**2).sum() / max(len(residuals) - len(point), 1))
    factor = max(1.0, mean) if objective.metric == "chi2" else mean
    covariance: Floats = np.linalg.inv(normal) * factor * np.outer(width, width)
    return covariance
