"""How many coefficients a continuum needs, by cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from hml.core.space import Floats
from hml.core.spectrum import Bools

BLOCKS = 40
FOLDS = 5
DEGREES = tuple(range(9))


class Degree(NamedTuple):
    """The degree that was chosen, and the mean squared residual of pixels left out for each that was tried."""

    degree: int
    degrees: tuple[int, ...]
    scores: Floats


def choose_degree(
    wavelength: Floats,
    flux: Floats,
    *,
    error: Floats | None = None,
    model: Floats | None = None,
    used: Bools | None = None,
    degrees: Sequence[int] = DEGREES,
) -> Degree:
    """The degree of the Chebyshev series which, times `model` (1 if there is none), tells `flux` best where it was not
    fitted. All arrays are `[N]`; only pixels in `used` count, in units of `error` where it is given.

    The criterion: the pixels are cut into 40 blocks of neighbours, every fifth block is left out in turn and foretold
    from the others; the lowest degree is taken whose squared residuals exceed those of the best one by no more than one
    standard error of the difference over blocks (Breiman et al. 1984, section 3.4.3, with paired differences). Blocks,
    unlike an information criterion, are not misled by what neighbouring pixels have in common: lines that the model
    misses."""
    keep = np.ones(len(flux), dtype=bool) if used is None else used
    x = _scaled(wavelength)[keep]
    weight = 1.0 / error[keep] if error is not None else np.ones(len(x))
    base = (np.ones(len(x)) if model is None else model[keep]) * weight
    blocks = _blocks(len(x))
    tried = tuple(d for d in sorted(set(degrees)) if d < len(x) * (FOLDS - 1) // (2 * FOLDS)) or (min(degrees),)
    design = chebyshev.chebvander(x, max(tried)) * base[:, None]
    squares = np.stack([_left_out(design[:, : d + 1], flux[keep] * weight, blocks) for d in tried])
    scores = squares.mean(1)
    excess = squares - squares[int(np.argmin(scores))]
    allowed = excess.std(1) / np.sqrt(max(squares.shape[1] - 1, 1))
    chosen = int(np.argmax(excess.mean(1) <= allowed))
    return Degree(tried[chosen], tried, scores)


def _scaled(wavelength: Floats) -> Floats:
    low, high = wavelength[0], wavelength[-1]
    return np.asarray((2 * wavelength - low - high) / max(high - low, 1e-9))


def _blocks(count: int) -> NDArray[np.int64]:
    """The block of each pixel `[count]`."""
    return np.asarray(np.arange(count) * min(BLOCKS, max(count // 2, 1)) // max(count, 1))


def _left_out(design: Floats, data: Floats, blocks: NDArray[np.int64]) -> Floats:
    """Mean squared residual of each block, told from the others; data `[N]`, design `[N, D + 1]`."""
    residual = np.empty(len(data))
    for fold in range(FOLDS):
        out = blocks % FOLDS == fold
        coefficients = np.linalg.lstsq(design[~out], data[~out], rcond=None)[0]
        residual[out] = data[out] - design[out] @ coefficients
    return np.asarray(np.bincount(blocks, residual**2) / np.bincount(blocks))
