"""What a generator misses at the nodes it was made from: for its residual, and of nodes that are left out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hml.core.config import parse_config
from hml.core.executor import PartsWork, run_all
from hml.core.generator import ARRAYS, Generator
from hml.core.interfaces import Manifold
from hml.core.lines import Table
from hml.core.parts import Parts
from hml.core.paths import data_home
from hml.core.residual import Kind, Shapes, affordable, patterns, rms_left
from hml.core.space import Node, Space
from hml.core.store import read_arrays, unwritable, write_arrays
from hml.core.work import Alive, Facts, Message

LINES = "lines"  # the name of their numbers among those of series
HALF = "generator without numbers"


def residual(parts: Parts, folder: Path, generator: Generator, lines: Table) -> tuple[Shapes, Table, list[float]]:
    """Patterns `[R, N]` of what the generator misses at the nodes of a table, their strengths there, and, of a
    generator without lines, the rms of what they leave at each. `folder` is for what may be larger than memory."""
    nodes = [tuple(node) for node in lines.nodes.tolist()]
    with missed_at(parts, folder, "residual", len(nodes), len(generator.wavelength)) as rows:
        missed, config = rows.filled(generator, nodes), parts.config.generator
        kind: Kind = np.int8 if config.lines else np.float32
        shapes, found = patterns(missed, affordable(missed, config.kept, kind), kind)
        left = [] if config.lines else rms_left(missed, shapes, found)
    return shapes, replace(lines, values=found[..., None], names=("strength",)), left


def difference(parts: Parts, generator: Generator, node: Node) -> NDArray[np.float32]:
    """What the generator misses `[N]` at a node."""
    with torch.no_grad():
        flux = generator(np.array([node]))[0].double().cpu().numpy()
    return np.asarray(parts.prepared(node).flux - flux, np.float32)


class Missing(PartsWork[Node, NDArray[np.float32]]):
    """What a generator misses `[N]` at nodes. A worker is told the numbers of its node, not those of the grid."""

    title = "miss"

    def __init__(self, parts: Parts, generator: Generator, place: Path) -> None:
        """`place`: a folder for what all workers need of the generator, its pixels and profile."""
        super().__init__(parts)
        self.generator, self.place = generator, place

    def do(self, node: Node, alive: Alive) -> NDArray[np.float32]:
        return difference(self.parts, self.generator, node)

    def name(self, node: Node) -> str:
        return f"node {self.parts.grid.space.to_dict(node)}"

    def more(self) -> dict[str, Any]:
        path, made = self.place / "generator.safetensors", self.generator
        if not path.exists():
            arrays = {name: getattr(made, name).cpu().numpy() for name in ARRAYS}
            write_arrays(path, HALF, arrays, {"header": made.header, "space": made.space.to_json()})
        return {"path": str(path)}

    @classmethod
    def there(cls, setting: Facts) -> Told:
        return Told(Parts.of(parse_config(setting["config"])), Path(setting["path"]))

    def task_told(self, node: Node) -> Message:
        points, made = self.generator.points(np.array([node])), self.generator
        with torch.no_grad():
            values = {name: part(points)[0].cpu().numpy() for name, part in made.series.items()}
            values[LINES] = made.manifold(points)[0].cpu().numpy()
        return Message({"node": node}, values)

    def made_told(self, made: NDArray[np.float32]) -> Message:
        return Message({}, {"missed": made})

    def made_heard(self, message: Message) -> NDArray[np.float32]:
        return message.arrays["missed"]


class Told(Missing):
    """The same at a worker, where the generator has the numbers of one node at a time."""

    def __init__(self, parts: Parts, path: Path) -> None:
        arrays, told = read_arrays(path, HALF)
        self.parts, self.place = parts, path.parent
        self.arrays = {name: torch.from_numpy(array) for name, array in arrays.items()}
        self.header, self.space = told["header"], Space.from_json(told["space"])

    def task_heard(self, message: Message) -> Node:
        made: dict[str, Manifold] = {name: Given(values) for name, values in message.arrays.items()}
        lines, profile = made.pop(LINES), self.parts.profile
        generator = Generator(self.space, lines, made, profile, self.arrays, self.header)
        self.generator = generator.to(self.parts.context.device)
        return tuple(message.facts["node"])


class Given(Manifold):
    """The same values `[L, K]`, whatever the labels."""

    differentiable = False

    def __init__(self, values: NDArray[Any]) -> None:
        super().__init__()
        self.values = torch.from_numpy(values)

    def forward(self, labels: Tensor) -> Tensor:
        return self.values[None].to(labels.device).expand(len(labels), *self.values.shape)

    def subset(self, lines: Any) -> Manifold:
        raise NotImplementedError("all lines are wanted at nodes")

    def header(self) -> dict[str, Any]:
        raise NotImplementedError("is not stored")


def each_missed(
    parts: Parts, generator: Generator, nodes: Sequence[Node], keep: Callable[[int, NDArray[np.float32]], None]
) -> None:
    """`keep` hears what the generator misses `[N]` at each of some nodes, with its place among them, in any order."""
    number, home = {node: i for i, node in enumerate(nodes)}, data_home()
    home.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=home) as place:  # which workers on other machines see too
        work = Missing(parts, generator, Path(place))
        run_all(parts.executor, work, nodes, lambda node, row: keep(number[node], row))


class Rows:
    """Spectra `[Q, N]` in a file, filled one after the other."""

    def __init__(self, parts: Parts, values: NDArray[np.float32], advance: Any) -> None:
        self.parts, self.values, self.advance, self.count = parts, values, advance, 0

    def filled(self, generator: Generator, nodes: Sequence[Node]) -> NDArray[np.float32]:
        """With what the generator misses at nodes."""

        def keep(number: int, row: NDArray[np.float32]) -> None:
            self.values[self.count + number] = row
            self.advance(1)

        each_missed(self.parts, generator, nodes, keep)
        self.count += len(nodes)
        return self.values


@contextmanager
def missed_at(parts: Parts, folder: Path, task: str, count: int, pixels: int) -> Iterator[Rows]:
    folder.mkdir(parents=True, exist_ok=True)
    with scratch(folder, count, pixels) as values, parts.context.progress(task, total=count, unit="nodes") as advance:
        yield Rows(parts, values, advance)


@contextmanager
def scratch(folder: Path, rows: int, columns: int) -> Iterator[NDArray[np.float32]]:
    """Numbers `[rows, columns]` in a file without a name, which so ends with the process, however that one ends.
    ArtefactError where there is no room: a disk that is full when a map is written to would kill the process."""
    shape = max(rows, 1), columns  # an empty file cannot be mapped
    try:
        with TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, 4 * shape[0] * shape[1])
            yield np.memmap(file, np.float32, "w+", shape=shape)[:rows]
    except OSError as error:
        raise unwritable(folder, error) from None
