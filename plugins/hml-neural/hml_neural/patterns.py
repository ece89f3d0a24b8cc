"""From line parameters at the nodes to a few patterns: what a table varies in, weighed by how much of it is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STRENGTH, WIDTH = "ln_amplitude", "ln_sigma"
FAINT = 9.0  # exp(-9) of its greatest strength: less of a line is not seen
DEEPEST = 0.37  # of the flux: Σ τ exp(-τ) δ, the most that an error δ of ln τ can do
BYTE, WORD = 127, 32767
FEW = 8
SEEN = 2e-3  # of the flux: integers of eight bits are fine enough for patterns whose steps are smaller


@dataclass(frozen=True)
class Patterns:
    """values ≈ mean + scale · strengths · patterns: mean and scale `[L, K]`, patterns `[R, L, K]` whole numbers, those
    that need 16 bits first, and strengths `[M, R]`."""

    mean: Floats
    scale: Floats
    patterns: Floats
    strengths: Floats
    fine: int

    @classmethod
    def of(cls, values: Floats, names: Sequence[str], size: float) -> Patterns:
        """From values `[M, L, K]`: of lines in at most `size` of the bytes that these have in 16 bits (`FEW` patterns
        are always allowed); of anything else all that they vary in, since that is small."""
        values = without_the_faint(values, names)
        mean = values.mean(0)
        scale = 1 / weights(values, names)
        varied = ((values - mean) / scale).reshape(len(values), -1)
        left, sizes, right = np.linalg.svd(varied, full_matrices=False)
        steps = sizes * np.abs(right).max(1, initial=0) * np.abs(left).max(0, initial=0) / BYTE
        lines = STRENGTH in names
        needs = np.where(steps > SEEN, WORD, BYTE) if lines else np.full(len(sizes), WORD)
        bytes_all = np.cumsum(np.where(needs == WORD, 2, 1)) + 8  # mean and scale are float32
        fits = bytes_all <= size * 2 * len(values) if lines else np.ones(len(sizes), dtype=bool)
        fits[:FEW] = True
        count = max(1, int((fits & (sizes > 1e-9 * sizes[0])).sum()))
        order = np.argsort(needs[:count] == BYTE, kind="stable")
        whole = np.rint(right[order] / np.abs(right[order]).max(1, keepdims=True) * needs[order, None])
        strengths = np.linalg.lstsq(whole.T, varied.T)[0].T  # the best for patterns as they are rounded
        fine = int((needs[:count] == WORD).sum())
        return cls(mean, scale, whole.reshape(count, *mean.shape), strengths, fine)


def weights(values: Floats, names: Sequence[str]) -> Floats:
    """By what numbers `[M, L, K]` are multiplied to be about what they change in the flux: `[L, K]`. Of the parameters
    of lines: depth for logarithms, depth over width for the shift. Of all else: one over their scatter."""
    if STRENGTH not in names:
        spread = values.std(0)
        return 1 / np.where(spread > 0, spread, 1.0)
    width = np.exp(values[..., list(names).index(WIDTH)].mean(0)) if WIDTH in names else np.full(values.shape[1], 0.1)
    strength = np.exp(values[..., list(names).index(STRENGTH)].max(0)) / width / np.sqrt(2 * np.pi)
    depth = np.minimum(strength, DEEPEST) + 1e-6
    return np.stack([depth / width if name == "shift" else depth for name in names], -1)


def without_the_faint(values: Floats, names: Sequence[str]) -> Floats:
    """ln_amplitude raised to exp(-FAINT) of a line's greatest strength where it is less."""
    if STRENGTH not in names:
        return values
    k = list(names).index(STRENGTH)
    out = values.copy()
    out[..., k] = np.maximum(out[..., k], out[..., k].max(0) - FAINT)
    return out
