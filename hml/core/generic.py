"""The generic engine: any profile with an elementwise torch `evaluate`, on any device, in any precision.

Lines whose windows have the same number of points are evaluated together, on offsets from their own centres, so that
float32 loses nothing to cancellation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from hml.core.interfaces import LineProfile
from hml.core.raster import FARTHEST, INNER, RESOLVED, WHOLE, Raster

Composition = Literal["opacity", "product", "sum"]

CHUNK = 2_000_000  # line-pixels evaluated at once, to bound memory
CLAMP = 1.0 - 1e-6  # one line alone never takes more than this (product): keeps the logarithm finite
MANY = 1000  # lines
BENT = 1.5  # d² ln V / d ln² x beyond which a profile is no wing yet; a Lorentzian reaches 1, a Gaussian more at 1.3 σ


@dataclass(frozen=True)
class Reach:
    """How far from their centres lines are followed, Å: `radii` `[G, L]`, from where on each grid is good enough for
    the wing, and `far` `[L]`, where it ends."""

    radii: Tensor
    far: Tensor


@dataclass(frozen=True)
class Bucket:
    """Lines whose windows have the same number of points C. All arrays `[B, l, C]` but `lines` `[l]`."""

    lines: Tensor
    points: Tensor  # index of the point; the number of points for those that do not exist
    offset: Tensor  # point minus the centre the layout was made for, Å
    weight: Tensor | None


@dataclass(frozen=True)
class Layout:
    """Where lines meet the pixels, and then the points of every grid."""

    centre: Tensor  # [B, L] Å, observed
    levels: tuple[tuple[Bucket, ...], ...]


@dataclass(frozen=True, eq=False)
class Generic:
    """Renders lines of one profile on one raster."""

    raster: Raster
    profile: LineProfile
    composition: Composition
    tolerance: float
    window: int | None = None
    dtype: torch.dtype = torch.float32

    def lay_out(self, centre: Tensor, params: Tensor, factor: Tensor | None = None) -> Layout:
        """The layout for lines at `centre` `[B, L]` with `params` `[B, L, K]`: good as long as they move by less than
        their width and do not grow much."""
        seen = (centre if factor is None else centre * factor[:, None]).detach()
        pixels = self.raster.wavelength
        if self.window is not None:
            return Layout(seen, (tuple(self._paper(pixels, seen, self.window)),))
        steps = [grid.step for grid in self.raster.grids]
        reach = find_reach(self.profile, params.detach().flatten(0, 1), self.tolerance, steps, len(params))
        end = 2 * reach.far.clamp(max=FARTHEST)  # weights begin to fall at half of what counts
        near = torch.where(reach.radii[0] < end, reach.radii[0], torch.inf)  # a line without a wing is not weighted
        levels = [tuple(self._buckets(pixels, seen, torch.minimum(near, end / 2), None, near))]
        outer = torch.minimum(torch.cat([reach.radii[1:], end[None]]), end)
        for grid, inner, most in zip(self.raster.grids, torch.maximum(reach.radii, near), outer, strict=True):
            radius = torch.where(most > inner, most, 0.0)
            levels.append(tuple(self._buckets(grid.points(pixels.device), seen, radius, inner, radius)))
        return Layout(seen, tuple(levels))

    def render(self, layout: Layout, centre: Tensor, params: Tensor, factor: Tensor | None = None) -> Tensor:
        """Flux `[B, N]`."""
        # seen from the line's own frame a point lies λ/d - c = offset/d - (c - seen/d) from the centre
        stretch = None if factor is None else 1 / factor[:, None]
        moved = (centre - (layout.centre if stretch is None else layout.centre * stretch)).to(self.dtype)
        params = params.to(self.dtype)
        sizes = [len(self.raster), *(grid.size for grid in self.raster.grids)]
        sums = [
            self._sum(buckets, size, moved, params, stretch)
            for buckets, size in zip(layout.levels, sizes, strict=False)
        ]
        total = self.raster.brought_up(sums)
        return 1 - total if self.composition == "sum" else torch.exp(-total)

    def _sum(
        self, buckets: tuple[Bucket, ...], size: int, moved: Tensor, params: Tensor, stretch: Tensor | None
    ) -> Tensor:
        """Σ `[B, points]` of one level: of lines, or (product) of minus the logarithm of what they leave."""
        batch = len(moved)
        total = moved.new_zeros(batch * (size + 1))
        for bucket in buckets:
            offset = bucket.offset if stretch is None else bucket.offset * stretch[:, :, None].to(self.dtype)
            term = self.profile.evaluate(offset - moved[:, bucket.lines, None], params[:, bucket.lines])
            if self.composition == "product":
                term = -torch.log1p(-term.clamp(max=CLAMP))
            if bucket.weight is not None:
                term = term * bucket.weight
            flat = bucket.points + torch.arange(batch, device=term.device)[:, None, None] * (size + 1)
            total = total.index_add(0, flat.reshape(-1), term.reshape(-1))
        return total.view(batch, size + 1)[:, :-1]

    def _paper(self, pixels: Tensor, centre: Tensor, window: int) -> Iterator[Bucket]:
        """Windows of as many pixels in all around each centre."""
        first = torch.searchsorted(pixels, centre) - window // 2
        # half a window beyond the ends at most, in pixels as wide as the last ones
        step = pixels[[1, -1]] - pixels[[0, -2]] if len(pixels) > 1 else torch.ones(2).to(pixels)
        touched = (centre > pixels[0] - window / 2 * step[0]) & (centre < pixels[-1] + window / 2 * step[1])
        first = torch.where(touched, first, len(pixels))  # a line that this item of the batch has elsewhere
        for lines in _chunks(touched.any(0).nonzero()[:, 0], window * len(centre)):
            yield self._bucket(pixels, centre, first, lines, window, None, None)

    def _buckets(
        self, points: Tensor, centre: Tensor, radius: Tensor, inner: Tensor | None, outer: Tensor
    ) -> Iterator[Bucket]:
        """The points within `radius` `[L]` of each line, weighted between `inner` and `outer` `[L]` (Å)."""
        first = torch.searchsorted(points, centre - radius)
        count = torch.searchsorted(points, centre + radius) - first
        touched = count > 0
        lines = touched.any(0).nonzero()[:, 0]
        sizes = _rounded(count.amax(0)[lines]) if len(lines) else lines
        first = torch.where(touched, first, len(points))
        for size in torch.unique(sizes).tolist():
            for part in _chunks(lines[sizes == size], size * len(centre)):
                yield self._bucket(points, centre, first, part, int(size), inner, outer)

    def _bucket(
        self, points: Tensor, centre: Tensor, first: Tensor, lines: Tensor, size: int,
        inner: Tensor | None, outer: Tensor | None,
    ) -> Bucket:  # fmt: skip
        n = len(points)
        index = first[:, lines, None] + torch.arange(size, device=points.device)
        exists = (index >= 0) & (index < n)
        offset = points[index.clamp(0, n - 1)] - centre[:, lines, None]
        weight = None if outer is None else weigh(offset, outer[lines, None])
        if weight is not None and inner is not None:
            weight = weight - weigh(offset, inner[lines, None])
        return Bucket(
            lines,
            torch.where(exists, index, n),
            offset.to(self.dtype),
            None if weight is None else weight.to(self.dtype),
        )


def weigh(offset: Tensor, radius: Tensor) -> Tensor:
    """The weight of `kernels`: 1 within a quarter of the radius (Å), 0 beyond it, twice differentiable."""
    t = (((offset / radius) ** 2 - INNER**2) / (1 - INNER**2)).clamp(0, 1)
    return 1 - t**3 * (10 - t * (15 - 6 * t))


def find_reach(
    profile: LineProfile, params: Tensor, tolerance: float, steps: Sequence[float] = (), batch: int = 1
) -> Reach:
    """How far lines with `params` `[B · L, K]` must be followed; of B spectra, the farthest for each of L lines.

    A grid of one of the `steps` h (Å) may take over at a radius r where the profile, a thousandth of it times (12h/r)³,
    is small enough, and no more bent than a Lorentzian from a quarter of r on. A wing ends where it falls below
    `tolerance`.
    """
    x = torch.logspace(-2.5, torch.tensor(FARTHEST).log10().item(), 64, dtype=torch.float64, device=params.device)
    sides = torch.stack([x, -x])[:, None].expand(-1, len(params), -1)  # a profile need not be symmetric
    with torch.no_grad():
        seen = profile.evaluate(sides, params.double().expand(2, -1, -1)).abs()
    log = seen.clamp(min=1e-30).log()
    bend = torch.zeros_like(seen)
    bend[..., 1:-1] = log.diff(n=2).abs() / (x[1] / x[0]).log() ** 2
    counts = seen > tolerance
    bent = _last(x, (bend > BENT) & counts) / INNER
    radii = []
    for least in (RESOLVED * step for step in steps):
        strong = _last(x, seen * (least / x).clamp(max=1) ** 3 > WHOLE)
        radii.append(torch.maximum(bent, strong).clamp(min=least).view(2 * batch, -1).amax(0))
    far = _last(x, counts).view(2 * batch, -1).amax(0)
    return Reach(torch.stack(radii) if radii else far.new_zeros(0, len(far)), far)


def _last(steps: Tensor, true: Tensor) -> Tensor:
    """The first of `steps` beyond the last at which `true` `[..., L, steps]` holds; 0 if nowhere."""
    last = (true * torch.arange(1, len(steps) + 1, device=steps.device)).amax(-1)
    return torch.where(last > 0, steps[last.clamp(max=len(steps) - 1)], 0.0)


def _rounded(count: Tensor) -> Tensor:
    """Window sizes rounded up to a few values, so that buckets are few: powers of two, or quarters between them where
    lines are so many that pixels cost more than buckets do."""
    parts = 4 if len(count) > MANY else 1
    unit = torch.exp2(count.clamp(min=16).double().log2().floor()).long() // parts
    return (count + unit - 1) // unit * unit


def _chunks(lines: Tensor, cost: int) -> Iterator[Tensor]:
    yield from torch.split(lines, max(1, CHUNK // max(cost, 1)))
