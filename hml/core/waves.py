"""What is missed at nodes left out, told apart: waves over the nodes, which are missed less between them, and what each
node has of its own.

A polynomial through neighbours misses much of a short wave and little of a long one; of what is a node's own it misses
the same however far away the others are, and a little more the more of them tell. So several ways of telling a node
(from near and from twice as far away, by a curve and by a straight line) tell how much is which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hml.core.coordinates import Told
from hml.core.space import Floats

WAVES = np.linspace(0.1, 2.2, 64)
"""Wave numbers, in radians a step of the grid: of waves from 63 to less than three nodes long."""
PARTS = np.linspace(0.0, 1.0, 51)
_T = (np.arange(50) + 0.5) / 50
_CUBIC = (-_T * (_T - 1) * (_T - 2) / 6, (_T + 1) * (_T - 1) * (_T - 2) / 2, -(_T + 1) * _T * (_T - 2) / 2,
          (_T + 1) * _T * (_T - 1) / 6)  # fmt: skip
QUIET = float(np.mean(np.square(_CUBIC).sum(0)))
"""The variance between nodes, along one axis, of cubics through noise of variance one."""


@dataclass(frozen=True)
class Gain:
    """Mean squares of what is missed of waves of amplitude one, `[K]` as `WAVES`, and of noise of variance one."""

    waves: Floats
    noise: float

    @classmethod
    def of(cls, x: Floats, items: Sequence[Told]) -> Gain:
        """`x` `[M]`: where nodes are along the axis, in steps of the grid."""
        missed = [weights @ np.exp(1j * np.outer(x[others] - x[m], WAVES)) - 1 for m, others, weights in items]
        noise = [1 + (weights**2).sum() for *_, weights in items]
        return cls(np.mean(np.abs(missed) ** 2, 0), float(np.mean(noise)))


def between() -> Floats:
    """Mean squares `[K]` of what cubics through four nodes miss of waves between the middle two."""
    missed = sum(np.outer(w, np.exp(1j * WAVES * o)) for o, w in zip((-1, 0, 1, 2), _CUBIC, strict=True))
    return np.asarray(np.mean(np.abs(missed - np.exp(1j * np.outer(_T, WAVES))) ** 2, 0))


def told_apart(gains: Sequence[Gain], squares: Sequence[Floats]) -> tuple[NDArray[np.int64], Floats]:
    """For squares `[E]` missed in several ways: the number (among `WAVES`) of the wave that says best how they compare,
    and the part `[E]` of the first of them that is the nodes' own."""
    found = np.log(np.maximum(squares, np.finfo(float).tiny))  # [ways, E]
    # of a wave and of noise that the first way misses as much of: [ways, K] and [ways]
    wave = np.array([gain.waves for gain in gains]) / gains[0].waves
    noise = np.array([gain.noise for gain in gains]) / gains[0].noise
    model = np.log((1 - PARTS) * wave[..., None] + PARTS * noise[:, None, None])  # [ways, K, n]
    apart = ((found - found[0])[:, None, None] - model[..., None]) ** 2  # [ways, K, n, E]
    best = apart.sum(0).reshape(-1, found.shape[1]).argmin(0)
    k, n = np.unravel_index(best, (len(WAVES), len(PARTS)))
    return k, PARTS[n]
