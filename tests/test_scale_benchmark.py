"""The scale plan works at its small size, and what it calculates follows from what it measured."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def bench():
    """Modules of the benchmark by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield import_module


def test_small_size_measures_everything():
    command = [sys.executable, str(BENCHMARKS / "scale.py"), "--size", "small", "--json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    growth = {(row["what"], row["over"]): row for row in found["growth"]}
    assert set(growth) == {("fit", "lines"), ("fit", "pixels"), ("serial", "nodes"), ("serial", "axes"),
                           ("star", "nodes"), ("star", "axes"), ("star", "lines"), ("star", "pixels")}
    for row in growth.values():
        assert len(row["sizes"]) == len(row["seconds"]) == 4 and min(row["seconds"]) > 0
        assert row["sizes"] == sorted(row["sizes"]) and np.isfinite(row["slope"])
    node, star = found["node"], found["star"]
    assert node["lines"] > 10 and node["bytes"] > 100 * node["lines"] and node["client_s"] > 0
    assert star["status"] not in ("failed", "crashed") and star["seconds"] > 0
    assert found["grid"]["nodes"] == 8 and 0 < found["grid"]["serial_s"] < found["grid"]["seconds"]
    assert found["processes"]["ratio"] > 0
    assert {row["executor"] for row in found["scheduling"]} == {"local", "dask"}
    assert all(row["overhead"] < 1 for row in found["scheduling"])
    for row in (*found["costs"]["grids"], found["costs"]["survey"]):
        hours = list(row["hours"].values())
        assert hours == sorted(hours, reverse=True) and hours[-1] > 0


def test_costs_follow_from_what_was_measured(bench):
    costs = bench("scale_costs")
    node = {"pixels": 100, "lines": 10, "look_s": 0.1, "fit_s": 3.0, "fit_steps": 30, "client_s": 0.0, "bytes": 50}
    built = {"serial_s": 0.0, "nodes": 4, "tracks": 10}
    growth = [{"what": "serial", "over": "nodes", "slope": 1.0}]
    grid = costs.Grid("g", 3600, 200, 2, "")
    assert costs.node_seconds(grid, node) == pytest.approx(2 * (8 * 0.1 + 7 * 3.0))
    row = costs.grid_cost(grid, node, built, growth, 0.0)
    assert row["hours"][1] == pytest.approx(43.6) and row["hours"][16] == pytest.approx(43.6 / 16)
    late = costs.grid_cost(grid, {**node, "client_s": 1.0}, {**built, "serial_s": 1.0}, growth, 0.0)
    assert late["hours"][1000] == pytest.approx(7 * 2 + (1.0 * 3.5 * 900 * 2) / 3600)  # one process has to keep up
    star = costs.survey_cost({"seconds": 0.1, "pixels": 1000}, 0.5)
    assert star["hours"][1] == pytest.approx(0.8 * 1e7 / 0.5 / 3600)


def test_a_slope_is_that_of_the_power_law(bench):
    assert bench("scale_growth").slope([1, 2, 4, 8], [3, 12, 48, 192]) == pytest.approx(2.0)
