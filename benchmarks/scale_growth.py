"""What one node and one spectrum cost, and how that grows with lines, pixels, nodes and axes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import synthetic_node
from measure import forget_peak, peak_above, say, typical

from hml import Clone, Generator, Spectrum, load_config
from hml.core.batch_desk import Desk
from hml.core.build import obtain_generator
from hml.core.check import Looking
from hml.core.clone import Start, clone_spectrum
from hml.core.config import RunConfig
from hml.core.continuum import compress
from hml.core.executor import Executor
from hml.core.export import write_spectrum
from hml.core.find import find_lines
from hml.core.likelihood import SpectrumObjective, parameters
from hml.core.nodes import Cloning, Job, NodeClone, write_clone
from hml.core.parts import Parts, plan_nodes
from hml.core.shelf import Shelf
from hml.core.work import Message

Row = dict[str, Any]

SHARES = (8, 4, 2, 1)  # every so manieth line or pixel
CHEAP = ("clone.rounds=1", "clone.steps=20", "associate={rounds: 2, steps: 5}")  # of a build that is only timed
SNR = 100.0


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    node: tuple[float, float]  # Å of the node that is cloned
    steps: int  # of a timed fit
    grid: tuple[float, float]  # Å of the grids that are built
    nodes: tuple[int, ...]
    axes: tuple[Mapping[str, int], ...]  # how many nodes of each label, as many in all
    budget: float  # s for one timing


AXES = ({"teff": 16}, {"teff": 4, "logg": 4}, {"teff": 4, "logg": 2, "feh": 2},
        {"teff": 2, "logg": 2, "feh": 2, "alpha": 2})  # fmt: skip
SMALL = Size((8700.0, 8720.0), 10, (8700.0, 8704.0), (3, 4, 6, 8), AXES, 0.1)
FULL = Size(synthetic_node.BAND, 30, (8700.0, 8760.0), (8, 16, 32, 64), AXES, 10.0)
RANGES = {"teff": (4000.0, 6400.0), "logg": (4.0, 5.0), "feh": (-0.5, 0.0), "alpha": (0.0, 0.4)}


def slope(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Of the power law through all of them."""
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(values, 1e-12)), 1)[0])


def grown(what: str, over: str, sizes: Sequence[float], seconds: Sequence[float], **more: Any) -> Row:
    return {"what": what, "over": over, "sizes": list(sizes), "seconds": list(seconds),
            "slope": slope(sizes, seconds), **more}  # fmt: skip


