"""Weighted sums of table rows and their transpose, without derivatives: compiled loops for tables in the CPU's memory,
torch for others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hml.plugins.interpolators.kernels import BLOCK, dot_rows, sum_rows

GATHERED = 2**23  # numbers copied at a time where rows are gathered


@dataclass(frozen=True, eq=False)
class Rows:
    """A constant table `[M, N]` as it is stored: numbers, or integers that mean scale · integer + offset (both `[N]`).
    Rows may lie apart in memory, but each is contiguous. `more` is added to some of its columns. All is only read."""

    numbers: Tensor
    scale: Tensor | None = None
    offset: Tensor | None = None
    more: tuple[Tensor, Rows] | None = None

    @property
    def dtype(self) -> torch.dtype:
        """Of the sums: float64 for float64 numbers, else float32."""
        return torch.float64 if self.numbers.dtype == torch.float64 else torch.float32

    @property
    def on_cpu(self) -> bool:
        return self.numbers.device.type == "cpu"

    def flat(self) -> Tensor:
        """All numbers from the first of the first row to the last of the last; rows start every `stride(0)`."""
        count, width = self.numbers.shape
        length = (count - 1) * self.numbers.stride(0) + width
        return self.numbers.as_strided((length,), (1,)) if width else self.numbers.flatten()


def total(rows: Tensor, weights: Tensor, table: Rows) -> Tensor:
    """Σ_c weights[b, c] · table[rows[b, c]]: `[B, C]` int64 and `[B, C]` float64, both on the CPU → `[B, N]`."""
    summed = compiled_sum if table.on_cpu else gathered_sum
    out = summed(rows, weights, table)
    if table.more is not None:
        columns, more = table.more
        out[:, columns] += summed(rows, weights, more)
    return out


def dots(rows: Tensor, vector: Tensor, table: Rows) -> Tensor:
    """table[rows[b, c]] · vector[b]: `[B, C]`, `[B, N]` → `[B, C]` float64 on the CPU."""
    dotted = compiled_dots if table.on_cpu else gathered_dots
    out = dotted(rows, vector, table)
    if table.more is not None:
        columns, more = table.more
        out += dotted(rows, vector[:, columns], more)
    return out


# --- compiled ---------------------------------------------------------------------------------------------------


def compiled_sum(rows: Tensor, weights: Tensor, table: Rows) -> Tensor:
    """`total` for a table in the CPU's memory."""
    out = torch.empty(len(rows), table.numbers.shape[1], dtype=table.dtype)
    made, exact = out.numpy(), weights.numpy()
    given = np.ascontiguousarray(exact, dtype=made.dtype)
    ones = exact.sum(1).astype(made.dtype)  # 1 if anything: a parameter that never changes comes out as it went in
    sum_rows(*_laid_out(rows, table), given, ones, made)
    return out


def compiled_dots(rows: Tensor, vector: Tensor, table: Rows) -> Tensor:
    """`dots` for a table in the CPU's memory. Derivatives are small differences of dot products. Offsets, the same in
    all rows, stay out of the long sums, so that float32 will do for what remains; without offsets it takes float64."""
    out, room = np.zeros(rows.shape), np.empty(BLOCK, np.float64 if table.scale is None else np.float32)
    dot_rows(*_laid_out(rows, table), vector.contiguous().numpy(), room, out)
    return torch.from_numpy(out)


def _laid_out(rows: Tensor, table: Rows) -> tuple[NDArray[Any] | None, ...]:
    """The flat table, scale and offset `[N]` or None, where rows start in it `[B, C]`, and an order of labels in which
    those of a cell follow one another `[B]`."""
    first = np.ascontiguousarray(rows.numpy())
    scale, offset = (None if x is None else x.numpy() for x in (table.scale, table.offset))
    starts = first * table.numbers.stride(0)
    return table.flat().numpy(), scale, offset, starts, np.argsort(first[:, 0], kind="stable")


# --- in torch ---------------------------------------------------------------------------------------------------


def gathered_sum(rows: Tensor, weights: Tensor, table: Rows) -> Tensor:
    """`total` on the table's device."""
    ones, weights = (x.to(table.numbers.device, table.dtype) for x in (weights.sum(1, keepdim=True), weights))
    out = torch.cat([(w[:, None] @ n.to(table.dtype))[:, 0] for n, w in _gathered(rows, weights, table)])
    if table.scale is None or table.offset is None:
        return out
    return table.scale * out + table.offset * ones


def gathered_dots(rows: Tensor, vector: Tensor, table: Rows) -> Tensor:
    """`dots` on the table's device."""
    vector = vector.double()
    given = vector if table.scale is None else vector * table.scale
    out = torch.cat([(n.double() @ v[:, :, None])[:, :, 0] for n, v in _gathered(rows, given, table)])
    return (out if table.offset is None else out + (vector @ table.offset.double())[:, None]).cpu()


def _gathered(rows: Tensor, values: Tensor, table: Rows) -> Iterator[tuple[Tensor, Tensor]]:
    """The rows of a few labels `[b, C, N]` and their values, so that no more than `GATHERED` numbers are copied."""
    step = max(1, GATHERED // max(rows.shape[1] * table.numbers.shape[1], 1))
    rows = rows.to(table.numbers.device)
    for some, given in zip(torch.split(rows, step), torch.split(values, step), strict=True):
        yield table.numbers[some], given
