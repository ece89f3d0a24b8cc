"""Spectral resolution: convolution with a Gaussian of constant resolving power, then onto the data's pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from hml.core.errors import ConfigError
from hml.core.space import Floats

TINY = 1e-18  # (Δλ/λ)² that broadens nothing; its root still has a slope
FWHM = 2 * np.sqrt(2 * np.log(2))  # of a Gaussian, in sigmas


@dataclass(frozen=True, eq=False)
class Broadening:
    """From a fine grid, uniform in ln λ, to the data's pixels `[N]` (4-point Lagrange interpolation)."""

    REACH: ClassVar[float] = 2.2  # FWHMs on either side that the kernel needs: 5.2 sigma

    wavelength: Tensor  # [F] Å, the fine grid
    step: float  # in ln λ
    nodes: Tensor  # [N, 4] indices into the fine grid
    weights: Tensor  # [N, 4]
    already: float  # (Δλ/λ)² of the grid's own resolution

    @classmethod
    def of(
        cls, wavelength: Floats, step: float, powers: tuple[float, float], grid: float | None, device: torch.device
    ) -> Broadening:
        """For data at `wavelength` (Å), model pixels of `step` Å, the lowest and highest of the resolving powers."""
        lowest, highest = powers
        if grid is not None and highest > grid:
            raise ConfigError(
                f"resolving_power: {highest:g} is more than the grid's own {grid:g}; a spectrum cannot be sharpened"
            )
        ln = np.log(wavelength)
        dln = min(step / wavelength[0], 1 / lowest / 6)
        margin = cls.REACH / lowest + 4 * dln
        count = int(np.ceil((ln[-1] - ln[0] + 2 * margin) / dln)) + 1
        start = ln[0] - margin
        place = (ln - start) / dln
        left = np.clip(np.floor(place).astype(np.int64), 1, count - 3)
        t = place - left
        inner, outer = (t + 1) * (t - 2) / 2, t * (t - 1) / 6
        weights = np.stack([-outer * (t - 2), inner * (t - 1), -inner * t, outer * (t + 1)], -1)
        return cls(
            torch.as_tensor(np.exp(start + dln * np.arange(count)), device=device),
            float(dln),
            torch.as_tensor(left[:, None] + np.arange(-1, 3), device=device),
            torch.as_tensor(weights, device=device),
            0.0 if grid is None else grid**-2.0,
        )

    def __call__(self, fine: Tensor, power: Tensor) -> Tensor:
        """Flux `[B, F]` on the fine grid at resolving powers `[B]` → `[B, N]` on the data's pixels."""
        # a Gaussian in ln λ; its transfer function is exact, whatever the sampling
        sigma = torch.sqrt((power**-2.0 - self.already).clamp(min=TINY)) / FWHM / self.step
        size = fine.shape[-1]
        padded = 2 * size
        frequency = torch.fft.rfftfreq(padded, device=fine.device, dtype=fine.dtype)
        transfer = torch.exp(-2 * (torch.pi * frequency * sigma[:, None]) ** 2)
        smooth = 1 + torch.fft.irfft(torch.fft.rfft(fine - 1, n=padded) * transfer, n=padded)[:, :size]
        near: Tensor = smooth[:, self.nodes]
        return (near * self.weights).sum(-1)
