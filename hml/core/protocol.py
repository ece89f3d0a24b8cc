"""The paper's own test: node spectra, noise-free, known to ± 500 K; and what guessing would score in the same boxes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from hml.core.build import obtain_generator
from hml.core.components import Progress, quiet
from hml.core.config import RunConfig
from hml.core.errors import ConfigError
from hml.core.generator import Generator
from hml.core.infer import infer
from hml.core.observe import Target
from hml.core.parts import Parts, ensure_grid, plan_nodes
from hml.core.report import run_folder
from hml.core.selection import Selection
from hml.core.space import Axis, Floats, Node
from hml.core.store import to_json, versions, write_text

PAPER_NODES: Mapping[str, tuple[float, ...]] = {
    "teff": tuple(range(3000, 11001, 1000)),
    "logg": (2.0, 4.0, 6.0),
    "feh": (-0.5, 0.0),
}
PUBLISHED = {"teff": 185.0, "logg": 0.19, "feh": 0.12}  # Shankar, Gully-Santiago & Morley
HALF_WIDTH = 500.0  # K


@dataclass(frozen=True)
class Star:
    """One spectrum of the test."""

    truth: Mapping[str, float]
    result: Mapping[str, float]
    seconds: float


@dataclass(frozen=True)
class Protocol:
    """All of them, and mean absolute errors of this run, of the paper, and of guessing."""

    names: tuple[str, ...]
    stars: tuple[Star, ...]
    summary: Mapping[str, Mapping[str, float]]
    versions: Mapping[str, str]
    folder: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def run_protocol(config: RunConfig, *, output: Path | None = None, progress: Progress = quiet) -> Protocol:
    """9 Teff × 3 log g × 2 [Fe/H] node spectra, or as many as the grid has."""
    if config.spectrum.path is not None:
        raise ConfigError("--test measures spectra of the grid's own nodes; leave --spectrum out")
    if config.generator.path is not None:
        raise ConfigError("--test measures the nodes of a grid, and a generator's file has none; leave it out")
    parts = Parts.of(config, progress)
    with run_folder(output) as folder:
        ensure_grid(parts)
        plan = plan_nodes(parts)
        generator = obtain_generator(parts, plan)
        nodes = [node for node in product(*map(_test_nodes, plan.space.axes)) if node in set(plan.used)]
        if not nodes:
            raise ConfigError("--test: the grid has none of the nodes of the test; select other labels")
        stars, guesses = [], []
        with progress("testing", total=len(nodes), unit="spectra") as advance:
            for i, node in enumerate(nodes):
                box = _box(plan.space.to_dict(node), config.box)
                stars.append(_measured(parts, generator, node, box, i))
                guesses.append(_guesses(plan.space.axes, node, box))
                advance(1)
        names = plan.space.names
        outcome = Protocol(names, tuple(stars), _summary(names, stars, np.array(guesses)), versions(), str(folder))
        write_text(folder / "protocol.json", to_json(outcome.to_json()))
    return outcome


def _box(truth: Mapping[str, float], wanted: Mapping[str, Selection]) -> dict[str, Selection]:
    known = {"teff": Selection(around=truth["teff"], half_width=HALF_WIDTH)} if "teff" in truth else {}
    return {**wanted, **known}


def _measured(parts: Parts, generator: Generator, node: Node, box: Mapping[str, Selection], number: int) -> Star:
    """One node spectrum, with random points of its own."""
    truth = parts.grid.space.to_dict(node)
    runtime = parts.config.runtime.model_copy(update={"seed": parts.config.runtime.seed + number})
    config = parts.config.model_copy(update={"box": box, "runtime": runtime})
    start = time.perf_counter()
    found = infer(generator, Target([parts.prepared(node)], "node spectrum", truth), parts.optimizer, config)
    return Star(truth, found.values, time.perf_counter() - start)


def _test_nodes(axis: Axis) -> Node:
    """The paper's values of an axis; where the grid has fewer than two of them, as many spread over its own."""
    wanted = PAPER_NODES.get(axis.name, ())
    there = tuple(v for v in wanted if v in axis.nodes)
    if len(there) >= min(2, len(axis.nodes)):
        return there
    count = min(max(len(wanted), 1), len(axis.nodes))
    return tuple(axis.nodes[i] for i in np.unique(np.linspace(0, len(axis.nodes) - 1, count).round().astype(int)))


def _guesses(axes: tuple[Axis, ...], node: Node, box: Mapping[str, Selection]) -> list[tuple[float, float]]:
    """Per label the mean error of a random guess in the box, and that of its centre."""
    errors = []
    for axis, truth in zip(axes, node, strict=True):
        low, high = box[axis.name].bounds if axis.name in box else (axis.lower, axis.upper)
        low, high = max(low, axis.lower), min(high, axis.upper)
        # mean of |x - truth| for x uniform in [low, high]
        mean = ((truth - low) ** 2 + (high - truth) ** 2) / (2 * (high - low)) if high > low else 0.0
        errors.append((mean, abs((low + high) / 2 - truth)))
    return errors


def _summary(names: tuple[str, ...], stars: list[Star], guesses: Floats) -> dict[str, dict[str, float]]:
    errors = {n: float(np.mean([abs(s.result[n] - s.truth[n]) for s in stars])) for n in names}
    random, centre = guesses.mean(0).T
    return {
        "this run": errors,
        "published (paper)": {n: PUBLISHED[n] for n in names if n in PUBLISHED},
        "random guess": dict(zip(names, map(float, random), strict=True)),
        "centre of the box": dict(zip(names, map(float, centre), strict=True)),
    }
