"""The generator's own error: what it misses at nodes that are left out, and how much of that between nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hml.core.around import told_around
from hml.core.coordinates import Told, counted, spaced, told
from hml.core.generator import ERROR, Generator
from hml.core.interfaces import Manifold
from hml.core.lines import Table
from hml.core.missed import each_missed, missed_at
from hml.core.parts import Parts
from hml.core.residual import patterns, strengths
from hml.core.space import Floats, Node
from hml.core.waves import QUIET, Gain, between, told_apart


def error(
    parts: Parts, folder: Path, generator: Generator, tables: Mapping[str, Table]
) -> tuple[dict[str, Tensor], list[float]]:
    """What the generator misses between nodes, judged by what it misses at nodes left out (`shares`): arrays as
    `hml.core.generator.ERROR` names them, and the rms at each node left out. `tables` are all that it is made of, by
    the names of its series and `lines`. Each node is told by the others on a line with it, along every axis that has
    nodes enough; by those around, where no nodes are on lines."""
    table = tables["lines"]
    items = {p: list(told(*_along(table, p))) for p in range(len(table.space))}
    if not any(items.values()):
        items = {0: list(told_around(table.nodes))}
    nodes = [node for some in items.values() for node in _nodes(table, some)]
    axes = np.repeat(list(items), [len(some) for some in items.values()]).astype(np.int64)
    with missed_at(parts, folder, "left out", len(nodes), len(generator.wavelength)) as rows:
        for some in items.values():
            rows.filled(_without(generator, tables, some), _nodes(table, some))
        shapes, missed = patterns(rows.values, parts.config.generator.error)
        rms = [float(np.sqrt(np.mean(row.astype(np.float64) ** 2))) for row in rows.values]
    seen = {
        p: Axis(
            np.mean(missed[axes == p] ** 2, 0), Gain.of(_steps(table, p), some),
            _apart(parts, generator, tables, p, shapes),
        )
        for p, some in items.items() if some
    }  # fmt: skip
    for p, share in shares(seen, sum(len(axis.nodes) > 1 for axis in table.space.axes)).items():
        missed[axes == p] *= np.sqrt(share)
    where = np.array(nodes, np.float64).reshape(len(nodes), len(table.space))
    arrays = shapes, missed.astype(np.float32), where, axes
    return {name: torch.from_numpy(array) for name, array in zip(ERROR, arrays, strict=True)}, rms


@dataclass(frozen=True)
class Axis:
    """Squares `[E]` that are missed at nodes left out when others along an axis tell of them, what of waves and noise
    is missed so; and what `told_apart` gives, if the axis has nodes enough."""

    squares: Floats
    gain: Gain
    apart: tuple[NDArray[np.int64], Floats] | None = None


def shares(axes: Mapping[int, Axis], many: int) -> dict[int, Floats]:
    """How much of the squares `[E]` that are missed at nodes left out, by axis, is missed between nodes of a grid of
    `many` axes.

    At a node left out the others are twice as far apart as they are for a star between nodes, so that waves are missed
    more there. What is the nodes' own is no part of a star; what all nodes around have of it is averaged there, and it
    counts once, whichever axis tells of it. Axes with too few nodes to tell are taken to have waves as long as the
    others have. Where no axis tells, all of it counts.
    """
    telling = [
        (axis.squares * axis.apart[1] / axis.gain.noise, axis.apart[0]) for axis in axes.values() if axis.apart
    ]
    if not telling:
        return {p: np.ones_like(axis.squares) for p, axis in axes.items()}
    noise, usual = (np.mean(both, 0) for both in zip(*telling, strict=True))
    out = {}
    for p, axis in axes.items():
        wave = axis.apart[0] if axis.apart else np.rint(usual).astype(np.int64)
        waves = np.maximum(axis.squares - noise * axis.gain.noise, 0) * (between() / axis.gain.waves)[wave]
        part = waves + noise * QUIET**many / len(axes)
        out[p] = np.divide(part, axis.squares, np.ones_like(part), where=axis.squares > 0)
    return out


def _apart(
    parts: Parts, generator: Generator, tables: Mapping[str, Table], p: int, shapes: NDArray[np.int8]
) -> tuple[NDArray[np.int64], Floats] | None:
    """As `told_apart`, of every pattern, along an axis; None if it has too few nodes."""
    table = tables["lines"]
    ways = list(zip(*spaced(*_along(table, p)), strict=True))
    if not ways:
        return None
    task = f"left out in four ways: {table.space.names[p]}"
    with parts.context.progress(task, total=sum(map(len, ways)), unit="nodes") as advance:
        squares = [_squares(parts, generator, tables, some, shapes, advance) for some in ways]
    return told_apart([Gain.of(_steps(table, p), some) for some in ways], squares)


def _steps(table: Table, p: int) -> Floats:
    """Where nodes are along an axis, in its coordinate, counted in (median) steps."""
    name = table.coordinates.get(table.space.names[p], "identity")
    steps = np.diff(counted(np.array(table.space.axes[p].nodes), name))
    return counted(table.nodes[:, p], name) / (np.median(steps) if len(steps) else 1.0)


def _squares(
    parts: Parts, generator: Generator, tables: Mapping[str, Table], items: Sequence[Told], shapes: Any, advance: Any
) -> Floats:
    """Mean squares `[E]` of the strengths of patterns in what is missed at nodes."""
    found = np.zeros((len(items), len(shapes)))

    def keep(number: int, missed: NDArray[np.float32]) -> None:
        found[number] = strengths(missed[None], shapes)[0]
        advance(1)

    each_missed(parts, _without(generator, tables, items), _nodes(tables["lines"], items), keep)
    return np.asarray(np.mean(np.square(found), 0))


def _nodes(table: Table, items: Sequence[Told]) -> list[Node]:
    return [tuple(table.nodes[m].tolist()) for m, *_ in items]


def _along(table: Table, p: int) -> tuple[Any, ...]:
    """What `told` and `spaced` want to know."""
    return table.space, table.nodes, p, table.breaks, table.coordinates.get(table.space.names[p], "identity")


def _without(generator: Generator, tables: Mapping[str, Table], items: Sequence[Told]) -> Generator:
    """The generator at nodes that are left out, each from the others that tell it."""
    made: dict[str, Manifold] = {name: _Told(table, items) for name, table in tables.items()}
    return generator.changed({}, made.pop("lines"), made)


class _Told(Manifold):
    """A table at its own nodes, each from others."""

    differentiable = False

    def __init__(self, table: Table, items: Sequence[Told]):
        super().__init__()
        self.values = table.values
        self.told: dict[Node, tuple[NDArray[np.int64], Floats]] = {
            tuple(table.nodes[m].tolist()): (others, weights) for m, others, weights in items
        }

    def forward(self, labels: Tensor) -> Tensor:
        found = [self.told[tuple(label)] for label in labels.tolist()]
        values = np.stack([np.tensordot(weights, self.values[others], 1) for others, weights in found])
        return torch.from_numpy(values).to(labels.device)

    def subset(self, lines: Any) -> Manifold:
        raise NotImplementedError("all lines are wanted at nodes")

    def header(self) -> dict[str, Any]:
        raise NotImplementedError("is not stored")
