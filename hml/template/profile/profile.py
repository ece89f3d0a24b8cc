"""A Gaussian of that height: a `LineProfile`."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from hml import FoundLines, LineProfile


class ExampleProfile(LineProfile):
    """exp(ln_amplitude - x² / 2σ²)."""

    params = ("ln_amplitude", "ln_sigma")

    def initial(self, found: FoundLines) -> NDArray[np.float64]:
        return np.stack([np.log(found.depth), np.log(found.fwhm / 2.355)], axis=-1)

    def evaluate(self, offset: torch.Tensor, params: torch.Tensor) -> torch.Tensor:
        ln_amplitude, ln_sigma = params[..., 0:1], params[..., 1:2]
        return torch.exp(ln_amplitude - 0.5 * (offset * torch.exp(-ln_sigma)) ** 2)

    def mixture(self, params: torch.Tensor) -> torch.Tensor:
        height, narrowness = params[..., 0].exp(), 0.5 * torch.exp(-2 * params[..., 1])
        return torch.stack([torch.zeros_like(height), torch.ones_like(height), height, narrowness], -1)
