"""Work side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event
from typing import TypeVar

from hml.plugins.phoenix.transfer import StoppedError

Job = TypeVar("Job")


def side_by_side(
    jobs: Sequence[Job],
    work: Callable[[Job, Callable[[float], None]], None],
    connections: int,
    stop: Event,
    advance: Callable[[float], None],
) -> None:
    """`work(job, tell)` for every job in threads; `advance` is called in this one. The first error ends all."""
    told: SimpleQueue[float | None] = SimpleQueue()

    def one(job: Job) -> None:
        try:
            work(job, told.put)
        except BaseException:
            stop.set()
            raise
        finally:
            told.put(None)

    with ThreadPoolExecutor(connections) as pool:
        futures = [pool.submit(one, job) for job in jobs]
        try:
            left = len(jobs)
            while left:
                amount = told.get()
                if amount is None:
                    left -= 1
                else:
                    advance(amount)
        except BaseException:
            stop.set()
            raise
    errors = [error for error in (future.exception() for future in futures) if error is not None]
    for error in sorted(errors, key=lambda error: isinstance(error, StoppedError)):  # the cause, not those it stopped
        raise error
