"""Real schedulers and workers of Dask on loopback: the numbers of local processes, whoever is killed meanwhile."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from counting_work import Counting
from moody_grid import NODES
from test_workers import environment, moody, stored

from hml.core import on_dask, pipeline, workers
from hml.core.config import DaskConfig, LocalConfig, parse_config
from hml.core.errors import ConfigError, GridError, HmlError
from hml.core.executor import run_all
from hml.core.on_dask import Dask, State
from hml.core.registry import installed
from hml.core.workers import Local

pytest.importorskip("distributed")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends signals")

HERE = Path(__file__).parent


class Cluster:
    """A scheduler and two workers, each behind its own command."""

    def __init__(self, site, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.environment = environment(site, folder) | {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
        self.scheduler = self.workers = None

    def command(self, what, *options):
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{what}", *options, "--no-dashboard"], env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def start(self):
        self.scheduler = self.command("scheduler", "--host", "127.0.0.1", "--port", str(self.port))
        self.workers = self.command("worker", self.address, "--nworkers", "2", "--nthreads", "1")

    def end(self):
        for process in (self.workers, self.scheduler):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder that makes `moody_grid` an installed distribution."""
    folder = tmp_path_factory.mktemp("site")
    info = folder / "hml_moody-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hml-moody\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[hml]\nmoody = moody_grid\n")
    return folder


@pytest.fixture
def moody_installed(site, monkeypatch):
    monkeypatch.syspath_prepend(str(site))
    installed.cache_clear()
    yield
    monkeypatch.undo()
    installed.cache_clear()


@pytest.fixture(scope="module")
def cluster(site, tmp_path_factory):
    made = Cluster(site, tmp_path_factory.mktemp("home"))
    made.start()
    yield made
    made.end()


@pytest.fixture
def dask(cluster):
    return Dask(DaskConfig(address=cluster.address, patience=120), 1)


def run(executor, work, count, on_done=lambda kept: None):
    """What was made of numbers, by number."""
    kept = {}

    def keep(number, made):
        assert number not in kept
        kept[number] = made
        on_done(kept)

    run_all(executor, work, range(count), keep)
    return kept


# --- the same as elsewhere ---------------------------------------------------------------------------------------


def on(cluster, config):
    executor = DaskConfig(address=cluster.address, patience=120)
    return config.model_copy(update={"runtime": config.runtime.model_copy(update={"executor": executor})})


def test_a_cluster_stores_the_numbers_of_this_process(cluster, moody_installed, monkeypatch, tmp_path):
    pipeline.build(on(cluster, moody(complete=True)))
    made = stored()
    monkeypatch.setattr(workers, "START_UP", float("inf"))
    monkeypatch.setenv("HML_HOME", str(tmp_path))
    pipeline.build(moody(complete=True))
    assert len(made) == 12 + 12 + 1
    assert stored() == made


def test_units_make_what_single_tasks_make_and_every_task_is_done_once(dask, tmp_path, monkeypatch):
    sizes = []
    real = State.size
    monkeypatch.setattr(State, "size", lambda state, lanes: sizes.append(real(state, lanes)) or sizes[-1])
    work = Counting(tmp_path)
    assert run(dask, work, 300) == {number: number**2 for number in range(300)}
    assert max(sizes) > 1
    assert {len(work.trials(number)) for number in range(300)} == {1}


# --- what goes wrong with tasks ------------------------------------------------------------------------------------


@pytest.fixture(params=[pytest.param("local", marks=pytest.mark.slow), "dask"])
def executor(request, monkeypatch):
    if request.param == "dask":
        return request.getfixturevalue("dask")
    monkeypatch.setattr(workers, "START_UP", 0.0)
    monkeypatch.syspath_prepend(str(HERE))
    return Local(2, True, LocalConfig().retries)


def test_what_fails_is_tried_so_often_and_set_aside(executor, tmp_path):
    work = Counting(tmp_path, moods={"3": "torn", "5": "away once", "7": "away", "8": "deadly"})
    kept = {}
    with pytest.raises(GridError, match="3 of 12 could not be done") as told:
        run_all(executor, work, range(12), kept.__setitem__)
    for text in ("\n  3: the file is torn", "number 7: OSError: the disk is away", "number 8: "):
        assert text in str(told.value)
    assert kept == {number: number**2 for number in range(12) if number not in (3, 7, 8)}
    assert [len(work.trials(number)) for number in (3, 5, 7)] == [1, 2, 3]
    assert len(work.trials(8)) in (2, 3)  # with others and alone; by a worker and two more


def test_a_bug_keeps_its_traceback(dask, tmp_path):
    with pytest.raises(RuntimeError, match=r"(?s)in a worker process:.*counting_work.*ZeroDivisionError: a mistake"):
        run(dask, Counting(tmp_path, moods={"5": "buggy"}), 8)
    assert len(list(tmp_path.iterdir())) == 8


