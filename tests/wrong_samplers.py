"""Samplers with one fault each, and the check that must find it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from wrong import Fault, checks
from wrong_optimizers import grown

from hml.template.sampler.sampler import ExampleSampler
from hml.testing import (
    SamplerChecks,
)


def sampler(check: str, words: str, sample: Any = ExampleSampler.sample, traits: Any = None) -> Fault:
    made = type("WrongSampler", (ExampleSampler,), {"sample": sample})
    return Fault(check, words, checks(SamplerChecks, lambda c, x: made(20_000), traits=traits or {"evidence": True}))


def drawn(change: Any) -> Any:
    """The right posterior, changed."""
    return lambda self, ln, space, start, rng, on_step=print: change(
        ExampleSampler.sample(self, ln, space, start, rng, on_step)
    )


def uncaring(self: Any, ln: Any, space: Any, start: Any, rng: Any, on_step: Any = print) -> Any:
    return ExampleSampler.sample(self, lambda p: np.zeros(len(p)), space, start, rng)


def anywhere(self: Any, ln: Any, space: Any, start: Any, rng: Any, on_step: Any = print) -> Any:
    return ExampleSampler.sample(self, ln, grown(space), start, rng, on_step)


SAMPLERS = [
    sampler("test_mean_and_spread_are_those_of_the_distribution", "means are",
            drawn(lambda p: replace(p, points=p.points + np.array([30.0, 0.0])))),
    sampler("test_mean_and_spread_are_those_of_the_distribution", "deviations are off",
            drawn(lambda p: replace(p, weights=p.weights**2 / (p.weights**2).sum()))),
    sampler("test_mean_and_spread_are_those_of_the_distribution", "not converged",
            drawn(lambda p: replace(p, converged=False))),
    sampler("test_the_posterior_is_what_it_says", "not that of the points",
            drawn(lambda p: replace(p, log_probability=p.log_probability[::-1]))),
    sampler("test_the_posterior_is_what_it_says", "sum to 1", drawn(lambda p: replace(p, weights=2 * p.weights))),
    sampler("test_evaluations_are_counted_and_reported", "it says 3", drawn(lambda p: replace(p, evaluations=3))),
    sampler("test_same_seed_same_draws", "draws others", lambda self, ln, space, start, rng, on_step=print:
            ExampleSampler.sample(self, ln, space, start, np.random.default_rng(), on_step)),
    sampler("test_the_box_cuts_the_distribution", "outside the box", anywhere),
    sampler("test_evidence_is_the_integral", "ln evidence", drawn(lambda p: replace(p, evidence=(0.0, 0.01)))),
    sampler("test_evidence_is_the_integral", "the trait evidence", drawn(lambda p: replace(p, evidence=None))),
    sampler("test_nothing_finite_raises", "raise SpectrumError", uncaring),
]  # fmt: skip
