"""Side by side on this machine: in threads of this process, or in processes of their own where their start pays."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import torch

from hml.core.executor import Done, Executor
from hml.core.work import Made, PassingError, Task, Work, patient, tried
from hml.core.worker import Worker, end

START_UP = 5.0  # s: a worker process imports torch, builds the parts and loads compiled loops; benchmarks/workers.py


@dataclass(frozen=True)
class Local(Executor):
    """So many lanes. Tasks are done one by one in this process until what is left for each lane would take longer than
    a process takes to start; the first one warms up and tells nothing. Even if threads did as well, which depends on
    what part of the work is Python's own, the start is then not longer than the work."""

    lanes: int
    processes: bool  # whether there may be any
    retries: int

    def run(self, work: Work[Task, Made], tasks: Sequence[Task], done: Done[Task, Made], among: int = 0) -> None:
        lanes = max(1, min(self.lanes, max(among, len(tasks))))
        able = self.processes and lanes > 1 and work.portable
        left, paces = deque(tasks), list[float]()
        with _threads(lanes if work.threaded else None) as threads:
            while left:
                worth = paces and len(left) > 1 and len(left) / lanes * sum(paces) / len(paces) > START_UP
                if able and worth:
                    return self._in_processes(work, left, lanes, threads, done)
                if work.threaded and paces and lanes > 1:
                    return self._in_threads(work, left, lanes, done)
                began, first, task = time.perf_counter(), len(left) == len(tasks), left.popleft()
                made: Made | Exception = tried(work, task, patient, self.retries)
                done(task, made)
                paces += [] if first else [time.perf_counter() - began]
        return None

    def _in_threads(self, work: Work[Task, Made], tasks: Sequence[Task], lanes: int, done: Done[Task, Made]) -> None:
        stopped = threading.Event()

        def alive() -> None:
            if stopped.is_set():  # a fit may take minutes; nobody waits that long after Ctrl-C
                raise CancelledError

        def do(task: Task) -> Made | Exception:
            return tried(work, task, alive, self.retries)

        side_by_side(do, tasks, lanes, done, stopped.set)

    def _in_processes(
        self, work: Work[Task, Made], tasks: Sequence[Task], lanes: int, threads: int, done: Done[Task, Made]
    ) -> None:
        crew = Crew(work, threads, self.retries)
        try:
            for _ in range(min(lanes, len(tasks))):
                crew.hire()
            side_by_side(crew.do, tasks, lanes, done, crew.stop)
        finally:
            crew.stop()


class Crew:
    """Worker processes. One that dies is replaced."""

    def __init__(self, work: Work[Any, Any], threads: int, retries: int) -> None:
        self.work, self.threads, self.retries = work, threads, retries
        self.all: list[Worker] = []
        self.idle: SimpleQueue[Worker] = SimpleQueue()
        self.stopped = False

    def hire(self) -> None:
        self.all.append(Worker(self.work, self.threads))
        self.idle.put(self.all[-1])

    def do(self, task: Any) -> Any:
        """What was made of a task, or what is wrong with it."""
        for _ in range(self.retries + 1):
            worker = self.idle.get()
            made = worker.do(self.work, task)
            if worker.process.poll() is None:
                self.idle.put(worker)
            elif self.stopped:
                break
            else:
                self.hire()
            if not isinstance(made, PassingError):
                break
        return made

    def stop(self) -> None:
        self.stopped = True
        end(self.all)


@contextmanager
def _threads(lanes: int | None) -> Iterator[int]:
    """How many threads torch and the kernels use for one task, so that all lanes together use each core once; None: one
    each."""
    before = torch.get_num_threads()
    each = 1 if lanes is None else max(1, before // lanes)
    torch.set_num_threads(each)
    try:
        yield each
    finally:
        torch.set_num_threads(before)


def side_by_side(
    do: Callable[[Task], Made | Exception],
    tasks: Sequence[Task],
    lanes: int,
    done: Done[Task, Made],
    stop: Callable[[], None],
) -> None:
    """`do` every task in one of so many threads. Whatever goes wrong, here or in one of them, stops all."""
    with ThreadPoolExecutor(min(lanes, len(tasks))) as pool:
        futures = {pool.submit(do, task): task for task in tasks}
        try:
            for future in as_completed(futures):
                done(futures.pop(future), future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            stop()
            raise
