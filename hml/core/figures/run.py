"""Pictures of a run: the fit and the search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hml.core.figures.canvas import FAINT, INK, MODEL, blank, named, png
from hml.core.infer import Inference


def fit(found: Inference) -> bytes:
    """Each order with the best model, and the residuals below it."""
    orders = found.objective.model(found.search.point)
    height = min(3.2 * len(orders), 60.0)
    figure, axes = blank(2 * len(orders), 1, (11, height), gridspec_kw={"height_ratios": [3, 1] * len(orders)})
    for i, (spectrum, model) in enumerate(orders):
        top, below = axes[2 * i, 0], axes[2 * i + 1, 0]
        level = np.median(model)
        # NaN between pixels that are far apart, so that no line is drawn across a gap
        x, data, curve = _gapped(spectrum.wavelength, spectrum.flux / level, model / level)
        top.plot(x, data, color=INK, lw=0.7, label="data")
        top.plot(x, curve, color=MODEL, lw=0.7, label="generator")
        below.plot(x, data - curve, color=INK, lw=0.5)
        below.axhline(0, color=MODEL, lw=0.7)
        spread = np.nanpercentile(np.abs(data - curve), 99.5) * 1.3 + 1e-12
        below.set_ylim(-spread, spread)
        below.sharex(top)
        top.tick_params(labelbottom=False)
        top.set_ylabel("flux")
        below.set_ylabel("data − model")
        top.margins(x=0.005)
    axes[0, 0].legend(loc="lower right", ncols=2, frameon=True, fontsize=8)
    axes[0, 0].set_title(", ".join(f"{named(k)} = {v:.4g}" for k, v in found.values.items()), fontsize=10)
    axes[-1, 0].set_xlabel("vacuum wavelength (Å)")
    return png(figure)


def _gapped(wavelength: Any, *columns: Any) -> list[Any]:
    steps = np.diff(wavelength)
    gaps = np.flatnonzero(steps > 20 * np.median(steps)) + 1
    return [np.insert(np.asarray(c, dtype=float), gaps, np.nan) for c in (wavelength, *columns)]


def convergence(found: Inference, truth: Mapping[str, float] | None) -> bytes:
    """The objective against evaluations, and every parameter tried."""
    search, names = found.search, found.objective.space.names
    figure, axes = blank(1 + len(names), 1, (8, 2.2 + 1.4 * len(names)), sharex=True)
    count = np.arange(1, len(search.values) + 1)
    best = np.fmin.accumulate(np.where(np.isfinite(search.values), search.values, np.inf))
    axes[0, 0].semilogy(count, search.values, ".", color=FAINT, ms=4, label="evaluations")
    axes[0, 0].step(count, best, where="post", color=MODEL, lw=1.2, label="best so far")
    axes[0, 0].set_ylabel({"chi2": r"$\chi^2$ per pixel", "rms": "rms"}[found.objective.metric])
    axes[0, 0].legend(fontsize=8)
    for i, name in enumerate(names):
        ax = axes[i + 1, 0]
        ax.plot(count, search.points[:, i], ".", color=FAINT, ms=4)
        ax.axhline(found.values[name], color=MODEL, lw=1.2)
        if truth and np.isfinite(truth.get(name, np.nan)):
            ax.axhline(truth[name], color=INK, lw=1, ls="--")
        ax.set_ylabel(named(name), fontsize=8)
    axes[-1, 0].set_xlabel("evaluation   (red: result" + (", dashed: truth)" if truth else ")"))
    return png(figure)
