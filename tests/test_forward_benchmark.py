"""The benchmark of the forward model works at its small size, and its reference does the same as the model."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parent.parent / "benchmarks/forward.py"


def test_small_size_gives_every_figure():
    command = [sys.executable, str(BENCHMARK), "--size", "small", "--json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    figures = found["figures"]
    assert tuple(figures) == ("forward", "spline", "optics", "jacobian", "difference", "differences")
    for name, row in figures.items():
        inverse = name in ("forward", "spline", "optics")
        expected = row["reference"] / row["value"] if inverse else row["value"] / row["reference"]
        assert row["ratio"] == pytest.approx(expected, rel=1e-9), name
    assert figures["forward"]["met"] == (figures["forward"]["ratio"] >= 3)
    assert 0 < figures["difference"]["value"] < 1e-4  # what the model promises
    assert figures["difference"]["value"] < figures["difference"]["reference"] < 5e-3  # both see the same star
    assert figures["differences"]["reference"] < 2e-3
