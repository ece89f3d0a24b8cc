"""`hml run --grid phoenix`: fetched from a loopback server, cloned, built, measured; killed and started again."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from loopback import dead_url, serve

from hml.core.config import parse_config
from hml.core.parts import Parts

SELECT = [
    "--grid", "phoenix", "--optimizer", "gp", "--set", "grid.teff=[5000,5300]", "--set", "grid.logg=[4,4.5]",
    "--set", "grid.feh={nodes: [-0.5, 0.0]}", "--set", "grid.wavelength=[8700,8715]", "--set", "clone.steps=20",
    "--set", "associate={rounds: 2, steps: 5}", "--set", "optimizer.n_initial=20",
    "--set", "optimizer.n_calls=3",
]
NODES = {"teff": {"nodes": [5000, 5100, 5200, 5300]}, "logg": {"nodes": [4.0, 4.5]}, "feh": {"nodes": [-0.5, 0.0]}}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A PHOENIX-format tree of 16 nodes, a little wider than the band that is asked for."""
    folder = tmp_path_factory.mktemp("phoenix_tree")
    grid = {"name": "synthetic", "wavelength": [8690, 8725], **NODES}
    Parts.of(parse_config({"grid": grid})).grid.write_phoenix_tree(folder)
    return folder


def start(home, url, output, *more):
    command = [sys.executable, "-c", "from hml.cli import main; main()", "run", *SELECT, "--output", str(output)]
    command += ["--set", f"grid.base_urls=[{url}]", *more]
    environment = {**os.environ, "HML_HOME": str(home), "COLUMNS": "160"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def finished(process):
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, out + err
    return out


def values(folder):
    return [p["value"] for p in json.loads((folder / "result.json").read_text())["parameters"]]


def test_fetched_cloned_built_and_measured_then_killed_anywhere_and_resumed(tree, tmp_path):
    with serve(tree) as server:
        text = finished(start(tmp_path / "calm", server.url, tmp_path / "a"))
        assert "left out of the generator" in text  # PHOENIX has no truth between its nodes
        assert "teff" in text
        whole = len(server.requests)

        home, clones = tmp_path / "rough", []
        _kill_after_requests(server, whole // 2, home, tmp_path / "b")
        before = len(server.requests)
        for wanted in (2, 7):
            process = start(home, server.url, tmp_path / "b")
            while len(clones := list(home.rglob("tracks-*/*.safetensors"))) < wanted:
                assert process.poll() is None, process.communicate()
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        assert len(server.requests) - before < whole  # what was fetched before the kill was not fetched again
        stamps = {path: path.stat().st_mtime_ns for path in clones}
        finished(start(home, server.url, tmp_path / "b"))
        assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())  # nor was anything cloned twice
    assert values(tmp_path / "b") == values(tmp_path / "a")


def _kill_after_requests(server, count, home, output):
    """Start a run and kill it when the server is asked for the `count`-th time from now."""
    reached, target = threading.Event(), len(server.requests) + count
    server.before = lambda path, asked: reached.set() if len(server.requests) >= target else None
    process = start(home, server.url, output)
    assert reached.wait(120)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    server.before = lambda path, asked: None


def test_neither_data_nor_network_is_one_screen_of_ways_on(tmp_path):
    impatient = ("--set", "grid.timeout=2", "--set", "grid.retries=0")
    process = start(tmp_path / "home", dead_url(), tmp_path / "out", *impatient)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Traceback" not in err
    assert len(err.splitlines()) < 24
    for words in ("17 files (", "MB) are missing", "hml grid fetch phoenix", "--set grid.path=", "--grid synthetic"):
        assert words in err
    assert not (tmp_path / "out" / "result.json").exists()
