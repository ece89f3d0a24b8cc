"""Pictures of a run, as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from hml.core.generator import Generator
from hml.core.infer import Inference
from hml.core.space import UNITS

INK, MODEL, FAINT = "#222222", "#c8452c", "#9aa5b1"
NAMES = {"teff": r"$T_\mathrm{eff}$", "logg": r"$\log g$", "feh": "[Fe/H]", "alpha": r"[$\alpha$/Fe]", "rv": "RV"}


def _figure(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Any, Any]:
    """A figure without a window system and without pyplot's global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained", dpi=130)
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def _png(figure: Any) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


def named(name: str) -> str:
    """A label as astronomers write it, with its unit."""
    unit = UNITS.get(name, "")
    return f"{NAMES.get(name, name)}" + (f" ({unit})" if unit else "")


def fit(found: Inference) -> bytes:
    """Each order with the best model, and the residuals below it."""
    orders = found.objective.model(found.search.point)
    height = min(3.2 * len(orders), 60.0)
    figure, axes = _figure(2 * len(orders), 1, (11, height), gridspec_kw={"height_ratios": [3, 1] * len(orders)})
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
    return _png(figure)


def _gapped(wavelength: Any, *columns: Any) -> list[Any]:
    steps = np.diff(wavelength)
    gaps = np.flatnonzero(steps > 20 * np.median(steps)) + 1
    return [np.insert(np.asarray(c, dtype=float), gaps, np.nan) for c in (wavelength, *columns)]


def convergence(found: Inference, truth: Mapping[str, float] | None) -> bytes:
    """The objective against evaluations, and every parameter tried."""
    search, names = found.search, found.objective.space.names
    figure, axes = _figure(1 + len(names), 1, (8, 2.2 + 1.4 * len(names)), sharex=True)
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
    return _png(figure)


def line_counts(generator: Generator) -> bytes:
    """How many lines were found at each node, over the two longest axes; one panel for each value of the next."""
    nodes, counts = np.array(generator.header["nodes"]), np.array(generator.header["counts"], dtype=float)
    order = sorted(range(nodes.shape[1]), key=lambda p: -len(np.unique(nodes[:, p])))
    x, y, *rest = [*order, *([order[0]] if len(order) == 1 else [])]
    panels = np.unique(nodes[:, rest[0]]) if rest else np.array([np.nan])
    figure, axes = _figure(1, len(panels), (3.4 * len(panels) + 1.4, 3.4), sharey=True)
    names = generator.space.names
    for ax, value in zip(axes[0], panels, strict=True):
        here = nodes[:, rest[0]] == value if rest else np.ones(len(nodes), dtype=bool)
        xs, ys = np.unique(nodes[:, x]), np.unique(nodes[:, y])
        total, times = np.zeros((len(ys), len(xs))), np.zeros((len(ys), len(xs)))
        index = np.searchsorted(ys, nodes[here, y]), np.searchsorted(xs, nodes[here, x])
        np.add.at(total, index, counts[here])
        np.add.at(times, index, 1)
        image = ax.imshow(
            np.where(times > 0, total / np.maximum(times, 1), np.nan),
            origin="lower",
            aspect="auto",
            cmap="viridis",
            vmin=counts.min(),
            vmax=counts.max(),
        )
        ax.set_xticks(range(len(xs)), [f"{v:g}" for v in xs], rotation=60, fontsize=7)
        ax.set_yticks(range(len(ys)), [f"{v:g}" for v in ys], fontsize=7)
        ax.set_xlabel(named(names[x]))
        if rest:
            ax.set_title(f"{named(names[rest[0]])} {value:g}", fontsize=9)
    axes[0, 0].set_ylabel(named(names[y]))
    figure.colorbar(image, ax=list(axes[0]), label="lines found")
    return _png(figure)
