"""How many lines were found at each node (figure 2 of the paper)."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np

from hml.core.figures.canvas import INK, NAMES, blank, heat, named, png, valued
from hml.core.figures.place import axes_over
from hml.core.generator import Generator
from hml.core.space import Floats

IN_A_ROW = 4


def line_counts(generator: Generator) -> bytes:
    """Over the two longest axes, one panel for each value of the next; means over those that remain."""
    space = generator.space
    nodes, counts = np.array(generator.header["nodes"]), np.array(generator.header["counts"], dtype=np.float64)
    over = axes_over(space, None, 3) if any(axis.width > 0 for axis in space.axes) else [0]
    rest = [axis.name for p, axis in enumerate(space.axes) if p not in over and axis.width > 0]
    note = f"mean over {', '.join(NAMES.get(name, name) for name in rest)}" if rest else ""
    if len(over) == 1:
        return _curve(named(space.names[over[0]]), nodes[:, over[0]], counts)
    x, y, *third = sorted(over, key=lambda p: -len(space.axes[p].nodes))
    panels = np.unique(nodes[:, third[0]]).tolist() if third else [None]
    figure, axes = _sheet(len(panels))
    image = None
    for ax, value in zip(axes, panels, strict=True):
        here = slice(None) if value is None else nodes[:, third[0]] == value
        xs, ys = np.unique(nodes[:, x]), np.unique(nodes[:, y])
        mean = _mean(xs, ys, nodes[here][:, x], nodes[here][:, y], counts[here])
        image = heat(ax, xs, ys, mean, vmin=counts.min(), vmax=max(counts.max(), counts.min() + 1))
        ax.set_xlabel(named(space.names[x]))
        name = "" if value is None else valued(space.names[third[0]], value)
        ax.set_title(", ".join(part for part in (name, note) if part), fontsize=9)
        if ax.get_subplotspec().is_first_col():
            ax.set_ylabel(named(space.names[y]))
    figure.colorbar(image, ax=axes, label="lines found").locator.set_params(integer=True)
    return png(figure)


def _sheet(panels: int) -> tuple[Any, list[Any]]:
    rows, columns = ceil(panels / IN_A_ROW), min(panels, IN_A_ROW)
    figure, grid = blank(rows, columns, (3.1 * columns + 1.6, 3.2 * rows), sharex=True, sharey=True)
    axes = list(grid.flat)
    for ax in axes[panels:]:
        ax.remove()
    return figure, axes[:panels]


def _mean(xs: Floats, ys: Floats, x: Floats, y: Floats, counts: Floats) -> Floats:
    """Mean counts `[Y, X]`, NaN where there is no node."""
    total, times = np.zeros((2, len(ys), len(xs)))
    index = np.searchsorted(ys, y), np.searchsorted(xs, x)
    np.add.at(total, index, counts)
    np.add.at(times, index, 1)
    return np.where(times > 0, total / np.maximum(times, 1), np.nan)


def _curve(name: str, x: Floats, counts: Floats) -> bytes:
    figure, axes = blank(1, 1, (6, 3.6))
    order = np.argsort(x)
    axes[0, 0].plot(x[order], counts[order], "o-", color=INK, ms=4, lw=0.8)
    axes[0, 0].set_xlabel(name)
    axes[0, 0].set_ylabel("lines found")
    return png(figure)
