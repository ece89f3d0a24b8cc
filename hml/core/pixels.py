"""The data's pixels, and what they see of a spectrum given on even points.

A pixel measures the mean of the flux over its own width, however wide its neighbours are. Between even points the flux
is the spline of fifth degree through them, which is integrated over the pixel exactly; the flux's mean over λ and over
ln λ differ by less than 1e-9 of the continuum where a pixel is narrower than 1e-4 λ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, factorial
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hml.core.jit import compiled
from hml.core.space import Floats

DEGREE = 5  # of the spline
GAP = 1.5  # times the distance to its other neighbour: a pixel so far is no neighbour


@dataclass(frozen=True, eq=False)
class Pixels:
    """Centres and widths `[N]` of the pixels of one order, Å."""

    wavelength: Floats
    width: Floats

    @classmethod
    def of(cls, wavelength: Floats) -> Pixels:
        """Pixels that meet half-way between their centres; beside a gap they are as wide as on their other side."""
        if len(wavelength) < 2:
            return cls(wavelength, np.zeros_like(wavelength))
        steps = np.diff(wavelength)
        left, right = np.append(steps[0], steps), np.append(steps, steps[-1])
        small, large = np.minimum(left, right), np.maximum(left, right)
        return cls(wavelength, np.where(large > GAP * small, small, (small + large) / 2))

    def __getitem__(self, keep: NDArray[np.bool_]) -> Pixels:
        return Pixels(self.wavelength[keep], self.width[keep])

    def __len__(self) -> int:
        return len(self.wavelength)


@dataclass(frozen=True, eq=False)
class Sampler:
    """What N pixels see of the coefficients of splines: from `first` `[N]` on, as many as `weights` `[N, T]` has."""

    first: Tensor
    weights: Tensor

    @classmethod
    def of(cls, orders: Sequence[tuple[Floats, Floats]], size: int, device: torch.device) -> Sampler:
        """For the ends of pixels of each order, in steps from the first of its `size` coefficients."""
        widest = max(float((high - low).max()) for low, high in orders)
        taps = int(np.ceil(widest)) + DEGREE + 1
        first = [np.floor(low).astype(np.int64) - DEGREE // 2 for low, _ in orders]
        weights = [_seen(low - f, high - f, taps) for (low, high), f in zip(orders, first, strict=True)]
        start = np.concatenate([o * size + f for o, f in enumerate(first)])
        table = torch.as_tensor(np.concatenate(weights), dtype=torch.float32, device=device)
        return cls(torch.as_tensor(start, device=device), table)

    def __call__(self, coefficients: Tensor) -> Tensor:
        """Coefficients `[B, F]` → `[B, N]`, differentiable both ways."""
        if coefficients.device.type == "cpu":
            return cast(Tensor, _Banded.apply(coefficients, self.first, self.weights))  # type: ignore[no-untyped-call]
        places = self.first[:, None] + torch.arange(self.weights.shape[1], device=self.first.device)
        near: Tensor = coefficients[:, places] * self.weights
        return near.sum(-1)


def prefilter(angle: Tensor) -> Tensor:
    """What the spectrum of even samples is multiplied by for that of the coefficients of the spline through them, at
    `angle` 2π·k·step (Unser 1999, IEEE Signal Processing Magazine 16, 22)."""
    return 60 / (33 + 26 * torch.cos(angle) + torch.cos(2 * angle))


def _seen(low: Floats, high: Floats, taps: int) -> Floats:
    """The means `[N, taps]` of B-splines centred at 0, 1, … over low…high `[N]`, or their values where these agree."""
    centres, width = np.arange(taps), (high - low)[:, None]
    total = _b_spline(high[:, None] - centres, 1) - _b_spline(low[:, None] - centres, 1)
    points = _b_spline(low[:, None] - centres, 0)
    return np.asarray(np.where(width > 0, total / np.where(width > 0, width, 1), points))


def _b_spline(x: Floats, integrals: int) -> Floats:
    """The B-spline around 0 with knots one apart, or its integral from the left, by truncated powers."""
    half, power = (DEGREE + 1) / 2, DEGREE + integrals
    x = np.clip(x, -half, half)
    total = np.zeros_like(x)
    for k in range(DEGREE + 2):
        base = np.maximum(x + half - k, 0)
        total += (-1) ** k * comb(DEGREE + 1, k) * np.multiply.reduce([base] * power)
    return total / factorial(power)


class _Banded(torch.autograd.Function):
    @staticmethod
    def forward(coefficients: Tensor, first: Tensor, weights: Tensor) -> Tensor:
        values = np.ascontiguousarray(coefficients.detach().numpy())
        out = np.empty((len(values), len(first)), dtype=values.dtype)
        _gather(values, first.numpy(), weights.numpy(), out)
        return torch.from_numpy(out)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], _: Tensor) -> None:
        ctx.count, ctx.first, ctx.weights = inputs[0].shape[1], inputs[1], inputs[2]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        given = np.ascontiguousarray(gradient.numpy())
        out = np.zeros((len(given), ctx.count), dtype=given.dtype)
        _spread(given, ctx.first.numpy(), ctx.weights.numpy(), out)
        return torch.from_numpy(out), None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        return cast(Tensor, _Banded.apply(tangent, ctx.first, ctx.weights))  # type: ignore[no-untyped-call]


@compiled()
def _gather(values, first, weights, out):  # type: ignore[no-untyped-def]
    """out `[B, N]` = Σ_t weights `[N, T]` · values `[B, F]` at first `[N]` + t."""
    for b in range(len(out)):
        for i in range(len(first)):
            given, weight, total = values[b, first[i] : first[i] + weights.shape[1]], weights[i], np.float32(0)
            for t in range(len(weight)):
                total += weight[t] * given[t]
            out[b, i] = total


@compiled()
def _spread(gradient, first, weights, out):  # type: ignore[no-untyped-def]
    """The transpose, added to out `[B, F]`."""
    for b in range(len(out)):
        for i in range(len(first)):
            target, weight, given = out[b, first[i] : first[i] + weights.shape[1]], weights[i], gradient[b, i]
            for t in range(len(weight)):
                target[t] += weight[t] * given
