"""A picture of one order as numbers for an inline SVG: a hundredth of the time and half of the bytes of a PNG."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hml.core.page.orders import OrderView
from hml.core.spectrum import Floats

WIDE, LEFT, RIGHT = 1200.0, 62.0, 1192.0
FLUX, REST = (12.0, 214.0), (226.0, 296.0)  # top and bottom of the two panels
Scale = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True)
class Panel:
    """Curves as points of polylines, each in pieces without gaps; ticks of the three axes; the band of errors."""

    data: list[str]
    model: list[str]
    rest: list[str]
    errors: list[str]  # outlines
    dropped: str  # a path of ticks
    zero: float
    x_ticks: list[Tick]
    flux_ticks: list[Tick]
    rest_ticks: list[Tick]


def panel(order: OrderView) -> Panel:
    """Data and model over the continuum; below, what is left, the errors, and where pixels were not used."""
    part = order.fitted
    assert part is not None
    low, high = order.spectrum.band
    x_of = _scale(low, max(high, low + 1e-6), LEFT, RIGHT)
    bottom, top = _limits(part.flux, part.model)
    y_of = _scale(bottom, top, FLUX[1], FLUX[0])
    spread = 1.3 * float(np.percentile(np.abs(part.residual), 99.5)) + 1e-9
    rest_of = _scale(-spread, spread, REST[1], REST[0])
    x, pieces = x_of(part.wavelength), _pieces(part.wavelength)
    return Panel(
        _lines(x, y_of(part.flux), pieces, FLUX),
        _lines(x, y_of(part.model), pieces, FLUX),
        _lines(x, rest_of(part.residual), pieces, REST),
        [] if part.error is None else _outlines(x, rest_of(part.error), rest_of(-part.error), pieces),
        "".join(f"M{at:.1f},{REST[1] - 6}v6" for at in np.unique(x_of(order.dropped).round(1))),
        float(rest_of(np.zeros(1))[0]),
        _ticks(low, high, x_of, 10),
        _ticks(bottom, top, y_of, 5),
        _ticks(-spread, spread, rest_of, 3),
    )


def _scale(low: float, high: float, first: float, last: float) -> Scale:
    return lambda values: first + (values - low) * ((last - first) / (high - low))


def _limits(data: Floats, model: Floats) -> tuple[float, float]:
    """Of the flux: outliers of the data do not decide them."""
    low = min(float(model.min()), float(np.percentile(data, 0.5)))
    high = max(float(model.max()), float(np.percentile(data, 99.5)))
    margin = 0.08 * max(high - low, 1e-3)
    return low - margin, high + margin


def _pieces(wavelength: Floats) -> list[NDArray[np.int64]]:
    """Runs of pixels, between which no line is drawn."""
    steps = np.diff(wavelength)
    gaps = np.flatnonzero(steps > 3 * np.median(steps)) + 1 if len(steps) else np.zeros(0, dtype=np.int64)
    return list(np.split(np.arange(len(wavelength)), gaps))


def _lines(x: Floats, y: Floats, pieces: list[NDArray[np.int64]], limits: tuple[float, float]) -> list[str]:
    y = np.clip(y, *limits)
    return [_points(x[piece], y[piece]) for piece in pieces]


def _outlines(x: Floats, low: Floats, high: Floats, pieces: list[NDArray[np.int64]]) -> list[str]:
    low, high = np.clip(low, *REST), np.clip(high, *REST)
    return [f"{_points(x[p], high[p])} {_points(x[p][::-1], low[p][::-1])}" for p in pieces]


def _points(x: Floats, y: Floats) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))


def _ticks(low: float, high: float, scale: Scale, most: int) -> list[Tick]:
    """At round numbers."""
    from matplotlib.ticker import MaxNLocator

    values = np.asarray(MaxNLocator(most, steps=[1, 2, 5, 10]).tick_values(low, high))
    values = values[(values >= low) & (values <= high)]
    step = float(np.diff(values).min()) if len(values) > 1 else 1.0
    decimals = max(0, -int(np.floor(np.log10(step) + 1e-9)))
    texts = [f"{value + 0.0:.{decimals}f}".replace("-", "−") for value in values.tolist()]
    return [Tick(at, text) for at, text in zip(scale(values).round(1).tolist(), texts, strict=True)]
