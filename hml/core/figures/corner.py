"""A posterior: every parameter, and every pair of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hml.core.figures.canvas import FAINT, INK, MODEL, NAMES, blank, named, png
from hml.core.posterior import Sampled, alike, weighted_quantiles
from hml.core.space import Floats

INSIDE = (0.865, 0.393)  # of the probability of a normal distribution in two dimensions: 2 and 1 standard deviations
SHADES = ("#d5dbe1", "#8c99a6")
BINS = 36
SMOOTH = 1.3  # bins
SHOWN = (0.001, 0.999)  # of the draws of each parameter


def corner(
    sampled: Sampled, truth: Mapping[str, float] | None = None, best: Mapping[str, float] | None = None
) -> bytes:
    """Draws of each parameter, with 16, 50 and 84 per cent, and of each pair, with the regions that hold 39 and 86
    per cent (one and two standard deviations of a normal distribution). Dashed: the truth. A cross: the best fit."""
    names, points = sampled.names, alike(sampled.posterior)[0]
    draws = points.reshape(-1, points.shape[-1])
    count = len(names)
    figure, axes = blank(count, count, (2.1 * count + 0.9, 2.1 * count + 0.7))
    limits = [_limits(draws[:, p], (truth or {}).get(name), (best or {}).get(name)) for p, name in enumerate(names)]
    for row in range(count):
        for column in range(count):
            ax = axes[row, column]
            if column > row:
                ax.set_axis_off()
                continue
            if column == row:
                _one(ax, sampled, names[row], draws[:, row], limits[row])
            else:
                _two(ax, draws[:, column], draws[:, row], limits[column], limits[row])
                if best:
                    ax.plot(best[names[column]], best[names[row]], "+", color=MODEL, ms=9, mew=1.4)
            _mark(ax, truth or {}, names[column], names[row] if row > column else None)
            _label(ax, names, row, column)
    if count > 1:
        axes[0, -1].text(1, 1, _caption(sampled, truth, best), ha="right", va="top", fontsize=8)
    return png(figure)


def _caption(sampled: Sampled, truth: Mapping[str, float] | None, best: Mapping[str, float] | None) -> str:
    lines = [f"{len(sampled.posterior.points):,} draws by {sampled.sampler}"]
    lines += ["red lines: 16, 50, 84 %", "regions: 39 and 86 %"]
    lines += ["cross: best fit"] if best else []
    lines += ["dashed: truth"] if truth else []
    return "\n".join(lines if sampled.posterior.converged and sampled.mixed else [*lines, "not converged"])


def _limits(draws: Floats, *marks: float | None) -> tuple[float, float]:
    """The range that is drawn: nearly all draws, and the marks."""
    ends = [*weighted_quantiles(draws, None, SHOWN), *(m for m in marks if m is not None and np.isfinite(m))]
    low, high = float(min(ends)), float(max(ends))
    margin = 0.06 * (high - low) or 0.5
    return low - margin, high + margin


def _one(ax: Any, sampled: Sampled, name: str, draws: Floats, limits: tuple[float, float]) -> None:
    ax.hist(draws, bins=BINS, range=limits, histtype="stepfilled", color=SHADES[0], ec=INK, lw=0.8)
    low, middle, high = sampled.quantiles(name)
    for at in (low, middle, high):
        ax.axvline(at, color=MODEL, lw=1.2 if at == middle else 0.8, ls="-" if at == middle else ":")
    digits = max(0, 1 - int(np.floor(np.log10(max(min(high - middle, middle - low), 1e-12)))))
    value = rf"${middle:.{digits}f}^{{+{high - middle:.{digits}f}}}_{{-{middle - low:.{digits}f}}}$"
    ax.set_title(f"{NAMES.get(name, name)} = {value}", fontsize=9)
    ax.set_yticks([])
    ax.set_xlim(limits)


def _two(ax: Any, x: Floats, y: Floats, wide: tuple[float, float], high: tuple[float, float]) -> None:
    from scipy.ndimage import gaussian_filter

    counts, xs, ys = np.histogram2d(x, y, bins=BINS, range=(wide, high))
    smooth = gaussian_filter(counts, SMOOTH, mode="constant")
    levels = _levels(smooth)
    ax.plot(x, y, ".", color=FAINT, ms=1.2, alpha=0.35, rasterized=True, zorder=0)
    if levels[0] < levels[1] < smooth.max():
        middles = (xs[1:] + xs[:-1]) / 2, (ys[1:] + ys[:-1]) / 2
        ax.contourf(*middles, smooth.T, levels=[*levels, smooth.max()], colors=SHADES)
        ax.contour(*middles, smooth.T, levels=levels, colors=INK, linewidths=0.8)
    ax.set_xlim(wide)
    ax.set_ylim(high)


def _levels(density: Floats) -> list[float]:
    """Densities above which the parts `INSIDE` of all of it lie, rising."""
    falling = np.sort(density, axis=None)[::-1]
    reached = np.searchsorted(np.cumsum(falling) / falling.sum(), INSIDE)
    return [float(falling[i]) for i in np.minimum(reached, len(falling) - 1)]


def _mark(ax: Any, truth: Mapping[str, float], x: str, y: str | None) -> None:
    if np.isfinite(truth.get(x, np.nan)):
        ax.axvline(truth[x], color=INK, lw=1, ls="--")
    if y is not None and np.isfinite(truth.get(y, np.nan)):
        ax.axhline(truth[y], color=INK, lw=1, ls="--")


def _label(ax: Any, names: tuple[str, ...], row: int, column: int) -> None:
    ax.tick_params(labelsize=7, labelbottom=row == len(names) - 1, labelleft=row > column == 0)
    ax.locator_params(axis="x", nbins=4)
    if row > column:
        ax.locator_params(axis="y", nbins=4)
    for label in ax.get_xticklabels():
        label.set(rotation=30, ha="right")
    if row == len(names) - 1:
        ax.set_xlabel(named(names[column]), fontsize=9)
    if row > column == 0:
        ax.set_ylabel(named(names[row]), fontsize=9)
