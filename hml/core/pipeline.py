"""THE MAP: the stages of a run, in order. Start reading here.

grid of spectra ─ preprocess ─ find lines ─ clone ─ associate ─ manifold ─ generator ─ objective ─ search ─ result
└──────────────────────────── build ─────────────────────────────────┘   └──────────── infer ───────────┘
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from hml.core.build import obtain_generator
from hml.core.components import Progress, quiet
from hml.core.config import RunConfig
from hml.core.generator import Generator
from hml.core.infer import Inference, infer
from hml.core.observe import Target, draw_target, read_target
from hml.core.parts import Parts, Plan, ensure_grid, plan_nodes
from hml.core.report import collect, run_folder, write_run
from hml.core.result import RunResult


def run(config: RunConfig, *, output: Path | None = None, progress: Progress = quiet) -> RunResult:
    """All stages: a generator (built, or found from an earlier run), a target, its labels, a folder of results."""
    clock = Clock()
    parts = Parts.of(config, progress)
    with run_folder(output) as folder:
        with clock("grid"):
            ensure_grid(parts)
            plan = plan_nodes(parts, drawing=config.spectrum.path is None)
        with clock("target"):
            target = observe(parts, plan)
        with clock("build"):
            generator = obtain_generator(parts, plan)
        with clock("infer"):
            found = infer(generator, target, parts.optimizer, config, progress)
        return report(config, generator, target, found, clock, folder)


def build(config: RunConfig, *, progress: Progress = quiet) -> Generator:
    """The generator of this config: found if it was built before, else built."""
    parts = Parts.of(config, progress)
    ensure_grid(parts)
    return obtain_generator(parts, plan_nodes(parts))


def observe(parts: Parts, plan: Plan) -> Target:
    """What is measured: the spectrum that was given, or one of known labels."""
    config = parts.config
    if config.spectrum.path is not None:
        return read_target(config.spectrum.path, config, parts.context)
    rng = np.random.default_rng([config.runtime.seed, 0])
    return draw_target(parts.grid, plan, parts.preprocess, config.truth, rng)


def report(
    config: RunConfig, generator: Generator, target: Target, found: Inference, clock: Clock, folder: Path
) -> RunResult:
    """The result, written to its folder."""
    result = collect(config, generator, target, found, clock.seconds, folder)
    write_run(result, config, generator, target, found, folder)
    return result


class Clock:
    """Seconds per stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[stage] = round(time.perf_counter() - start, 3)
