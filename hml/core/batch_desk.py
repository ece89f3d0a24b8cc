"""Where a spectrum of a batch is measured, in this process or another."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hml.core.batch_table import CRASHED, FAILED, Heading, Row, one_line, shown
from hml.core.build import obtain_generator
from hml.core.components import Progress, quiet
from hml.core.config import RunConfig
from hml.core.errors import HmlError
from hml.core.executor import PartsWork
from hml.core.generator import Generator
from hml.core.infer import infer
from hml.core.likelihood import parameters
from hml.core.pack import DECIDED, open_generator
from hml.core.parts import Parts, Plan, ensure_grid, plan_nodes
from hml.core.pipeline import observe, sample, summary
from hml.core.result import RunResult
from hml.core.shelf import Shelf
from hml.core.store import versions
from hml.core.work import Alive, Message

log = logging.getLogger(__name__)

INDIFFERENT = DECIDED | {"truth", "runtime"}
"""Sections of a config that decide nothing here, or that the key of the generator tells of."""


@dataclass(frozen=True, eq=False)
class Desk:
    """One generator, and the parts that measure with it."""

    parts: Parts
    generator: Generator
    path: Path  # the generator's file

    @classmethod
    def of(cls, config: RunConfig, progress: Progress) -> Desk:
        """With the generator of a config: opened, found or built."""
        if config.generator.path is not None:
            opened = open_generator(config.generator.path, config)
            for note in opened.notes:
                log.warning("%s", note)
            return cls(Parts.of(opened.config, progress), opened.generator, config.generator.path)
        parts = Parts.of(config, progress)
        ensure_grid(parts)
        plan = plan_nodes(parts)
        return cls(parts, obtain_generator(parts, plan), Shelf.of(parts, plan).generator)

    def heading(self) -> Heading:
        """ConfigError if the config does not fit the generator, whatever the spectrum."""
        config = self.parts.config
        data = config.model_dump(mode="json", exclude={**dict.fromkeys(INDIFFERENT, True), "spectrum": {"path"}})
        names = parameters(self.generator.space, config.box, config.objective).names
        key = self.generator.header["key"]
        return Heading(tuple(names), key, {**data, "seed": config.runtime.seed}, versions())

    def measure(self, file: Path, sha256: str) -> Row:
        """A row, whatever happens."""
        start = time.perf_counter()
        name = shown(file)
        try:
            row = _row(self.result(file), name, sha256)
        except HmlError as error:
            row = Row(name, sha256, FAILED, one_line(str(error)))
        except Exception as error:
            log.debug("%s", name, exc_info=True)
            row = Row(name, sha256, CRASHED, one_line(f"{type(error).__name__}: {error}"))
        return replace(row, seconds=round(time.perf_counter() - start, 3))

    def result(self, file: Path) -> RunResult:
        """The measurement of one file."""
        config = self.parts.config
        spectrum = config.spectrum.model_copy(update={"path": file.absolute()})
        config = config.model_copy(update={"spectrum": spectrum})
        parts = replace(self.parts, config=config, context=replace(self.parts.context, progress=quiet))
        target = observe(parts, Plan(self.generator.space, (), ()))
        found = infer(self.generator, target, self.parts.optimizer, config)
        found = found if parts.sampler is None else sample(found, parts, parts.sampler)
        return summary(config, self.generator, target, found)


def _row(result: RunResult, name: str, sha256: str) -> Row:
    values = {p.name: p.value for p in result.parameters}
    errors = {p.name: p.error for p in result.parameters if p.error is not None and np.isfinite(p.error)}
    notes = tuple(one_line(note).replace("; ", ", ") for note in result.notes)
    return Row(
        name, sha256, result.status, one_line(result.message), notes, values, errors, result.metric,
        result.objective, result.counts["pixels"],
    )  # fmt: skip


# --- side by side --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """One file that is to be measured, and the place of its row."""

    place: int
    file: Path
    sha256: str


class Measuring(PartsWork[Task, Row]):
    """To measure spectra. Each is measured by one thread, so that rows do not depend on how many are side by side."""

    title = "measure"

    def __init__(self, parts: Parts, generator: str, opened: Generator | None = None) -> None:
        super().__init__(parts)
        path = Path(generator)
        self.desk = Desk(parts, opened or Generator.load(path, parts.context.device), path)

    def do(self, task: Task, alive: Alive) -> Row:
        return self.desk.measure(task.file, task.sha256)

    def name(self, task: Task) -> str:
        return str(task.file)

    def more(self) -> dict[str, Any]:
        return {"generator": str(self.desk.path.absolute())}

    def task_told(self, task: Task) -> Message:
        return Message({"place": task.place, "file": str(task.file.absolute()), "sha256": task.sha256})

    def task_heard(self, message: Message) -> Task:
        return Task(message.facts["place"], Path(message.facts["file"]), message.facts["sha256"])

    def made_told(self, made: Row) -> Message:
        return Message({"row": made.to_json()})

    def made_heard(self, message: Message) -> Row:
        return Row.from_json(message.facts["row"])
