"""Many spectra, one generator, a row each: what is finished is stored at once, and never measured again.

Every spectrum is measured by one thread, so that rows do not depend on how many are measured side by side.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from typing import Any

import torch

from hml.core import workers
from hml.core.batch_desk import Clerk, Desk
from hml.core.batch_table import CRASHED, Heading, Ledger, Row, one_line, read_batch, renamed, shown
from hml.core.components import Progress, quiet
from hml.core.config import RunConfig
from hml.core.errors import ConfigError, HmlError
from hml.core.lock import alone
from hml.core.store import sweep
from hml.core.worker import end

Done = Callable[["Task", Row], None]


@dataclass(frozen=True)
class Batch:
    """All rows of the table, those of the files that were asked for first and in their order."""

    path: str
    rows: tuple[Row, ...]
    asked: int  # how many files were asked for
    kept: int  # how many of them were measured before
    seconds: float  # that the others took, beginning with the first

    @property
    def counts(self) -> dict[str, int]:
        """How often each status occurs among the files that were asked for, the most frequent first."""
        return dict(Counter(row.status for row in self.rows[: self.asked]).most_common())

    def to_json(self) -> dict[str, Any]:
        rows = [row.to_json() for row in self.rows]
        facts = {"asked": self.asked, "kept": self.kept, "seconds": round(self.seconds, 3), "counts": self.counts}
        return {"output": self.path, **facts, "rows": rows}


@dataclass(frozen=True)
class Task:
    """One file that is to be measured, and the place of its row."""

    place: int
    file: Path
    sha256: str


def infer_many(
    config: RunConfig, files: Sequence[Path | str], output: Path | str, *, progress: Progress = quiet
) -> Batch:
    """Measure every file as `run` would, and put a row for each into the ECSV table `output`. What goes wrong with one
    is told in its row. Rows that are in the table already are kept where the content of the file, the config and the
    generator are the same; ArtefactError if the table is of another config or generator."""
    paths, output = _distinct(config, files), Path(output)
    with alone(output.with_name(f".{output.name}.lock"), str(output), wait=False):
        return _infer_many(config, paths, output, progress)


def _infer_many(config: RunConfig, paths: Sequence[Path], output: Path, progress: Progress) -> Batch:
    sweep(output.parent, output.name)
    before = read_batch(output) if output.exists() else None
    desk = Desk.of(config, progress)
    ledger = Ledger(output, desk.heading())
    tasks = [Task(place, file, fingerprint(file)) for place, file in enumerate(paths)]
    kept, others = _known(tasks, before, ledger.heading, output)
    ledger.put(kept | others)
    todo = [task for task in tasks if task.place not in kept]
    start = time.perf_counter()
    with progress("measuring", total=len(todo), unit="spectra") as advance:

        def done(task: Task, row: Row) -> None:
            ledger.put({task.place: row})
            advance(1)

        measure(desk, todo, done)
    return Batch(str(output), ledger.sorted(), len(tasks), len(kept), time.perf_counter() - start)


def _distinct(config: RunConfig, files: Sequence[Path | str]) -> list[Path]:
    if config.spectrum.path is not None:
        raise ConfigError("spectrum.path: a batch measures the files that are listed; leave it out of the config")
    if not files:
        raise ConfigError("no file to measure; name at least one")
    paths = [Path(file) for file in files]
    twice = [path for path, times in Counter(path.absolute().resolve() for path in paths).items() if times > 1]
    if twice:
        raise ConfigError(f"{twice[0]}: named more than once; name every file once")
    return paths


def fingerprint(file: Path) -> str:
    """By the content; empty where there is none to read."""
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:
        return ""


def _known(
    tasks: Sequence[Task], before: tuple[Heading, list[Row]] | None, heading: Heading, output: Path
) -> tuple[dict[int, Row], dict[int, Row]]:
    """Rows of an earlier table: of files that are asked for again, and, behind them, of others. A bug may be mended
    and a file be there by now: such rows are made again."""
    if before is None:
        return {}, {}
    heading.require_same(before[0], output)
    rows = {row.sha256: row for row in before[1] if row.sha256 and row.status != CRASHED}
    kept = {task.place: renamed(rows[task.sha256], shown(task.file)) for task in tasks if task.sha256 in rows}
    contents, names = {task.sha256 for task in tasks}, {shown(task.file) for task in tasks}
    rest = [row for row in before[1] if row.sha256 not in contents and row.file not in names]
    return kept, dict(enumerate(rest, start=len(tasks)))


# --- side by side ------------------------------------------------------------------------------------------------


def measure(desk: Desk, tasks: Sequence[Task], done: Done) -> None:
    """Measure all, `runtime.workers` at a time; `done` hears of each in this thread. Processes are started once the
    work that is left for each would take longer than its start."""
    lanes = max(1, min(workers.lanes_of(desk.parts), len(tasks)))
    portable = desk.parts.context.device == "cpu" and workers.portable(desk.parts)
    with _one_thread():
        paces: list[float] = []
        for i, task in enumerate(tasks):
            left = len(tasks) - i
            if portable and lanes > 1 and paces and left / lanes * sum(paces) / len(paces) > workers.START_UP:
                _in_processes(desk, tasks[i:], lanes, done)
                return
            row = desk.measure(task.file, task.sha256)
            done(task, row)
            if i > 0:  # the first one warms up
                paces.append(row.seconds)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _in_processes(desk: Desk, tasks: Sequence[Task], lanes: int, done: Done) -> None:
    crew: list[Clerk] = []
    idle: SimpleQueue[Clerk] = SimpleQueue()
    stopped = Event()

    def hire() -> None:
        crew.append(Clerk(desk.parts.config, 1, generator=str(desk.path)))
        idle.put(crew[-1])

    def do(task: Task) -> Row:
        clerk = idle.get()
        try:
            row = clerk.measure(task.file, task.sha256)
        except HmlError as error:  # it died over this spectrum; the next one gets another
            if not stopped.is_set():
                hire()
            return Row(shown(task.file), task.sha256, CRASHED, one_line(str(error)))
        idle.put(clerk)
        return row

    def stop() -> None:
        stopped.set()
        end(crew)

    try:
        for _ in range(min(lanes, len(tasks))):
            hire()
        workers.side_by_side(do, tasks, lanes, done, stop)
    finally:
        stop()
