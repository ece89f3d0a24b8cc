"""The pseudo-Voigt profile of Thompson, Cox & Hastings (1987, J. Appl. Cryst. 20, 79)."""

from __future__ import annotations

from math import pi, sqrt

import torch

from hml import FoundLines, LineProfile
from hml.plugins.profiles import PseudoVoigtConfig
from hml.plugins.profiles.start import FWHM_OF_SIGMA, PARAMS, Floats, start, start_widths, widths


class PseudoVoigt(LineProfile):
    """η·Lorentzian + (1 − η)·Gaussian of unit area, times the amplitude (an area, Å)."""

    params = PARAMS

    def __init__(self, config: PseudoVoigtConfig = PseudoVoigtConfig()) -> None:  # noqa: B008 (frozen)
        self.config = config

    def initial(self, found: FoundLines) -> Floats:
        ln_sigma, ln_gamma = map(torch.from_numpy, start_widths(found, self.config.start))
        unit = torch.stack([torch.zeros_like(ln_sigma), ln_sigma, ln_gamma], dim=-1)
        peak = self.evaluate(unit.new_zeros(len(found), 1), unit)[:, 0]
        return start(found, self.config.start, peak.numpy())

    def evaluate(self, offset: torch.Tensor, params: torch.Tensor) -> torch.Tensor:
        """offset `[..., L, C]` Å, params `[..., L, 3]` → `[..., L, C]`."""
        # everything of a line is worked out once; each pixel then costs one exponential and one division
        lorentz, gamma_square, gauss, narrowness = self.mixture(params)[..., None].unbind(-2)
        square = offset * offset
        return lorentz / (square + gamma_square) + gauss * torch.exp(-square * narrowness)

    def mixture(self, params: torch.Tensor) -> torch.Tensor:
        area, sigma, gamma = (x[..., 0] for x in widths(params))
        full, eta = mixing(sigma, gamma)
        if self.config.widths == "common":
            sigma, gamma = full / FWHM_OF_SIGMA, full / 2.0
        gauss = area * (1.0 - eta) / (sigma * sqrt(2.0 * pi))
        return torch.stack([area * eta * gamma / pi, gamma * gamma, gauss, 0.5 / (sigma * sigma)], -1)


def mixing(sigma: torch.Tensor, gamma: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Full width of the whole (Å) and Lorentzian fraction η, in any shape.

    The sum of fifth powers is taken relative to fG + fL, so that it cannot under- or overflow in float32.
    """
    f_gauss, f_lorentz = FWHM_OF_SIGMA * sigma, 2.0 * gamma
    both = f_gauss + f_lorentz
    g, v = f_gauss / both, f_lorentz / both
    square = v * v
    fifth = square * square * (v + 0.07842 * g) + g * g * (
        4.47163 * square * v + g * (2.42843 * square + g * (2.69269 * v + g))
    )
    root = torch.exp(torch.log(fifth) / 5.0)
    r = v / root
    return both * root, r * (1.36603 + r * (-0.47719 + r * 0.11116))
