"""Locks end with their holder, however that one ends, and also where the file system has none."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from hml import ArtefactError, alone
from hml.core import lock
from hml.core.store import sweep, write_bytes

HOLD = """
import fcntl, sys, time
from pathlib import Path
if sys.argv[2] == "claims":
    def flock(file, how):
        raise OSError(37, "No locks available")
    fcntl.flock = flock
from hml.core.lock import alone
with alone(Path(sys.argv[1]), "a store"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture(params=["locks", "claims"])
def kind(request, monkeypatch):
    if request.param == "claims":
        def flock(file, how):
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr(lock, "POLL", 0.01)
    return request.param


def holder(path, kind):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path), kind], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_one_at_a_time_and_nothing_left(tmp_path, kind):
    path, inside, most = tmp_path / "deep" / "x.lock", [], []

    def work():
        with alone(path, "a store"):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 6
    assert list(path.parent.iterdir()) == []


def test_who_does_not_wait_is_told_who_has_it(tmp_path, kind, caplog):
    path = tmp_path / "x.lock"
    told = rf"a store: another process \({os.getpid()}\) is at work there"
    with alone(path, "a store"), pytest.raises(ArtefactError, match=told), alone(path, "a store", wait=False):
        pass
    with alone(path, "a store", wait=False):
        pass


def test_a_killed_holder_holds_nothing(tmp_path, kind):
    process = holder(tmp_path / "x.lock", kind)
    with pytest.raises(ArtefactError, match=str(process.pid)), alone(tmp_path / "x.lock", "a store", wait=False):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    with alone(tmp_path / "x.lock", "a store"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_number_that_another_process_has_got_is_no_holder(tmp_path, monkeypatch, kind):
    if kind == "locks":
        pytest.skip("the kernel knows")
    told = {"host": lock.socket.gethostname(), "pid": os.getpid(), "began": "1", "count": "0"}
    (tmp_path / "x.lock.claim").write_text(json.dumps(told))
    with alone(tmp_path / "x.lock", "a store"):
        pass


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b'{"host": "elsewhere", "pid": 1, "began": "1"}'])
def test_a_claim_of_another_machine_is_taken_once_it_is_silent(tmp_path, monkeypatch, kind, content):
    if kind == "locks":
        pytest.skip("the kernel knows")
    claim, now = tmp_path / "x.lock.claim", [0.0]
    monkeypatch.setattr(lock, "SILENCE", 90.0)
    monkeypatch.setattr(lock.time, "monotonic", lambda: now[0])
    claim.write_bytes(content)
    beats = iter([b"1", b"2", b"3"])

    def sleep(seconds):
        """A minute goes by; for three of them the holder counts."""
        now[0] += 60.0
        if (beat := next(beats, None)) is not None:
            claim.write_bytes(content + beat)

    monkeypatch.setattr(lock.time, "sleep", sleep)
    with alone(tmp_path / "x.lock", "a store"):
        assert now[0] == 5 * 60.0  # three beats and two silent minutes
    assert not claim.exists()


def test_a_holder_counts(tmp_path, monkeypatch, kind):
    if kind == "locks":
        pytest.skip("the kernel knows")
    monkeypatch.setattr(lock, "BEAT", 0.01)
    claim = tmp_path / "x.lock.claim"
    with alone(tmp_path / "x.lock", "a store"):
        first = claim.read_bytes()
        while claim.read_bytes() == first:
            time.sleep(0.01)
        assert {len(first), len(claim.read_bytes())} == {len(first)}


def test_no_place_for_a_lock_is_said(tmp_path, kind):
    (tmp_path / "file").write_text("")
    said = pytest.raises(ArtefactError, match=r"cannot be written .*HML_HOME")
    with said, alone(tmp_path / "file" / "x.lock", "a store"):
        pass


def test_unfinished_files_are_swept_and_nothing_else(tmp_path):
    write_bytes(tmp_path / "a.txt", b"whole")
    for name in (".a.txt.abcd_123.part", ".b.txt.abcd_123.part", "mine.part", ".mine.part", ".a.txt.old"):
        (tmp_path / name).write_text("")
    assert sweep(tmp_path, "a.txt") == 1
    assert sweep(tmp_path) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a.txt.old", ".mine.part", "a.txt", "mine.part"]
