"""The generator's own error: what it misses at nodes that are left out, and how much of that between nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hml.core.coordinates import Told, spaced, told
from hml.core.generator import ERROR, Generator
from hml.core.interfaces import Manifold
from hml.core.lines import Table
from hml.core.missed import each_missed, missed_at
from hml.core.parts import Parts
from hml.core.residual import patterns, strengths
from hml.core.space import Floats, Node

FALL = 16.0
"""By what squares of errors grow, at least, where they are of interpolation and nodes are twice as far apart."""
CUBIC = (64 / 9) ** 2
"""The square of the error of a cubic at a node left out, over that midway between nodes: (2·1·1·2) / (1.5·0.5)²."""


def error(
    parts: Parts, folder: Path, generator: Generator, tables: Mapping[str, Table]
) -> tuple[dict[str, Tensor], list[float]]:
    """What the generator misses between nodes, judged by what it misses at nodes left out (`shares`): arrays as
    `hml.core.generator.ERROR` names them, and the rms at each node left out. `tables` are all that it is made of, by
    the names of its series and `lines`. Each node is told by the others on a line with it, along every axis that has
    nodes enough."""
    table = tables["lines"]
    items = {p: list(told(*_along(table, p))) for p in range(len(table.space))}
    nodes = [node for some in items.values() for node in _nodes(table, some)]
    axes = np.repeat(list(items), [len(some) for some in items.values()]).astype(np.int64)
    with missed_at(parts, folder, "left out", len(nodes), len(generator.wavelength)) as rows:
        for some in items.values():
            rows.filled(_without(generator, tables, some), _nodes(table, some))
        shapes, missed = patterns(rows.values, parts.config.generator.error)
        rms = [float(np.sqrt(np.mean(row.astype(np.float64) ** 2))) for row in rows.values]
    squares = {p: np.mean(missed[axes == p] ** 2, 0) for p, some in items.items() if some}
    for p, share in shares(squares, _growth(parts, folder, generator, tables, shapes)).items():
        missed[axes == p] *= np.sqrt(share)
    where = np.array(nodes, np.float64).reshape(len(nodes), len(table.space))
    arrays = shapes, missed.astype(np.float32), where, axes
    return {name: torch.from_numpy(array) for name, array in zip(ERROR, arrays, strict=True)}, rms


def shares(squares: Mapping[int, Floats], growth: Mapping[int, Floats]) -> dict[int, Floats]:
    """How much of the squares `[E]` that are missed at nodes left out, by axis, is missed between nodes.

    At a node left out the others are twice as far apart as they are for a star between nodes. What is missed grows with
    their distance where it is of interpolation, and does not where it is the library's own. `growth` tells, of axes
    that have nodes enough, by what squares are multiplied when the others are twice as far away. The library's own is
    the same whichever axis tells of it, and counts once. Where no axis tells, all of it counts.
    """
    if not growth:
        return {p: np.ones_like(square) for p, square in squares.items()}
    own = np.mean([squares[p] * np.clip((FALL - grown) / (FALL - 1), 0, 1) for p, grown in growth.items()], 0)
    falls = {p: np.clip(growth.get(p, FALL), FALL, CUBIC) for p in squares}
    between = {p: np.maximum(square - own, 0) / falls[p] + own / len(squares) for p, square in squares.items()}
    return {p: np.divide(between[p], square, np.ones_like(square), where=square > 0) for p, square in squares.items()}


def _growth(
    parts: Parts, folder: Path, generator: Generator, tables: Mapping[str, Table], shapes: NDArray[np.int8]
) -> dict[int, Floats]:
    """By what squares `[E]` of the strengths of patterns, missed at nodes left out, are multiplied when the nodes that
    tell of them are twice as far away; by axis, where there are any such."""
    table = tables["lines"]
    pairs = {p: both for p in range(len(table.space)) if (both := list(spaced(*_along(table, p))))}
    count = 2 * sum(len(both) for both in pairs.values())
    growth = {}
    task = "left out, farther apart"
    with TemporaryDirectory(dir=folder) as place, parts.context.progress(task, total=count, unit="nodes") as advance:
        for p, both in pairs.items():
            near, far = (
                _squares(parts, Path(place), generator, tables, list(some), shapes, advance)
                for some in zip(*both, strict=True)
            )
            growth[p] = far / np.maximum(near, np.finfo(float).tiny)
    return growth


def _squares(
    parts: Parts, place: Path, generator: Generator, tables: Mapping[str, Table], items: Sequence[Told],
    shapes: NDArray[np.int8], advance: Callable[[float], None],
) -> Floats:  # fmt: skip
    """Mean squares `[E]` of the strengths of patterns in what is missed at nodes."""
    found = np.zeros((len(items), len(shapes)))

    def keep(number: int, missed: NDArray[np.float32]) -> None:
        found[number] = strengths(missed[None], shapes)[0]
        advance(1)

    each_missed(parts, place, _without(generator, tables, items), _nodes(tables["lines"], items), keep)
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
