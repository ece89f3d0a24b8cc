"""How many lines were found at each node (figure 2 of the paper)."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    x, *more = sorted(over, key=lambda p: -len(space.axes[p].nodes))
    if not more:
        return _curve(named(space.names[x]), nodes[:, x], counts)
    y, *third = more
    panels = {"": np.ones(len(nodes), dtype=bool)}
    if third:
        values = np.unique(nodes[:, third[0]]).tolist()
        panels = {valued(space.names[third[0]], value): nodes[:, third[0]] == value for value in values}
    rest = [axis.name for p, axis in enumerate(space.axes) if p not in over and axis.width > 0]
    note = [f"mean over {', '.join(NAMES.get(name, name) for name in rest)}"] if rest else []
    titled = {", ".join([*([name] if name else []), *note]): here for name, here in panels.items()}
    return _maps((named(space.names[x]), named(space.names[y])), nodes[:, [x, y]], counts, titled)


def _maps(labels: tuple[str, str], nodes: Floats, counts: Floats, panels: Mapping[str, NDArray[np.bool_]]) -> bytes:
    """Counts `[M]` over two axes, nodes `[M, 2]`, in a panel for each {title: which nodes}."""
    figure, axes = _sheet(len(panels))
    xs, ys = np.unique(nodes[:, 0]), np.unique(nodes[:, 1])
    for ax, (title, here) in zip(axes, panels.items(), strict=True):
        mean = _mean(xs, ys, nodes[here, 0], nodes[here, 1], counts[here])
        image = heat(ax, xs, ys, mean, vmin=counts.min(), vmax=max(counts.max(), counts.min() + 1))
        ax.set_xlabel(labels[0])
        ax.set_title(title, fontsize=9)
        if ax.get_subplotspec().is_first_col():
            ax.set_ylabel(labels[1])
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
    axes[0, 0].yaxis.get_major_locator().set_params(integer=True)
    return png(figure)
