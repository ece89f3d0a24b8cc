"""Compiled loops of the look-up on the CPU: B-spline weights, weighted sums of table rows, and their transpose.

They are bound by memory, and take so little time beside rendering that other threads are not worth starting. A block
of columns of all rows that a label needs stays in the cache, so that labels of the same or neighbouring cells read it
once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hml import compiled

BLOCK = 4096  # columns at a time: 32 rows of 16-bit integers take 256 KB, and those of neighbouring cells fit L2 too

# sums may be regrouped, which SIMD needs; NaN and infinity keep their meaning
_compiled = compiled(fastmath={"contract", "reassoc", "nsz"})


@_compiled
def _on_piece(u: float, step: float, piece: Any, times: int, local: Any) -> None:
    """local `[degree + 1]` becomes the derivative of order `times` of the B-splines Σ_m piece[m, j] u^m (Horner)."""
    degree = len(local) - 1
    for j in range(degree + 1):
        local[j] = 0.0
        for m in range(degree, times - 1, -1):
            falling = 1.0
            for f in range(times):
                falling *= (m - f) / step
            local[j] = local[j] * u + falling * piece[m, j]


@_compiled
def spline_weights(
    x: Any, sizes: Any, degrees: Any, counts: Any, breaks: Any, firsts: Any, pieces: Any, order: int, rows: Any,
    weights: Any,
) -> None:
    """All derivatives of one order of a tensor product of B-splines.

    x `[B, P]`; axis p has `sizes[p]` splines of `degrees[p]`, given on its `counts[p]` pieces as in `basis.pieced`.
    Fills rows `[B, C]`, the row of a table `[n1·…·nP, …]` each weight belongs to, and weights `[B, P**order, C]`: entry
    Σ_i p_i P^(order-1-i) is ∂/∂x_p1 ∂/∂x_p2 … of the product.
    """
    batch, axes = x.shape
    local = np.empty(pieces.shape[-1])
    times = np.zeros(axes, np.int64)
    for b in range(batch):
        for a in range(axes**order):
            times[:] = 0
            for i in range(order):
                times[a // axes**i % axes] += 1
            many, rows[b, 0], weights[b, a, 0] = 1, 0, 1.0
            for p in range(axes):
                width, piece = degrees[p] + 1, 0
                while piece < counts[p] - 1 and x[b, p] >= breaks[p, piece + 1]:
                    piece += 1
                step = breaks[p, piece + 1] - breaks[p, piece]
                _on_piece((x[b, p] - breaks[p, piece]) / step, step, pieces[p, piece], times[p], local[:width])
                for c in range(many - 1, -1, -1):  # from the end: nothing is overwritten before it is read
                    row, weight = rows[b, c] * sizes[p] + firsts[p, piece], weights[b, a, c]
                    for j in range(width):
                        rows[b, c * width + j] = row + j
                        weights[b, a, c * width + j] = weight * local[j]
                many *= width


@_compiled
def sum_rows(
    numbers: Any, scale: Any, offset: Any, starts: Any, order: Any, weights: Any, ones: Any, out: Any
) -> None:
    """out[b, n] = scale[n] Σ_c weights[b, c] numbers[starts[b, c] + n] + offset[n] ones[b].

    numbers 1-d; scale and offset `[N]` or None; starts, weights `[B, C]` and their sums ones `[B]`, weights and ones in
    the precision of out `[B, N]`; order `[B]` tells which label comes after which, best with those of one cell
    together.
    """
    many = starts.shape[1]
    for start in range(0, out.shape[1], BLOCK):
        stop = min(start + BLOCK, out.shape[1])
        for b in order:
            total = out[b, start:stop]
            total[:] = 0
            for c in range(0, many - 3, 4):  # four at a time, or storing sums would take longer than making them
                w0, w1, w2, w3 = weights[b, c], weights[b, c + 1], weights[b, c + 2], weights[b, c + 3]
                row0 = numbers[starts[b, c] + start : starts[b, c] + stop]
                row1 = numbers[starts[b, c + 1] + start : starts[b, c + 1] + stop]
                row2 = numbers[starts[b, c + 2] + start : starts[b, c + 2] + stop]
                row3 = numbers[starts[b, c + 3] + start : starts[b, c + 3] + stop]
                for n in range(len(total)):
                    total[n] += w0 * row0[n] + w1 * row1[n] + w2 * row2[n] + w3 * row3[n]
            for c in range(many - many % 4, many):
                w0 = weights[b, c]
                row0 = numbers[starts[b, c] + start : starts[b, c] + stop]
                for n in range(len(total)):
                    total[n] += w0 * row0[n]
            if scale is not None:
                steps, level, one = scale[start:stop], offset[start:stop], ones[b]
                for n in range(len(total)):
                    total[n] = steps[n] * total[n] + level[n] * one


@_compiled
def dot_rows(
    numbers: Any, scale: Any, offset: Any, starts: Any, order: Any, vector: Any, room: Any, out: Any
) -> None:
    """out[b, c] += Σ_n (scale[n] numbers[starts[b, c] + n] + offset[n]) vector[b, n].

    vector `[B, N]`, the rest as above. Products and sums over a block are in the precision of room `[BLOCK]`; out
    `[B, C]` is float64.
    """
    many, zero = starts.shape[1], room.dtype.type(0)
    for start in range(0, vector.shape[1], BLOCK):
        stop = min(start + BLOCK, vector.shape[1])
        for b in order:
            given, part, level = vector[b, start:stop], room[: stop - start], zero
            if scale is None:
                part[:] = given
            else:
                steps, levels = scale[start:stop], offset[start:stop]
                for n in range(len(part)):
                    part[n] = steps[n] * given[n]
                    level += levels[n] * given[n]
            for c in range(0, many - 3, 4):
                row0 = numbers[starts[b, c] + start : starts[b, c] + stop]
                row1 = numbers[starts[b, c + 1] + start : starts[b, c + 1] + stop]
                row2 = numbers[starts[b, c + 2] + start : starts[b, c + 2] + stop]
                row3 = numbers[starts[b, c + 3] + start : starts[b, c + 3] + stop]
                total0, total1, total2, total3 = zero, zero, zero, zero
                for n in range(len(part)):
                    total0 += row0[n] * part[n]
                    total1 += row1[n] * part[n]
                    total2 += row2[n] * part[n]
                    total3 += row3[n] * part[n]
                out[b, c] += np.float64(total0) + level  # the level, the same in all rows, must not round what differs
                out[b, c + 1] += np.float64(total1) + level
                out[b, c + 2] += np.float64(total2) + level
                out[b, c + 3] += np.float64(total3) + level
            for c in range(many - many % 4, many):
                row0 = numbers[starts[b, c] + start : starts[b, c] + stop]
                total0 = zero
                for n in range(len(part)):
                    total0 += row0[n] * part[n]
                out[b, c] += np.float64(total0) + level
