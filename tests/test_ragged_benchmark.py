"""The benchmark of ragged grids, on a small one."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import ragged
from cases import SYNTHETIC, off_nodes


def test_both_shapes_are_scored_at_the_same_points_and_methods_are_told_apart():
    case = off_nodes({**SYNTHETIC, "wavelength": [8700.0, 8702.0]}, 0.0, {}, 30)
    whole, torn = ragged.rows_of(case, "synthetic")
    assert whole["points"] == torn["points"] > 10
    assert whole["holes"] == 0 and torn["holes"] > 10
    for name in ragged.METHODS:
        assert whole[name]["rms"] < torn[name]["rms"]
    assert whole["scattered"]["rms"] < whole["linear"]["rms"]
    assert ragged.shown(torn).count("|") == 4 + len(ragged.METHODS)


def test_a_method_that_knows_the_truth_misses_nothing():
    nodes = np.array([[a, b] for a in range(4) for b in range(4)], dtype=float)
    points, plane = np.random.default_rng(0).random((40, 2)) * 3, np.arange(10.0).reshape(2, 5)
    row = ragged.score(ragged.informed(nodes, nodes @ plane, ("a", "b")), points, points @ plane)
    assert all(row[name]["rms"] < 1e-6 for name in ragged.METHODS)
