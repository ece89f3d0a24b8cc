"""Where a fit of line parameters starts, and the names and limits both profiles share."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from hml import FoundLines

Floats = NDArray[np.float64]

PARAMS = ("ln_amplitude", "ln_sigma", "ln_gamma")
"""Area (Å), standard deviation of the Gaussian (Å) and half width of the Lorentzian (Å), as natural logs."""

FWHM_OF_SIGMA = 2.3548200450309493  # 2 √(2 ln 2)

LN_WIDTHS = (-14.0, 14.0)
"""Widths are held in 1e-6 to 1e6 Å: beyond, float32 under- or overflows and gradients become NaN."""


def widths(params: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """params `[..., L, 3]` → amplitude, sigma, gamma, each `[..., L, 1]`."""
    amplitude, sigma, gamma = params[..., None].unbind(-2)
    return amplitude.exp(), sigma.clamp(*LN_WIDTHS).exp(), gamma.clamp(*LN_WIDTHS).exp()


def start(found: FoundLines, how: Literal["depth", "paper"], peak: Floats) -> Floats:
    """Start values `[L, 3]` of a fit; `peak` `[L]` (1/Å) is the profile's value at the centre for unit area and the
    widths of `start_widths`."""
    ln_sigma, ln_gamma = start_widths(found, how)
    deep = np.maximum(found.depth, found.prominence)  # the depth is smaller where the flux exceeds 1
    area = 0.14 * found.prominence if how == "paper" else deep / peak
    return np.stack([np.log(area), ln_sigma, ln_gamma], axis=-1)


def start_widths(found: FoundLines, how: Literal["depth", "paper"]) -> tuple[Floats, Floats]:
    """ln sigma and ln gamma `[L]`.

    `paper`: 1.28 × and 1.52 × w/√2 with w = fwhm/2.355. `depth`: Gaussian and Lorentzian of equal full width, such
    that the whole has the line's (Olivero & Longbothum 1977: f = 0.5346 fL + √(0.2166 fL² + fG²) = 1.6376 fL).
    """
    if how == "paper":
        width = found.fwhm / 2.355 / np.sqrt(2.0)
        return np.log(1.28 * width), np.log(1.52 * width)
    each = found.fwhm / (0.5346 + np.sqrt(1.2166))
    return np.log(each / FWHM_OF_SIGMA), np.log(each / 2.0)
