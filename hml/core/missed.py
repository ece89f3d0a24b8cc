"""What a generator misses at the nodes it was made from, and at each of them when that one is left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hml.core.around import told_around
from hml.core.coordinates import Told, told
from hml.core.generator import ERROR, Generator
from hml.core.interfaces import Manifold
from hml.core.lines import Table
from hml.core.parts import Parts
from hml.core.residual import Kind, Shapes, affordable, patterns, rms_left
from hml.core.space import Floats, Node


def residual(parts: Parts, folder: Path, generator: Generator, lines: Table) -> tuple[Shapes, Table, list[float]]:
    """Patterns `[R, N]` of what the generator misses at the nodes of a table, their strengths there, and, of a
    generator without lines, the rms of what they leave at each. `folder` is for what may be larger than memory."""
    nodes = [tuple(node) for node in lines.nodes.tolist()]
    with _missed(parts, folder, "residual", len(nodes), len(generator.wavelength)) as rows:
        missed, config = rows.filled(generator, nodes), parts.config.generator
        kind: Kind = np.int8 if config.lines else np.float32
        shapes, strengths = patterns(missed, affordable(missed, config.kept, kind), kind)
        left = [] if config.lines else rms_left(missed, shapes, strengths)
    return shapes, replace(lines, values=strengths[..., None], names=("strength",)), left


def error(
    parts: Parts, folder: Path, generator: Generator, tables: Mapping[str, Table]
) -> tuple[dict[str, Tensor], list[float]]:
    """What the generator misses at nodes that are left out: arrays as `hml.core.generator.ERROR` names them, and the
    rms of each. `tables` are all that it is made of, by the names of its series and `lines`. Each node is told by the
    others on a line with it, along every axis that has nodes enough; by those around, where no nodes are on lines."""
    table = tables["lines"]
    items = [(p, item) for p in range(len(table.space)) for item in _told(table, p)]
    items = items or [(0, item) for item in told_around(table.nodes)]
    with _missed(parts, folder, "left out", len(items), len(generator.wavelength)) as rows:
        for p in sorted({p for p, _ in items}):
            some = [item for q, item in items if q == p]
            rows.filled(_others(generator, tables, some), [tuple(table.nodes[m].tolist()) for m, *_ in some])
        shapes, strengths = patterns(rows.values, parts.config.generator.error)
        rms = [float(np.sqrt(np.mean(row.astype(np.float64) ** 2))) for row in rows.values]
    nodes = table.nodes[[item[0] for _, item in items]].reshape(len(items), len(table.space))
    arrays = shapes, strengths.astype(np.float32), nodes, np.array([p for p, _ in items], np.int64)
    return {name: torch.from_numpy(array) for name, array in zip(ERROR, arrays, strict=True)}, rms


def _told(table: Table, p: int) -> Iterable[Told]:
    return told(table.space, table.nodes, p, table.breaks, table.coordinates.get(table.space.names[p], "identity"))


def _others(generator: Generator, tables: Mapping[str, Table], items: Sequence[Told]) -> Generator:
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


class _Rows:
    """Spectra `[Q, N]` in a file, filled one after the other."""

    def __init__(self, parts: Parts, values: NDArray[np.float32], advance: Any) -> None:
        self.parts, self.values, self.advance, self.count = parts, values, advance, 0

    def filled(self, generator: Generator, nodes: Sequence[Node]) -> NDArray[np.float32]:
        """With what the generator misses at nodes."""
        for node in nodes:
            with torch.no_grad():
                flux = generator(np.array([node]))[0].double().cpu().numpy()
            self.values[self.count] = self.parts.prepared(node).flux - flux
            self.count += 1
            self.advance(1)
        return self.values


@contextmanager
def _missed(parts: Parts, folder: Path, task: str, count: int, pixels: int) -> Iterator[_Rows]:
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder) as place, parts.context.progress(task, total=count, unit="nodes") as advance:
        # more than one, since an empty file cannot be mapped
        values = np.memmap(Path(place) / "missed", np.float32, "w+", shape=(max(count, 1), pixels))[:count]
        yield _Rows(parts, values, advance)
        del values
