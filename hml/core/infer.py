"""From data to labels: search, then the errors that the curvature at the minimum implies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from hml.core.components import Progress, quiet
from hml.core.config import RunConfig
from hml.core.errors import SpectrumError
from hml.core.generator import Generator
from hml.core.interfaces import Optimizer, OptimizeResult, Status, Step
from hml.core.likelihood import Parameters, SpectrumObjective, parameters
from hml.core.observe import Target
from hml.core.posterior import Sampled
from hml.core.space import Floats

TURNS = 4  # at most, of finding outliers and labels again
STEPS = 30  # evaluations, at most, of each
AT_EDGE = 1e-6  # of the box
MADE_UP = "the grid has no node at a corner of the cell that the labels lie in; it was made up from others"
GAP = "the labels lie in a gap of the grid: its nodes are not on all sides of them"


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
    objective, result = _weighed(objective, result)
    result = _enclosed(generator, search, result)
    if generator.made_up({name: search.complete(result.point)[name] for name in generator.space.names}):
        objective.notes.append(GAP if generator.header.get("ragged") else MADE_UP)
    covariance = objective.covariance(result.point)
    spread = {} if covariance is None else dict(zip(search.space.names, np.sqrt(np.diag(covariance)), strict=True))
    return Inference(
        search.complete(result.point), {k: float(v) for k, v in spread.items()}, covariance, result, objective
    )


def _enclosed(generator: Generator, search: Parameters, found: OptimizeResult) -> OptimizeResult:
    """The same minimum, its labels among those that the nodes of a ragged grid enclose: others have the spectrum of the
    nearest of these."""
    values = search.complete(found.point)
    moved = generator.nearest({name: values[name] for name in generator.space.names})[0].cpu().numpy()
    told = {**values, **generator.space.to_dict(moved)}
    point = np.clip([told[name] for name in search.space.names], search.space.lower, search.space.upper)
    if np.array_equal(point, found.point):
        return found
    return replace(found, point=point, status=Status.AT_BOUND)


def _weighed(
    objective: SpectrumObjective, found: OptimizeResult
) -> tuple[SpectrumObjective, OptimizeResult]:
    """Again from where the search ended, with what could not be known before: what the generator may miss there,
    which pixels are outliers, and what continuum is left."""
    for turn in range(TURNS):
        better = objective.with_best_continuum(found.point) if turn < 2 else objective
        better = better.without_outliers(found.point) if better.config.outliers == "clip" else better
        better = better if better.shared else better.with_model_error(found.point)
        if better is objective:
            break
        objective, found = better, polished(better, found)
    return objective.with_scale(found.point), found


def polished(objective: SpectrumObjective, found: OptimizeResult) -> OptimizeResult:
    """The minimum near one that was found for a slightly different objective."""
    from scipy.optimize import least_squares

    space = objective.space
    width = space.upper - space.lower
    inside = np.clip((found.point - space.lower) / width, 1e-9, 1 - 1e-9)

    def point(unit: Floats) -> Floats:
        return np.clip(space.lower + unit * width, space.lower, space.upper)

    end = least_squares(
        lambda unit: objective.residuals(point(unit)), inside, lambda unit: objective.jacobian(point(unit)) * width,
        bounds=(0.0, 1.0), x_scale="jac", max_nfev=STEPS,
    )  # fmt: skip
    at = [found.point, point(end.x)]
    values = objective.values(np.stack(at))
    best = int(np.nanargmin(values))
    return replace(
        found, point=at[best], value=float(values[best]), evaluations=found.evaluations + int(end.nfev) + 2,
        status=_status(found.status, end.x),
    )  # fmt: skip


def _status(before: Status, unit: Floats) -> Status:
    edge = bool((np.minimum(unit, 1 - unit) <= AT_EDGE).any())
    return Status.AT_BOUND if edge else Status.CONVERGED if before is Status.AT_BOUND else before
