"""Where a fit is worst: stretches over which the residuals keep their sign, and the track that is nearest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from hml.core.generator import Generator, doppler
from hml.core.page.orders import Fitted, OrderView
from hml.core.spectrum import Floats
from hml.core.tracks import strengths

SHOWN = 15  # at most
CLEAR = 5.0  # standard deviations from which on a stretch is shown; of 280,000 pixels of noise none had more
SMOOTH = np.array([0.25, 0.5, 0.25])
LEAST_WINDOW, PARTS = 31, 12  # pixels, and parts of an order: what keeps its level for longer is a trend
NEAR = 2.0  # pixels beyond a stretch in which a track may lie


@dataclass(frozen=True)
class Worst:
    """A stretch of pixels on one side of the model."""

    order: int
    wavelength: float  # vacuum Å as measured, the centre of gravity
    width: float  # Å
    depth: float  # the largest residual, over the continuum; below zero: the data are deeper than the generator
    significance: float  # of its sum, in standard deviations of the noise
    pixel: float  # Å
    track: int | None = None  # the deepest line near
    centre: float | None = None  # of the track at the labels of the result, vacuum Å at rest
    line_depth: float | None = None  # of the track alone


def worst_lines(orders: Sequence[OrderView], generator: Generator, values: Mapping[str, float]) -> list[Worst]:
    """The most significant stretches of all orders, with tracks at the parameters of the result."""
    found = [worst for order in orders if order.fitted is not None for worst in _stretches(order.number, order.fitted)]
    found = [worst for worst in found if abs(worst.significance) >= CLEAR]
    found.sort(key=lambda worst: -abs(worst.significance))
    lines = _Lines.of(generator, values)
    return [lines.named(worst) for worst in found[:SHOWN]]


def _stretches(number: int, fitted: Fitted) -> Iterator[Worst]:
    """All of an order. The sign is that of residuals smoothed over three pixels, for a line is not cut in two by one
    pixel of noise."""
    step = np.diff(fitted.wavelength)
    usual = float(np.median(step)) if len(step) else 0.0
    residual = _without_trend(fitted.residual)
    smooth = np.convolve(residual / fitted.noise, SMOOTH, "same")
    edges = np.flatnonzero((np.diff(np.sign(smooth)) != 0) | (step > 3 * usual)) + 1
    for part in np.split(np.arange(len(smooth)), edges):
        inside = slice(part[0], part[-1] + 1)
        yield _stretch(number, residual[inside], fitted.noise[inside], fitted.wavelength[inside], usual)


def _without_trend(residual: Floats) -> Floats:
    """What a continuum that bends too little leaves is no line."""
    from scipy.ndimage import median_filter

    window = max(LEAST_WINDOW, len(residual) // PARTS) | 1
    return np.asarray(residual - median_filter(residual, window, mode="reflect"))


def _stretch(number: int, residual: Floats, noise: Floats, x: Floats, step: float) -> Worst:
    weight = noise**-2.0
    strength = np.abs(residual) + 1e-30
    peak = int(np.argmax(strength))
    return Worst(
        number, float((strength * x).sum() / strength.sum()), float(x[-1] - x[0] + step), float(residual[peak]),
        float((residual * weight).sum() / np.sqrt(weight.sum())), step,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Lines:
    """The lines at some labels: rest wavelengths and depths `[L]`."""

    centre: Floats
    depth: Floats
    factor: float  # observed over rest wavelength

    @classmethod
    def of(cls, generator: Generator, values: Mapping[str, float]) -> _Lines:
        labels = generator.space.to_array({name: values[name] for name in generator.space.names})[None]
        with torch.no_grad():
            centre = generator.lines(labels).centre[0].cpu().numpy()
        depth = strengths(generator, labels)[1][0].astype(np.float64)
        return cls(centre, depth, float(doppler(torch.tensor(values.get("rv", 0.0), dtype=torch.float64))))

    def named(self, worst: Worst) -> Worst:
        """With the deepest line near it, if there is one."""
        away = np.abs(self.centre * self.factor - worst.wavelength)
        near: NDArray[np.int64] = np.flatnonzero(away <= worst.width / 2 + NEAR * worst.pixel)
        if not len(near):
            return worst
        best = int(near[np.argmax(self.depth[near])])
        return replace(worst, track=best, centre=float(self.centre[best]), line_depth=float(self.depth[best]))
