"""A worker process: another interpreter that does jobs, such as to clone nodes. Config and jobs go in and answers come
out, a line of JSON each, through its standard input and output.

Unlike a pool of `multiprocessing` it never imports the user's own script once more (which so needs no `__main__`
guard), nothing is pickled, and it ends with the process that started it, however that one ends.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import IO, Any

from hml.core import errors
from hml.core.config import RunConfig, parse_config
from hml.core.errors import ArtefactError, HmlError
from hml.core.nodes import Job, NodeClone, do_job, read_clone
from hml.core.parts import Parts

# Ctrl-C reaches every process of a terminal, and is for the first one to act on
BEGIN = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); sys.path[:] = {path!r}; "
    "from {home} import serve; serve()"
)
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
GRACE = 2.0  # s: what processes that are told to end may take, before they are killed
ALONE = "--set runtime.workers=1 does without worker processes"


class Process:
    """The near end of a worker process."""

    home = __name__  # of the function `serve`, the far end

    def __init__(self, config: RunConfig, threads: int, **more: Any) -> None:
        """`more` is told to the far end, too. HmlError if there can be no more processes."""
        command = [sys.executable, "-c", BEGIN.format(path=sys.path, home=self.home)]
        environment = {**os.environ, **dict.fromkeys(THREADS, str(threads))}
        pipe = subprocess.PIPE
        try:
            self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, text=True)
        except OSError as error:
            raise HmlError(f"a worker process cannot be started ({error}); {ALONE}") from None
        self._say({"config": config.model_dump(mode="json"), "threads": threads, **more})

    def ask(self, job: Mapping[str, Any], what: str) -> dict[str, Any]:
        """The answer to a job that errors call `what`. What went wrong there is raised here: an error of hml as it was,
        a bug as RuntimeError with its traceback."""
        self._say(job)
        answer = self._answer()
        if answer is None:
            raise HmlError(f"{what}: {self._death()}")
        if "error" in answer:
            raise getattr(errors, answer["error"])(answer["text"])
        if "bug" in answer:
            raise RuntimeError(f"in a worker process:\n{answer['bug']}")
        return answer

    def _say(self, data: Mapping[str, Any]) -> None:
        assert self.process.stdin is not None
        with suppress(OSError):  # it has ended, as its missing answer tells
            _write(self.process.stdin, data)

    def _answer(self) -> dict[str, Any] | None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            answer: dict[str, Any] = json.loads(line)
            if "log" not in answer:
                return answer
            logging.getLogger(answer["log"]).log(answer["level"], "%s", answer["text"])
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


class Worker(Process):
    """One that clones nodes."""

    def do(self, job: Job) -> NodeClone:
        """The clone that the process made and stored."""
        self.ask(job.to_data(), f"node {job.path.stem}")
        made = read_clone(job.path, job.made_from)
        if made is None:
            raise ArtefactError(f"{job.path}: was stored and cannot be read again; does something else delete files?")
        return made


def end(crew: Sequence[Process]) -> None:
    """End them all, whatever they are doing."""
    for worker in crew:
        worker.process.terminate()
    deadline = time.monotonic() + GRACE
    for worker in crew:
        worker.wait(deadline)


def _write(stream: IO[str], data: Mapping[str, Any]) -> None:
    stream.write(json.dumps(data) + "\n")
    stream.flush()


# --- the far end -----------------------------------------------------------------------------------------------


Do = Callable[[Mapping[str, Any]], dict[str, Any]]
"""A job and its answer, as JSON values."""


def serve() -> None:
    """What a worker process that clones nodes does."""
    attend(_cloning)


def attend(begin: Callable[[Mapping[str, Any]], Do]) -> None:
    """Do jobs until standard input is closed. `begin` makes of what is told first that which does them."""
    import torch

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # unwinds, so that no half-written file is left
    with suppress(BrokenPipeError), os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)  # what a plugin prints is no answer
        first = json.loads(sys.stdin.readline())
        _forward_warnings(answers)
        torch.set_num_threads(first["threads"])
        do = cache(lambda: begin(first))
        for line in sys.stdin:
            _write(answers, _tried(do, json.loads(line)))


def _tried(do: Callable[[], Do], job: Mapping[str, Any]) -> dict[str, Any]:
    """The job, done, and what there is to say of it."""
    try:
        return do()(job)
    except HmlError as error:
        known = next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
        return {"error": known, "text": str(error)}
    except Exception:
        return {"bug": traceback.format_exc()}


def _cloning(first: Mapping[str, Any]) -> Do:
    parts, parent = Parts.of(parse_config(first["config"])), os.getppid()

    def on_step(step: int, loss: float) -> None:
        if os.getppid() != parent:  # it was killed: nobody waits for this clone
            sys.exit(1)

    def do(data: Mapping[str, Any]) -> dict[str, Any]:
        do_job(parts, Job.from_data(data), on_step)
        return {}

    return do


def _forward_warnings(answers: IO[str]) -> None:
    """They are given by the process that the user sees; what is mere information it has given itself, with the first
    node."""

    class Forward(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            _write(answers, {"log": record.name, "level": record.levelno, "text": record.getMessage()})

    logging.getLogger().addHandler(Forward(logging.WARNING))
