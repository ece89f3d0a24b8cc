"""One line's parameters at the nodes, and as the generator supersamples them (figures 3 to 6 of the paper)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hml.core.figures.canvas import INK, MODEL, blank, heat, named, png
from hml.core.figures.place import are_nodes, axes_over, drawn, finer, fixed, nearest_node, point, product
from hml.core.generator import Generator
from hml.core.space import LIGHT, Floats

SHIFT = "shift"
LABELS = {
    "ln_amplitude": r"$\ln a$ ($a$ in Å)", "ln_sigma": r"$\sigma$ (mÅ)", "ln_gamma": r"$\gamma$ (mÅ)",
    SHIFT: "shift of the centre (km/s)",
}  # fmt: skip
WIDTHS = ("ln_sigma", "ln_gamma")
STEEP = 30.0  # a width that varies by more than this factor is shown on a logarithmic scale


@dataclass(frozen=True)
class Line:
    """One track of a generator."""

    part: Generator
    number: int

    @classmethod
    def of(cls, generator: Generator, track: int) -> Line:
        return cls(generator.only(np.array([track])), track)

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.part.profile.params, SHIFT)

    def values(self, labels: Floats) -> dict[str, Floats]:
        """Every parameter `[B]` at labels `[B, P]` as it is shown: widths in mÅ, the shift in km/s; NaN where there is
        no line."""
        with torch.no_grad():
            lines = self.part.lines(labels)
        params = lines.params[:, 0].double().cpu().numpy()
        columns = dict(zip(self.part.profile.params, params.T, strict=True))
        columns |= {name: 1e3 * np.exp(columns[name]) for name in WIDTHS if name in columns}
        shift = (lines.centre / self.part.reference - 1)[:, 0].cpu().numpy() * LIGHT
        return {**columns, SHIFT: np.where(np.isfinite(params[:, 0]), shift, np.nan)}

    @property
    def title(self) -> str:
        return f"track {self.number}, {float(self.part.reference[0]):.3f} Å"


def manifold(
    generator: Generator, track: int, *, over: Sequence[str] | None = None, labels: Mapping[str, float] | None = None,
    params: Sequence[str] | None = None,
) -> bytes:  # fmt: skip
    """The parameters of a track (all, or some) over one or two axes, the others at `labels` or their middle node."""
    space, line = generator.space, Line.of(generator, track)
    axes, at = axes_over(space, over, 2), point(space, labels or {})
    nodes = product(nearest_node(space, at), axes, [drawn(space, p) for p in axes])
    there = np.fromiter(are_nodes(nodes, np.array(generator.header["nodes"])), dtype=bool)
    coarse = {name: np.where(there, v, np.nan) for name, v in line.values(nodes).items()}
    fine = line.values(product(at, axes, [finer(space, p) for p in axes]))
    rows = [name for name in line.names if params is None or name in params]
    draw: Callable[..., bytes] = _curves if len(axes) == 1 else _maps
    rest = fixed(space, at, axes)
    return draw(generator, axes, rows, coarse, fine, line.title + (f"; {rest}" if rest else ""))


Values = Mapping[str, Floats]


def _curves(
    generator: Generator, axes: Sequence[int], rows: Sequence[str], coarse: Values, fine: Values, title: str
) -> bytes:
    axis = generator.space.axes[axes[0]]
    figure, sheet = blank(len(rows), 1, (7, 1.0 + 2.2 * len(rows)), sharex=True)
    for ax, name in zip(sheet[:, 0], rows, strict=True):
        ax.plot(finer(generator.space, axes[0]), fine[name], color=MODEL, lw=1.2, label="generator")
        ax.plot(drawn(generator.space, axes[0]), coarse[name], "o", color=INK, ms=4, label="at the nodes")
        ax.set_ylabel(LABELS.get(name, name))
        if name in WIDTHS and _is_steep(fine[name]):
            ax.set_yscale("log")
    sheet[0, 0].legend(fontsize=8)
    sheet[-1, 0].set_xlabel(named(axis.name))
    figure.suptitle(title, fontsize=10)
    return png(figure)


def _maps(
    generator: Generator, axes: Sequence[int], rows: Sequence[str], coarse: Values, fine: Values, title: str
) -> bytes:
    there = np.isfinite(coarse[SHIFT])
    space = generator.space
    figure, sheet = blank(len(rows), 2, (9.5, 0.7 + 2.6 * len(rows)), sharex=True, sharey=True)
    grids = [[drawn(space, p) for p in axes], [finer(space, p) for p in axes]]
    for row, name in zip(sheet, rows, strict=True):
        scale = _scale(name, fine[name], coarse[name])
        for ax, (x, y), values in zip(row, grids, (coarse[name], fine[name]), strict=True):
            image = heat(ax, x, y, values.reshape(len(x), len(y)).T, norm=scale)
            _mark_nodes(ax, grids[0][0], grids[0][1], there)
        row[0].set_ylabel(named(space.names[axes[1]]))
        figure.colorbar(image, ax=list(row), label=LABELS.get(name, name))
    for ax, text in zip(sheet[0], ("at the nodes", "supersampled by the generator"), strict=True):
        ax.set_title(text, fontsize=9)
    for ax in sheet[-1]:
        ax.set_xlabel(named(space.names[axes[0]]))
    figure.suptitle(title, fontsize=10)
    return png(figure)


def _mark_nodes(ax: Any, x: Floats, y: Floats, there: NDArray[np.bool_]) -> None:
    """A dot at every node, and the same limits for both pictures: those of the grid."""
    across, up = (mesh.ravel()[there] for mesh in np.meshgrid(x, y, indexing="ij"))
    ax.plot(across, up, "o", color="white", mec="black", mew=0.4, ms=2.5)
    for axis, values in ((ax.set_xlim, x), (ax.set_ylim, y)):
        edge = 0.03 * (values[-1] - values[0])
        axis(values[0] - edge, values[-1] + edge)


def _scale(name: str, *values: Floats) -> Any:
    from matplotlib.colors import LogNorm, Normalize

    every = np.concatenate([v[np.isfinite(v)] for v in values])
    low, high = (every.min(), every.max()) if len(every) else (0.0, 1.0)
    return LogNorm(low, high) if name in WIDTHS and _is_steep(every) else Normalize(low, high)


def _is_steep(values: Floats) -> bool:
    finite = values[np.isfinite(values)]
    return len(finite) > 0 and finite.min() > 0 and finite.max() > STEEP * finite.min()
