"""Processes that are ready to run: forked from one that has imported everything, so that a run takes a second and can
be killed a hundred times. Each is a process like any other: its own memory, files, locks and signals.

    zygote = Zygote(); run = zygote.start(["run", …], home, folder); [… for stage in run.stages()]; run.wait()
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


@dataclass
class Forked:
    """A run in a process of its own."""

    zygote: Zygote
    pid: int
    folder: Path  # of its output
    pipe: int
    status: int | None = None

    def stages(self) -> Iterator[str]:
        """The stages as they begin, until the process ends."""
        held = b""
        while True:
            select.select([self.pipe], [], [])
            data = os.read(self.pipe, 4096)
            if not data:
                return
            *lines, held = (held + data).split(b"\n")
            yield from (line.decode() for line in lines)

    def until(self, stage: str) -> bool:
        """Whether that stage began, before the process ended."""
        return any(begun == stage for begun in self.stages())

    def kill(self, blow: int = signal.SIGKILL) -> None:
        os.kill(self.pid, blow)

    def wait(self) -> int:
        """Exit status; a signal's number is negative, as `subprocess` has it."""
        if self.status is None:
            self.status = self.zygote.ask({"wait": self.pid})["status"]
            os.close(self.pipe)
        return self.status

    @property
    def err(self) -> str:
        return (self.folder / "err").read_text(errors="replace")

    @property
    def out(self) -> str:
        return (self.folder / "out").read_text(errors="replace")


class Zygote:
    """The near end of the process that forks."""

    def __init__(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self.process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=environment)
        self.count = 0

    def ask(self, what: Mapping[str, Any]) -> Any:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def start(self, arguments: list[str], home: Path, folder: Path, twists: Mapping[str, Any] | None = None) -> Forked:
        """`hml` with these arguments; `twists` (functions of `twists.py` and what they are given) make its world
        another one."""
        self.count += 1
        folder = folder / f"process{self.count}"
        folder.mkdir(parents=True)
        os.mkfifo(folder / "stages")
        pipe = os.open(folder / "stages", os.O_RDONLY | os.O_NONBLOCK)
        (folder / "stages").chmod(0o666)
        what = {"arguments": arguments, "home": str(home), "folder": str(folder), "twists": twists or {}}
        return Forked(self, self.ask(what)["pid"], folder, pipe)

    def warm(self, arguments: list[str], home: Path, stages: Sequence[str]) -> dict[str, float]:
        """Seconds of these stages of a run, after which all others find everything compiled."""
        what = {"warm": True, "arguments": arguments, "home": str(home), "stages": stages}
        seconds: dict[str, float] = self.ask(what)["seconds"]
        return seconds

    def end(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


# --- the far end -----------------------------------------------------------------------------------------------------


def serve() -> None:
    import warm  # noqa: F401 (everything that a run will import)

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in iter(sys.stdin.readline, ""):
        what = json.loads(line)
        if "warm" in what:
            answer = {"seconds": _warmed(what)}
        elif "wait" in what:
            answer = {"status": os.waitstatus_to_exitcode(os.waitpid(what["wait"], 0)[1])}
        else:
            pid = os.fork()
            if pid == 0:
                _be(what)
            answer = {"pid": pid}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _warmed(what: Mapping[str, Any]) -> dict[str, float]:
    """A run here, so that the others find all that is compiled; how long each stage takes."""
    import twists

    begun: list[tuple[str, float]] = []
    with twists.marked(lambda stage: begun.append((stage, time.perf_counter()))):
        _hml(what)
    known = [(stage, at) for stage, at in begun if stage in what["stages"]]
    return {stage: later - at for (stage, at), (_, later) in pairwise([*known, ("", time.perf_counter())])}


def _hml(what: Mapping[str, Any]) -> int:
    os.environ["HML_HOME"], os.environ["COLUMNS"] = what["home"], "160"
    sys.argv = ["hml", *what["arguments"]]
    from hml.cli import main

    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _be(what: Mapping[str, Any]) -> None:
    """The child: `hml`, from its first line to its exit."""
    import twists

    os.setsid()
    logging.getLogger("hml").handlers.clear()  # those of the run that warmed up write to its own standard error
    folder = Path(what["folder"])
    for number, name, flags in ((0, os.devnull, os.O_RDONLY), (1, folder / "out", os.O_WRONLY | os.O_CREAT),
                                (2, folder / "err", os.O_WRONLY | os.O_CREAT)):
        os.dup2(os.open(name, flags, 0o644), number)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(os.dup(i), mode) for i, mode in enumerate("rww"))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs ignore
    pipe = os.open(folder / "stages", os.O_WRONLY)
    status = 1
    try:
        for name, value in what["twists"].items():
            getattr(twists, name)(value)
        with twists.marked(lambda stage: os.write(pipe, f"{stage}\n".encode())):
            status = _hml(what)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    serve()
