"""A line at two neighbouring nodes and between them (figure 7 of the paper)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from hml.core.figures.canvas import blank, png, valued
from hml.core.figures.manifold import Line
from hml.core.figures.place import axes_over, fixed, point, product
from hml.core.generator import Generator
from hml.core.render import half_width
from hml.core.space import Axis, Floats

BETWEEN = 4  # labels between the two nodes
WIDE = 8.0  # half widths of the line to either side
POINTS = 500


def neighbours(
    generator: Generator, track: int, *, along: str | None = None, labels: Mapping[str, float] | None = None
) -> bytes:
    """Flux around a track at the two nodes beside `labels` on one axis and between them: all lines, and this one
    alone."""
    space, line = generator.space, Line.of(generator, track)
    axis = axes_over(space, None if along is None else [along], 1)[0]
    at = point(space, labels or {})
    low, high = _beside(space.axes[axis], float(at[axis]))
    values = np.linspace(low, high, BETWEEN + 2)
    points = product(at, [axis], [values])
    wavelength = _around(line, points)
    figure, sheet = blank(1, 2, (10.5, 4), sharex=True, sharey=True)
    parts = (generator.window_on(float(wavelength[0]), float(wavelength[-1])), line.part)
    for ax, part, title in zip(sheet[0], parts, ("all lines", "this line alone"), strict=True):
        _draw(ax, part, points, values, wavelength, space.axes[axis])
        ax.set_title(title, fontsize=9)
        ax.set_xlabel("vacuum wavelength (Å)")
        ax.ticklabel_format(useOffset=False)
        ax.locator_params(axis="x", nbins=6)
    sheet[0, 0].set_ylabel("normalised flux")
    rest = fixed(space, at, [axis])
    sheet[0, 1].legend(fontsize=8, loc="lower right")
    figure.suptitle(line.title + (f"; {rest}" if rest else ""), fontsize=10)
    return png(figure)


def _beside(axis: Axis, value: float) -> tuple[float, float]:
    """The two neighbouring nodes between which a value lies."""
    above = int(np.clip(np.searchsorted(axis.nodes, value, side="right"), 1, len(axis.nodes) - 1))
    return axis.nodes[above - 1], axis.nodes[above]


def _around(line: Line, points: Floats) -> torch.Tensor:
    """Wavelengths (vacuum Å) around a line where it is widest, inside the band."""
    lines = line.part.lines(points)
    params = torch.nan_to_num(lines.params[:, 0].detach(), nan=-10.0)
    step = float(line.part.wavelength.diff().median())
    wide = max(WIDE * float(half_width(line.part.profile, params).max()), 4 * step)
    centre = float(lines.centre.detach().mean())
    low, high = line.part.band
    return torch.linspace(max(centre - wide, low), min(centre + wide, high), POINTS, dtype=torch.float64)


def _draw(ax: Any, part: Generator, points: Floats, values: Floats, wavelength: torch.Tensor, axis: Axis) -> None:
    from matplotlib import colormaps

    with torch.no_grad():
        flux = part(points, wavelength.to(part.reference.device)).cpu().numpy()
    for i, (row, value) in enumerate(zip(flux, values, strict=True)):
        node = i in (0, len(values) - 1)
        ax.plot(
            wavelength, row, color=colormaps["plasma"](0.85 * i / (len(values) - 1)), lw=2.2 if node else 0.9,
            label=valued(axis.name, value) + (" (node)" if node else ""),
        )  # fmt: skip
