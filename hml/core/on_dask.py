"""Tasks done on a Dask cluster, in units of about a second; answers come as units end, whatever dies meanwhile.

What is done is known to whoever keeps the answers, and to nobody else: a scheduler that ends takes units in flight with
it, which are asked for again, and no more. Dask itself pickles what it carries between machines that trust one another;
hml gives it text, numbers and the name of one function, and takes the same.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
import weakref
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic
from uuid import uuid4

from hml.core.config import DaskConfig
from hml.core.errors import ConfigError, HmlError
from hml.core.executor import Done, Executor
from hml.core.store import versions
from hml.core.work import Made, Message, PassingError, Task, Work, answer, heard, home

if TYPE_CHECKING:
    from distributed import Client, Future

log = logging.getLogger(__name__)

UNIT = 1.0  # s of work in a unit, about
SHARE = 0.01  # s more for every lane: what one scheduler and this process can do for so many
AHEAD = 2  # units asked for, for every lane
HEAVIEST = 4_000_000  # bytes of a unit's tasks: Dask complains beyond ten
GRACE = 5.0  # s that workers may take to end
TICK = 5.0  # s after which it is asked again who is there
IDLE = 60.0  # s without a worker after which this is said
LOSSES = 10  # of the scheduler, with nothing done in between


@dataclass(frozen=True)
class Dask(Executor):
    """The workers of a scheduler; of one on this machine where no address is given."""

    config: DaskConfig
    lanes: int  # on this machine

    def run(self, work: Work[Task, Made], tasks: Sequence[Task], done: Done[Task, Made], among: int = 0) -> None:
        if not work.portable:
            raise ConfigError("runtime.executor: workers of Dask find installed parts only; choose local")
        state, losses = State(deque(tasks), self.config.retries), 0
        while state.left or state.suspects:
            count = state.count
            with self._connected() as client:
                if Session(client, work, state, done).run():
                    return
            log.warning("the scheduler at %s is gone; waiting %g s for it", self._address, self.config.patience)
            losses = 0 if state.count > count else losses + 1
            if losses == LOSSES:
                raise HmlError(f"runtime.executor: the scheduler at {self._address} goes again and again; see its log")

    @contextmanager
    def _connected(self) -> Iterator[Client]:
        """HmlError if there is no scheduler."""
        address, patience = self._address, self.config.patience
        from distributed import Client

        try:
            client = Client(address, timeout=patience, set_as_default=False)
        except (OSError, ValueError) as error:
            raise HmlError(
                f"runtime.executor.address: no scheduler of Dask answers at {address} within {patience:g} s "
                f"({type(error).__name__}); what was finished is kept, the same command goes on from there"
            ) from None
        try:
            yield client
        finally:
            client.close()

    @cached_property
    def _address(self) -> str:
        _require()
        return self.config.address or self._cluster.address

    @cached_property
    def _cluster(self) -> Cluster:
        cluster = Cluster(self.lanes)
        weakref.finalize(self, cluster.stop)
        return cluster


def _require() -> None:
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise ConfigError("runtime.executor: dask is not installed; pip install 'hml[dask]'") from None


class Cluster:
    """A LocalCluster that no other machine can reach. Its workers are started by their command: started by the cluster
    they would import the user's own script once more."""

    def __init__(self, lanes: int) -> None:
        from distributed import LocalCluster

        self.scheduler = LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0")
        self.address: str = self.scheduler.scheduler_address
        options = ["--nworkers", str(lanes), "--nthreads", "1", "--no-dashboard", "--death-timeout", "60"]
        path = os.pathsep.join(filter(None, sys.path))
        self.workers = subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_worker", self.address, *options],
            env={**os.environ, "PYTHONPATH": path}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def stop(self) -> None:
        """Whatever the workers are doing."""
        self.workers.terminate()
        try:
            self.workers.wait(GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(self.workers.pid, signal.SIGKILL)
            self.workers.wait()
        self.scheduler.close()


# --- at a worker -----------------------------------------------------------------------------------------------


def do_unit(where: str, setting: bytes, known: Mapping[str, str], tasks: Sequence[bytes]) -> list[bytes]:
    """The answers to some tasks."""
    import torch

    here = versions()
    if differ := [f"{name} {here[name]} for {version}" for name, version in known.items() if here[name] != version]:
        text = f"it has {', '.join(differ)}, with which results would differ; install the same versions"
        return [Message({"unfit": text}).pack()] * len(tasks)
    torch.set_num_threads(1)
    return [answer(where, setting, task) for task in tasks]


# --- here ------------------------------------------------------------------------------------------------------


@dataclass
class State(Generic[Task]):
    """What is still to be done; outlives a scheduler."""

    left: deque[Task]
    retries: int
    suspects: deque[Task] = field(default_factory=deque)  # workers died over them or over their neighbours
    again: dict[int, int] = field(default_factory=dict)  # trials of a task, by its identity
    seconds: float = 0.0  # of work done
    count: int = 0  # of tasks done

    def may_try(self, task: Task) -> bool:
        """Whether a task that failed gets another trial."""
        self.again[id(task)] = self.again.get(id(task), 0) + 1
        return self.again[id(task)] <= self.retries

    def size(self, lanes: int) -> int:
        """How many tasks make a unit, so that a second or more passes, and all lanes end at about the same time."""
        pace = self.seconds / self.count if self.count else UNIT
        wished = max(UNIT, SHARE * lanes) / max(pace, 1e-6)
        return max(1, min(int(wished), len(self.left) // (AHEAD * lanes)))


class LostError(Exception):
    """The scheduler is gone, and with it all that was asked for."""


@dataclass(frozen=True, eq=False)
class Unit(Generic[Task]):
    """Some tasks that were asked for together."""

    future: Future[Any]
    tasks: Sequence[Task]
    alone: bool  # with nothing else going on


class Session(Generic[Task, Made]):
    """The time with one scheduler."""

    def __init__(self, client: Client, work: Work[Task, Made], state: State[Task], done: Done[Task, Made]) -> None:
        self.client, self.work, self.state, self.done = client, work, state, done
        self.running: dict[str, Unit[Task]] = {}
        self.ended: SimpleQueue[Future[Any]] = SimpleQueue()
        self.lanes, self.asked, self.seen = 1, -TICK, time.monotonic()
        self.common = home(work), Message(work.setting()).pack(), versions()

    def run(self) -> bool:
        """Until all is done (True), or the scheduler is lost (False)."""
        try:
            while self.state.left or self.state.suspects or self.running:
                self._look()
                self._fill()
                self._settle(self._ended())
        except LostError:
            for unit in reversed(self.running.values()):
                self.state.left.extendleft(reversed(unit.tasks))
            return False
        return True

    def _look(self) -> None:
        """How many workers there are, asked now and then."""
        now = time.monotonic()
        if now - self.asked < TICK:
            return
        with _or_lost():
            lanes = sum(self.client.nthreads().values())
        if lanes or now - self.seen > IDLE:
            self.seen = now
            if not lanes:
                log.warning("the scheduler has no worker; waiting for one")
        self.lanes, self.asked = max(1, lanes), now

    def _fill(self) -> None:
        while self.state.left and len(self.running) < AHEAD * self.lanes:
            self._ask(self.state.left, self.state.size(self.lanes))
        if self.state.suspects and not self.running:  # alone, so that it is clear who is to blame
            self._ask(self.state.suspects, 1, alone=True)

    def _ask(self, source: deque[Task], most: int, alone: bool = False) -> None:
        told: list[bytes] = []
        tasks: list[Task] = []
        while source and len(tasks) < most and sum(map(len, told)) < HEAVIEST:
            tasks.append(source.popleft())
            told.append(self.work.task_told(tasks[-1]).pack())
        key = f"{self.work.title}-{uuid4().hex}"
        try:
            with _or_lost():
                future = self.client.submit(do_unit, *self.common, told, key=key, pure=False)
        except LostError:
            source.extendleft(reversed(tasks))
            raise
        self.running[key] = Unit(future, tasks, alone)
        future.add_done_callback(self.ended.put)

    def _ended(self) -> list[Future[Any]]:
        """The units that have ended; none if nothing happens for a while."""
        try:
            ended = [self.ended.get(timeout=TICK)]
        except Empty:
            return []
        while not self.ended.empty():
            ended.append(self.ended.get())
        return ended

    def _settle(self, ended: Sequence[Future[Any]]) -> None:
        if self.client.status != "running" or any(one.status not in ("finished", "error") for one in ended):
            raise LostError
        whole = [one for one in ended if one.status == "finished"]
        with _or_lost():
            answers = self.client.gather(whole)
        for one, told in zip(whole, answers, strict=True):
            for task, data in zip(self.running.pop(str(one.key)).tasks, told, strict=True):
                self._hear(task, data)
        for one in ended:
            if str(one.key) in self.running:
                self._blame(self.running.pop(str(one.key)))

    def _hear(self, task: Task, data: bytes) -> None:
        message = Message.unpack(data)
        made: Made | Exception = heard(self.work, task, message)
        if isinstance(made, PassingError) and self.state.may_try(task):
            self.state.left.append(task)
            return
        self.state.seconds += message.facts["seconds"]
        self.state.count += 1
        self.done(task, made)

    def _blame(self, unit: Unit[Task]) -> None:
        """A unit has no answer: its workers died, which may be a neighbour's fault, or they cannot do it at all."""
        from distributed import KilledWorker

        with _or_lost():
            error = unit.future.exception()
        if not isinstance(error, KilledWorker):
            text = f"{type(error).__name__}: {error}"
            raise HmlError(f"runtime.executor: a worker of Dask cannot do hml's work ({text}); install hml there")
        if not unit.alone:
            self.state.suspects.extend(unit.tasks)
            return
        name = self.work.name(unit.tasks[0])
        text = f"{name}: {error.allowed_failures + 1} workers died over it, perhaps for lack of memory"
        self.done(unit.tasks[0], HmlError(text))


@contextmanager
def _or_lost() -> Iterator[None]:
    """What fails here for want of a scheduler."""
    from distributed.client import ClosedClientError

    try:
        yield
    except (OSError, CancelledError, TimeoutError, ClosedClientError) as error:
        raise LostError from error
