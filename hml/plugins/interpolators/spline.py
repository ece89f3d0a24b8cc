"""The engine of both interpolators: tensor-product splines of any degree as one differentiable module.

A spline of degree k needs k + 1 coefficients an axis at any label, so that a look-up is a weighted sum of (k + 1)^P
rows of a table of coefficients, all lines together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hml import Manifold
from hml.plugins.interpolators.basis import AxisPlan, Basis
from hml.plugins.interpolators.rows import look_up
from hml.plugins.interpolators.sums import Rows

STATE = ("coefficients", "scale", "offset", "wide", "exact")


class TensorSpline(Manifold):
    """labels `[B, P]` → `[B, L, K]` as Σ over rows of (product of the axes' B-splines) × coefficients."""

    differentiable = True
    coefficients: torch.Tensor
    scale: torch.Tensor | None
    offset: torch.Tensor | None
    wide: torch.Tensor | None
    exact: torch.Tensor | None

    def __init__(
        self,
        basis: Basis,
        coefficients: torch.Tensor,
        scale: torch.Tensor | None = None,
        offset: torch.Tensor | None = None,
        wide: torch.Tensor | None = None,
        exact: torch.Tensor | None = None,
    ) -> None:
        """coefficients `[n1·…·nP, L, K]`. Integers come with scale and offset `[L, K]` and mean scale · integer +
        offset, to which exact `[n1·…·nP, W, K]` is added for the lines that are named in wide `[W]`, sorted.

        Nothing is copied, and nothing is ever written to.
        """
        super().__init__()
        self.basis = basis
        for name, tensor in zip(STATE, (coefficients, scale, offset, wide, exact), strict=True):
            self.register_buffer(name, tensor)

    @classmethod
    def empty(cls, header: Mapping[str, Any]) -> TensorSpline:
        """A module of the shape that `header` tells, without memory of its own until `load_state_dict`."""
        basis = Basis([AxisPlan.of(axis) for axis in header["axes"]])
        lines, params, storage = header["lines"], header["params"], getattr(torch, header["storage"])
        state: list[tuple[tuple[int, ...], torch.dtype]] = [((basis.rows, lines, params), storage)]
        if storage == torch.int16:
            state += [((lines, params), torch.float32)] * 2
            state += [((header["wide"],), torch.int64), ((basis.rows, header["wide"], params), torch.float32)]
        return cls(basis, *(torch.empty(shape, dtype=dtype, device="meta") for shape, dtype in state))

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = True) -> Any:
        """Takes the tensors themselves, which may be a file mapped to memory; RuntimeError if they are of another shape
        or precision than expected."""
        for name, expected in self.state_dict().items():
            if name in state_dict and state_dict[name].dtype != expected.dtype:
                raise RuntimeError(f"{name} is {state_dict[name].dtype}, {expected.dtype} was expected")
        if self.coefficients.dtype not in (torch.int16, torch.float32, torch.float64):
            raise RuntimeError(f"coefficients of type {self.coefficients.dtype} are not known")
        result = super().load_state_dict(state_dict, strict, assign)
        lines = [-1, *([] if self.wide is None else self.wide.tolist()), self.coefficients.shape[1]]
        if not all(a < b for a, b in pairwise(lines)):
            raise RuntimeError(f"wide: expected the numbers of some of {lines[-1]} lines, increasing")
        return result

    def header(self) -> dict[str, Any]:
        """What `empty` needs."""
        _, lines, params = self.coefficients.shape
        storage = str(self.coefficients.dtype).removeprefix("torch.")
        axes = [asdict(plan) for plan in self.basis.plans]
        wide = 0 if self.wide is None else len(self.wide)
        return {"axes": axes, "lines": lines, "params": params, "storage": storage, "wide": wide}

    def subset(self, lines: Sequence[int] | slice | NDArray[np.int64]) -> TensorSpline:
        """The same spline for some of the lines: of a slice a view, else a copy of these lines only."""
        count, device = self.coefficients.shape[1], self.coefficients.device
        chosen: slice | torch.Tensor
        if isinstance(lines, slice) and lines.step in (None, 1):
            chosen = lines
        else:
            index = np.arange(count)[lines if isinstance(lines, slice) else np.array(lines, np.int64)]
            chosen = torch.from_numpy(index).to(device)
        if self.scale is None or self.offset is None or self.wide is None or self.exact is None:
            return TensorSpline(self.basis, self.coefficients[:, chosen])
        wanted = torch.arange(count, device=device)[chosen]
        place = torch.searchsorted(self.wide, wanted)
        found = torch.isin(wanted, self.wide)
        wide, exact = found.nonzero()[:, 0], self.exact[:, place[found]]
        return TensorSpline(
            self.basis, self.coefficients[:, chosen], self.scale[chosen], self.offset[chosen], wide, exact
        )

    def forward(self, labels: torch.Tensor) -> torch.Tensor:
        """labels `[B, P]` → `[B, L, K]` on the table's device, float64 for coefficients in float64, else float32."""
        if labels.ndim != 2 or labels.shape[1] != len(self.basis.plans):
            raise ValueError(f"labels have shape {tuple(labels.shape)}, expected [B, {len(self.basis.plans)}]")
        values = look_up(self.basis.coordinates(labels), self.basis, self._table())
        return values.view(len(labels), *self.coefficients.shape[1:])

    def _table(self) -> Rows:
        """The coefficients, all parameters of all lines in one row a node."""
        if self.scale is None or self.offset is None or self.wide is None or self.exact is None:
            return Rows(self.coefficients.flatten(1))
        more = None
        if len(self.wide):
            params = torch.arange(self.exact.shape[2], device=self.wide.device)
            columns = self.wide[:, None] * len(params) + params
            more = columns.flatten(), Rows(self.exact.flatten(1))
        return Rows(self.coefficients.flatten(1), self.scale.flatten(), self.offset.flatten(), more)
