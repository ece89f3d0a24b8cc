"""A number for each node, over the grid: how many lines were found there (figure 2 of the paper), or another."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hml.core.figures.canvas import INK, NAMES, blank, heat, named, png, valued
from hml.core.figures.place import MANY, axes_over
from hml.core.generator import Generator
from hml.core.space import Floats, Space

IN_A_ROW = 4
PANELS = 24  # values of a label that has a panel for each


def line_counts(generator: Generator) -> bytes:
    """How many lines were found at each node."""
    counts = np.array(generator.header["counts"], dtype=np.float64)
    return over_nodes(generator.space, np.array(generator.header["nodes"]), counts, "lines found", whole=True)


def over_nodes(space: Space, nodes: Floats, counts: Floats, what: str, whole: bool = False) -> bytes:
    """Numbers `[M]` (`whole` ones, or logarithmic colours) at nodes `[M, P]`, over the two longest axes, one panel for
    each value of the next; means over those that remain."""
    nodes = np.stack([_stretched(column, MANY) for column in nodes.T], -1)
    over = axes_over(space, None, 3) if any(axis.width > 0 for axis in space.axes) else [0]
    x, *more = sorted(over, key=lambda p: -len(space.axes[p].nodes))
    if not more:
        return _curve(named(space.names[x]), nodes[:, x], counts, what, whole)
    y, *third = more
    panels = {"": np.ones(len(nodes), dtype=bool)}
    if third:
        column = _stretched(nodes[:, third[0]], PANELS)
        panels = {valued(space.names[third[0]], value): column == value for value in np.unique(column).tolist()}
    rest = [axis.name for p, axis in enumerate(space.axes) if p not in over and axis.width > 0]
    note = [f"mean over {', '.join(NAMES.get(name, name) for name in rest)}"] if rest else []
    titled = {", ".join([*([name] if name else []), *note]): here for name, here in panels.items()}
    return _maps((named(space.names[x]), named(space.names[y])), nodes[:, [x, y]], counts, titled, what, whole)


def _stretched(column: Floats, most: int) -> Floats:
    """Values `[M]` of a label; where they are more than can be shown, the middles of stretches that they lie in."""
    if len(np.unique(column)) <= most:
        return column
    low, step = column.min(), np.ptp(column) / (most // 4)
    return np.asarray(low + step * (np.minimum((column - low) // step, most // 4 - 1) + 0.5))


def _maps(
    labels: tuple[str, str], nodes: Floats, counts: Floats, panels: Mapping[str, NDArray[np.bool_]], what: str,
    whole: bool,
) -> bytes:  # fmt: skip
    """Numbers `[M]` over two axes, nodes `[M, 2]`, in a panel for each {title: which nodes}."""
    figure, axes = _sheet(len(panels))
    xs, ys = np.unique(nodes[:, 0]), np.unique(nodes[:, 1])
    for ax, (title, here) in zip(axes, panels.items(), strict=True):
        mean = _mean(xs, ys, nodes[here, 0], nodes[here, 1], counts[here])
        image = heat(ax, xs, ys, mean, **_scale(counts, whole))
        ax.set_xlabel(labels[0])
        ax.set_title(title, fontsize=9)
        if ax.get_subplotspec().is_first_col():
            ax.set_ylabel(labels[1])
    bar = figure.colorbar(image, ax=axes, label=what)
    if whole:
        bar.locator.set_params(integer=True)
    return png(figure)


def _scale(values: Floats, whole: bool) -> dict[str, Any]:
    from matplotlib.colors import LogNorm

    if whole:
        return {"vmin": values.min(), "vmax": max(values.max(), values.min() + 1)}
    seen = values[np.isfinite(values) & (values > 0)]
    return {"norm": LogNorm(seen.min(), max(seen.max(), 1.1 * seen.min()))} if len(seen) else {}


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


def _curve(name: str, x: Floats, counts: Floats, what: str, whole: bool) -> bytes:
    figure, axes = blank(1, 1, (6, 3.6))
    order = np.argsort(x)
    axes[0, 0].plot(x[order], counts[order], "o-", color=INK, ms=4, lw=0.8)
    axes[0, 0].set_xlabel(name)
    axes[0, 0].set_ylabel(what)
    if whole:
        axes[0, 0].yaxis.get_major_locator().set_params(integer=True)
    else:
        axes[0, 0].set_yscale("log")
    return png(figure)