# --- a node ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Node:
    """One node as large as PHOENIX's, or a piece of it."""

    size: Size
    spectrum: Spectrum
    config: RunConfig

    @classmethod
    def of(cls, size: Size) -> Node:
        sets = ["grid.preset=full", f"grid.wavelength={list(size.node)}", "grid.teff={nodes: [5800]}",
                "grid.logg={nodes: [4.5]}", "grid.feh={nodes: [0]}", "runtime.device=cpu"]  # fmt: skip
        config = load_config(sets=sets)
        return cls(size, Parts.of(config).prepared((5800.0, 4.5, 0.0)), config)

    def growth(self) -> list[Row]:
        """Of a fit of a fixed number of steps."""
        say("a node: growth with lines and pixels")
        start = Start.from_found(find_lines(self.spectrum, self.config.find), self._profile)
        lines = [_every(start, share) for share in SHARES]
        pixels = [self.spectrum.take(slice(None, None, share)) for share in SHARES]
        self._fit(self.spectrum, lines[0])  # loops are compiled
        by_lines = [typical([lambda s=s: self._fit(self.spectrum, s)] * 3, 1, self.size.budget) for s in lines]
        by_pixels = [typical([lambda p=p: self._fit(p, lines[0])] * 3, 1, self.size.budget) for p in pixels]
        return [
            grown("fit", "lines", [len(s.centre) for s in lines], by_lines, steps=self.size.steps),
            grown("fit", "pixels", [len(p) for p in pixels], by_pixels, steps=self.size.steps),
        ]

    def cost(self) -> Row:
        """Of a node: looking at it, a first clone by default, a fit with all lines of that; bytes and memory; and what
        the process that keeps answers does for it."""
        say("a node: clone, bytes, memory")
        parts, node = Parts.of(self.config), (5800.0, 4.5, 0.0)
        looking = Looking(parts, True)
        look = typical([lambda: looking.do(node, lambda: None)] * 3, 1, self.size.budget)
        before = forget_peak()
        began = time.perf_counter()
        clone = clone_spectrum(self.spectrum, self._start, self._profile, self.config.clone)
        seconds, memory = time.perf_counter() - began, peak_above(before)
        again = Start(clone.centre, clone.params, np.full(len(clone), 0.05))
        fit = typical([lambda: self._fit(self.spectrum, again)] * 3, 1, self.size.budget)
        return {
            "pixels": len(self.spectrum), "lines": len(clone), "look_s": look, "clone_s": seconds,
            "fit_s": fit, "fit_steps": self.size.steps, "memory": memory, **self._kept(clone, again),
        }  # fmt: skip

    def _kept(self, clone: Clone, start: Start) -> Row:
        work = Cloning(Parts.of(self.config))
        made = NodeClone(clone, *compress(self.spectrum))
        with TemporaryDirectory() as folder:
            path = Path(folder) / "node.safetensors"
            job = Job((5800.0, 4.5, 0.0), path, {}, lambda: start)

            def serve() -> None:
                work.task_told(job).pack()
                write_clone(path, work.made_heard(Message.unpack(told)), {})

            told = work.made_told(made).pack()
            seconds = typical([serve] * 20, 3, self.size.budget)
            return {"client_s": seconds, "bytes": path.stat().st_size, "message": len(work.task_told(job).pack())}

    @property
    def _profile(self) -> Any:
        return Parts.of(self.config).profile

    @property
    def _start(self) -> Start:
        return Start.from_found(find_lines(self.spectrum, self.config.find), self._profile)

    def _fit(self, spectrum: Spectrum, start: Start) -> Clone:
        recipe = self.config.clone.model_copy(update={"rounds": 0, "steps": self.size.steps, "stop": 0.0})
        return clone_spectrum(spectrum, start, self._profile, recipe)


def _every(start: Start, share: int) -> Start:
    return replace(start, centre=start.centre[::share], params=start.params[::share], width=start.width[::share])


# --- a grid and a spectrum -----------------------------------------------------------------------------------------


class Watched(Executor):
    """Knows what tasks took, all in all."""

    def __init__(self, inner: Executor) -> None:
        self.inner, self.seconds = inner, 0.0

    def run(self, work: Any, tasks: Any, done: Any, among: int = 0) -> None:
        began = time.perf_counter()
        self.inner.run(work, tasks, done, among)
        self.seconds += time.perf_counter() - began


@dataclass(frozen=True)
class Built:
    """A grid that was built, and what it took."""

    generator: Generator
    path: Path
    config: RunConfig
    row: Row


def build(size: Size, nodes: Mapping[str, int], folder: Path) -> Built:
    """With a recipe of few steps: what is not done node by node does not depend on them."""
    sets = ["grid.preset=full", f"grid.wavelength={list(size.grid)}", *CHEAP, "runtime.workers=1", "runtime.device=cpu"]
    for label, (low, high) in RANGES.items():
        if label != "alpha" or label in nodes:
            values = np.linspace(low, high, nodes.get(label, 1)) if nodes.get(label, 1) > 1 else [high]
            sets.append(f"grid.{label}={{nodes: {[float(v) for v in values]}}}")
    config = load_config(sets=[*sets, "optimizer={name: lm, n_initial: 20, n_starts: 1}", "objective.rv=[-5, 5]"])
    os.environ["HML_HOME"] = str(folder)
    parts = Parts.of(config)
    watched = vars(parts)["executor"] = Watched(parts.executor)
    plan, before, began = plan_nodes(parts), forget_peak(), time.perf_counter()
    generator = obtain_generator(parts, plan)
    seconds = time.perf_counter() - began
    path = Shelf.of(parts, plan).generator
    return Built(generator, path, config, {
        "nodes": len(plan.used), "tracks": len(generator), "seconds": seconds, "serial_s": seconds - watched.seconds,
        "memory": peak_above(before), "bytes": path.stat().st_size,
    })  # fmt: skip


