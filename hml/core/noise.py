"""What residuals are weighed by besides the errors of single pixels: errors that pixels share, and outliers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

FREEDOM = 4.0  # degrees of Student's t: heavy wings, yet 93 % of the information of Gaussian data
LEAST = 1e-3  # of an error: patterns below this in every pixel together are none


@dataclass(frozen=True, eq=False)
class Shared:
    """Errors that pixels share: residuals in units of their own errors, whose covariance is 1 + A Aᵀ, made independent
    by the inverse root of that. With A = Q S Vᵀ it is 1 - Q (1 - 1/√(1 + S²)) Qᵀ."""

    vectors: Tensor  # [N, E] orthonormal
    shrink: Tensor  # [E]

    @classmethod
    def of(cls, patterns: Tensor) -> Shared | None:
        """From patterns A `[N, E]` in units of the errors; None if they are of no size."""
        vectors, size, _ = torch.linalg.svd(patterns.double(), full_matrices=False)
        some = size > LEAST
        return cls(vectors[:, some], 1 - 1 / torch.sqrt(1 + size[some] ** 2)) if some.any() else None

    def __call__(self, residuals: Tensor) -> Tensor:
        """`[..., N]` → `[..., N]`."""
        return residuals - ((residuals @ self.vectors) * self.shrink) @ self.vectors.T


def rooted(residuals: Tensor) -> tuple[Tensor, Tensor]:
    """What has squares whose sum is -2 ln of Student's t (but for a constant), and its slope: both as residuals."""
    squares = residuals**2
    loss = (FREEDOM + 1) * torch.log1p(squares / FREEDOM)
    small = squares < 1e-8  # where the root's slope is 0/0
    root = torch.sqrt(torch.where(small, torch.ones_like(loss), loss)) * torch.sign(residuals)
    slope = (FREEDOM + 1) * residuals / (FREEDOM + squares) / torch.where(small, torch.ones_like(root), root)
    flat = float(np.sqrt(1 + 1 / FREEDOM))
    return torch.where(small, flat * residuals, root), torch.where(small, torch.full_like(slope, flat), slope)


def spread_of_estimate(residuals: Tensor) -> float:
    """By what the inverse of JᵀJ (of residuals in units of their errors) is multiplied to be the covariance of what
    Student's t finds, whatever the distribution of the residuals is (Huber 1981, Robust Statistics, 7.6)."""
    squares = residuals**2
    pull = (FREEDOM + 1) * residuals / (FREEDOM + squares)
    stiffness = (FREEDOM + 1) * (FREEDOM - squares) / (FREEDOM + squares) ** 2
    return float((pull**2).mean() / stiffness.mean() ** 2)
