"""How smooth a grid is: what its neighbours tell of each node, where it breaks, which nodes stand out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hml.core.around import told_around
from hml.core.breaks import find_breaks
from hml.core.coordinates import SIDE, smoothest, told
from hml.core.executor import PartsWork, run_all
from hml.core.find import find_lines
from hml.core.lines import Breaks, FoundLines
from hml.core.parts import Parts
from hml.core.space import Floats, Node, Space
from hml.core.spectrum import Spectrum
from hml.core.work import Alive, Message

PIXELS = 8192  # of a spectrum, about, that tell how smooth the grid is
BAD = 3.0  # times what the nodes around it have
AROUND = 1.5  # grid steps: which nodes are around


@dataclass(frozen=True, eq=False)
class GridCheck:
    """left_out `[M]`: rms of a node's spectrum from what its neighbours along the longest axis tell of it (those
    around, where no nodes are on lines), over the error that nodes with an error of one would have, NaN where there are
    too few of them; in normalised flux.
    coordinates: label → that of `COORDINATES` in which spectra are smoothest."""

    space: Space
    nodes: Floats
    left_out: Floats
    breaks: Breaks
    coordinates: Mapping[str, str]
    bad: tuple[Node, ...]


@dataclass(frozen=True, eq=False)
class Look:
    """What is kept of a node's spectrum: pixels `[n]` that stand for it, and the lines found, if they were wanted."""

    sample: NDArray[Any]
    found: FoundLines


class Looking(PartsWork[Node, Look]):
    """To look at nodes one by one: a worker loads and prepares each, and tells a part of its pixels."""

    title = "look"

    def __init__(self, parts: Parts, lines: bool) -> None:
        super().__init__(parts)
        self.lines = lines

    def do(self, node: Node, alive: Alive) -> Look:
        spectrum = self.parts.prepared(node)
        return Look(sample(spectrum), find_lines(spectrum, self.parts.config.find) if self.lines else FoundLines.none())

    def name(self, node: Node) -> str:
        return f"node {self.parts.grid.space.to_dict(node)}"

    def more(self) -> dict[str, Any]:
        return {"lines": self.lines}

    def task_heard(self, message: Message) -> Node:
        return tuple(message.facts["task"])

    def made_told(self, made: Look) -> Message:
        return Message({}, {"sample": made.sample, "found": np.stack(list(vars(made.found).values()))})

    def made_heard(self, message: Message) -> Look:
        return Look(message.arrays["sample"], FoundLines(*message.arrays["found"]))


def look(parts: Parts, nodes: Sequence[Node], task: str, *, lines: bool) -> list[Look]:
    """At all of some nodes, side by side."""
    seen: dict[Node, Look] = {}
    with parts.context.progress(task, total=len(nodes), unit="nodes") as advance:

        def keep(node: Node, made: Look) -> None:
            seen[node] = made
            advance(1)

        run_all(parts.executor, Looking(parts, lines), nodes, keep)
    return [seen[node] for node in nodes]


def check_grid(parts: Parts) -> GridCheck:
    """Of the nodes of a grid as selected. All are loaded; a part of their pixels is kept."""
    nodes = list(parts.grid.nodes())
    flux = np.stack([one.sample for one in look(parts, nodes, "loading", lines=False)])
    return checked(Space.from_nodes(parts.grid.space.names, nodes), np.array(nodes), flux)


def sample(spectrum: Spectrum) -> NDArray[Any]:
    """Pixels that stand for all of a spectrum, float32."""
    return spectrum.flux[:: max(1, len(spectrum) // PIXELS)].astype(np.float32)


def checked(space: Space, nodes: Floats, flux: Floats) -> GridCheck:
    """What samples `[M, n]` of spectra at nodes `[M, P]` tell."""
    breaks = find_breaks(space, nodes, flux)
    left_out = left_out_rms(space, nodes, flux, breaks)
    bad = tuple(tuple(nodes[m].tolist()) for m in bad_nodes(space, nodes, left_out))
    return GridCheck(space, nodes, left_out, breaks, smoothest(space, nodes, flux, breaks), bad)


def left_out_rms(space: Space, nodes: Floats, flux: Floats, breaks: Breaks) -> Floats:
    """See `GridCheck.left_out`, for spectra `[M, n]`. Neighbours beyond a break do not count."""
    p = max(range(len(space)), key=lambda p: len(space.axes[p].nodes))
    out = np.full(len(nodes), np.nan)
    for m, others, weights in [*told(space, nodes, p, breaks)] or told_around(nodes):
        out[m] = np.sqrt(np.mean((weights @ flux[others] - flux[m]) ** 2) / (1 + weights @ weights))
    return out


def bad_nodes(space: Space, nodes: Floats, left_out: Floats) -> list[int]:
    """Nodes whose spectra fit their neighbours far worse than those around them do, the worst first. A bad node spoils
    what is told of its neighbours too, so that of those only the largest is named."""
    steps = np.stack(
        [np.interp(nodes[:, p], axis.nodes, np.arange(len(axis.nodes))) for p, axis in enumerate(space.axes)], -1
    )
    long = int(np.argmax(space.shape))
    others = np.arange(len(space)) != long
    found: list[int] = []
    for m in np.argsort(-np.nan_to_num(left_out)).tolist():
        gap = np.abs(steps - steps[m])
        across = (gap.max(1) <= AROUND) & (gap[:, others].max(1, initial=0) > 0)
        around = left_out[across & np.isfinite(left_out)]
        spoilt = any(gap[f, others].max(initial=0) == 0 and gap[f, long] <= SIDE for f in found)
        if np.isfinite(left_out[m]) and len(around) > 1 and not spoilt and left_out[m] > BAD * np.median(around):
            found.append(m)
    return found
