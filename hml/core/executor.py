"""Where the many like tasks of a run are done: cloning nodes, checking a grid, measuring a batch. Here in processes of
this machine, or on a Dask cluster; with the same results."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Self

from hml.core.config import DaskConfig, RuntimeConfig, parse_config
from hml.core.errors import ConfigError, HmlError
from hml.core.parts import Parts
from hml.core.work import Facts, Made, PassingError, Task, Work

HOPELESS = 8  # tasks that failed while none has been done: not their own fault, nor worth the rest
SHOWN = 20  # of those that failed

Done = Callable[[Task, Made | Exception], None]


class Executor(ABC):
    """Does tasks side by side."""

    @abstractmethod
    def run(self, work: Work[Task, Made], tasks: Sequence[Task], done: Done[Task, Made], among: int = 0) -> None:
        """Do all. `done` hears of each in this thread as it ends, with what was made or what is wrong with it; what it
        raises stops all. A task that dies or meets what may pass is tried again, so many times. `among`: how many
        tasks there are with those done before, so that a resumed run computes the same numbers."""


def run_all(
    executor: Executor, work: Work[Task, Made], tasks: Sequence[Task], keep: Callable[[Task, Made], None],
    among: int = 0,
) -> None:  # fmt: skip
    """Do all and `keep` what was made. Tasks that fail are set aside; when the others are done, an error names them."""
    aside: list[Exception] = []
    kept = 0

    def done(task: Task, made: Made | Exception) -> None:
        nonlocal kept
        if isinstance(made, Exception):
            aside.append(made)
            if kept == 0 and len(aside) == HOPELESS:
                raise _all_in_one(aside, f"the first {HOPELESS}")
            return
        keep(task, made)
        kept += 1

    executor.run(work, tasks, done, among)
    if aside:
        raise _all_in_one(aside, f"{len(aside)} of {len(tasks)}")


def _all_in_one(aside: Sequence[Exception], count: str) -> Exception:
    """The error that tells of all; of a bug its traceback too."""
    bug = next((error for error in aside if not isinstance(error, HmlError | OSError | MemoryError)), None)
    if bug is not None:
        return bug
    if len(aside) == 1 and isinstance(aside[0], HmlError):
        return aside[0]
    kinds = [type(error) for error in aside if isinstance(error, HmlError) and not isinstance(error, PassingError)]
    kind = kinds[0] if kinds else HmlError
    lines = [f"\n  {error}" for error in aside[:SHOWN]]
    more = [f"\n  … and {len(aside) - SHOWN} more"] if len(aside) > SHOWN else []
    return kind(f"{count} could not be done (what was is kept):{''.join(lines + more)}")


def executor_of(runtime: RuntimeConfig, device: str) -> Executor:
    """The one that a config names."""
    lanes = runtime.workers or (1 if device != "cpu" else cores())
    if isinstance(runtime.executor, DaskConfig):
        from hml.core.on_dask import Dask

        return Dask(runtime.executor, lanes)
    from hml.core.workers import Local

    return Local(lanes, device == "cpu", runtime.executor.retries)


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class PartsWork(Work[Task, Made]):
    """Work of the parts that a config names."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    def setting(self) -> Facts:
        """The config, with the device that this process found."""
        config = self.parts.config
        runtime = config.runtime.model_copy(update={"device": self.parts.context.device})
        return {"config": config.model_copy(update={"runtime": runtime}).model_dump(mode="json"), **self.more()}

    def more(self) -> dict[str, Any]:
        """What another process needs to know beside the config."""
        return {}

    @classmethod
    def there(cls, setting: Facts) -> Self:
        more = {name: value for name, value in setting.items() if name != "config"}
        return cls(Parts.of(parse_config(setting["config"])), **more)

    @property
    def portable(self) -> bool:
        """Whether another process finds the same components by their names; not those of a caller's own registry."""
        try:
            return parse_config(self.parts.config.model_dump(mode="json")) == self.parts.config
        except ConfigError:
            return False
