"""Line parameters → flux: which pixels each line touches, what it adds there, how lines combine.

The generic path: any profile with an elementwise torch `evaluate`, on any device. Wavelengths and centres are float64;
a profile is evaluated in float32 on offsets from its own centre, so nothing is lost to cancellation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from hml.core.interfaces import LineProfile

Composition = Literal["opacity", "product", "sum"]

CHUNK = 2_000_000  # line-pixels evaluated at once, to bound memory
CLAMP = 1.0 - 1e-6  # one line alone never takes more than this (product): keeps the logarithm finite
MANY = 1000  # lines
FARTHEST = 400.0  # Å; no wing is followed farther than this


@dataclass(frozen=True)
class Bucket:
    """Lines whose windows have the same number of pixels C. All arrays `[B, l, C]` but `lines` `[l]`."""

    lines: Tensor
    pixels: Tensor  # index of the pixel; N for pixels that do not exist
    offset: Tensor  # pixel minus the centre the layout was made for, Å


@dataclass(frozen=True)
class Layout:
    """Where lines meet pixels: `[B, L]` lines on N pixels."""

    buckets: tuple[Bucket, ...]
    batch: int
    size: int


def reach(profile: LineProfile, params: Tensor, tolerance: float) -> Tensor:
    """Distance `[L]` (Å) beyond which a line with `params` `[L, K]` stays below `tolerance`."""
    steps = torch.logspace(-2.5, torch.tensor(FARTHEST).log10().item(), 64, dtype=torch.float32, device=params.device)
    with torch.no_grad():
        seen = profile.evaluate(steps.expand(len(params), -1), params.to(torch.float32)).abs() > tolerance
    last = (seen * torch.arange(1, 65, device=params.device)).amax(-1)  # 0: nowhere above the tolerance
    return torch.where(last > 0, steps[last.clamp(max=63)], torch.zeros_like(steps[0]))


def half_width(profile: LineProfile, params: Tensor) -> Tensor:
    """Distance `[L]` (Å) from the centre at which lines with `params` `[L, K]` fall below half their peak."""
    steps = torch.logspace(-4, 2, 120, dtype=torch.float32, device=params.device)
    with torch.no_grad():
        lines = profile.evaluate(steps.expand(len(params), -1), params.to(torch.float32))
    return steps[(lines > lines[:, :1] / 2).sum(-1).clamp(max=119)]


def lay_out(wavelength: Tensor, centre: Tensor, span: Tensor | int, dtype: torch.dtype = torch.float32) -> Layout:
    """The layout of lines at `centre` `[B, L]` on `wavelength` `[N]` (increasing), both float64 Å.

    `span` is a reach `[L]` in Å, or the number of pixels in all around each centre.
    """
    centre = centre.detach()
    if isinstance(span, int):
        first = torch.searchsorted(wavelength, centre) - span // 2
        count = torch.full_like(first, span)
        # half a window beyond the ends at most, in pixels as wide as the last ones
        step = wavelength[[1, -1]] - wavelength[[0, -2]] if len(wavelength) > 1 else torch.ones(2).to(wavelength)
        touched = (centre > wavelength[0] - span / 2 * step[0]) & (centre < wavelength[-1] + span / 2 * step[1])
    else:
        first = torch.searchsorted(wavelength, centre - span)
        count = torch.searchsorted(wavelength, centre + span) - first
        touched = count > 0
    lines = touched.any(0).nonzero()[:, 0]
    sizes = _rounded(count.amax(0)[lines]) if len(lines) else lines
    first = torch.where(touched, first, len(wavelength))  # a line that this item of the batch has elsewhere
    buckets = [
        _bucket(wavelength, centre, first, part, int(size), dtype)
        for size in torch.unique(sizes).tolist()
        for part in _chunks(lines[sizes == size], size * len(centre))
    ]
    return Layout(tuple(buckets), len(centre), len(wavelength))


def _rounded(count: Tensor) -> Tensor:
    """Window sizes rounded up to a few values, so that buckets are few: powers of two, or quarters between them where
    lines are so many that pixels cost more than buckets do."""
    parts = 4 if len(count) > MANY else 1
    unit = torch.exp2(count.clamp(min=16).double().log2().floor()).long() // parts
    return (count + unit - 1) // unit * unit


def _chunks(lines: Tensor, cost: int) -> Iterator[Tensor]:
    yield from torch.split(lines, max(1, CHUNK // max(cost, 1)))


def _bucket(wavelength: Tensor, centre: Tensor, first: Tensor, lines: Tensor, size: int, dtype: torch.dtype) -> Bucket:
    n = len(wavelength)
    pixels = first[:, lines, None] + torch.arange(size, device=wavelength.device)
    exists = (pixels >= 0) & (pixels < n)
    offset = (wavelength[pixels.clamp(0, n - 1)] - centre[:, lines, None]).to(dtype)
    return Bucket(lines, torch.where(exists, pixels, n), offset)


def render(
    layout: Layout,
    moved: Tensor,
    params: Tensor,
    profile: LineProfile,
    composition: Composition,
    stretch: Tensor | None = None,
) -> Tensor:
    """Flux `[B, N]` of lines with `params` `[B, L, K]` whose centres lie `moved` `[B, L]` Å from the layout's.

    `stretch` `[B]` multiplies offsets (a Doppler factor relative to the layout's). Differentiable in all three.
    """
    total = None
    for bucket in layout.buckets:
        offset = bucket.offset if stretch is None else bucket.offset * stretch[:, None, None].to(bucket.offset.dtype)
        offset = offset - moved[:, bucket.lines, None].to(bucket.offset.dtype)
        line = profile.evaluate(offset, params[:, bucket.lines].to(offset.dtype))
        term = torch.log1p(-line.clamp(max=CLAMP)) if composition == "product" else -line
        flat = bucket.pixels + torch.arange(layout.batch, device=term.device)[:, None, None] * (layout.size + 1)
        if total is None:
            total = term.new_zeros(layout.batch * (layout.size + 1))
        total = total.index_add(0, flat.reshape(-1), term.reshape(-1))
    if total is None:
        return torch.ones(layout.batch, layout.size, dtype=params.dtype, device=params.device) + 0 * params.sum()
    sums = total.view(layout.batch, layout.size + 1)[:, :-1]
    return 1 + sums if composition == "sum" else torch.exp(sums)
