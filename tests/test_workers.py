"""Worker processes: the same numbers as in one process, no core used twice, and every bad end told and survived."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from moody_grid import BUGGY, KILLED, NODES, REFUSED, TALKING

from hml.core import pipeline, worker, workers
from hml.core.clone import Start
from hml.core.components import quiet
from hml.core.config import LocalConfig, load_config, parse_config
from hml.core.errors import GridError, HmlError
from hml.core.executor import run_all
from hml.core.fitting import clone_nodes
from hml.core.nodes import Cloning, Job
from hml.core.parts import Parts, plan_nodes
from hml.core.paths import data_home
from hml.core.registry import Registry, installed
from hml.core.shelf import Shelf
from hml.core.work import Message, PassingError
from hml.core.worker import Worker, end

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder that makes `moody_grid` an installed distribution."""
    folder = tmp_path_factory.mktemp("site")
    info = folder / "hml_moody-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hml-moody\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[hml]\nmoody = moody_grid\n")
    return folder


@pytest.fixture(autouse=True)
def _installed(site, monkeypatch):
    monkeypatch.syspath_prepend(str(site))
    installed.cache_clear()
    yield
    monkeypatch.undo()
    installed.cache_clear()


@pytest.fixture
def crew(monkeypatch):
    """Every worker process that was started; all work pays for them."""
    started = []

    class Seen(Worker):
        def __init__(self, work, threads):
            super().__init__(work, threads)
            self.work = work
            started.append(self)

    monkeypatch.setattr(workers, "Worker", Seen)
    monkeypatch.setattr(workers, "START_UP", 0.0)
    return started


def moody(mood="calm", steps=15, number=2, complete=False, **grid):
    """`complete`: with a residual and an error of its own, for which more processes would be started."""
    return parse_config({
        "generator": {} if complete else {"residual": 0, "error": 0},
        "grid": {"name": "moody", "mood": mood, **grid}, "clone": {"steps": steps, "rounds": 0},
        "associate": {"rounds": 2, "steps": 5},
        "runtime": {"workers": number, "device": "cpu"},
    })


def clone(config, progress=quiet):
    parts = Parts.of(config, progress)
    plan = plan_nodes(parts)
    return clone_nodes(parts, plan, Shelf.of(parts, plan))


def stored():
    """Both rounds of fits and the generator by their place in the home."""
    return {path.relative_to(data_home()): path.read_bytes() for path in data_home().rglob("*.safetensors")}


def test_processes_and_threads_store_the_same_numbers(crew, monkeypatch, tmp_path):
    pipeline.build(moody())
    made = stored()
    kinds = [type(started.work).__name__ for started in crew]
    assert kinds == ["Looking"] * 2 + ["Cloning"] * 4  # two in each round
    assert all(started.process.returncode is not None for started in crew)
    monkeypatch.setattr(workers, "START_UP", np.inf)
    monkeypatch.setenv("HML_HOME", str(tmp_path))
    pipeline.build(moody())
    assert len(crew) == len(kinds)
    assert stored() == made
    assert len(made) == 12 + 12 + 1


def test_no_core_is_used_twice_and_every_node_is_told(crew, tmp_path):
    told = []

    @contextmanager
    def progress(task, total=None, unit=""):
        told.append(total)
        yield told.append

    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        clone(moody(witness=str(tmp_path)), progress)
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)
    assert told == [12, 0] + [1] * 12
    lines = {int(file.name): file.read_text().split("\n")[:-1] for file in tmp_path.iterdir()}
    assert set(lines) <= {os.getpid(), *(started.process.pid for started in crew)}
    assert sum(map(len, lines.values())) == 12
    assert len(lines.pop(os.getpid())) == 2  # which tell how long the rest takes
    assert {line for seen in lines.values() for line in seen} == {"2 2"}


def test_processes_are_for_work_that_pays_and_parts_that_they_find(crew, monkeypatch):
    assert Cloning(Parts.of(moody())).portable
    here = [e for e in installed().entries if e.component.name != "moody"]
    component = dataclasses.replace(installed().get("grids", "moody"), name="mine")
    mine = Registry((*here, dataclasses.replace(here[0], family="grids", component=component)), ())
    config = load_config(slots={"grid": "mine"}, registry=mine)
    assert not Cloning(Parts.of(config)).portable
    clone(moody(number=1))
    assert crew == []


def test_whatever_happens_in_a_worker_is_told(tmp_path, caplog, capfd):
    work = Cloning(Parts.of(moody("bad")))
    only = Worker(work, 1)

    def do(node):
        return only.do(work, Job(node, tmp_path / f"{node}.safetensors"))

    try:
        assert len(do(TALKING).clone) == 10
        assert [record.getMessage() for record in caplog.records if record.name == "hml.moody"] == ["the dome is dusty"]
        out, err = capfd.readouterr()
        assert "noise" in err
        assert "noise" not in out  # which belongs to the command's own result
        refused, bug = do(REFUSED), do(BUGGY)
        assert isinstance(refused, GridError) and str(refused) == "moody 5200: the file is torn; fetch it again"
        assert isinstance(bug, RuntimeError)
        assert "in a worker process:" in str(bug) and "show_mood" in str(bug) and "a mistake of the plugin" in str(bug)
        assert len(do(NODES[8]).clone) == 10
        for _ in range(2):  # a dead one does not come back
            assert isinstance(died := do(KILLED), PassingError) and "killed by SIGKILL" in str(died)
    finally:
        end([only])
    assert only.process.returncode == -signal.SIGKILL


