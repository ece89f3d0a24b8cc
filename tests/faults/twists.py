"""How the world of a run is made another one, from inside its process and before its first line."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch


@contextmanager
def marked(mark: Callable[[str], Any]) -> Iterator[None]:
    """Every stage and every bar of progress is told as it begins. Figures are not drawn, which takes longer than all
    the rest, but empty ones written."""
    import hml.cli.run
    import hml.core.report
    from hml.core import pipeline

    @contextmanager
    def progress(task: str, total: float | None = None, unit: str = "") -> Any:
        mark(task)
        yield lambda amount=1.0: None

    clock, write = pipeline.Clock.__call__, pipeline.report

    @contextmanager
    def told(self: pipeline.Clock, stage: str) -> Any:
        mark(stage)
        with clock(self, stage):
            yield

    def report(*rest: Any) -> Any:
        mark("report")
        return write(*rest)

    empty = {name: lambda *_: b"" for name in ("fit", "convergence", "line_counts", "corner")}
    with patch.object(hml.cli.run, "progress", lambda: progress), patch.object(pipeline.Clock, "__call__", told), \
            patch.object(pipeline, "report", report), patch.multiple(hml.core.report.figures, **empty):
        yield


def largest_file(size: int) -> None:
    """No file may grow beyond so many bytes, as under a quota."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def user(number: int) -> None:
    """Somebody without rights."""
    os.setgroups([])
    os.setgid(number)
    os.setuid(number)


def unwritable(folder: str) -> None:
    """Ends the process with a status of its own if a plain write works there: the fault would be none."""
    try:
        (Path(folder) / "probe").write_text("")
    except OSError:
        return
    os._exit(99)


def no_locks(number: int) -> None:
    """A file system that answers every lock with this error."""
    import fcntl

    def flock(file: int, how: int) -> None:
        raise OSError(number, os.strerror(number))

    fcntl.flock = flock  # type: ignore[assignment]


def jumping_clock(seed: int) -> None:
    """A clock that jumps by up to a year, either way, whenever it is asked."""
    import datetime
    import time

    rng, real = random.Random(seed), time.time
    year = 365.25 * 86400

    def jumped() -> float:
        return real() + rng.uniform(-year, year)

    class Jumping(datetime.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.datetime.fromtimestamp(jumped(), tz)

    time.time, time.time_ns = jumped, lambda: int(1e9 * jumped())
    from hml.core import report

    report.datetime = type("datetime", (), {"datetime": Jumping})  # type: ignore[assignment]
