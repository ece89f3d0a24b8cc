"""Many spectra, one generator, a row each: what is finished is stored at once, and never measured again."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hml.core.batch_desk import Desk, Measuring, Task
from hml.core.batch_table import CRASHED, Heading, Ledger, Row, one_line, read_batch, renamed, shown
from hml.core.components import Progress, quiet
from hml.core.config import RunConfig
from hml.core.errors import ConfigError
from hml.core.lock import alone
from hml.core.store import sweep


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

        def done(task: Task, made: Row | Exception) -> None:
            name = shown(task.file)
            if isinstance(made, Exception):  # its process died
                made = Row(name, task.sha256, CRASHED, one_line(str(made)))
            ledger.put({task.place: renamed(made, name)})
            advance(1)

        try:
            desk.parts.executor.run(Measuring(desk.parts, str(desk.path), desk.generator), todo, done)
        finally:
            ledger.flush()
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
