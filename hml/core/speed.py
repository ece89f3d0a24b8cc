"""How long a spectrum takes, one at a time and in batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from hml.core.generator import Generator
from hml.core.space import Floats

BATCHES = (1, 2, 4, 8, 16)
"""What is worth knowing."""


@dataclass(frozen=True, eq=False)
class Speed:
    """Seconds a spectrum `[n]` for batches of as many labels."""

    batches: tuple[int, ...]
    spectrum: Floats  # labels → flux on all of the grid's pixels
    look_up: Floats  # labels → line parameters, which is part of it
    tracks: int
    pixels: int
    threads: int


def measure_speed(generator: Generator, batches: Sequence[int], budget: float = 0.5) -> Speed:
    """Medians at random labels; each takes about `budget` seconds, and three repetitions at least."""
    rng, space = np.random.default_rng(0), generator.space
    spectrum, look_up = np.empty((2, len(batches)))
    generator.raster  # noqa: B018 (made once, before any clock runs)
    for i, batch in enumerate(batches):
        labels = rng.uniform(space.lower, space.upper, (batch, len(space)))
        look_up[i] = _median(partial(generator.lines, labels), budget / 2) / batch
        spectrum[i] = _median(partial(generator, labels), budget) / batch
    pixels = len(generator.wavelength)
    return Speed(tuple(batches), spectrum, look_up, len(generator), pixels, torch.get_num_threads())


def _median(work: Callable[[], object], budget: float) -> float:
    """Median seconds of one call; the first, which may compile, is not counted."""
    with torch.no_grad():
        work()
        seconds: list[float] = []
        while len(seconds) < 3 or (sum(seconds) < budget and len(seconds) < 1000):
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))
