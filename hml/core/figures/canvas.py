"""What all pictures share: the sheet, colours, names of labels, axes."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from hml.core.space import UNITS, Floats

INK, MODEL, FAINT = "#222222", "#c8452c", "#9aa5b1"
FEW = 8  # nodes of an axis, which then all have a tick
NAMES = {"teff": r"$T_\mathrm{eff}$", "logg": r"$\log g$", "feh": "[Fe/H]", "alpha": r"[$\alpha$/Fe]", "rv": "RV",
         "vsini": r"$v\,\sin i$"}


def blank(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Any, Any]:
    """A figure without a window system and without pyplot's global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained", dpi=130)
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def png(figure: Any) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


def named(name: str) -> str:
    """A label as astronomers write it, with its unit."""
    unit = UNITS.get(name, "")
    return f"{NAMES.get(name, name)}" + (f" ({unit})" if unit else "")


def valued(name: str, value: float) -> str:
    """A label with its value, as in `Teff = 5800 K`."""
    return f"{NAMES.get(name, name)} = {value:.6g} {'' if UNITS.get(name) == 'dex' else UNITS.get(name, '')}".rstrip()


def heat(ax: Any, x: Floats, y: Floats, values: Floats, **options: Any) -> Any:
    """Cells of colour `[Y, X]` around the values of two axes, in their own units; NaN is hatched."""
    if not np.isfinite(values).all():
        ax.patch.set(hatch="xx", edgecolor="#cccccc")
    for axis, nodes in ((ax.xaxis, x), (ax.yaxis, y)):
        if len(nodes) <= FEW:
            axis.set_ticks(nodes)
    return ax.pcolormesh(edges(x), edges(y), np.ma.masked_invalid(values), cmap="viridis", **options)


def edges(values: Floats) -> Floats:
    """Borders `[n + 1]` of cells around increasing values `[n]`."""
    if len(values) == 1:
        return np.array([values[0] - 0.5, values[0] + 0.5])
    middle = (values[1:] + values[:-1]) / 2
    return np.asarray(np.hstack([2 * values[0] - middle[0], middle, 2 * values[-1] - middle[-1]]))
