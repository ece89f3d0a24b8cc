"""Line parameters in 16 bits: integers with a scale and an offset for each parameter of each line.

What is interpolated is a mean of coefficients, so it is never rounded worse than they are, by half a step. An error δ
of a logarithm changes the flux of lines with optical depths τ by no more than Σ τ exp(-Σ τ) δ < 0.37 δ, however many
they are. A line whose parameters range so widely that steps would be too large is kept in float32 besides.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float64]

log = logging.getLogger(__name__)

STRENGTH = "ln_amplitude"  # the first parameter of every line profile
SEEN, FAINT = 9.0, 14.0  # exp(-9) of its greatest strength a line is still seen a little, at exp(-14) no more
MOST = 32767  # integers run from -MOST to MOST
WIDEST = {"shift": 0.5}  # Å, over which 16 bits may be spread: steps of 8e-6 Å
WIDEST_LOGARITHM = 32.0  # the same for all other parameters: steps of 5e-4, of which half is 9e-5 in flux


class Packed:
    """Spline coefficients `[M, L, K]` on their way into 16 bits."""

    def __init__(self, rows: int, lines: int, names: Sequence[str]) -> None:
        self.coefficients = torch.empty(rows, lines, len(names), dtype=torch.int16)
        self.scale, self.offset = (torch.empty(lines, len(names)) for _ in range(2))
        self.wide: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
        self.exact: list[NDArray[np.float32]] = [np.empty((rows, 0, len(names)), np.float32)]
        self.limits = np.array([WIDEST.get(name, WIDEST_LOGARITHM) for name in names])
        self.strength = list(names).index(STRENGTH)

    def before(self, values: Floats, pairs: NDArray[np.int64]) -> Floats:
        """Node values `[M, l, K]`, in place without what would only use up the range of the integers. `pairs` `[T, 2]`
        are the numbers of neighbouring nodes."""
        strength = values[..., self.strength]
        fading = np.flatnonzero(np.ptp(strength, axis=0) > FAINT)
        strength[:, fading] = without_the_faint(strength[:, fading], pairs)
        return values

    def put(self, some: slice, values: Floats) -> None:
        """Store coefficients `[M, l, K]` of some lines; they are used up."""
        low, high = values.min(0), values.max(0)
        wide = np.flatnonzero((high - low > self.limits).any(1))
        self.wide.append(wide + some.start)
        self.exact.append(values[:, wide].astype(np.float32))
        scale, offset = ((high - low) / (2 * MOST)).astype(np.float32), ((high + low) / 2).astype(np.float32)
        scale[wide], offset[wide] = 0, 0
        values -= offset
        values *= np.divide(1.0, scale, out=np.zeros(scale.shape), where=scale > 0, dtype=np.float64)
        np.rint(values, out=values)
        np.clip(values, -MOST, MOST, out=values)  # the offset is rounded, which shows in a narrow range
        self.coefficients[:, some] = torch.from_numpy(values.astype(np.int16))
        self.scale[some], self.offset[some] = torch.from_numpy(scale), torch.from_numpy(offset)

    def state(self) -> tuple[torch.Tensor, ...]:
        """What `TensorSpline` takes."""
        wide, exact = np.concatenate(self.wide), np.concatenate(self.exact, axis=1)
        if len(wide):
            log.info("%d of %d lines differ too much from node to node for 16 bits and are kept in float32", len(wide),
                     len(self.scale))
        return self.coefficients, self.scale, self.offset, torch.from_numpy(wide), torch.from_numpy(exact)


def without_the_faint(strength: Floats, pairs: NDArray[np.int64]) -> Floats:
    """ln_amplitude `[M, l]` at nodes of which `pairs` `[T, 2]` are neighbours, raised to exp(-FAINT) of a line's
    greatest strength where it is less; not that of a line which falls there from a neighbouring node where it is seen:
    it would show between the two."""
    floor, seen = strength.max(0) - FAINT, strength.max(0) - SEEN
    faint, bright = (part[pairs].any(1) for part in (strength < floor, strength > seen))
    return np.maximum(strength, np.where((faint & bright).any(0), -np.inf, floor))


def neighbours(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """The pairs `[T, 2]` of neighbours along the axes of a grid of `shape`, whose nodes are numbered row by row."""
    number = np.arange(prod(shape)).reshape(shape)
    along = [(np.delete(number, -1, p), np.delete(number, 0, p)) for p in range(len(shape))]
    return np.concatenate([np.stack([here.ravel(), there.ravel()], -1) for here, there in along])
