"""One process for many spectra and clones: memory flat after a warm-up, file handles and threads constant."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
MEGABYTE = 2**20


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="looks at memory and handles in /proc")
@pytest.mark.parametrize(("spectra", "clones", "growth"), [
    (40, 20, 6 * MEGABYTE), pytest.param(1000, 200, 8 * MEGABYTE, marks=pytest.mark.slow),
])
def test_a_long_day_leaves_nothing_behind(spectra, clones, growth):
    command = [sys.executable, str(HERE / "soak.py"), "--spectra", str(spectra), "--clones", str(clones)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {name: len(samples) for name, samples in found.items()} == {"spectra": spectra, "clones": clones}
    for name, samples in found.items():
        memory, handles, threads = np.array(samples)[len(samples) // 4 :].T  # the first quarter warms up
        half = len(memory) // 2
        assert np.median(memory[half:]) - np.median(memory[:half]) < growth, (name, memory.tolist())
        assert len(set(handles)) == len(set(threads)) == 1, (name, set(handles), set(threads))
