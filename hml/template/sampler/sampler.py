"""Importance sampling from the whole box: a `Sampler`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hml import Posterior, Sampler, Space, SpectrumError, Start

Floats = NDArray[np.float64]

ENOUGH = 300  # effective draws


class ExampleSampler(Sampler):
    """Equally probable points of the box, weighted by the probability; good where the box is not much wider than what
    it holds."""

    def __init__(self, points: int) -> None:
        self.points = points

    def sample(
        self,
        log_probability: Callable[[Floats], Floats],
        space: Space,
        start: Start,
        rng: np.random.Generator,
        on_step: Callable[[int], None] = lambda evaluations: None,
    ) -> Posterior:
        points = rng.uniform(space.lower, space.upper, (self.points, len(space)))
        found = log_probability(points)
        found = np.where(np.isnan(found), -np.inf, found)
        on_step(len(points))
        if not np.isfinite(found).any():
            raise SpectrumError("no point of the box has a finite probability; check the spectrum and the box")
        weights = np.exp(found - found.max())
        effective = weights.sum() ** 2 / (weights**2).sum()
        enough = bool(effective > ENOUGH)
        return Posterior(
            points, found, len(points), converged=enough, weights=weights / weights.sum(),
            message="" if enough else "narrow the box, or use another sampler",
            evidence=(float(found.max() + np.log(weights.mean())), float(effective**-0.5)),
        )  # fmt: skip
