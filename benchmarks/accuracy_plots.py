"""Pictures of `accuracy.py`: rms over Teff for all methods, and a stretch of spectrum with what each method misses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from cases import Case
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter
from methods import Method
from numpy.typing import NDArray
from scores import Score, per_point, shown_point

Floats = NDArray[np.float64]
Scores = Mapping[Method, Score]

PIXELS = 500  # of the stretch that is shown
STYLES: Mapping[str, dict[str, Any]] = {
    "published": {"lw": 0.9}, "pixel": {"lw": 0.9, "ls": "--"}, "paper": {"lw": 1.3, "ls": ":"},
    "lines": {"lw": 3.5, "color": "#b8c0c8"}, "hml": {"lw": 1.5, "color": "#111111"},
}
PANELS = (("published", "pixel"), ("lines", "hml"), ("paper",))
"""Roles whose residuals are drawn together."""
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
    figure, (axes,) = _figure(1, (12, 5.5))
    label = case.points[:, 0]
    for colour, (method, score) in enumerate(scores.items()):
        each = per_point(case, score) ** 2
        values = np.unique(label)
        rms = [SCALE * np.sqrt(each[label == value].mean()) for value in values]
        scattered = {"ls": ""} if case.truths else {}  # neighbours differ in the other labels too
        axes.plot(values, rms, marker=".", label=method.name, **_style(method, colour) | scattered)
    for found in case.breaks:
        if found.label == case.space.names[0]:
            axes.axvspan(found.low, found.high, color="#9aa5b1", alpha=0.3, lw=0, label="break")
    axis = case.space.axes[0]
    axes.set(yscale="log", xlabel=f"{axis.name} ({axis.unit})", ylabel="rms of flux (1e-4)", title=_title(case))
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_formatter(ScalarFormatter())
    figure.legend(fontsize=8, loc="outside right upper")
    return figure


def stretch(case: Case, scores: Scores) -> Figure:
    """Pixels around the middle of the first order at one point, the residuals below, pixels and lines apart."""
    panels = [roles for roles in PANELS if any(method.role in roles for method in scores)]
    figure, (top, *below) = _figure(1 + len(panels), (12, 3 + 2.2 * len(panels)))
    centre = (case.scored[0].start + case.scored[0].stop) // 2
    part = slice(max(centre - PIXELS // 2, case.scored[0].start), min(centre + PIXELS // 2, case.scored[0].stop))
    at, truth = case.wavelength[part], case.test[shown_point(case)][part]
    top.plot(at, truth, color="#222222", lw=0.8)
    for colour, (method, score) in enumerate(scores.items()):
        axes = below[[method.role in roles for roles in panels].index(True)]
        axes.plot(at, SCALE * (score.shown[part] - truth), label=method.name, **_style(method, colour))
    for axes in below:
        axes.axhline(0, color="#222222", lw=0.5)
        axes.set_ylabel("missed (1e-4)")
    limits = np.array([axes.get_ylim() for axes in below[:2]])
    for axes in below[:2]:
        axes.set_ylim(limits.min(), limits.max())  # lines and pixels on one scale
    figure.legend(fontsize=8, loc="outside right upper")
    labels = ", ".join(f"{k} {v:g}" for k, v in case.space.to_dict(case.points[shown_point(case)]).items())
    top.set(ylabel="flux", title=f"{_title(case)}: {labels}")
    below[-1].set_xlabel("vacuum Å")
    return figure


def _style(method: Method, colour: int) -> dict[str, Any]:
    return {"color": f"C{colour}", **STYLES[method.role]}


def _title(case: Case) -> str:
    return "truths between nodes" if case.name == "synthetic" else f"nodes left out in {case.name}"


def _figure(rows: int, size: tuple[float, float]) -> tuple[Figure, list[Any]]:
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(rows, 1, squeeze=False, sharex=True)[:, 0])
