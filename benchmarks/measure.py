"""How things are measured: fresh processes, peak memory, medians, threads, and what the machine is."""

from __future__ import annotations

import gc
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

STATUS, CLEAR, CPUS = Path("/proc/self/status"), Path("/proc/self/clear_refs"), Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Jobs:
    """Work done in another Python process: each in a fresh one, so that neither memory nor caches are inherited, or,
    where figures do not matter and time does, all in one (`shared`)."""

    shared: ProcessPoolExecutor | None

    @classmethod
    @contextmanager
    def start(cls, *, isolated: bool) -> Iterator[Jobs]:
        if isolated:
            yield cls(None)
            return
        with _process() as pool:
            yield cls(pool)

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """`function(*arguments)`; BrokenProcessPool if it is killed, as happens where memory does not suffice."""
        if self.shared is not None:
            return self.shared.submit(function, *arguments).result()
        with _process() as pool:
            return pool.submit(function, *arguments).result()


def _process() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


def say(what: str) -> None:
    """Tell whoever waits what is done now."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


# --- time ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Took:
    """Seconds on the clock, and of all cores together."""

    wall: float
    cpu: float


def timed(work: Callable[[], object]) -> Took:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Took(time.perf_counter() - wall, time.process_time() - cpu)


def repeated(works: Iterable[Callable[[], object]], least: int = 3, budget: float = 10.0) -> list[Took]:
    """What each of the works took; they are done in turn until `budget` seconds are spent, `least` of them anyway."""
    taken: list[Took] = []
    for work in works:
        if len(taken) >= least and sum(took.wall for took in taken) > budget:
            break
        taken.append(timed(work))
    return taken


def typical(works: Iterable[Callable[[], object]], least: int = 3, budget: float = 10.0) -> float:
    """Median seconds of the works; see `repeated`."""
    return median(took.wall for took in repeated(works, least, budget))


def side_by_side(
    rounds: Iterable[Mapping[str, Callable[[], object]]], least: int = 3, budget: float = 10.0
) -> dict[str, float]:
    """Median seconds of works by name, done in turn in every round, so that whatever else the machine does meets all of
    them; rounds end when `budget` seconds are spent, but for `least` of them."""
    taken: dict[str, list[float]] = {}
    end = time.perf_counter() + budget
    for count, works in enumerate(rounds):
        if count >= least and time.perf_counter() > end:
            break
        for name, work in works.items():
            taken.setdefault(name, []).append(timed(work).wall)
    return {name: median(seconds) for name, seconds in taken.items()}


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Torch, and numba where it is used, work with `count` threads inside."""
    import torch

    before = torch.get_num_threads()
    _set_threads(count)
    try:
        yield
    finally:
        _set_threads(before)


def _set_threads(count: int) -> None:
    import torch

    try:
        import numba
    except ImportError:
        pass
    else:
        numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
    torch.set_num_threads(count)  # last: numba, when it starts its threads, may change how many torch has


# --- memory ----------------------------------------------------------------------------------------------------


def resident(kind: str = "VmRSS") -> int | None:
    """Bytes of this process in memory (`RssAnon`: without mapped files; `VmHWM`: at most, so far); None where the
    system does not tell."""
    try:
        lines = STATUS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith(f"{kind}:")]
    return int(found[0]) * 1024 if found else None


def forget_peak() -> int | None:
    """Start `VmHWM` anew; bytes in memory now, or None where that is impossible."""
    gc.collect()
    try:
        CLEAR.write_text("5", encoding="ascii")
    except OSError:
        return None
    return resident()


def peak_above(before: int | None) -> int | None:
    """Bytes by which memory grew at most since `forget_peak`."""
    peak = resident("VmHWM")
    return None if before is None or peak is None else max(0, peak - before)


# --- the machine -----------------------------------------------------------------------------------------------


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    import torch

    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: _version(name) for name in ("torch", "numba", "numpy", "scipy", "scikit-optimize", "hml")},
    }


def _processor() -> str:
    try:
        lines = CPUS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
