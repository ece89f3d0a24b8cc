"""THE MAP: the stages of a run, in order. Start reading here.

grid of spectra ─ preprocess ─ find lines ─ clone ─ associate ─ manifold ─ generator ─ objective ─ search ─ posterior
└───────────────────────────────────── build ──────────────────────────────────────┘   └──── infer ─────┘   └sample ┘
and report: result, tables, figures. `sample` only where a sampler is chosen.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from hml.core.build import obtain_generator
from hml.core.components import Progress, quiet
from hml.core.config import RunConfig
from hml.core.generator import Generator
from hml.core.infer import Inference, infer
from hml.core.interfaces import Sampler, Start
from hml.core.observe import Target, draw_target, read_target
from hml.core.pack import open_generator
from hml.core.parts import Parts, Plan, ensure_grid, plan_nodes
from hml.core.posterior import draw
from hml.core.report import collect, run_folder, write_run
from hml.core.result import RunResult

log = logging.getLogger(__name__)


def run(config: RunConfig, *, output: Path | None = None, progress: Progress = quiet) -> RunResult:
    """All stages: a generator (built, or found from an earlier run), a target, its labels, a folder of results."""
    if config.generator.path is not None:
        return _run_opened(config.generator.path, config, output, progress)
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
        return _measure(parts, generator, target, clock, folder)


def _run_opened(path: Path, config: RunConfig, output: Path | None, progress: Progress) -> RunResult:
    """A run with the generator of a file: it needs no grid, unless a truth is to be drawn from it."""
    clock = Clock()
    with clock("open"):
        opened = open_generator(path, config)
    parts = Parts.of(opened.config, progress)
    with run_folder(output) as folder:
        with clock("target"):
            target = observe(parts, opened.plan(parts))
        return _measure(parts, opened.generator, target, clock, folder, opened.notes)


def build(config: RunConfig, *, progress: Progress = quiet) -> Generator:
    """The generator of this config: that of its file, or found if it was built before, else built."""
    if config.generator.path is not None:
        opened = open_generator(config.generator.path, config)
        for note in opened.notes:
            log.warning("%s", note)
        return opened.generator
    parts = Parts.of(config, progress)
    ensure_grid(parts)
    return obtain_generator(parts, plan_nodes(parts))


def observe(parts: Parts, plan: Plan) -> Target:
    """What is measured: the spectrum that was given, or one of known labels."""
    config = parts.config
    if config.spectrum.path is not None:
        return read_target(config, parts.context)
    rng = np.random.default_rng([config.runtime.seed, 0])
    return draw_target(parts.grid, plan, parts.preprocess, config.truth, rng)


def _measure(
    parts: Parts, generator: Generator, target: Target, clock: Clock, folder: Path, notes: tuple[str, ...] = ()
) -> RunResult:
    with clock("infer"):
        found = infer(generator, target, parts.optimizer, parts.config, parts.context.progress)
    if parts.sampler is not None:
        with clock("sample"):
            found = sample(found, parts, parts.sampler)
    return report(parts.config, generator, target, found, clock, folder, notes)


def sample(found: Inference, parts: Parts, sampler: Sampler) -> Inference:
    """The same, with draws from the posterior around the best fit."""
    start, name = Start(found.search.point, found.covariance), parts.config.sampler.name if parts.config.sampler else ""
    rng = np.random.default_rng([parts.config.runtime.seed, 3])
    return replace(found, sampled=draw(found.objective, sampler, start, rng, name, parts.context.progress))


def report(
    config: RunConfig,
    generator: Generator,
    target: Target,
    found: Inference,
    clock: Clock,
    folder: Path,
    notes: tuple[str, ...] = (),
) -> RunResult:
    """The result, written to its folder."""
    result = summary(config, generator, target, found, clock.seconds, folder, notes)
    write_run(result, config, generator, target, found, folder)
    return result


def summary(
    config: RunConfig,
    generator: Generator,
    target: Target,
    found: Inference,
    seconds: Mapping[str, float] | None = None,
    folder: Path | str = "",
    notes: tuple[str, ...] = (),
) -> RunResult:
    """The result, without a file of it."""
    result = collect(config, generator, target, found, seconds or {}, folder)
    return replace(result, notes=(*notes, *target.notes, *result.notes))


class Clock:
    """Seconds per stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[stage] = round(time.perf_counter() - start, 3)
