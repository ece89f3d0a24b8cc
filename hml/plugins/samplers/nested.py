"""Nested sampling (dynesty), its proposals evaluated in batches."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import dynesty
import numpy as np
from dynesty.internal_samplers import SamplerReturn, UniformBoundSampler, UnitCubeSampler
from dynesty.utils import LogLikelihood, LoglOutput, get_random_generator
from numpy.typing import NDArray

from hml import Posterior, Sampler, Space, SpectrumError, Start
from hml.plugins.samplers import DynestyConfig
from hml.plugins.samplers.box import NOWHERE, Box

Floats = NDArray[np.float64]

BATCH = 32  # proposals in one evaluation
NEGLIGIBLE = 1e-7  # of the largest weight: draws of less are dropped


class Nested(Sampler):
    """Live points from the uniform box, replaced by ever more probable ones."""

    def __init__(self, config: DynestyConfig) -> None:
        self.config = config

    def sample(
        self,
        log_probability: Callable[[Floats], Floats],
        space: Space,
        start: Start,
        rng: np.random.Generator,
        on_step: Callable[[int], None] = lambda evaluations: None,
    ) -> Posterior:
        """Weighted draws and the evidence; the same for the same rng. `start` serves as a first check only: nested
        sampling begins everywhere."""
        box = Box(log_probability, space, on_step)
        if box.size == 0:
            return box.only_point()
        probed = np.concatenate([box.unit(start.point)[None], rng.random((BATCH, box.size))])
        if not np.isfinite(box.ask(probed)).any():
            raise SpectrumError(NOWHERE)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters of them is in `converged`
            try:
                return self._posterior(box, self._run(box, rng))
            except (RuntimeError, ValueError) as error:
                text = f"sampler: dynesty stopped ({' '.join(str(error).split())}); {NOWHERE}"
                raise SpectrumError(text) from None

    def _run(self, box: Box, rng: np.random.Generator) -> Any:
        """dynesty's results."""
        config = self.config
        parts = {"ndim": box.size, "nlive": config.live, "rstate": rng, "pool": _Batches(box), "queue_size": BATCH}
        if config.mode == "static":
            sampler = dynesty.NestedSampler(lambda unit: box.ask(unit[None])[0], _same, **parts)
            sampler.run_nested(
                dlogz=config.remainder, maxcall=config.max_evaluations, print_progress=False, save_bounds=False
            )
        else:
            sampler = dynesty.DynamicNestedSampler(lambda unit: box.ask(unit[None])[0], _same, **parts)
            sampler.run_nested(
                dlogz_init=config.remainder, n_effective=config.effective, maxcall=config.max_evaluations,
                print_progress=False, save_bounds=False,
            )  # fmt: skip
        return sampler.results

    def _posterior(self, box: Box, results: Any) -> Posterior:
        weights = np.asarray(results.importance_weights())
        kept = weights > NEGLIGIBLE * weights.max()
        done = int(np.sum(results.ncall)) < self.config.max_evaluations
        return Posterior(
            points=box.point(results.samples_u[kept]), log_probability=np.asarray(results.logl[kept]),
            evaluations=box.evaluations, converged=done,
            message="" if done else "all evaluations used; allow more with sampler.max_evaluations",
            weights=weights[kept] / weights[kept].sum(),
            evidence=(float(results.logz[-1]), float(results.logzerr[-1])),
            diagnostics={"efficiency": float(results.eff) / 100, "iterations": float(results.niter)},
        )  # fmt: skip


def _same(unit: Floats) -> Floats:
    return unit


class _Batches:
    """Stands where dynesty expects a pool of workers. dynesty draws until a point is good enough, one at a time; here
    each of a queue's proposals is drawn once, and all are evaluated together. Those that are not good enough dynesty
    refuses when their turn comes."""

    def __init__(self, box: Box) -> None:
        self.box, self.size = box, BATCH

    def map(self, function: Any, items: Iterable[Any]) -> list[Any]:
        """What `function` returns for each item."""
        if isinstance(function, LogLikelihood):
            return [LoglOutput(value, False) for value in self.box.ask(np.array(list(items)))]
        if function in (UniformBoundSampler.sample, UnitCubeSampler.sample):
            return self._drawn(list(items))
        return [function(item) for item in items]

    def _drawn(self, items: list[Any]) -> list[SamplerReturn]:
        unit = np.array([_draw(item) for item in items])
        values = [LoglOutput(value, False) for value in self.box.ask(unit)]
        told: dict[str, Any] = {"ncalls": 1, "tuning_info": None, "evaluation_history": []}
        return [
            SamplerReturn(u=u, v=u, logl=value, proposal_stats={"n_proposals": 1}, **told)
            for u, value in zip(unit, values, strict=True)
        ]


def _draw(item: Any) -> Floats:
    """One point `[F]` uniform in dynesty's bound, or in the unit box before there is one."""
    rng, bound = get_random_generator(item.rseed), item.kwargs.get("bound")
    while bound is not None:
        unit = np.asarray(bound.samples(1, rstate=rng)).ravel()
        if ((unit > 0) & (unit < 1)).all():
            return unit
    return np.asarray(rng.random(item.kwargs["ndim"]))