def test_what_fails_is_named_when_the_rest_is_done(crew):
    with pytest.raises(GridError, match=r"(?s)^2 of 12 could not be done .*torn; fetch it again\n.*killed by SIGKILL"):
        clone(moody("torn"))
    assert len(list(data_home().rglob("clones-*/*.safetensors"))) == len(NODES) - 2
    assert len(crew) == 2 + 3  # a worker that dies is replaced, and its node tried twice again


def test_where_nothing_works_not_everything_is_tried(crew):
    tried = []

    class Hopeless(Cloning):
        def do(self, job, alive):
            tried.append(job)
            raise GridError(f"{job.node}: no")

    parts = Parts.of(moody(number=1))
    jobs = [Job(node, data_home() / str(node)) for node in NODES]
    with pytest.raises(GridError, match=r"(?s)^the first 8 could not be done .*: no"):
        run_all(parts.executor, Hopeless(parts), jobs, lambda *_: None)
    assert len(tried) == 8


def test_a_killed_worker_is_named_with_its_node_and_nothing_finished_is_lost(crew):
    config = moody("deadly")
    once = config.runtime.model_copy(update={"executor": LocalConfig(retries=0)})
    config = config.model_copy(update={"runtime": once})
    with pytest.raises(HmlError, match=r"node teff\+5300_logg\+5: .* killed by SIGKILL.* runtime\.workers=1"):
        clone(config)
    kept = {path: path.stat().st_mtime_ns for path in data_home().rglob("clones-*/*.safetensors")}
    assert len(kept) == len(NODES) - 1
    clone(moody())
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in kept.items())
    assert not list(data_home().rglob("*.part"))


def test_no_interpreter_to_start_is_said(crew, monkeypatch, tmp_path):
    monkeypatch.setattr(worker.sys, "executable", str(tmp_path / "nothing"))
    with pytest.raises(HmlError, match=r"cannot be started.*runtime\.workers=1"):
        clone(moody())


def test_a_job_survives_its_way_as_it_is(tmp_path):
    rng = np.random.default_rng(0)
    start = Start(rng.normal(size=3) * 1e4, rng.normal(size=(3, 2)) / 3, rng.random(3))
    job = Job(KILLED, tmp_path / "x", {"table": "1"}, lambda: start, 7)
    work = Cloning(Parts.of(moody()))

    def there(job):
        return work.task_heard(Message.unpack(work.task_told(job).pack()))

    again = there(job)
    assert (again.node, again.path, again.made_from, again.found) == (KILLED, tmp_path / "x", {"table": "1"}, 7)
    assert again.start is not None
    for name, values in vars(start).items():
        np.testing.assert_array_equal(getattr(again.start(), name), values)
    assert there(Job(KILLED, tmp_path)).start is None


# --- ends from outside -----------------------------------------------------------------------------------------

PATIENT = "from hml.core import workers; workers.START_UP = 0.0\n"
HEEDS_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "  # as background jobs do not
COMMAND = HEEDS_CTRL_C + PATIENT + "from hml.cli import main; main()"
SLOW = ["clone", "--grid", "moody", "--set", "grid.mood=slow", "--set", "clone.steps=15", "--set", "runtime.workers=2",
        "--set", "runtime.device=cpu"]


def environment(site, home):
    path = os.pathsep.join([str(site), str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "HML_HOME": str(home)}


def children(pid):
    return {int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()}


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds child processes in /proc")
@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGKILL])
def test_an_ended_build_leaves_no_process_and_goes_on_later(site, tmp_path, blow):
    command = [sys.executable, "-c", COMMAND, *SLOW]
    process = subprocess.Popen(command, env=environment(site, tmp_path), text=True, start_new_session=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while len(list(tmp_path.rglob("clones-*/*.safetensors"))) < 4:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    crew = children(process.pid)
    assert len(crew) == 2
    if blow is signal.SIGINT:
        os.killpg(process.pid, blow)  # as a terminal does
    else:
        process.send_signal(blow)
    _, err = process.communicate()
    assert process.returncode == (130 if blow is signal.SIGINT else -blow)
    assert "Traceback" not in err
    while any(map(alive, crew)):  # they notice at their next step
        time.sleep(0.02)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("clones-*/*.safetensors")}
    assert 4 <= len(kept) < len(NODES)
    calm = [word.replace("slow", "calm").replace(PATIENT, "") for word in command]
    subprocess.run(calm, env=environment(site, tmp_path), check=True, capture_output=True)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in kept.items())


def test_a_plain_script_runs_once(site, tmp_path):
    script = tmp_path / "mine.py"  # without a guard for `__main__`, as people write them
    script.write_text(PATIENT + f"""
print("here", flush=True)
from hml import build, parse_config
build(parse_config({{**{moody().model_dump(mode="json")!r}, "associate": {{"rounds": 1}}}}))
""")
    done = subprocess.run([sys.executable, str(script)], env=environment(site, tmp_path / "home"), text=True,
                          capture_output=True, check=True)
    assert done.stdout == "here\n"
    assert len(list((tmp_path / "home").rglob("tracks-*/*.safetensors"))) == len(NODES)
