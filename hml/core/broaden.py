"""What light goes through between a star's surface and a detector, as transfer functions in Fourier space.

All of it widens lines by an amount that is the same everywhere in ln λ, so that on pixels even in ln λ the order does
not matter and the functions of frequency k (cycles per unit of ln λ) multiply. Each is known in closed form:

rotation           Gray's profile for a rigidly rotating sphere with linear limb darkening ε (Gray 2005, The Observation
                   and Analysis of Stellar Photospheres, eq. 18.14). With u = 2πk·v sin i/c its transform is
                   [2(1 - ε)·J₁(u)/u + 2ε·(sin u - u cos u)/u³] / (1 - ε/3).
macroturbulence    radial-tangential, ζ the same for both, as many elements moving either way (Gray 2005, chapter 17).
                   Over a disc of even brightness both make the profile ∫ 2μ N(v; ζμ/√2) dμ, whose transform is
                   (1 - e^-a)/a with a = (πkζ/c)². Limb darkening, and that rotation and macroturbulence are seen at the
                   same places, are neglected (the product is a convolution of both).
instrument         a Gaussian of full width at half maximum 1/R in ln λ, from which the grid's own width is taken in
                   quadrature: exp(-2π²k²·variance), differentiable where nothing is left of it.

All are even in the speeds: at zero the derivative is zero. A line's own width cannot take the place of any of them: in
exp(-Σ) it is the opacity Σ that is made of lines, and widening Σ is not widening the flux.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from hml.core.space import LIGHT

FWHM = 2 * np.sqrt(2 * np.log(2))  # of a Gaussian, in sigmas
SERIES = 0.3  # arguments below which a power series is more exact than differences of near equals


def rotation(frequency: Tensor, vsini: Tensor, darkening: float) -> Tensor:
    """`[B, K]` for frequencies `[K]` and v sin i `[B]` (km/s)."""
    angle = 2 * torch.pi / LIGHT * frequency * vsini[:, None]
    return cast(Tensor, _Rotation.apply(angle, darkening))  # type: ignore[no-untyped-call]


def macroturbulence(frequency: Tensor, speed: Tensor) -> Tensor:
    """`[B, K]` for frequencies `[K]` and ζ `[B]` (km/s)."""
    a = (torch.pi / LIGHT * frequency * speed[:, None]) ** 2
    small = a < SERIES**2
    one = torch.where(small, torch.ones_like(a), a)  # so that no branch divides by zero
    series = 1 - a / 2 * (1 - a / 3 * (1 - a / 4 * (1 - a / 5 * (1 - a / 6 * (1 - a / 7)))))
    return torch.where(small, series, -torch.expm1(-one) / one)


def instrument(frequency: Tensor, power: Tensor, already: float) -> Tensor:
    """`[B, O, K]` for frequencies `[K]` and resolving powers `[B, O]`; `already`: 1/R² of the grid's spectra."""
    variance = (power**-2.0 - already) / FWHM**2
    return torch.exp(-2 * (torch.pi * frequency) ** 2 * variance[..., None])


class _Rotation(torch.autograd.Function):
    """Rotation at u `[B, K]`; torch has Bessel functions but not their derivatives."""

    @staticmethod
    def forward(angle: Tensor, darkening: float) -> Tensor:
        return _mixed(darkening, *_shapes(angle.detach()))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], _: Tensor) -> None:
        ctx.darkening = inputs[1]
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])

    @staticmethod
    def _slope(ctx: Any) -> Tensor:
        (angle,) = ctx.saved_tensors
        return _mixed(ctx.darkening, *_slopes(angle.detach()))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return gradient * _Rotation._slope(ctx), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        return tangent * _Rotation._slope(ctx)


def _mixed(darkening: float, even: Tensor, dark: Tensor) -> Tensor:
    """The disc as a mixture of one of even brightness and one that is dark at its edge."""
    return (2 * (1 - darkening) * even + 2 * darkening * dark) / (1 - darkening / 3)


def _shapes(u: Tensor) -> tuple[Tensor, Tensor]:
    """J₁(u)/u and (sin u - u cos u)/u³."""
    small, x, s = _apart(u)
    bessel, sphere = torch.special.bessel_j1(x) / x, (torch.sin(x) - x * torch.cos(x)) / x**3
    near = 1 / 2 - s / 16 + s**2 / 384 - s**3 / 18432 + s**4 / 1474560
    round_ = 1 / 3 - s / 30 + s**2 / 840 - s**3 / 45360 + s**4 / 3991680
    return torch.where(small, near, bessel), torch.where(small, round_, sphere)


def _slopes(u: Tensor) -> tuple[Tensor, Tensor]:
    """The derivatives of both."""
    small, x, s = _apart(u)
    bessel = (torch.special.bessel_j0(x) - 2 * torch.special.bessel_j1(x) / x) / x
    sphere = torch.sin(x) / x**2 - 3 * (torch.sin(x) - x * torch.cos(x)) / x**4
    near = -u * (1 / 8 - s / 96 + s**2 / 3072 - s**3 / 184320)
    round_ = -u * (1 / 15 - s / 210 + s**2 / 7560 - s**3 / 498960)
    return torch.where(small, near, bessel), torch.where(small, round_, sphere)


def _apart(u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where u is small; u where it is not, else one; u² where it is, else zero."""
    small = u.abs() < SERIES
    return small, torch.where(small, torch.ones_like(u), u), torch.where(small, u, torch.zeros_like(u)) ** 2
