"""One process beside two, and what scheduling costs: tasks that only pass the time, on local processes and on Dask."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measure import say

from hml import load_config
from hml.core import workers
from hml.core.config import DaskConfig
from hml.core.executor import Executor, run_all
from hml.core.fitting import clone_nodes
from hml.core.on_dask import Dask
from hml.core.parts import Parts, plan_nodes
from hml.core.shelf import Shelf
from hml.core.work import Alive, Work
from hml.core.workers import Local

Row = dict[str, Any]


class Spin(Work[int, float]):
    """To keep a core busy for a while; the answer is for how long it was."""

    title = "spin"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def do(self, task: int, alive: Alive) -> float:
        began = time.perf_counter()
        while time.perf_counter() - began < self.seconds:
            pass
        return time.perf_counter() - began

    def name(self, task: int) -> str:
        return f"spin {task}"

    def setting(self) -> Mapping[str, Any]:
        return {"seconds": self.seconds}

    @classmethod
    def there(cls, setting: Mapping[str, Any]) -> Spin:
        return cls(setting["seconds"])


@dataclass(frozen=True)
class Size:
    seconds: tuple[float, ...]  # of tasks
    total: float  # s of work for one figure
    grid: tuple[float, float]  # Å of the grid whose nodes are cloned
    steps: int


SMALL = Size((0.05,), 3.0, (8700.0, 8704.0), 20)
FULL = Size((0.01, 0.1, 1.0, 5.0), 60.0, (8700.0, 8760.0), 100)


def scheduling(size: Size) -> list[Row]:
    """Which part of the time of one worker is not work, once it has begun."""
    say("scheduling")
    dask = Dask(DaskConfig(), 1)
    rows = [{"executor": "dask", "task_s": s, "overhead": _overhead(dask, s, size.total)} for s in size.seconds]
    workers.START_UP = 0.0
    for seconds in size.seconds:
        rows.append({"executor": "local", "task_s": seconds, "overhead": _overhead(Local(2, True, 0), seconds,
                                                                                   size.total, lanes=2)})  # fmt: skip
    return rows


def _overhead(executor: Executor, seconds: float, total: float, lanes: int = 1) -> float:
    """By the second half of the tasks, when their number in a unit is found."""
    told: list[tuple[float, float]] = []
    count = max(8, int(lanes * total / seconds))
    run_all(executor, Spin(seconds), range(count), lambda task, took: told.append((time.perf_counter(), took)))
    at, took = np.array(told).T
    half = np.searchsorted(at, at[count // 2], side="right")  # answers of a unit come together
    return float(1 - took[half:].sum() / lanes / (at[-1] - at[half - 1]))


def side_by_side(size: Size, folder: Path) -> Row:
    """Nodes of a grid cloned by one process and by two: from the first to the last, and with the start."""
    say("one process, two")
    found = {f"{lanes}": _cloned(size, lanes, folder / str(lanes)) for lanes in (1, 2)}
    return {**found, "ratio": found["2"]["rate"] / found["1"]["rate"]}


def _cloned(size: Size, lanes: int, home: Path) -> Row:
    os.environ["HML_HOME"] = str(home)
    workers.START_UP = 0.0 if lanes > 1 else np.inf
    config = load_config(sets=[f"grid.wavelength={list(size.grid)}", f"clone.steps={size.steps}", "clone.stop=0",
                               "clone.rounds=0", "grid.feh=0",
                               f"runtime.workers={lanes}", "runtime.device=cpu"])  # fmt: skip
    ends: list[float] = []
    parts = Parts.of(config)
    vars(parts)["executor"] = Timed(parts.executor, ends)
    began, plan = time.perf_counter(), plan_nodes(parts)
    clone_nodes(parts, plan, Shelf.of(parts, plan))
    half = len(ends) // 3
    return {"nodes": len(ends), "seconds": time.perf_counter() - began,
            "rate": (len(ends) - half - 1) / (ends[-1] - ends[half])}  # fmt: skip


class Timed(Executor):
    """Remembers when each task ended."""

    def __init__(self, inner: Executor, ends: list[float]) -> None:
        self.inner, self.ends = inner, ends

    def run(self, work: Any, tasks: Any, done: Any, among: int = 0) -> None:
        def told(task: Any, made: Any) -> None:
            self.ends.append(time.perf_counter())
            done(task, made)

        self.inner.run(work, tasks, told, among)
