"""The engine of `linear` and `cubic`: tensor-product splines of any degree as one differentiable module.

A spline of degree k needs k + 1 coefficients an axis at any label, so that a look-up is a weighted sum of (k + 1)^P
rows of a table of coefficients, all lines together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch

from hml.plugins.interpolators.basis import AxisPlan, Basis
from hml.plugins.interpolators.rows import look_up
from hml.plugins.interpolators.sums import Rows
from hml.plugins.interpolators.weighted import Weighted, outline


class TensorSpline(Weighted):
    """labels `[B, P]` → `[B, L, K]` as Σ over rows of (product of the axes' B-splines) × coefficients
    `[n1·…·nP, L, K]`."""

    def __init__(self, basis: Basis, *state: torch.Tensor) -> None:
        """`state` as `Weighted` has it."""
        super().__init__(len(basis.plans), *state)
        self.basis = basis

    @classmethod
    def empty(cls, header: Mapping[str, Any]) -> TensorSpline:
        """A module of the shape that `header` tells, without memory of its own until `load_state_dict`."""
        basis = Basis([AxisPlan.of(axis) for axis in header["axes"]])
        return cls(basis, *outline(basis.rows, header))

    def header(self) -> dict[str, Any]:
        """What `empty` needs."""
        return {"axes": [asdict(plan) for plan in self.basis.plans], **self.shapes()}

    def having(self, *state: torch.Tensor) -> TensorSpline:
        return TensorSpline(self.basis, *state)

    def summed(self, labels: torch.Tensor, table: Rows) -> torch.Tensor:
        return look_up(self.basis.coordinates(labels), self.basis, table)
