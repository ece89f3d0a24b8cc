"""Which of several grids a spectrum is most like: by how well each foretells pixels that it was not fitted to.

Evidence is not used, also where a sampler gave one: it asks which model is true, given errors, and no grid is. At high
signal to noise every grid misses by many errors, over many pixels together, and an evidence then prefers one to
another with thousands of magnitudes that mean nothing. Blocks of pixels left out know what neighbours have in common.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hml.core.applicable import LEAST
from hml.core.components import BuildContext
from hml.core.config import RunConfig
from hml.core.generator import Generator
from hml.core.infer import Inference, polished
from hml.core.interfaces import Optimizer, OptimizeResult
from hml.core.likelihood import SpectrumObjective
from hml.core.observe import Target
from hml.core.order import usable_pixels
from hml.core.space import Floats
from hml.core.spectrum import Bools, Spectrum

Integers = NDArray[np.int64]

BLOCKS = 10  # of neighbouring pixels, an order
FOLDS = 5
SURE = 2.0  # standard errors by which one must be behind to be told apart


@dataclass(frozen=True, eq=False)
class Trial:
    """What was measured with one grid."""

    name: str
    config: RunConfig
    generator: Generator
    found: Inference


@dataclass(frozen=True)
class Place:
    """One grid in the ranking. `score`: mean squared residual of pixels left out, in the data's errors (of the flux,
    where there are none); `behind`: by how much that exceeds the best one's, with its standard error over blocks."""

    grid: str
    score: float
    behind: float
    error: float
    values: Mapping[str, float]


@dataclass(frozen=True)
class Ranking:
    """Grids from the best to the worst, by the pixels that all of them can use; and why others are not among them."""

    places: tuple[Place, ...]
    pixels: int
    left_out: Mapping[str, str]

    @property
    def note(self) -> str:
        """The outcome in one line; "" where there was but one."""
        if len(self.places) < 2:
            return ""
        first, second = self.places[:2]
        told = f"{first.grid} foretells left-out pixels better than {second.grid} (by {second.behind:.3g} ± " \
               f"{second.error:.2g} of {second.score:.3g} in squared residuals)"  # fmt: skip
        sure = second.behind > SURE * second.error
        return told if sure else f"{told}: too little to tell the two apart, compare their results"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def rank(trials: Sequence[Trial], target: Target, left_out: Mapping[str, str]) -> Ranking:
    """The order of grids. Those that share fewer than 200 pixels with the ones that cover more cannot be compared."""
    trials, orders, strangers = _comparable(trials, target.orders)
    blocks = _blocks(orders)
    squares = [_left_out(trial, orders, blocks) for trial in trials]
    means = [float(one.sum() / max(1, counted(blocks).sum())) for one in squares]
    best = int(np.argmin(means))
    places = [
        Place(trial.name, mean, mean - means[best], _spread(one - squares[best], counted(blocks)), trial.found.values)
        for trial, mean, one in zip(trials, means, squares, strict=True)
    ]
    places.sort(key=lambda place: place.score)
    return Ranking(tuple(places), int(counted(blocks).sum()), {**left_out, **strangers})


def _comparable(
    trials: Sequence[Trial], orders: Sequence[Spectrum]
) -> tuple[list[Trial], list[Spectrum], dict[str, str]]:
    """The trials that share pixels, the orders with these only, and why other trials are not compared."""
    kept: list[Trial] = []
    strangers: dict[str, str] = {}
    common = [order.used for order in orders]
    for trial in sorted(trials, key=lambda trial: -trial.found.objective.pixels):
        usable = [usable_pixels(trial.generator, order, trial.config.objective) for order in orders]
        both = [a & b for a, b in zip(common, usable, strict=True)]
        if kept and sum(map(np.sum, both)) < LEAST:
            strangers[trial.name] = f"shares too few pixels with {kept[0].name} to be compared; see its own result"
            continue
        common, kept = both, [*kept, trial]
    return kept, [order.hide(~keep, "not in all grids") for order, keep in zip(orders, common, strict=True)], strangers


def _blocks(orders: Sequence[Spectrum]) -> list[Integers]:
    """For each order the number of the block `[N]` that each pixel is in, -1 where it is not used; blocks of later
    orders go on counting."""
    blocks = []
    for i, order in enumerate(orders):
        used = order.used
        number = np.full(len(order), -1)
        number[used] = i * BLOCKS + np.arange(used.sum()) * BLOCKS // max(1, used.sum())
        blocks.append(number)
    return blocks


def counted(blocks: Sequence[Integers]) -> Integers:
    """Pixels in each block."""
    every = np.concatenate(blocks)
    return np.bincount(every[every >= 0], minlength=BLOCKS * len(blocks))


def _left_out(trial: Trial, orders: Sequence[Spectrum], blocks: Sequence[Integers]) -> Floats:
    """Sum of squared residuals in each block, foretold by a fit to blocks of the other folds."""
    objective = SpectrumObjective(trial.generator, orders, trial.found.objective.search, trial.config.objective)
    search = _searched(trial, objective)
    total = np.zeros(BLOCKS * len(orders))
    places = [block[block >= 0] for block in blocks]
    places = [place for place, use in zip(places, objective.kept, strict=True) if use]
    for fold in range(FOLDS):
        train: list[Bools] = [place % FOLDS != fold for place in places]
        fit = objective.on(train)
        found = polished(fit, search)
        for place, keep, (spectrum, model) in zip(places, train, fit.model(found.point), strict=True):
            error = spectrum.error if objective.metric == "chi2" and spectrum.error is not None else 1.0
            total += np.bincount(place[~keep], (((spectrum.flux - model) / error) ** 2)[~keep], len(total))
    return total


def _searched(trial: Trial, objective: SpectrumObjective) -> OptimizeResult:
    """The best fit to these pixels: that of the trial, if it had the same, else a search of its own."""
    if objective.pixels == trial.found.objective.pixels:
        return trial.found.search
    optimizer: Optimizer = trial.config.optimizer.build(BuildContext(seed=trial.config.runtime.seed))
    return optimizer.minimize(objective, objective.space, np.random.default_rng([trial.config.runtime.seed, 4]))


def _spread(difference: Floats, counts: Integers) -> float:
    """Standard error of the mean, by pixel, of sums over blocks."""
    some = counts > 0
    if some.sum() < 2:
        return float("nan")
    mean = difference.sum() / counts.sum()
    scatter = difference[some] - mean * counts[some]
    return float(np.sqrt((scatter**2).sum() * some.sum() / (some.sum() - 1)) / counts.sum())
