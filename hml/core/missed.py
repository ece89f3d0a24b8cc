"""What a generator misses at the nodes it was made from: for its residual, and of nodes that are left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hml.core.generator import Generator
from hml.core.lines import Table
from hml.core.parts import Parts
from hml.core.residual import affordable, patterns
from hml.core.space import Node


def residual(parts: Parts, folder: Path, generator: Generator, lines: Table) -> tuple[NDArray[np.int8], Table]:
    """Patterns `[R, N]` of what the generator misses at the nodes of a table, and their strengths there. `folder` is
    for what may be larger than memory."""
    nodes = [tuple(node) for node in lines.nodes.tolist()]
    with missed_at(parts, folder, "residual", len(nodes), len(generator.wavelength)) as rows:
        missed = rows.filled(generator, nodes)
        shapes, found = patterns(missed, affordable(missed, parts.config.generator.residual))
    return shapes, replace(lines, values=found[..., None], names=("strength",))


def difference(parts: Parts, generator: Generator, node: Node) -> NDArray[np.float32]:
    """What the generator misses `[N]` at a node."""
    with torch.no_grad():
        flux = generator(np.array([node]))[0].double().cpu().numpy()
    return np.asarray(parts.prepared(node).flux - flux, np.float32)


class Rows:
    """Spectra `[Q, N]` in a file, filled one after the other."""

    def __init__(self, parts: Parts, values: NDArray[np.float32], advance: Any) -> None:
        self.parts, self.values, self.advance, self.count = parts, values, advance, 0

    def filled(self, generator: Generator, nodes: Sequence[Node]) -> NDArray[np.float32]:
        """With what the generator misses at nodes."""
        for node in nodes:
            self.values[self.count] = difference(self.parts, generator, node)
            self.count += 1
            self.advance(1)
        return self.values


@contextmanager
def missed_at(parts: Parts, folder: Path, task: str, count: int, pixels: int) -> Iterator[Rows]:
    with TemporaryDirectory(dir=folder) as place, parts.context.progress(task, total=count, unit="nodes") as advance:
        # more than one, since an empty file cannot be mapped
        values = np.memmap(Path(place) / "missed", np.float32, "w+", shape=(max(count, 1), pixels))[:count]
        yield Rows(parts, values, advance)
        del values
