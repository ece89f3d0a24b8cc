"""Pictures of `accuracy.py`: rms over Teff for all methods, and a stretch of spectrum with what each method misses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from cases import Case
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from methods import Method
from numpy.typing import NDArray
from scores import Score, per_point, shown_point

Floats = NDArray[np.float64]
Scores = Mapping[Method, Score]

PIXELS = 500  # of the stretch that is shown
STYLES = {"published": (0.9, "-"), "pixel": (0.9, "--"), "paper": (1.3, ":"), "lines": (1.8, "-"), "hml": (2.2, "-")}
"""Line width and style by role."""
SCALE = 1e4


def draw(case: Case, scores: Scores, folder: Path) -> list[Path]:
    """Both pictures of a case, as PNG files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {"rms": over_first_axis(case, scores), "stretch": stretch(case, scores)}
    files = {folder / f"accuracy-{case.name}-{what}.png": figure for what, figure in pictures.items()}
    for file, figure in files.items():
        figure.savefig(file, dpi=130)
    return list(files)


def over_first_axis(case: Case, scores: Scores) -> Figure:
    """rms over the first label (Teff): of the points of one value together, else of each."""
    figure, (axes,) = _figure(1, (10, 5.5))
    label = case.points[:, 0]
    for colour, (method, score) in enumerate(scores.items()):
        each = per_point(case, score) ** 2
        values = np.unique(label)
        rms = [SCALE * np.sqrt(each[label == value].mean()) for value in values]
        axes.plot(values, rms, marker=".", label=method.name, **_style(method, colour))
    for found in case.breaks:
        if found.label == case.space.names[0]:
            axes.axvspan(found.low, found.high, color="#9aa5b1", alpha=0.3, lw=0, label="break")
    axes.set(yscale="log", xlabel=case.space.names[0], ylabel="rms of flux (1e-4)", title=_title(case))
    axes.legend(fontsize=8, ncols=2)
    return figure


def stretch(case: Case, scores: Scores) -> Figure:
    """Pixels around the middle of the first order at one point, the residuals below, pixels and lines apart."""
    figure, (top, middle, below) = _figure(3, (12, 8))
    centre = (case.scored[0].start + case.scored[0].stop) // 2
    part = slice(max(centre - PIXELS // 2, case.scored[0].start), min(centre + PIXELS // 2, case.scored[0].stop))
    at, truth = case.wavelength[part], case.test[shown_point(case)][part]
    top.plot(at, truth, color="#222222", lw=0.8)
    for colour, (method, score) in enumerate(scores.items()):
        axes = middle if method.of_pixels else below
        axes.plot(at, SCALE * (score.shown[part] - truth), label=method.name, **_style(method, colour))
    for axes in (middle, below):
        axes.axhline(0, color="#222222", lw=0.5)
        axes.set_ylabel("predicted − true (1e-4)")
        axes.legend(fontsize=8, ncols=4, loc="upper right")
    labels = ", ".join(f"{k} {v:g}" for k, v in case.space.to_dict(case.points[shown_point(case)]).items())
    top.set(ylabel="flux", title=f"{_title(case)}: {labels}")
    below.set_xlabel("vacuum Å")
    return figure


def _style(method: Method, colour: int) -> dict[str, Any]:
    width, dashes = STYLES[method.role]
    return {"lw": width, "ls": dashes, "color": "#c8452c" if method.role == "hml" else f"C{colour}"}


def _title(case: Case) -> str:
    return "truths between nodes" if case.name == "synthetic" else f"nodes left out in {case.name}"


def _figure(rows: int, size: tuple[float, float]) -> tuple[Figure, list[Any]]:
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(rows, 1, squeeze=False, sharex=True)[:, 0])
