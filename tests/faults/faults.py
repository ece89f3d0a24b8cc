"""What can happen to a run, and what must hold after it. Each fault returns what the run said of it."""

from __future__ import annotations

import errno
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ground import STAGES, Ground, own, result

import hml

NOBODY = 65534
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def reachable() -> bool:
    """Whether another user may read hml and Python's packages: a checkout in somebody's own folder is closed to him."""
    places = [Path(place).resolve() for place in (sys.prefix, hml.__file__)]
    return all(folder.stat().st_mode & 0o001 for place in places for folder in place.parents)


NEED_ANOTHER_USER = ("store of somebody else", "gone read-only midway", "finished store, read-only")


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong, and the run after it."""

    kind: str  # a row of the table
    name: str
    strike: Callable[[Ground, random.Random], str]


def said(text: str, *words: str) -> str:
    """The line of standard error that has all words; there must be one, and no traceback."""
    assert "Traceback" not in text, text
    lines = [line for line in text.splitlines() if all(re.search(word, line) for word in words)]
    assert lines, f"nothing said of {words}:\n{text}"
    return lines[0]


# --- killed --------------------------------------------------------------------------------------------------------


def prepared(ground: Ground, stage: str) -> Path:
    """A home in which the stages before this one are done."""
    home, at = ground.home(used=True), STAGES.index(stage)
    shutil.rmtree(home / "output")
    gone = [("infer", "generator-*"), ("fitting, round 2 of 2", "tracks-*-2"), ("fitting, round 1 of 2", "tracks-*-1")]
    for first, pattern in gone:
        for path in (home / "data" / "grids").glob(f"*/{pattern}") if at < STAGES.index(first) else ():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if at < STAGES.index("finding lines"):
        shutil.rmtree(home / "cache")
    return home


def struck(ground: Ground, rng: random.Random, stage: str, blow: int, status: int) -> tuple[Path, str]:
    """A run that was hit by a signal at a random moment of a stage: its home, and what it said."""
    for _ in range(20):
        home = prepared(ground, stage)
        run = ground.start(home)
        if run.until(stage):
            time.sleep(rng.uniform(0, ground.seconds[stage]))
            run.kill(blow)
        if run.wait() == status:
            return home, run.err
        assert run.wait() == 0, run.err  # it had ended
    raise AssertionError(f"{stage}: never hit in time")


def killed(ground: Ground, rng: random.Random, stage: str) -> str:
    home, _ = struck(ground, rng, stage, signal.SIGKILL, -signal.SIGKILL)
    stamps = {path: path.stat().st_mtime_ns for path in home.rglob("*.safetensors")}
    ground.finish(home)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())  # what was done was not done again
    return "nothing was lost but what was being written"


def interrupted(ground: Ground, rng: random.Random, stage: str) -> str:
    home, err = struck(ground, rng, stage, signal.SIGINT, 130)
    ground.finish(home)
    return said(err, "interrupted", "the same command goes on from there")


# --- no room, no right to write ------------------------------------------------------------------------------------


@contextmanager
def disk(folder: Path, kilobytes: int) -> Iterator[None]:
    """A file system of that size at a folder; OSError where mounting is not allowed."""
    options = ["-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    if not ROOT or subprocess.run(["mount", *options], capture_output=True, check=False).returncode:
        raise OSError(errno.EPERM, "mounting is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def remounted(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def full_disk(ground: Ground, _: random.Random, kilobytes: int) -> str:
    home = ground.home()
    try:
        with disk(home, kilobytes):
            run = ground.start(home)
            assert run.wait() == 1, run.err
            remounted(home, "size=64m")
            ground.finish(home)
    except OSError:
        return quota(ground, _, 2500)
    return said(run.err, "cannot be written", "No space left on device")


def quota(ground: Ground, _: random.Random, size: int) -> str:
    home = prepared(ground, "finding lines")
    run = ground.start(home, largest_file=size)
    assert run.wait() == 1, run.err
    ground.finish(home)
    return said(run.err, "cannot be written", "File too large")


def no_right(ground: Ground, _: random.Random) -> str:
    """As another user, who may read the store and not write to it."""
    home = prepared(ground, "fitting, round 2 of 2")
    closed = next((home / "data" / "grids").iterdir())
    twists = {"user": NOBODY} if ROOT else {}
    if not ROOT:
        for folder in (closed, *closed.iterdir()):
            folder.chmod(0o555)
    (home / "open").mkdir()
    (home / "open").chmod(0o777)
    run = ground.start(home, "open/output", **twists, unwritable=str(closed))
    assert run.wait() == 1, run.err  # 99 if a plain write works there
    if not ROOT:
        for folder in (closed, *closed.iterdir()):
            folder.chmod(0o755)
    ground.finish(home)
    return said(run.err, "cannot be written", "Permission denied")


def gone_read_only(ground: Ground, _: random.Random) -> str:
    """The folder of the tracks, in the middle of their fits."""
    home, stage = prepared(ground, "fitting, round 2 of 2"), "fitting, round 2 of 2"
    twists = {"user": NOBODY} if ROOT else {}
    if ROOT:
        own(home, NOBODY)
    run = ground.start(home, **twists)
    assert run.until(stage), run.err
    run.kill(signal.SIGSTOP)
    folders = [home / "data" / "grids", *(path for path in (home / "data" / "grids").rglob("*") if path.is_dir())]
    for folder in folders:
        os.chown(folder, 0, 0) if ROOT else folder.chmod(0o555)
    run.kill(signal.SIGCONT)
    assert run.wait() == 1, run.err
    own(home, 0) if ROOT else [folder.chmod(0o755) for folder in folders]
    ground.finish(home)
    return said(run.err, "cannot be written", "Permission denied")


def read_only_mount(ground: Ground, rng: random.Random) -> str:
    home = ground.home()
    try:
        with disk(home, 64_000):
            shutil.copytree(prepared(ground, "fitting, round 2 of 2"), home, dirs_exist_ok=True)
            remounted(home, "ro")
            run = ground.start(home, unwritable=str(home))
            assert run.wait() == 1, run.err
            remounted(home, "rw")
            ground.finish(home)
    except OSError:
        return no_right(ground, rng)
    return said(run.err, "cannot be (written|made)", "Read-only file system")


def read_only_store(ground: Ground, _: random.Random) -> str:
    """A finished store that may be read only serves all the same."""
    home = ground.home(used=True)
    (home / "open").mkdir()
    (home / "open").chmod(0o777)
    closed = home / "data" / "grids"
    if not ROOT:
        for folder in (closed, *closed.iterdir()):
            folder.chmod(0o555)
    ground.finish(home, "open/output", **({"user": NOBODY} if ROOT else {}), unwritable=str(closed))
    if not ROOT:
        for folder in (closed, *closed.iterdir()):
            folder.chmod(0o755)
    return "the results are elsewhere"


# --- damage --------------------------------------------------------------------------------------------------------

ARTEFACTS = {
    "generator": "data/grids/*/generator-*", "tracks of round 1": "data/grids/*/tracks-*-1/*",
    "tracks of round 2": "data/grids/*/tracks-*-2/*", "fetched spectrum": "cache/phoenix/bands/*/*/*.fits",
    "fetched wavelengths": "cache/phoenix/WAVE*.fits", "list of digests": "cache/phoenix/SHA256SUMS",
}  # fmt: skip


def damaged(ground: Ground, rng: random.Random, what: str, how: str) -> str:
    home = ground.home(used=True)
    path = rng.choice(sorted(home.glob(ARTEFACTS[what])))
    content = bytearray(path.read_bytes())
    at = rng.randrange(len(content))
    if how == "truncated":
        del content[at:]
    else:
        content[at] ^= 1 << rng.randrange(8)
    path.write_bytes(content)
    if what != "generator":
        next(home.glob(ARTEFACTS["generator"])).unlink()
    run = ground.finish(home)
    if what == "list of digests":  # one of two lines is enough, and an empty list is none
        assert "Traceback" not in run.err
        return "every digest is there twice"
    name = path.parent.name if what.startswith("tracks") else path.name
    return said(run.err, re.escape(name))


# --- two at once ---------------------------------------------------------------------------------------------------


def two_runs(ground: Ground, _: random.Random, locks: bool) -> str:
    """Two runs in one home: one works, the other waits and finds what it needs."""
    home, twists = ground.home(), {} if locks else {"no_locks": errno.ENOLCK}
    first, second = (ground.start(home, f"output{i}", **twists) for i in (1, 2))
    assert (first.wait(), second.wait()) == (0, 0), first.err + second.err
    for i in (1, 2):
        ground.finish(home, f"output{i}")
    return said(first.err + second.err, "waiting for another process")


def first_killed(ground: Ground, rng: random.Random, locks: bool) -> str:
    """The one that works is killed, and the one that waits goes on."""
    home, stage = prepared(ground, "finding lines"), "fitting, round 1 of 2"
    twists = {} if locks else {"no_locks": errno.ENOLCK}
    first = ground.start(home, "output1", **twists)
    assert first.until(stage), first.err
    second = ground.start(home, "output", **twists)
    time.sleep(rng.uniform(0, ground.seconds[stage]))
    first.kill()
    assert first.wait() in (-signal.SIGKILL, 0)
    assert second.wait() == 0, second.err
    assert result(home) == result(ground.folder / "calm")
    ground.finish(home, "output1", **twists)
    return "the other one took over"


def clock_jumps(ground: Ground, rng: random.Random) -> str:
    """By up to a year, either way, between any two looks; and files have times at random."""
    home = prepared(ground, rng.choice(STAGES))
    for path in home.rglob("*"):
        os.utime(path, (rng.uniform(0, 4e9),) * 2)
    ground.finish(home, jumping_clock=rng.randrange(10**6))
    return "no time decides what is used"


# --- servers -------------------------------------------------------------------------------------------------------


def bad_server(ground: Ground, rng: random.Random, how: str) -> str:
    """A server that is wrong about one file, until it is put right."""
    home, server = ground.home(), ground.server
    files = sorted((server.root).rglob("lte*.fits"))
    name = rng.choice(files).name
    ended = _spoil(server, name, how)
    try:
        run = ground.start(home)
        status = run.wait()
    finally:
        ended()
    assert status == (0 if how == "changes" else 1), run.err
    if status:
        told = said(run.err, re.escape(server.url if WORDS[how] == "timed out" else name), WORDS[how])
    ground.finish(home)
    return told if status else "the file was read again"


WORDS = {
    "stalls": "timed out", "stalls midway": "timed out", "trickles": "timed out",
    "lies about the length": "peer closed|sent|incomplete", "answers HTML": "is not FITS|is cut off",
}  # fmt: skip


def _spoil(server: object, name: str, how: str) -> Callable[[], None]:
    """What makes the server good again."""
    over = threading.Event()
    if how == "stalls":
        server.before = lambda path, asked: over.wait(60) if path.endswith(name) else None
    elif how in ("stalls midway", "trickles"):
        server.cuts[name], server.hold = [1000] * 20, over
        server.drip = 0.3 if how == "trickles" else 0.0
    elif how == "lies about the length":
        server.cuts[name] = [1000] * 20
    elif how == "answers HTML":
        server.answers[name] = [(200, b"<html>please log in</html>")] * 20
    elif how == "changes":
        path = next(server.root.rglob(name))
        seen: list[str | None] = []

        def touched(asked_path: str, asked: str | None) -> None:
            if asked_path.endswith(name):
                seen.append(asked)
                if len(seen) == 2:  # between the header and the pixels
                    os.utime(path, ns=(1, 10**15))

        server.before = touched

    def good() -> None:
        over.set()
        server.before, server.hold = (lambda path, asked: None), None
        server.cuts.pop(name, None)
        server.answers.pop(name, None)

    return good


# --- all of them ---------------------------------------------------------------------------------------------------


def _all() -> Iterator[Fault]:
    for stage in STAGES:
        yield Fault("SIGKILL", f"killed: {stage}", partial(killed, stage=stage))
    for stage in STAGES:
        yield Fault("SIGINT", f"interrupted: {stage}", partial(interrupted, stage=stage))
    for size in (40, 120, 200):
        yield Fault("full disk", f"disk of {size} kB", partial(full_disk, kilobytes=size))
    for size in (2500, 15_000):
        yield Fault("quota", f"files of {size} bytes at most", partial(quota, size=size))
    yield Fault("read-only", "store of somebody else", no_right)
    yield Fault("read-only", "gone read-only midway", gone_read_only)
    yield Fault("read-only", "read-only mount", read_only_mount)
    yield Fault("read-only", "finished store, read-only", read_only_store)
    for what in ARTEFACTS:
        for how in ("truncated", "bit-flipped"):
            yield Fault(how, f"{what} {how}", partial(damaged, what=what, how=how))
    for locks in (True, False):
        where = "" if locks else ", no locks"
        yield Fault("two runs", f"two runs in one store{where}", partial(two_runs, locks=locks))
        yield Fault("two runs", f"the first of two killed{where}", partial(first_killed, locks=locks))
    yield Fault("clock", "clock that jumps", clock_jumps)
    for how in (*WORDS, "changes"):
        yield Fault("server", f"server {how}", partial(bad_server, how=how))


FAULTS = {fault.name: fault for fault in _all()}
