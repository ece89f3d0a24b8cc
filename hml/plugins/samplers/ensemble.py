"""An ensemble of walkers (emcee). Half of the moves are leaps: draws from the covariance of the point fit, with heavy
tails, taken or refused by Metropolis' rule. Where the posterior is nearly normal most are taken and the chains forget
in a few steps what plain ensemble moves take dozens for; where it is not, the other half of the moves does the work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import emcee
import numpy as np
from numpy.typing import NDArray

from hml import Posterior, Sampler, Space, SpectrumError, Start
from hml.plugins.samplers import EmceeConfig
from hml.plugins.samplers.box import NOWHERE, Box

Floats = NDArray[np.float64]

BLOCK = 50  # steps between two looks at the autocorrelation time
BURN_IN = 5  # autocorrelation times
SETTLED = 0.05  # the time may change by this part of it from one look to the next
TAIL = 5.0  # degrees of freedom of a leap
WIDEST = 0.3  # standard deviation of a leap at most, of the box
UNKNOWN = 0.01  # and where there is no covariance
TRIES = 50  # batches drawn to find a finite start for every walker


@dataclass(frozen=True, eq=False)
class Leap:
    """A multivariate t distribution over unit coordinates."""

    centre: Floats  # [F]
    root: Floats  # [F, F] lower triangle of the scale matrix

    @classmethod
    def of(cls, box: Box, start: Start) -> Leap:
        """Around the point fit, as wide as its errors."""
        centre = box.unit(start.point)
        if start.covariance is None:
            return cls(centre, UNKNOWN * np.eye(box.size))
        covariance = start.covariance[np.ix_(box.free, box.free)] / np.outer(box.width, box.width)
        narrow = np.minimum(1.0, WIDEST / np.sqrt(np.diag(covariance)))
        return cls(centre, np.linalg.cholesky(covariance * np.outer(narrow, narrow)))

    def draw(self, count: int, random: np.random.RandomState) -> Floats:
        """`[count, F]`, some of them outside the box."""
        heavy = np.sqrt(TAIL / random.chisquare(TAIL, count))
        return np.asarray(self.centre + (random.randn(count, len(self.centre)) * heavy[:, None]) @ self.root.T)

    def log_density(self, unit: Floats) -> Floats:
        """`[B]` at `[B, F]`, up to a constant."""
        scaled = np.linalg.solve(self.root, (unit - self.centre).T)
        return np.asarray(-0.5 * (TAIL + len(self.centre)) * np.log1p((scaled**2).sum(0) / TAIL))

    def propose(self, unit: Floats, random: np.random.RandomState) -> tuple[Floats, Floats]:
        """New coordinates and ln q(old) - ln q(new), as emcee wants it of a move."""
        new = self.draw(len(unit), random)
        return new, self.log_density(unit) - self.log_density(new)


class Ensemble(Sampler):
    """Walkers until their autocorrelation time is known and short enough, or the budget is used."""

    def __init__(self, config: EmceeConfig) -> None:
        self.config = config

    def sample(
        self,
        log_probability: Callable[[Floats], Floats],
        space: Space,
        start: Start,
        rng: np.random.Generator,
        on_step: Callable[[int], None] = lambda evaluations: None,
    ) -> Posterior:
        """Draws after the burn-in, thinned by half the shortest autocorrelation time; the same for the same rng."""
        box = Box(log_probability, space, on_step)
        if box.size == 0:
            return box.only_point()
        random = np.random.RandomState(rng.integers(2**32, dtype=np.uint64))
        leap = Leap.of(box, start)
        moves = [(emcee.moves.DEMove(), 0.5), (emcee.moves.MHMove(leap.propose), 0.5)]
        walkers = _even(max(self.config.walkers or max(16, 4 * box.size), 2 * box.size + 2))
        sampler = emcee.EnsembleSampler(walkers, box.size, box.ask, vectorize=True, moves=moves)
        sampler.log_prob_fn = box.ask  # emcee's own wrapper prints a traceback when Ctrl-C comes in there
        state = emcee.State(_starts(box, leap, walkers, random), random_state=random.get_state())
        times, settled = self._run(sampler, state)
        return self._posterior(box, sampler, times, settled)

    def _run(self, sampler: emcee.EnsembleSampler, state: emcee.State) -> tuple[Floats, bool]:
        """Blocks of steps; the autocorrelation times `[F]` at the end, and whether the chains are long enough."""
        times, settled = np.full(sampler.ndim, np.inf), False
        while sampler.iteration < self.config.steps and not settled:
            steps = min(BLOCK, self.config.steps - sampler.iteration)
            state = sampler.run_mcmc(state, steps, skip_initial_state_check=True)
            before, times = times, _times(sampler)
            enough = sampler.iteration >= (self.config.length + BURN_IN) * times.max()
            settled = bool(enough and (np.abs(times - before) <= SETTLED * times).all())
        return times, settled

    def _posterior(self, box: Box, sampler: emcee.EnsembleSampler, times: Floats, settled: bool) -> Posterior:
        known = np.isfinite(times).all()
        discard = min(int(BURN_IN * times.max()) + 1, sampler.iteration // 2) if known else sampler.iteration // 2
        kept = {"discard": discard, "thin": max(1, int(times.min() / 2)) if known else 1}
        chains = box.point(sampler.get_chain(**kept).swapaxes(0, 1))
        message = "" if settled else (
            f"{sampler.iteration} steps are {sampler.iteration / times.max():.0f} autocorrelation times, "
            f"{self.config.length + BURN_IN:.0f} are wanted; allow more with sampler.steps, or use the sampler dynesty "
            "if the posterior has several maxima"
        )  # fmt: skip
        return Posterior(
            points=chains.reshape(-1, chains.shape[-1]),
            log_probability=sampler.get_log_prob(**kept).T.ravel(),
            evaluations=box.evaluations, converged=settled, message=message, chains=chains,
            diagnostics={
                "acceptance": float(sampler.acceptance_fraction.mean()), "steps": float(sampler.iteration),
                "autocorrelation_time": float(times.max()),
            },
        )  # fmt: skip


def _even(count: int) -> int:
    return count + count % 2


def _starts(box: Box, leap: Leap, walkers: int, random: np.random.RandomState) -> Floats:
    """A start `[walkers, F]` of finite probability for each; from anywhere in the box if leaps find too few."""
    found = np.empty((0, box.size))
    for attempt in range(TRIES):
        unit = leap.draw(walkers, random) if attempt < TRIES / 2 else random.rand(walkers, box.size)
        found = np.concatenate([found, unit[np.isfinite(box.ask(unit))]])
        if len(found) >= walkers:
            return found[:walkers]
    raise SpectrumError(NOWHERE)


def _times(sampler: emcee.EnsembleSampler) -> Floats:
    """Autocorrelation times `[F]` in steps; infinite where a walker never moved."""
    with np.errstate(all="ignore"):
        times = emcee.autocorr.integrated_time(sampler.get_chain(), tol=0, quiet=True)
    return np.where(np.isfinite(times) & (times > 0), np.maximum(times, 1.0), np.inf)
