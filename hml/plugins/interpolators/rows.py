"""The look-up with all its derivatives: a weighted sum of table rows, whose weights are B-splines of the labels.

Its derivatives are two functions, linear in their second argument and each other's transpose, of derivatives of the
weights: differentiable any number of times in both modes, without copying a row.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from hml.plugins.interpolators.basis import Basis
from hml.plugins.interpolators.sums import Rows, dots, total


def look_up(x: Tensor, basis: Basis, table: Rows) -> Tensor:
    """x `[B, P]`, in the coordinates of the basis and on the CPU → `[B, N]`, on the table's device."""
    return cast(Tensor, _LookUp.apply(x, basis, table))  # type: ignore[no-untyped-call]


def weighed(weights: Tensor, table: Rows) -> Tensor:
    """The sums `[B, N]`, on the table's device, of all its rows with weights `[B, M]` (float64, on the CPU), which may
    have derivatives of their own."""
    every = torch.arange(weights.shape[1]).expand(len(weights), -1)
    return cast(Tensor, _Sum.apply(every, weights, table))  # type: ignore[no-untyped-call]


class _LookUp(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, basis: Basis, table: Rows) -> Tensor:
        return total(*basis.evaluate(x), table)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Basis, Rows], _: Tensor) -> None:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])
        ctx.basis, ctx.table = inputs[1:]

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None, __: None) -> Any:
        rows, slopes = ctx.basis.slopes(*ctx.saved_tensors)
        return _Sum.apply(rows, (slopes * tangent[:, :, None]).sum(1), ctx.table)  # type: ignore[no-untyped-call]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None) -> Any:
        if gradient is None:
            return None, None, None
        rows, slopes = ctx.basis.slopes(*ctx.saved_tensors)
        back = _Dots.apply(rows, gradient, ctx.table)  # type: ignore[no-untyped-call]
        return (slopes * back[:, None]).sum(2), None, None

    @staticmethod
    def vmap(info: Any, dims: tuple[int, None, None], x: Tensor, basis: Basis, table: Rows) -> Any:
        x = x.movedim(dims[0], 0)
        out = look_up(x.flatten(0, 1), basis, table)
        return out.view(*x.shape[:2], out.shape[1]), 0


class _Linear(torch.autograd.Function):
    """A map linear in its second argument: its tangent is itself, its gradient its transpose."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Rows], _: Tensor) -> None:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])
        ctx.table = inputs[2]

    @classmethod
    def _applied(cls, ctx: Any, values: Tensor | None) -> Any:
        (rows,) = ctx.saved_tensors
        return None if values is None else cls.apply(rows, values, ctx.table)  # type: ignore[no-untyped-call]

    @classmethod
    def _folded(cls, size: int, dims: tuple[Any, ...], rows: Tensor, values: Tensor, table: Rows) -> Any:
        """One call for all of a vmap's `size` samples, which are laid out along B."""
        rows, values = (
            (x.expand(size, *x.shape) if dim is None else x.movedim(dim, 0)).flatten(0, 1)
            for x, dim in zip((rows, values), dims, strict=False)
        )
        out = cls.apply(rows, values, table)  # type: ignore[no-untyped-call]
        return out.view(size, len(out) // max(size, 1), out.shape[1]), 0


class _Sum(_Linear):
    @staticmethod
    def forward(rows: Tensor, weights: Tensor, table: Rows) -> Tensor:
        return total(rows, weights.detach(), table)

    @staticmethod
    def jvp(ctx: Any, _: None, tangent: Tensor | None, __: None) -> Any:
        return _Sum._applied(ctx, tangent)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None) -> Any:
        return None, _Dots._applied(ctx, gradient), None

    @staticmethod
    def vmap(info: Any, dims: tuple[Any, ...], rows: Tensor, weights: Tensor, table: Rows) -> Any:
        return _Sum._folded(info.batch_size, dims, rows, weights, table)


class _Dots(_Linear):
    @staticmethod
    def forward(rows: Tensor, vector: Tensor, table: Rows) -> Tensor:
        return dots(rows, vector.detach(), table)

    @staticmethod
    def jvp(ctx: Any, _: None, tangent: Tensor | None, __: None) -> Any:
        return _Dots._applied(ctx, tangent)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None) -> Any:
        return None, _Sum._applied(ctx, gradient), None

    @staticmethod
    def vmap(info: Any, dims: tuple[Any, ...], rows: Tensor, vector: Tensor, table: Rows) -> Any:
        return _Dots._folded(info.batch_size, dims, rows, vector, table)
