"""The Voigt profile through a sum of poles of the Faddeeva function, in real arithmetic without branches.

w(z) ≈ Σ_k c_k/(z − p_k) − c̄_k/(z + p̄_k), four pairs of poles below the real axis, fitted to w on the real axis in the
maximum norm of |z + i|·error under Σ 2 Im c_k = 1/√π (so that w → i/(√π z) at infinity: the area is exactly one).
The error is analytic in the upper half plane, hence by the maximum principle it stays below its bound on the real
axis, 7e-8/|z + i|, for every damping: below 1.3e-7 of the peak. The same idea, with other coefficients, is in Hui,
Armstrong & Wray (1978, JQSRT 19, 509) and Humlíček (1979, JQSRT 21, 309).
"""

from __future__ import annotations

from math import pi, sqrt

import torch

from hml import FoundLines, LineProfile
from hml.plugins.profiles import VoigtConfig
from hml.plugins.profiles.start import PARAMS, Floats, start, start_widths, widths

# p = a - ib and c as (a, b, real part of c, imaginary part of c)
POLES = (
    (0.33044959, 1.72094718, -3.33065237, 1.508840661773878),
    (1.00342260, 1.70983589, 0.46132452, -1.41605947),
    (1.71985408, 1.68489055, 0.09151503, 0.19286943),
    (2.54953018, 1.63836462, -0.00558055, -0.00355583),
)


class Voigt(LineProfile):
    """Gaussian of sigma folded with a Lorentzian of half width gamma, times the amplitude (an area, Å)."""

    params = PARAMS

    def __init__(self, config: VoigtConfig) -> None:
        self.config = config

    def initial(self, found: FoundLines) -> Floats:
        ln_sigma, ln_gamma = map(torch.from_numpy, start_widths(found, self.config.start))
        unit = torch.stack([torch.zeros_like(ln_sigma), ln_sigma, ln_gamma], dim=-1)
        peak = self.evaluate(unit.new_zeros(len(found), 1), unit)[:, 0]
        return start(found, self.config.start, peak.numpy())

    def evaluate(self, offset: torch.Tensor, params: torch.Tensor) -> torch.Tensor:
        """offset `[..., L, C]` Å, params `[..., L, 3]` → `[..., L, C]`.

        With z = (offset + iγ)/(σ√2) each pair of poles is a ratio of polynomials in offset², whose coefficients are
        worked out once a line: no σ is left in a denominator, so σ → 0 is exactly a Lorentzian.
        """
        area, sigma, gamma = widths(params)
        square, scale, doppler = offset * offset, area / sqrt(pi), sigma * sqrt(2.0)
        first, *others = (_pair(square, scale, doppler, gamma, pole) for pole in POLES)
        for other in others:
            first = first + other
        return first.clamp(min=0.0)  # of a nearly pure Gaussian's far wing the poles leave less than their error


def _pair(
    square: torch.Tensor, scale: torch.Tensor, doppler: torch.Tensor, gamma: torch.Tensor,
    pole: tuple[float, float, float, float],
) -> torch.Tensor:
    """One pair of poles at offset² `[..., L, C]`; scale, doppler width (Å) and gamma (Å) `[..., L, 1]`."""
    a, b, real, imaginary = pole
    shift, half = a * doppler, gamma + b * doppler
    q = shift * shift + half * half
    even, odd = 2.0 * imaginary * scale * half, 2.0 * real * scale * shift
    numerator = torch.addcmul((even - odd) * q, even + odd, square)
    return numerator / torch.addcmul(q * q, square, square + 2.0 * (half * half - shift * shift))
