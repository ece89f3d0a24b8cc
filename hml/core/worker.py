"""A worker process: another interpreter that does tasks. Messages go in and answers come out through its standard input
and output, each behind its length.

Unlike a pool of `multiprocessing` it never imports the user's own script once more (which so needs no `__main__`
guard), nothing is pickled, and it ends with the process that started it, however that one ends.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any

from hml.core.errors import HmlError
from hml.core.work import Made, Message, PassingError, Task, Work, answer, heard, home

# Ctrl-C reaches every process of a terminal, and is for the first one to act on
BEGIN = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); sys.path[:] = {path!r}; "
    "from hml.core.worker import serve; serve()"
)
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
GRACE = 2.0  # s: what processes that are told to end may take, before they are killed
ALONE = "--set runtime.workers=1 does without worker processes"
LENGTH = 8  # bytes of the length of a message


class Worker:
    """The near end of a worker process."""

    def __init__(self, work: Work[Any, Any], threads: int) -> None:
        """HmlError if there can be no more processes."""
        command = [sys.executable, "-c", BEGIN.format(path=sys.path)]
        environment = {**os.environ, **dict.fromkeys(THREADS, str(threads))}
        pipe = subprocess.PIPE
        try:
            self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment)
        except OSError as error:
            raise HmlError(f"a worker process cannot be started ({error}); {ALONE}") from None
        self._say(Message({"home": home(work), "threads": threads}).pack())
        self.ready = False

    def do(self, work: Work[Task, Made], task: Task) -> Made | Exception:
        """The task done, or what is wrong with it: an error of hml as it was there, a bug as RuntimeError with its
        traceback, `PassingError` if the process died over it."""
        if not self.ready:  # only now: a long message waits until the process has begun
            self._say(Message(work.setting()).pack())
            self.ready = True
        self._say(work.task_told(task).pack())
        told = self._answer()
        if told is None:
            return PassingError(f"{work.name(task)}: {self._death()}")
        made: Made | Exception = heard(work, task, told)
        return made

    def _say(self, data: bytes) -> None:
        assert self.process.stdin is not None
        with suppress(OSError):  # it has ended, as its missing answer tells
            _write(self.process.stdin, data)

    def _answer(self) -> Message | None:
        assert self.process.stdout is not None
        while data := _read(self.process.stdout):
            message = Message.unpack(data)
            match message.facts:
                case {"log": name, "level": level, "text": text}:
                    logging.getLogger(name).log(level, "%s", text)
                case _:
                    return message
        return None

    def _death(self) -> str:
        code = self.process.wait()
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        return (
            f"its worker process was {how}, perhaps for lack of memory; what was finished is "
            f"kept, the same command goes on from there; {ALONE}, a smaller number with fewer"
        )

    def wait(self, deadline: float) -> None:
        """Until it has ended; past the deadline (of `time.monotonic`) it is killed."""
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for end_of_pipe in (self.process.stdin, self.process.stdout):
            assert end_of_pipe is not None
            with suppress(OSError):
                end_of_pipe.close()


def end(crew: Sequence[Worker]) -> None:
    """End them all, whatever they are doing."""
    for worker in crew:
        worker.process.terminate()
    deadline = time.monotonic() + GRACE
    for worker in crew:
        worker.wait(deadline)


def _write(stream: IO[bytes], data: bytes) -> None:
    stream.write(len(data).to_bytes(LENGTH, "little") + data)
    stream.flush()


def _read(stream: IO[bytes]) -> bytes | None:
    """A whole message, None where there will be none."""
    length = int.from_bytes(stream.read(LENGTH), "little")
    data = stream.read(length)
    return data if data and len(data) == length else None


# --- the far end -----------------------------------------------------------------------------------------------


def serve() -> None:
    """Do tasks until standard input is closed."""
    import torch

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # unwinds, so that no half-written file is left
    parent = os.getppid()

    def alive() -> None:
        if os.getppid() != parent:  # it was killed: nobody waits for this task
            sys.exit(1)

    with suppress(BrokenPipeError), os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # what a plugin prints is no answer
        tasks = sys.stdin.buffer
        first, setting = _read(tasks), _read(tasks)
        if first is None or setting is None:
            return
        facts = Message.unpack(first).facts
        _forward_warnings(answers)
        torch.set_num_threads(facts["threads"])
        while task := _read(tasks):
            _write(answers, answer(facts["home"], setting, task, alive))


def _forward_warnings(answers: IO[bytes]) -> None:
    """They are given by the process that the user sees; what is mere information it has given itself, with the first
    task."""

    class Forward(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            _write(answers, Message({"log": record.name, "level": record.levelno, "text": record.getMessage()}).pack())

    logging.getLogger().addHandler(Forward(logging.WARNING))
