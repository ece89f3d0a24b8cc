"""The checks of a sampler, on densities whose moments are known."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hml import Axis, Posterior, Sampler, Space, SpectrumError, Start
from hml.testing.base import Checks
from hml.testing.suite import NotApplicable, expect

Floats = NDArray[np.float64]

MEAN = np.array([5100.0, 4.3])
COVARIANCE = np.array([[3600.0, 3.0], [3.0, 0.01]])  # errors of 60 and 0.1, correlated by a half
INVERSE = np.linalg.inv(COVARIANCE)
ERROR = np.sqrt(np.diag(COVARIANCE))


def box(low: float = 10.0, high: float = 10.0) -> Space:
    """So many errors to both sides of the mean."""
    names = ("teff", "logg")
    return Space(tuple(Axis(n, m - low * e, m + high * e) for n, m, e in zip(names, MEAN, ERROR, strict=True)))


class Normal:
    """ln of a normal density `[B]` at `[B, P]`, without its constant. It counts, and refuses points outside the box."""

    def __init__(self, space: Space) -> None:
        self.space, self.calls = space, 0

    def __call__(self, points: Floats) -> Floats:
        inside = (points >= self.space.lower) & (points <= self.space.upper)
        expect(inside.all(), f"asked outside the box, at {points[~inside.all(1)][:1].tolist()}")
        self.calls += len(points)
        return ln_density(points)


def ln_density(points: Floats) -> Floats:
    """Of the normal distribution `[B]` at `[B, P]`, without its constant."""
    return np.asarray(-0.5 * np.einsum("bi,ij,bj->b", points - MEAN, INVERSE, points - MEAN))


class SamplerChecks(Checks[Sampler]):
    """A sampler, on a correlated normal distribution of two labels of very different units."""

    family = "samplers"
    interface = Sampler
    at_mean: ClassVar[float] = 0.2
    """How far a mean may be off, in standard deviations."""
    at_spread: ClassVar[float] = 0.25
    """How far a standard deviation may be off, as a fraction of it."""

    # --- what checks use

    def draw(self, space: Space, start: Floats = MEAN) -> tuple[Posterior, Normal, list[int]]:
        """What it draws from the normal distribution in a box, what it asked, and what it reported."""
        target, steps = Normal(space), list[int]()
        found = self.build().sample(target, space, Start(start, COVARIANCE), np.random.default_rng(2), steps.append)
        return found, target, steps

    def drawn(self) -> tuple[Posterior, Normal, list[int]]:
        """The draws from the wide box, made once."""
        if "drawn" not in self._kept:
            self._kept["drawn"] = self.draw(box())
        kept: tuple[Posterior, Normal, list[int]] = self._kept["drawn"]
        return kept

    def work(self) -> None:
        self.draw(box())

    # --- the checks

    def test_mean_and_spread_are_those_of_the_distribution(self) -> None:
        found, _, _ = self.drawn()
        expect(found.converged, f"it has not converged: {found.message}")
        mean, covariance = moments(found)
        error = np.abs(mean - MEAN) / ERROR
        expect((error <= self.at_mean).all(), f"means are {error.round(2).tolist()} standard deviations off")
        spread = np.abs(np.sqrt(np.diag(covariance)) / ERROR - 1)
        expect((spread <= self.at_spread).all(), f"standard deviations are off by {spread.round(2).tolist()} of them")
        correlation = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
        expect(abs(correlation - 0.5) < self.at_spread, f"the correlation is {correlation:.2f}, and not 0.5")

    def test_the_posterior_is_what_it_says(self) -> None:
        found, _, _ = self.drawn()
        expect(isinstance(found, Posterior), f"sample gave {type(found).__name__}")
        expect(found.points.ndim == 2 and found.points.shape[1] == 2, f"points {found.points.shape}, expected [S, 2]")
        expect(np.allclose(found.log_probability, ln_density(found.points), rtol=1e-9, atol=1e-9),
               "log_probability is not that of the points")
        if found.weights is not None:
            weights = found.weights
            expect(weights.shape == (len(found.points),) and (weights >= 0).all() and np.isclose(weights.sum(), 1.0),
                   "weights must be one a point, not negative, and sum to 1")

    def test_evaluations_are_counted_and_reported(self) -> None:
        found, target, steps = self.drawn()
        expect(found.evaluations == target.calls, f"it says {found.evaluations} evaluations, {target.calls} were asked")
        expect(steps and steps == sorted(steps), f"on_step must be told growing numbers of evaluations: {steps[:9]}")

    def test_same_seed_same_draws(self) -> None:
        (first, _, _), (again, _, _) = self.drawn(), self.draw(box())
        expect(np.array_equal(first.points, again.points), "a second run with the same random numbers draws others")

    def test_the_box_cuts_the_distribution(self) -> None:
        space = box(low=-0.5)  # the mean itself is outside
        found, _, _ = self.draw(space, MEAN + ERROR)
        expect(((found.points >= space.lower) & (found.points <= space.upper)).all(), "points lie outside the box")
        share = np.average(found.points[:, 0] < MEAN[0] + ERROR[0], weights=found.weights)
        expect(share > 0.3, "hardly a point within half an error of the edge, where the density is largest")

    def test_evidence_is_the_integral(self) -> None:
        found, _, _ = self.drawn()
        expect((found.evidence is not None) == bool(self.trait("evidence")),
               f"the trait evidence is {self.trait('evidence')}, the posterior's is {found.evidence}")
        if found.evidence is None:
            raise NotApplicable("the sampler does not know the evidence")
        volume = float(np.prod(box().upper - box().lower))
        true = float(np.log(2 * np.pi * np.sqrt(np.linalg.det(COVARIANCE)) / volume))
        value, error = found.evidence
        expect(abs(value - true) < 5 * error + 0.02, f"ln evidence {value:.2f} ± {error:.2f}, it is {true:.2f}")

    def test_nothing_finite_raises(self) -> None:
        def nowhere(points: Floats) -> Floats:
            return np.full(len(points), -np.inf)

        try:
            self.build().sample(nowhere, box(), Start(MEAN, COVARIANCE), np.random.default_rng(0))
        except SpectrumError:
            return
        raise AssertionError("no point has a finite probability, and it draws from it; raise SpectrumError")


def moments(found: Posterior) -> tuple[Floats, Floats]:
    """Mean `[P]` and covariance `[P, P]` of the draws."""
    mean = np.average(found.points, axis=0, weights=found.weights)
    return mean, np.asarray(np.cov(found.points.T, aweights=found.weights, ddof=0))
