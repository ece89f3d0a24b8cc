"""What all interpolators here make: weighted sums of rows of a table, all lines together, as one module."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from hml import Manifold
from hml.plugins.interpolators.sums import Rows

STATE = ("coefficients", "scale", "offset", "wide", "exact")


class Weighted(Manifold):
    """labels `[B, P]` → `[B, L, K]` as Σ over rows of (weights that depend on the labels) × coefficients."""

    differentiable = True
    coefficients: torch.Tensor
    scale: torch.Tensor | None
    offset: torch.Tensor | None
    wide: torch.Tensor | None
    exact: torch.Tensor | None

    def __init__(
        self,
        labels: int,
        coefficients: torch.Tensor,
        scale: torch.Tensor | None = None,
        offset: torch.Tensor | None = None,
        wide: torch.Tensor | None = None,
        exact: torch.Tensor | None = None,
    ) -> None:
        """Of P `labels`; coefficients `[M, L, K]`. Integers come with scale and offset `[L, K]` and mean
        scale · integer + offset, to which exact `[M, W, K]` is added for the lines that are named in wide `[W]`,
        sorted.

        Nothing is copied, and nothing is ever written to.
        """
        super().__init__()
        self.labels = labels
        for name, tensor in zip(STATE, (coefficients, scale, offset, wide, exact), strict=True):
            self.register_buffer(name, tensor)

    @abstractmethod
    def summed(self, labels: torch.Tensor, table: Rows) -> torch.Tensor:
        """labels `[B, P]` → the weighted sums `[B, N]` of a table's rows `[M, N]`."""

    @abstractmethod
    def having(self, *state: torch.Tensor) -> Self:
        """The same weights, of another table: its `STATE`, as far as it has one."""

    def forward(self, labels: torch.Tensor) -> torch.Tensor:
        """labels `[B, P]` → `[B, L, K]` on the table's device, float64 for coefficients in float64, else float32."""
        if labels.ndim != 2 or labels.shape[1] != self.labels:
            raise ValueError(f"labels have shape {tuple(labels.shape)}, expected [B, {self.labels}]")
        return self.summed(labels, self._table()).view(len(labels), *self.coefficients.shape[1:])

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

    def shapes(self) -> dict[str, Any]:
        """What `outline` needs, as JSON values."""
        _, lines, params = self.coefficients.shape
        storage, wide = str(self.coefficients.dtype).removeprefix("torch."), self.wide
        return {"lines": lines, "params": params, "storage": storage, "wide": 0 if wide is None else len(wide)}

    def subset(self, lines: Sequence[int] | slice | NDArray[np.int64]) -> Self:
        """The same for some of the lines: of a slice a view, else a copy of these lines only."""
        count, device = self.coefficients.shape[1], self.coefficients.device
        chosen: slice | torch.Tensor
        if isinstance(lines, slice) and lines.step in (None, 1):
            chosen = lines
        else:
            index = np.arange(count)[lines if isinstance(lines, slice) else np.array(lines, np.int64)]
            chosen = torch.from_numpy(index).to(device)
        if self.scale is None or self.offset is None or self.wide is None or self.exact is None:
            return self.having(self.coefficients[:, chosen])
        wanted = torch.arange(count, device=device)[chosen]
        place = torch.searchsorted(self.wide, wanted)
        found = torch.isin(wanted, self.wide)
        wide, exact = found.nonzero()[:, 0], self.exact[:, place[found]]
        return self.having(self.coefficients[:, chosen], self.scale[chosen], self.offset[chosen], wide, exact)

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


def outline(rows: int, header: Mapping[str, Any]) -> list[torch.Tensor]:
    """The `STATE` of a table of so many rows that `Weighted.shapes` told of, without memory of its own."""
    lines, params, storage = header["lines"], header["params"], getattr(torch, header["storage"])
    state: list[tuple[tuple[int, ...], torch.dtype]] = [((rows, lines, params), storage)]
    if storage == torch.int16:
        state += [((lines, params), torch.float32)] * 2
        state += [((header["wide"],), torch.int64), ((rows, header["wide"], params), torch.float32)]
    return [torch.empty(shape, dtype=dtype, device="meta") for shape, dtype in state]
