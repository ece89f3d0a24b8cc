"""Lines that are a Lorentzian plus a Gaussian, summed on the CPU by compiled loops with analytic derivatives.

Nothing of a line is cut but its wing where that lies below `tolerance`: cores are summed on the pixels, wings on the
coarser grids of a raster. The work is divided by wavelength (values) or by line (gradients) among as many threads as
torch may use; how it is divided changes no result by more than rounding.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hml.core import kernels
from hml.core.raster import CORE, FARTHEST, PHASES, RESOLVED, WHOLE, Raster
from hml.core.space import Floats

Singles = NDArray[np.float32]
f32 = np.float32

ALONE = 2000  # lines fewer than this are not worth a second thread


def flux_of_lines(raster: Raster, centre: Tensor, shape: Tensor, tolerance: float, saturate: bool) -> Tensor:
    """exp(-Σ) (`saturate`) or 1 - Σ `[B, N]`, float32, Σ the sum of lines at `centre` `[B, L]` float64 Å with `shape`
    `[B, L, 4]` as `kernels` has it. Differentiable in both, in reverse and in forward mode."""
    return cast(Tensor, _Flux.apply(centre, shape, raster, tolerance, saturate))  # type: ignore[no-untyped-call]


class _Flux(torch.autograd.Function):
    # numpy and compiled loops throughout: torch's own threads would wait, spinning, beside those that work here

    @staticmethod
    def forward(centre: Tensor, shape: Tensor, raster: Raster, tolerance: float, saturate: bool) -> Tensor:
        out = np.empty((len(centre), len(raster)), dtype=np.float32)
        works = _works(raster, centre, shape, tolerance)
        different = 1 if works and works[0] is works[-1] else len(works)
        _each(lambda b, alone: works[b].flux(saturate, out[b], alone), different)
        out[different:] = out[:1]
        return torch.from_numpy(out)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Raster, float, bool], flux: Tensor) -> None:
        centre, shape, ctx.raster, ctx.tolerance, ctx.saturate = inputs
        ctx.save_for_backward(centre, shape, flux)
        ctx.save_for_forward(centre, shape, flux)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        centre, shape, flux = ctx.saved_tensors
        works = _works(ctx.raster, centre, shape, ctx.tolerance)
        weight = _slope(ctx.saturate, flux) * _singles(gradient)
        move, change = np.zeros(centre.shape, np.float32), np.zeros(shape.shape, np.float32)
        _each(lambda b, alone: works[b].gradient(weight[b], move[b], change[b], alone), len(works))
        return torch.from_numpy(move).to(centre.dtype), torch.from_numpy(change).to(shape.dtype), None, None, None

    @staticmethod
    def jvp(ctx: Any, moved: Tensor | None, changed: Tensor | None, *_: None) -> Tensor:
        centre, shape, flux = ctx.saved_tensors
        works = _works(ctx.raster, centre, shape, ctx.tolerance)
        move = _singles(torch.zeros_like(centre) if moved is None else moved)
        change = _singles(torch.zeros_like(shape) if changed is None else changed)
        out = np.empty((len(centre), len(ctx.raster)), dtype=np.float32)
        _each(lambda b, alone: works[b].tangent(move[b], change[b], out[b], alone), len(works))
        return torch.from_numpy(_slope(ctx.saturate, flux) * out)


def _slope(saturate: bool, flux: Tensor) -> Any:
    """d flux / d Σ."""
    return -flux.detach().numpy() if saturate else np.float32(-1)


def _singles(values: Tensor) -> Singles:
    return np.ascontiguousarray(values.detach().numpy(), dtype=np.float32)


def _works(raster: Raster, centre: Tensor, shape: Tensor, tolerance: float) -> list[Work]:
    """One a spectrum; the same for all if they are the same, as where derivatives in many directions are wanted."""
    centres, shapes = np.ascontiguousarray(centre.detach().numpy(), dtype=np.float64), _singles(shape)
    if len(centres) > 1 and (centres == centres[0]).all() and (shapes == shapes[0]).all():
        return [Work.of(raster, centres[0], shapes[0], tolerance)] * len(centres)
    return [Work.of(raster, c, s, tolerance) for c, s in zip(centres, shapes, strict=True)]


@dataclass(frozen=True, eq=False)
class Work:
    """One spectrum: lines, and how far each is followed on the pixels and on each grid."""

    raster: Raster
    centre: Floats  # [L]
    shape: Singles  # [L, 4]
    near: Singles  # [L], Å
    inner: Singles  # [G, L], Å
    outer: Singles  # [G, L], Å, 0 where a line has nothing on this grid

    @classmethod
    def of(cls, raster: Raster, centre: Floats, shape: Singles, tolerance: float) -> Work:
        lorentz, narrowness = np.abs(shape[:, 0]), np.maximum(shape[:, 3], f32(1e-20))
        # from radius r on a grid of step h is good to 1e-3·(12h/r)³ of the wing, which is lorentz/r² there
        least = np.array([[RESOLVED * grid.step] for grid in raster.grids], dtype=np.float32)
        radii = np.maximum(least, (lorentz / f32(WHOLE) * least**3) ** f32(0.2))
        end = np.minimum(2 * np.sqrt(lorentz / f32(tolerance)), f32(2 * FARTHEST))  # weights fall from a quarter on
        core = np.where(shape[:, 2] == 0, f32(0), CORE / np.sqrt(2 * narrowness))  # a pure Lorentzian has none
        near = np.maximum(np.minimum(radii[0], end), core)
        inner = np.maximum(radii, near)
        outer = np.minimum(np.concatenate([inner[1:], end[None]]), end)
        outer[outer <= inner] = 0
        return cls(raster, centre, shape, near, inner, outer)

    def flux(self, saturate: bool, out: Singles, alone: bool) -> None:
        """out `[N]` becomes the flux."""
        self._render(out, kernels.near_value, kernels.far_value, (), saturate, alone)

    def tangent(self, move: Singles, change: Singles, out: Singles, alone: bool) -> None:
        """out `[N]` becomes the change of the sum of lines with `move` `[L]` and `change` `[L, 4]`."""
        self._render(out, kernels.near_tangent, kernels.far_tangent, (move, change), None, alone)

    def _render(
        self, out: Singles, near: Any, far: Any, changes: tuple[Singles, ...], saturate: bool | None, alone: bool
    ) -> None:
        raster, finest = self.raster, self.raster.grids[0]
        grids = [np.zeros(grid.size, dtype=np.float32) for grid in raster.grids]
        used = self._used()
        cell, part = raster.places
        out[:] = 0

        def lay(low: int, high: int) -> None:  # pixels low..high and the points of every grid beneath them
            ends = float(raster.numbers[low]), float(raster.numbers[min(high, len(raster) - 1)])
            place = (raster.numbers, raster.start, finest.origin, 1 / finest.step, low, high)
            near(*place, self.centre, self.shape, self.near, *changes, out)
            for g in used:
                first, last = self._points(g, low, high, ends)
                grid = raster.grids[g]
                far(grid.origin, grid.step, first, last, self.centre, self.shape, self.inner[g], self.outer[g],
                    *changes, grids[g])  # fmt: skip

        pieces = self._pieces(alone)
        _share(lay, pieces)
        for g in range(max(used, default=0), 0, -1):
            kernels.to_finer(grids[g], _PHASES, 0, len(grids[g - 1]), grids[g - 1])

        def finish(low: int, high: int) -> None:
            if used:
                kernels.to_pixels(cell, part, low, high, grids[0], out)
            if saturate is not None:
                kernels.to_flux(low, high, saturate, out)

        _share(finish, pieces)

    def gradient(self, weight: Singles, move: Singles, change: Singles, alone: bool) -> None:
        """Add to `move` `[L]` and `change` `[L, 4]` the gradient of weight · sum."""
        raster, finest = self.raster, self.raster.grids[0]
        used = self._used()
        grids = [np.zeros(grid.size, dtype=np.float32) for grid in raster.grids[: max(used, default=-1) + 1]]
        if used:
            _, part = raster.places
            kernels.from_pixels(raster.start, part, 2, finest.size - 4, weight, grids[0])
        for g in range(1, len(grids)):
            kernels.from_finer(grids[g - 1], _PHASES, grids[g])

        def gather(low: int, high: int) -> None:
            place = (raster.numbers, raster.start, finest.origin, 1 / finest.step, low, high)
            kernels.near_gradient(*place, self.centre, self.shape, self.near, weight, move, change)
            for g in used:
                grid = raster.grids[g]
                kernels.far_gradient(grid.origin, grid.step, low, high, self.centre, self.shape, self.inner[g],
                                     self.outer[g], grids[g], move, change)  # fmt: skip

        _share(gather, _split(len(self.centre), 1 if alone else _threads()))

    def curvature(self, weight: Singles) -> Singles:
        """`[L, 5, 5]`: Σ over the pixels of a line's core of weight `[N]` times the products of its derivatives with
        respect to centre and shape."""
        out = np.zeros((len(self.centre), 5, 5), dtype=np.float32)
        raster, finest = self.raster, self.raster.grids[0]

        def gather(low: int, high: int) -> None:
            kernels.near_curvature(raster.numbers, raster.start, finest.origin, 1 / finest.step, low, high,
                                   self.centre, self.shape, self.near, weight, out)  # fmt: skip

        _share(gather, _split(len(self.centre), _threads()))
        return out

    def _used(self) -> list[int]:
        return [g for g, outer in enumerate(self.outer) if outer.any()]

    def _points(self, g: int, low: int, high: int, ends: tuple[float, float]) -> tuple[int, int]:
        """The points of grid g that belong to pixels low..high: each point to one piece, the first and the last piece
        to the ends."""
        grid = self.raster.grids[g]
        first, last = (int(np.ceil((end - grid.origin) / grid.step)) for end in ends)
        return 0 if low == 0 else first, grid.size if high == len(self.raster) else last

    def _pieces(self, alone: bool) -> list[tuple[int, int]]:
        """Stretches of pixels with as many lines each."""
        count = 1 if alone or len(self.centre) < ALONE else _threads()
        if count == 1:
            return [(0, len(self.raster))]
        inner = np.quantile(self.centre, np.arange(1, count) / count)
        cuts = np.unique(np.clip(np.searchsorted(self.raster.numbers, inner), 1, len(self.raster) - 1))
        return list(pairwise([0, *cuts.tolist(), len(self.raster)]))


_PHASES = PHASES.astype(np.float32)


def _threads() -> int:
    return torch.get_num_threads()


def _split(count: int, parts: int) -> list[tuple[int, int]]:
    cuts = np.linspace(0, count, (parts if count >= ALONE else 1) + 1).astype(int).tolist()
    return list(pairwise(cuts))


def _each(work: Callable[[int, bool], None], batch: int) -> None:
    """work(item, alone) for every item of a batch: side by side where there are as many as threads, else one after
    another, each with all threads."""
    if batch < _threads():
        for b in range(batch):
            work(b, False)
    else:
        _share(lambda b, _: work(b, True), [(b, b + 1) for b in range(batch)])


def _share(work: Callable[[int, int], Any], pieces: Iterable[tuple[int, int]]) -> None:
    """work(low, high) for every piece, on as many threads as torch may use."""
    pieces = list(pieces)
    if len(pieces) < 2 or _threads() < 2:
        for piece in pieces:
            work(*piece)
    else:
        list(_pool(_threads(), os.getpid()).map(lambda piece: work(*piece), pieces))


@lru_cache(maxsize=4)
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Threads of this process (one that was forked has none of its parent's)."""
    return ThreadPoolExecutor(threads, thread_name_prefix="hml-lines")