def test_work_that_a_worker_does_not_find_is_refused_at_once(dask, tmp_path):
    class Elsewhere(Counting):
        pass

    Elsewhere.__module__, Elsewhere.__qualname__ = "nowhere_to_be_found", "Elsewhere"
    with pytest.raises(HmlError, match="a worker cannot do its work: ModuleNotFoundError"):
        run(dask, Elsewhere(tmp_path), 3)


def test_other_versions_are_refused(dask, tmp_path, monkeypatch):
    monkeypatch.setattr(on_dask, "versions", lambda: {"hml": "0.0.1"})
    with pytest.raises(HmlError, match=r"it has hml .* for 0\.0\.1, with which results would differ"):
        run(dask, Counting(tmp_path), 3)


def test_no_scheduler_is_said(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        nobody = Dask(DaskConfig(address=f"tcp://127.0.0.1:{taken.getsockname()[1]}", patience=0.5), 1)
        with pytest.raises(HmlError, match=r"runtime\.executor\.address: no scheduler of Dask answers at tcp://127"):
            run(nobody, Counting(tmp_path), 3)


def test_an_extra_that_is_missing_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"pip install 'hml\[dask\]'"):
        run(Dask(DaskConfig(), 1), Counting(tmp_path), 1)


@pytest.mark.parametrize("wish", ["dask", {"name": "dask"}])
def test_the_config_takes_a_name_or_fields(wish):
    assert parse_config({"runtime": {"executor": wish}}).runtime.executor == DaskConfig()
    assert parse_config({}).runtime.executor == LocalConfig()
    assert parse_config({"runtime": {"executor": {"retries": 0}}}).runtime.executor == LocalConfig(retries=0)
    with pytest.raises(ConfigError, match=r"runtime\.executor"):
        parse_config({"runtime": {"executor": "slurm"}})


# --- who is killed -------------------------------------------------------------------------------------------------


def test_a_killed_worker_loses_what_was_in_flight_and_no_more(dask, tmp_path):
    work, told = Counting(tmp_path, 0.1), {}

    def kill(kept):
        if len(kept) == 10:
            told.update(kept)
            os.kill(int(work.trials(max(kept))[0]), signal.SIGKILL)

    assert run(dask, work, 60, kill) == {number: number**2 for number in range(60)}
    assert {len(work.trials(number)) for number in told} == {1}
    assert sum(len(work.trials(number)) - 1 for number in range(60)) <= 60 - len(told)


def test_a_killed_scheduler_is_waited_for(cluster, dask, tmp_path):
    work, told = Counting(tmp_path, 0.1), {}

    def kill(kept):
        if len(kept) == 10:
            told.update(kept)
            cluster.end()
            cluster.start()

    assert run(dask, work, 60, kill) == {number: number**2 for number in range(60)}
    assert {len(work.trials(number)) for number in told} == {1}


def test_a_killed_client_goes_on_where_it_was(cluster, site, tmp_path):
    home, seen = tmp_path / "home", tmp_path / "seen"
    seen.mkdir()
    executor = f"{{name: dask, address: '{cluster.address}', patience: 120}}"
    command = [sys.executable, "-c", "from hml.cli import main; main()", "clone", "--grid", "moody",
               "--set", "clone={steps: 15, rounds: 0}", "--set", "runtime.device=cpu", "--set", f"grid.witness={seen}",
               "--set", f"runtime.executor={executor}"]
    slow = subprocess.Popen([*command, "--set", "grid.mood=slow"], env=environment(site, home), text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while len(list(home.rglob("clones-*/*.safetensors"))) < 4:
        assert slow.poll() is None, slow.communicate()
        time.sleep(0.02)
    slow.kill()
    slow.communicate()
    kept = {path: path.stat().st_mtime_ns for path in home.rglob("clones-*/*.safetensors")}
    assert len(kept) < len(NODES)
    subprocess.run(command, env=environment(site, home), check=True, capture_output=True)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in kept.items())
    assert len(list(home.rglob("clones-*/*.safetensors"))) == len(NODES)
    loaded = sum(len(file.read_text().splitlines()) for file in seen.iterdir())
    assert loaded <= len(NODES) + on_dask.AHEAD * 2  # what was in flight is done again


# --- a cluster of its own ------------------------------------------------------------------------------------------


def test_a_script_gets_a_cluster_of_this_machine_and_leaves_none(site, tmp_path):
    script = tmp_path / "mine.py"  # without a guard for `__main__`, as people write them
    script.write_text(f"""
from hml.core.config import DaskConfig
from hml.core.executor import run_all
from hml.core.on_dask import Dask
from counting_work import Counting
print("here", flush=True)
executor = Dask(DaskConfig(), 1)
run_all(executor, Counting({str(tmp_path)!r}), range(3), lambda number, made: print(number, made))
print(executor._cluster.workers.pid)
""")
    done = subprocess.run([sys.executable, str(script)], env=environment(site, tmp_path / "home"), text=True,
                          capture_output=True, check=True)
    here, *made, pid = done.stdout.splitlines()
    assert here == "here"
    assert sorted(made) == ["0 0", "1 1", "2 4"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
