"""One order as a wide panel: data and model over the continuum, and what is left."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hml.core.figures.canvas import INK, MODEL, png
from hml.core.spectrum import Floats

SIZE = (12.0, 3.2)  # inches
FAINT_BAND = "#dfe4ea"


def order(wavelength: Floats, data: Floats, model: Floats, error: Floats | None, dropped: Floats) -> bytes:
    """Data and model `[N]` over the continuum on the pixels that were used, with the errors of the data; `dropped` are
    the wavelengths of pixels that were not used."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, dpi=100)  # fixed margins: a layout that is found takes longer than all else
    FigureCanvasAgg(figure)
    top, below = figure.subplots(
        2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 1.3], "hspace": 0.06, "left": 0.06, "right": 0.99,
                                        "top": 0.98, "bottom": 0.14},
    )  # fmt: skip
    gaps = _gaps(wavelength)
    x, flux, curve, rest = (np.insert(values, gaps, np.nan) for values in (wavelength, data, model, data - model))
    top.plot(x, flux, color=INK, lw=0.7, label="data")
    top.plot(x, curve, color=MODEL, lw=0.8, label="generator")
    top.set_ylim(*_limits(data, model))
    top.legend(loc="lower right", ncols=2, fontsize=8, framealpha=0.9)
    top.set_ylabel("flux / continuum", fontsize=9)
    if error is not None:
        band = np.insert(error, gaps, np.nan)
        below.fill_between(x, -band, band, color=FAINT_BAND, lw=0)
    below.plot(x, rest, color=INK, lw=0.5)
    below.axhline(0, color=MODEL, lw=0.7)
    spread = 1.3 * float(np.percentile(np.abs(data - model), 99.5)) + 1e-12
    below.set_ylim(-spread, spread)
    below.plot(dropped, np.full(len(dropped), -0.97 * spread), "|", color=MODEL, ms=5, mew=0.6)
    below.set_ylabel("residual", fontsize=9)
    below.set_xlabel("vacuum wavelength (Å)", fontsize=9)
    for ax in (top, below):
        ax.margins(x=0.005)
        ax.tick_params(labelsize=8)
        ax.ticklabel_format(useOffset=False)
    return png(figure)


def _gaps(wavelength: Floats) -> NDArray[np.int64]:
    """Where no line is drawn, since pixels are far apart."""
    steps = np.diff(wavelength)
    return np.flatnonzero(steps > 3 * np.median(steps)) + 1 if len(steps) else np.zeros(0, dtype=np.int64)


def _limits(data: Floats, model: Floats) -> tuple[float, float]:
    """Of the flux: outliers of the data do not decide them."""
    low = min(float(model.min()), float(np.percentile(data, 0.5)))
    high = max(float(model.max()), float(np.percentile(data, 99.5)))
    margin = 0.08 * max(high - low, 1e-3)
    return low - margin, high + margin
