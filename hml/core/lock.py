"""One process at a time in one place: a lock that ends with its holder, however that one ends.

Where the system locks files, the kernel lets go of them when a process ends. Where it does not (some network file
systems), a claim takes the lock's place: a file that only one process can make, in which its holder counts on. Others
take it over once the holder is seen to be dead on this machine, or its count has stood still for `SILENCE` seconds of
their own monotonic clock, so that no clock which jumps, here or there, lets two in or keeps one out.

Locks save work and keep two runs out of one folder. No artefact depends on them: each is moved to its place whole.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hml.core.errors import ArtefactError
from hml.core.store import unwritable

log = logging.getLogger(__name__)

POLL = 0.1  # s between two looks at a lock that another has
BEAT = 5.0  # s between two counts of a claim
SILENCE = 90.0  # s: longer than network file systems keep what they know of a file

Release = Callable[[], None]


@contextmanager
def alone(path: Path, what: str, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of the file `path`, which exists as long. ArtefactError, naming `what`, if another process has it
    and `wait` is false, or if the file cannot be made."""
    release = _taken(path, what, wait)
    try:
        yield
    finally:
        release()


def _taken(path: Path, what: str, wait: bool) -> Release:
    watch, told = _Watch(), False
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            release = _locked(path, watch)
        except OSError as error:
            raise unwritable(path, error) from None
        if release is not None:
            return release
        holder = _named(path)
        if not wait:
            raise ArtefactError(f"{what}: {holder} is at work there; wait for its end or choose another place")
        if not told:
            log.info("%s: waiting for %s", what, holder)
            told = True
        time.sleep(POLL)


def _locked(path: Path, watch: _Watch) -> Release | None:
    """What lets go of the lock again; None while another has it."""
    try:
        import fcntl
    except ImportError:  # Windows
        return _claimed(path, watch)
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _same(file, path):
            return _begun(file, path)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN):
            os.close(file)
            path.unlink(missing_ok=True)
            return _claimed(path.with_name(f"{path.name}.claim"), watch)
    except BaseException:
        os.close(file)
        raise
    else:  # the last holder has removed it meanwhile
        os.close(file)
        return _locked(path, watch)
    os.close(file)
    return None


def _same(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _begun(file: int, path: Path) -> Release:
    with suppress(OSError):  # for others to read; a full disk has no room for it
        os.ftruncate(file, 0)
        os.write(file, _told(0))

    def release() -> None:
        with suppress(OSError):
            path.unlink()
        os.close(file)

    return release


# --- claims --------------------------------------------------------------------------------------------------------


def _claimed(path: Path, watch: _Watch) -> Release | None:
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        if not watch.dead(path):
            return None
        _break(path)
        return _claimed(path, watch)
    os.write(file, _told(0))
    ended = threading.Event()

    def count() -> None:
        number = 0
        while not ended.wait(BEAT):
            number += 1
            with suppress(OSError):
                os.pwrite(file, _told(number), 0)

    thread = threading.Thread(target=count, name="hml-claim", daemon=True)
    thread.start()

    def release() -> None:
        ended.set()
        thread.join()
        with suppress(OSError):
            if _same(file, path):
                path.unlink()
        os.close(file)

    return release


class _Watch:
    """What was seen of a claim, and since when it has not changed."""

    def __init__(self) -> None:
        self.seen: bytes | None = None
        self.since = 0.0

    def dead(self, path: Path) -> bool:
        """Whether the process that made the claim is known to have ended, or has been silent for too long."""
        try:
            content = path.read_bytes()[:1000]
        except OSError:
            return False
        if content != self.seen:
            self.seen, self.since = content, time.monotonic()
        holder = _parsed(content)
        here = holder.get("host") == socket.gethostname()
        return (here and _ended(holder)) or time.monotonic() - self.since > SILENCE


def _break(path: Path) -> None:
    """Out of the way, by one process only: a second one finds nothing to move."""
    grave = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(OSError):
        path.rename(grave)
        grave.unlink()


def _told(count: int) -> bytes:
    """Who holds it; of one length, since it is written over."""
    data = {"host": socket.gethostname(), "pid": os.getpid(), "began": _began(os.getpid()), "count": f"{count:012d}"}
    return json.dumps(data).encode()


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        data = json.loads(content)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _named(path: Path) -> str:
    """Who holds a lock, in words."""
    for place in (path, path.with_name(f"{path.name}.claim")):
        with suppress(OSError):
            if pid := _parsed(place.read_bytes()[:1000]).get("pid"):
                return f"another process ({pid!r:.20})"
    return "another process"


def _ended(holder: dict[str, Any]) -> bool:
    """Whether a process of this machine has ended, even if another has got its number."""
    pid = holder.get("pid")
    if os.name != "posix" or not isinstance(pid, int) or pid <= 0:  # elsewhere signal 0 is one that ends a process
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return _began(pid) != holder.get("began")


def _began(pid: int) -> str:
    """When a process was started, in ticks since the machine was; "" where the system does not tell."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return ""
