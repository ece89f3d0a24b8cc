"""Weighted sums of table rows without copying the rows, differentiable any number of times in both modes.

`embedding_bag` is several times faster than gathering and multiplying, but knows reverse mode only; the two functions
below are each other's transpose, which gives all derivatives.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

BLOCK = 2**23  # numbers gathered at a time in the backward pass


def weighted_rows(rows: Tensor, weights: Tensor, table: Tensor) -> Tensor:
    """Σ_c weights[b, c] · table[rows[b, c]]: `[B, C]`, `[B, C]`, `[M, N]` → `[B, N]`. The table is constant."""
    return cast(Tensor, _Sum.apply(rows, weights, table))  # type: ignore[no-untyped-call]


class _Linear(torch.autograd.Function):
    """A map linear in its second argument: its tangent is itself, its gradient its transpose."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], _: Tensor) -> None:
        ctx.set_materialize_grads(False)  # or the table gets a tangent of zeros as large as itself
        ctx.save_for_backward(inputs[0], inputs[2])
        ctx.save_for_forward(inputs[0], inputs[2])


class _Sum(_Linear):
    @staticmethod
    def forward(rows: Tensor, weights: Tensor, table: Tensor) -> Tensor:
        return embedding_bag(rows, table, per_sample_weights=weights, mode="sum")

    @staticmethod
    def jvp(ctx: Any, _: None, tangent: Tensor, __: None) -> Any:
        rows, table = ctx.saved_tensors
        return _Sum.apply(rows, tangent, table)  # type: ignore[no-untyped-call]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None) -> Any:
        rows, table = ctx.saved_tensors
        back = None if gradient is None else _Dots.apply(rows, gradient, table)  # type: ignore[no-untyped-call]
        return None, back, None

    @staticmethod
    def vmap(info: Any, dims: tuple[Any, ...], rows: Tensor, weights: Tensor, table: Tensor) -> Any:
        return _folded(_Sum, info.batch_size, dims, (rows, weights, table))


class _Dots(_Linear):
    """table[rows[b, c]] · vector[b]: `[B, C]`, `[B, N]`, `[M, N]` → `[B, C]`."""

    @staticmethod
    def forward(rows: Tensor, vector: Tensor, table: Tensor) -> Tensor:
        step = max(1, BLOCK // max(rows.shape[1] * table.shape[1], 1))
        parts = zip(torch.split(rows, step), torch.split(vector, step), strict=True)
        return torch.cat([table[r] @ v[:, :, None] for r, v in parts])[:, :, 0]

    @staticmethod
    def jvp(ctx: Any, _: None, tangent: Tensor, __: None) -> Any:
        rows, table = ctx.saved_tensors
        return _Dots.apply(rows, tangent, table)  # type: ignore[no-untyped-call]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None) -> Any:
        rows, table = ctx.saved_tensors
        back = None if gradient is None else _Sum.apply(rows, gradient, table)  # type: ignore[no-untyped-call]
        return None, back, None

    @staticmethod
    def vmap(info: Any, dims: tuple[Any, ...], rows: Tensor, vector: Tensor, table: Tensor) -> Any:
        return _folded(_Dots, info.batch_size, dims, (rows, vector, table))


def _folded(function: Any, size: int, dims: tuple[Any, ...], inputs: tuple[Tensor, Tensor, Tensor]) -> Any:
    """One call for all of a vmap's `size` samples, which are laid out along B."""
    rows, values = (
        (x.expand(size, *x.shape) if dim is None else x.movedim(dim, 0)).flatten(0, 1)
        for x, dim in zip(inputs[:2], dims, strict=False)
    )
    out = function.apply(rows, values, inputs[2])
    return out.view(size, len(out) // max(size, 1), out.shape[1]), 0
