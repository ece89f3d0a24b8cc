"""Nodes side by side: in threads of this process, or in processes of their own where their start pays."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TypeVar

import torch

from hml.core.config import parse_config
from hml.core.errors import ConfigError
from hml.core.nodes import Job, NodeClone, do_job
from hml.core.parts import Parts
from hml.core.worker import Worker, end

START_UP = 5.0  # s: a worker process imports torch, builds the parts and loads compiled loops; benchmarks/workers.py

Done = Callable[[Job, NodeClone], None]
Task = TypeVar("Task")
Made = TypeVar("Made")


def run_jobs(parts: Parts, jobs: Sequence[Job], nodes: int, done: Done) -> None:
    """Do all jobs, `runtime.workers` at a time; `done` hears of each in this thread. `nodes` is how many there are with
    those done before: it decides how many threads a node gets, so that a resumed build computes the same numbers.

    Two nodes are done first, one by one: what the second one takes (the first one warms up) tells how long the rest
    will. Processes are started if each would work for longer than it takes to start: even if threads did as well, which
    depends on what part of the work is Python's own, the start is then not longer than the work.
    """
    lanes = max(1, min(lanes_of(parts), nodes))
    with _threads(lanes) as threads:
        _in_threads(parts, jobs[:1], lanes, done)
        began = time.perf_counter()
        _in_threads(parts, jobs[1:2], lanes, done)
        seconds, rest = time.perf_counter() - began, jobs[2:]
        worth = len(rest) > 1 and lanes > 1 and seconds * len(rest) / lanes > START_UP
        if worth and parts.context.device == "cpu" and portable(parts):
            _in_processes(parts, rest, lanes, threads, done)
        else:
            _in_threads(parts, rest, lanes, done)


def lanes_of(parts: Parts) -> int:
    """How much is done side by side."""
    return parts.config.runtime.workers or (1 if parts.context.device != "cpu" else cores())


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _threads(lanes: int) -> Iterator[int]:
    """How many threads torch and the kernels use for one node, so that all lanes together use each core once."""
    before = torch.get_num_threads()
    each = max(1, before // lanes)
    torch.set_num_threads(each)
    try:
        yield each
    finally:
        torch.set_num_threads(before)


def portable(parts: Parts) -> bool:
    """Whether another process finds the same components by their names; not those of a caller's own registry."""
    try:
        return parse_config(parts.config.model_dump(mode="json")) == parts.config
    except ConfigError:
        return False


def _in_threads(parts: Parts, jobs: Sequence[Job], lanes: int, done: Done) -> None:
    stopped = threading.Event()

    def on_step(step: int, loss: float) -> None:
        if stopped.is_set():  # a fit may take minutes; nobody waits that long after Ctrl-C
            raise CancelledError

    side_by_side(lambda job: do_job(parts, job, on_step), jobs, lanes, done, stopped.set)


def _in_processes(parts: Parts, jobs: Sequence[Job], lanes: int, threads: int, done: Done) -> None:
    crew: list[Worker] = []
    idle: SimpleQueue[Worker] = SimpleQueue()

    def do(job: Job) -> NodeClone:
        worker = idle.get()
        try:
            return worker.do(job)
        finally:
            idle.put(worker)

    try:
        for _ in range(min(lanes, len(jobs))):
            crew.append(Worker(parts.config, threads))
            idle.put(crew[-1])
        side_by_side(do, jobs, lanes, done, lambda: end(crew))
    finally:
        end(crew)


def side_by_side(
    do: Callable[[Task], Made],
    jobs: Sequence[Task],
    lanes: int,
    done: Callable[[Task, Made], None],
    stop: Callable[[], None],
) -> None:
    """`do` every job in one of so many threads. Whatever goes wrong, here or in one of them, stops all."""
    if not jobs:
        return
    with ThreadPoolExecutor(min(lanes, len(jobs))) as pool:
        futures = {pool.submit(do, job): job for job in jobs}
        try:
            for future in as_completed(futures):
                done(futures[future], future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            stop()
            raise
