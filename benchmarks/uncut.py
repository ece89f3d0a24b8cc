"""Lines → flux the plain way: every line at every pixel, in float64. What is cut elsewhere is measured against this."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hml import LineProfile

CLAMP = 1.0 - 1e-6  # of one line, where lines are multiplied
CHUNK = 2_000_000  # line-pixels at once


def uncut(pixels: Tensor, centre: Tensor, params: Tensor, profile: LineProfile, composition: str) -> Tensor:
    """Flux `[n]` at `pixels` `[n]` (Å) of lines with centre `[L]` (Å) and params `[L, K]`, all float64."""
    parts = torch.split(pixels, max(1, CHUNK // max(len(centre), 1)))
    return torch.cat([_flux(part, centre, params, profile, composition) for part in parts])


def _flux(pixels: Tensor, centre: Tensor, params: Tensor, profile: LineProfile, composition: str) -> Tensor:
    line = profile.evaluate(pixels - centre[:, None], params)
    if composition == "product":
        return torch.exp(torch.log1p(-line.clamp(max=CLAMP)).sum(0))
    return 1 - line.sum(0) if composition == "sum" else torch.exp(-line.sum(0))


def sample(size: int, lines: int, most: int = 60_000_000) -> NDArray[np.int64]:
    """Pixels spread over `size` of them, so many that line-pixels stay below `most`."""
    return np.unique(np.linspace(0, size - 1, max(1, min(size, most // max(lines, 1)))).astype(np.int64))


def difference(a: Tensor, b: Tensor) -> dict[str, float]:
    """rms and largest difference."""
    apart = (a.double() - b.double()).abs()
    return {"rms": float(apart.square().mean().sqrt()), "max": float(apart.max())}
