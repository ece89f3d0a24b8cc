"""Pixels, and the coarser grids beneath them on which the far wings of lines are carried.

A line's core needs every pixel; a hundred widths away its wing is so smooth that few points tell all of it. Grid 1 has
steps of a few pixels, each further one steps four times as long; values come up from grid to grid and at last to the
pixels by Lagrange interpolation through six points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hml.core.errors import SpectrumError
from hml.core.space import Floats

STEP = 4  # pixels (the median of them) to a step of grid 1
RATIO = 4  # steps of one grid to a step of the next
RESOLVED = 12.0  # steps: nearer to a line's centre a grid cannot tell its wing
WHOLE = 1e-4  # of the continuum: twelve steps away a grid is good to 1e-3 of the wing, so that this leaves 1e-7
INNER = 0.25  # of a radius: where the weight of what lies within begins to fall
CORE = 6.3  # σ; a Gaussian is below 3e-9 of its height from there on
FARTHEST = 400.0  # Å; no wing is followed farther than this
MARGIN = 3  # points beyond the ends that interpolation needs


@dataclass(frozen=True)
class Grid:
    """Even points: origin + step × (0 … size - 1), Å."""

    origin: float
    step: float
    size: int

    def points(self, device: torch.device) -> Tensor:
        """The points `[size]`, float64 Å."""
        return self.origin + self.step * torch.arange(self.size, dtype=torch.float64, device=device)

    def coarser(self) -> Grid:
        step = RATIO * self.step
        return Grid(self.origin - MARGIN * step, step, (self.size - 1) // RATIO + 2 * MARGIN + 1)


@dataclass(frozen=True, eq=False)
class Raster:
    """Pixels at `wavelength` `[N]` (float64, increasing, vacuum Å) with their grids, finest first."""

    wavelength: Tensor
    grids: tuple[Grid, ...]

    @classmethod
    def of(cls, wavelength: Tensor) -> Raster:
        """SpectrumError if there is no pixel, or if they are not above zero and increasing."""
        if len(wavelength) == 0:
            raise SpectrumError("no pixel to render: the wavelength window is empty")
        wavelength = wavelength.to(torch.float64)
        ordered = wavelength.ndim == 1 and wavelength[0] > 0 and bool((wavelength.diff() > 0).all())
        if not ordered or wavelength[-1] == torch.inf:
            raise SpectrumError("wavelengths to render: expected one row of numbers above zero, each larger than the "
                                "one before; sort them, and give orders that overlap one by one")
        low, high = float(wavelength[0]), float(wavelength[-1])
        pixel = float(wavelength.diff().median()) if len(wavelength) > 1 else low * 1e-6
        step = max(STEP * pixel, (high - low) * 1e-7)
        grids = [Grid(low - MARGIN * step, step, int((high - low) / step) + 2 * MARGIN + 2)]
        while RESOLVED * RATIO * grids[-1].step < 2 * FARTHEST:
            grids.append(grids[-1].coarser())
        return cls(wavelength, tuple(grids))

    def __len__(self) -> int:
        return len(self.wavelength)

    @cached_property
    def numbers(self) -> Floats:
        """The wavelengths as an array."""
        return np.ascontiguousarray(self.wavelength.detach().cpu().numpy(), dtype=np.float64)

    @cached_property
    def places(self) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
        """Where pixels lie on grid 1: the point at or before them `[N]` and how far beyond it, in steps `[N]`."""
        position = (self.numbers - self.grids[0].origin) / self.grids[0].step
        cell = np.floor(position)
        return cell.astype(np.uint32), (position - cell).astype(np.float32)

    @cached_property
    def start(self) -> NDArray[np.int32]:
        """The first pixel at or beyond every point of grid 1."""
        cell, _ = self.places
        return np.searchsorted(cell, np.arange(self.grids[0].size)).astype(np.int32)

    # --- the same in torch ---

    def brought_up(self, sums: Sequence[Tensor]) -> Tensor:
        """Values `[B, N]` on the pixels plus those on the grids `[B, points]`, finest first."""
        if len(sums) == 1:
            return sums[0]
        total = sums[-1]
        for grid, values in zip(self.grids[-2::-1], sums[-2:0:-1], strict=True):
            total = values + self._finer(total, grid.size)
        return sums[0] + _weighed(total, *self._weights)

    def _finer(self, coarse: Tensor, size: int) -> Tensor:
        points = torch.arange(size, device=coarse.device)
        weights = torch.as_tensor(PHASES, device=coarse.device).to(coarse.dtype)[points % RATIO]
        return _weighed(coarse, points // RATIO + MARGIN, weights)

    @cached_property
    def _weights(self) -> tuple[Tensor, Tensor]:
        """For each pixel the point of grid 1 at or before it, and the weights `[N, 6]` of the points around it."""
        position = (self.wavelength - self.grids[0].origin) / self.grids[0].step
        cell = position.floor()
        weights = lagrange((position - cell).cpu().numpy())
        return cell.long(), torch.as_tensor(weights, device=cell.device)


def _weighed(values: Tensor, cell: Tensor, weights: Tensor) -> Tensor:
    """Of values `[B, points]` those around `cell` `[n]`, weighted `[n, 6]` and summed: `[B, n]`."""
    total = values[:, cell - 2] * weights[:, 0].to(values.dtype)
    for k in range(1, 6):
        total = total + values[:, cell + k - 2] * weights[:, k].to(values.dtype)
    return total


def lagrange(t: Floats) -> Floats:
    """Weights `[..., 6]` of points at -2 … 3 for the value at t in 0 … 1."""
    points = np.arange(-2.0, 4.0)
    return np.stack([np.prod([(t - b) / (a - b) for b in points if b != a], axis=0) for a in points], -1)


PHASES = lagrange(np.arange(RATIO) / RATIO)
"""The weights `[RATIO, 6]` by which a grid is made of the next coarser one."""
