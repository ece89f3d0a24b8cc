"""The pseudo-continuum: what lines leave of a spectrum's slow bends, where the true continuum is nowhere seen.

A cubic B-spline on even knots in the logarithm of the flux, so that it adds to the opacity of lines like one more of
them, broad and of either sign.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from hml.core.space import Floats

STIFF = 1e-4  # of the mean diagonal: what no pixel tells stays at zero
HALF = 0.5  # of the way to the best coefficients at a time, since lines move with them


@dataclass(frozen=True)
class PseudoContinuum:
    """Even knots from `low` (Å) on, `step` Å apart, on `cells` cells; K = cells + 3 coefficients."""

    low: float
    step: float
    cells: int

    @classmethod
    def of(cls, wavelength: Floats, spacing: float) -> PseudoContinuum:
        """Knots about `spacing` Å apart over wavelengths `[N]`."""
        low, width = float(wavelength[0]), max(float(wavelength[-1] - wavelength[0]), 1e-9)
        cells = max(1, round(width / spacing))
        return cls(low, width / cells, cells)

    @property
    def count(self) -> int:
        return self.cells + 3

    def weights(self, wavelength: Tensor) -> tuple[Tensor, Tensor]:
        """The first of four coefficients and their weights `[..., N, 4]` at wavelengths `[..., N]` (float64 Å)."""
        position = ((wavelength - self.low) / self.step).clamp(0, self.cells)
        cell = position.detach().floor().clamp(max=self.cells - 1)
        t = position - cell
        s = 1 - t
        four = [s**3, 3 * t**3 - 6 * t**2 + 4, 3 * s**3 - 6 * s**2 + 4, t**3]
        return cell.long(), torch.stack(four, -1) / 6

    def logarithm(self, coefficients: Tensor, wavelength: Tensor) -> Tensor:
        """ln flux `[B, N]` of coefficients `[B, K]` at wavelengths `[N]` or `[B, N]`."""
        cell, weights = self.weights(wavelength)
        total = torch.zeros((), dtype=coefficients.dtype, device=coefficients.device)
        for k in range(4):
            chosen = cell + k
            part = coefficients[:, chosen] if cell.ndim == 1 else coefficients.gather(1, chosen)
            total = total + part * weights[..., k].to(coefficients.dtype)
        return total


class Bends:
    """A pseudo-continuum `[N]` in the middle of a fit: 1 where there is none."""

    def __init__(self, wavelength: Floats, spacing: float | None, begin: Floats | None = None) -> None:
        self.series = PseudoContinuum.of(wavelength, spacing) if spacing else None
        if self.series is None:
            self.coefficients: Floats = np.zeros(0)
            return
        cell, weights = (x.numpy() for x in self.series.weights(torch.from_numpy(np.ascontiguousarray(wavelength))))
        self.coefficients = np.zeros(self.series.count) if begin is None else begin.copy()
        pixels = np.repeat(np.arange(len(wavelength)), 4)
        columns = (cell[:, None] + np.arange(4)).ravel()
        shape = len(wavelength), self.series.count
        self.design = sparse.csr_array((weights.ravel().astype(np.float32), (pixels, columns)), shape=shape)

    def flux(self) -> NDArray[np.float32] | np.float32:
        """What the flux of lines is multiplied by."""
        if self.series is None:
            return np.float32(1)
        curve: NDArray[np.float32] = np.exp(self.design @ self.coefficients.astype(np.float32))
        return curve

    def update(self, model: NDArray[np.float32], residual: NDArray[np.float32], used: NDArray[np.bool_]) -> None:
        """Go half-way to the coefficients that take most of `residual` = model - flux `[N]` (least squares)."""
        if self.series is None:
            return
        tilted = self.design.multiply(np.where(used, model, np.float32(0))[:, None]).tocsr()
        normal = np.asarray((tilted.T @ tilted).toarray(), dtype=np.float64)
        normal += STIFF * np.trace(normal) / len(normal) * np.eye(len(normal))
        self.coefficients = self.coefficients - HALF * np.linalg.solve(normal, tilted.T @ residual)
