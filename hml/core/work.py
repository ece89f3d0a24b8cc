"""Many like tasks: what is done with each, and how task and answer are told to another process.

They go as messages, plain data and arrays laid out as in hml's files (`hml.core.arrays`): nothing is pickled, and every
number arrives as it was.
"""

from __future__ import annotations

import json
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from io import BytesIO
from typing import Any, Generic, Self, TypeVar

from hml.core import arrays as files
from hml.core import errors
from hml.core.arrays import Arrays
from hml.core.errors import HmlError

Task = TypeVar("Task")
Made = TypeVar("Made")
Facts = Mapping[str, Any]
"""JSON values by name."""
Alive = Callable[[], None]
"""To be called now and then by work that takes long: raises if nobody waits for it any more."""

KNOWN = 2  # kinds of work that a process keeps at hand


def patient() -> None:
    """Work that nobody will interrupt."""


class PassingError(HmlError):
    """What may not be so at another time: a process that died, a file system that was away, memory that was full."""


@dataclass(frozen=True, eq=False)
class Message:
    """What one process tells another."""

    facts: Facts
    arrays: Arrays = field(default_factory=dict)

    def pack(self) -> bytes:
        file = BytesIO()
        files.write(file, self.arrays, {"facts": json.dumps(self.facts)})
        return file.getvalue()

    @classmethod
    def unpack(cls, data: bytes) -> Message:
        """What `pack` told."""
        arrays, notes = files.parse(data)
        return cls(json.loads(notes["facts"]), arrays)


class Work(ABC, Generic[Task, Made]):
    """One kind of work, ready to be done in this process; `setting` is what another process makes its like of. Tasks
    and answers are JSON values unless a subclass tells them in another way."""

    title: str
    """One word, for people who watch."""
    threaded = False
    """Whether its loops run without the interpreter: side by side in threads, or one of them in several threads."""

    @abstractmethod
    def do(self, task: Task, alive: Alive) -> Made:
        """One task. What is wrong with it is an HmlError."""

    @abstractmethod
    def name(self, task: Task) -> str:
        """What errors call a task."""

    @abstractmethod
    def setting(self) -> Facts:
        """All that another process needs to know."""

    @classmethod
    @abstractmethod
    def there(cls, setting: Facts) -> Self:
        """The same work in another process."""

    @property
    def portable(self) -> bool:
        """Whether other processes can do it."""
        return True

    def task_told(self, task: Task) -> Message:
        return Message({"task": task})

    def task_heard(self, message: Message) -> Task:
        task: Task = message.facts["task"]
        return task

    def made_told(self, made: Made) -> Message:
        return Message({"made": made})

    def made_heard(self, message: Message) -> Made:
        made: Made = message.facts["made"]
        return made


# --- in this process -----------------------------------------------------------------------------------------------


def tried(work: Work[Task, Made], task: Task, alive: Alive, retries: int) -> Made | Exception:
    """The task done, or what is wrong with it, after so many more trials where that may pass."""
    while True:
        try:
            return work.do(task, alive)
        except (OSError, MemoryError) as error:
            if retries == 0:
                return error
            retries -= 1
        except Exception as error:
            return error


# --- in another one ------------------------------------------------------------------------------------------------


def home(work: Work[Any, Any]) -> str:
    """Where another process finds the class."""
    return f"{type(work).__module__}:{type(work).__qualname__}"


def answer(where: str, setting: bytes, task: bytes, alive: Alive = patient) -> bytes:
    """The message that says what came of a task, at the far end."""
    try:
        with _one:
            work = _there(where, setting)
    except Exception as error:
        known = isinstance(error, HmlError)
        return Message({"unfit": str(error) if known else f"{type(error).__name__}: {error}"}).pack()
    began = time.perf_counter()
    made = _answer(work, task, alive)
    return Message({**made.facts, "seconds": time.perf_counter() - began}, made.arrays).pack()


_one = threading.Lock()  # two threads that begin together make one


@lru_cache(KNOWN)
def _there(where: str, setting: bytes) -> Work[Any, Any]:
    module, _, name = where.partition(":")
    kind: type[Work[Any, Any]] = getattr(import_module(module), name)
    return kind.there(Message.unpack(setting).facts)


def _answer(work: Work[Any, Any], task: bytes, alive: Alive) -> Message:
    try:
        return work.made_told(work.do(work.task_heard(Message.unpack(task)), alive))
    except HmlError as error:
        known = next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
        return Message({"error": known, "text": str(error)})
    except (OSError, MemoryError) as error:
        return Message({"passing": f"{type(error).__name__}: {error}"})
    except Exception:
        return Message({"bug": traceback.format_exc()})


def heard(work: Work[Task, Made], task: Task, message: Message) -> Made | Exception:
    """What came of a task, at the near end; HmlError if the other process cannot do this work at all."""
    match message.facts:
        case {"unfit": text}:
            raise HmlError(f"a worker cannot do its work: {text}")
        case {"error": kind, "text": text}:
            error: HmlError = getattr(errors, kind)(text)
            return error
        case {"passing": text}:
            return PassingError(f"{work.name(task)}: {text}")
        case {"bug": text}:
            return RuntimeError(f"in a worker process:\n{text}")
    return work.made_heard(message)