def grids(size: Size, folder: Path) -> tuple[list[Row], Row, Row]:
    """Growth with nodes and axes, of building and of measuring; the largest grid; and what a star costs there."""
    say("grids: growth with nodes")
    build(size, {"teff": 3}, folder / "warm")
    nodes = [build(size, {"teff": n}, folder / f"n{n}") for n in size.nodes]
    say("grids: growth with axes")
    axes = [build(size, counts, folder / f"a{len(counts)}") for counts in size.axes]
    rows = [
        _series("serial", "nodes", size.nodes, nodes, lambda made: made.row["serial_s"]),
        _series("serial", "axes", range(1, len(axes) + 1), axes, lambda made: made.row["serial_s"]),
        _series("star", "nodes", size.nodes, nodes, lambda made: evaluation(made.generator, made.config, size)),
        _series("star", "axes", range(1, len(axes) + 1), axes,
                lambda made: evaluation(made.generator, made.config, size)),
        *_star_growth(nodes[-1], size),
    ]  # fmt: skip
    return rows, nodes[-1].row, star(axes[2], folder)


def _series(what: str, over: str, sizes: Sequence[int], made: Sequence[Built], of: Callable[[Built], float]) -> Row:
    row = grown(what, over, sizes, [of(one) for one in made])
    return {**row, "bytes": [one.row["bytes"] for one in made]}


def _star_growth(made: Built, size: Size) -> list[Row]:
    """Of one evaluation, with lines (some tracks alone) and pixels of the star."""
    few = [made.generator.only(np.arange(0, len(made.generator), share)) for share in SHARES]
    seconds = [evaluation(one, made.config, size) for one in few]
    counts = [2048 // share for share in SHARES]
    by_pixels = [evaluation(made.generator, made.config, size, count) for count in counts]
    return [grown("star", "lines", [len(one) for one in few], seconds), grown("star", "pixels", counts, by_pixels)]


def evaluation(generator: Generator, config: RunConfig, size: Size, pixels: int = 1024) -> float:
    """Seconds of a value with its Jacobian, of labels and velocity."""
    spectrum = _seen(generator, pixels, np.random.default_rng(0))
    search = parameters(generator.space, {}, config.objective)
    objective = SpectrumObjective(generator, [spectrum], search, config.objective)
    rng = np.random.default_rng(1)
    low, high = objective.space.lower, objective.space.upper
    points = low + rng.uniform(0.2, 0.8, (200, len(low))) * (high - low)
    objective.jacobian(points[0])
    works = [lambda p=p: (objective.residuals(p), objective.jacobian(p)) for p in points[1:]]
    return typical(works, 3, size.budget)


def _seen(generator: Generator, pixels: int, rng: np.random.Generator) -> Spectrum:
    space = generator.space
    labels = space.lower + rng.uniform(0.3, 0.7, len(space)) * (space.upper - space.lower)
    model = generator.spectrum(space.to_dict(labels))
    inner = np.linspace(model.band[0] + 0.3, model.band[1] - 0.3, pixels)
    flux = np.interp(inner, model.wavelength, model.flux) + rng.standard_normal(pixels) / SNR
    return Spectrum(inner, flux, np.full(pixels, 1 / SNR))


def star(made: Built, folder: Path, pixels: int = 1024) -> Row:
    """A spectrum of a batch, from its file to its row."""
    say("a spectrum")
    parts = Parts.of(made.config)
    desk = Desk(parts, made.generator, made.path)
    seconds, memory = [], forget_peak()
    for number in range(5):
        path = folder / f"star{number}.ecsv"
        write_spectrum(_seen(made.generator, pixels, np.random.default_rng(number)), path)
        row = desk.measure(path, "0")
        seconds += [] if number == 0 else [row.seconds]  # the first one warms up
    return {"seconds": float(np.median(seconds)), "pixels": pixels, "tracks": len(made.generator),
            "status": row.status, "memory": peak_above(memory)}  # fmt: skip
