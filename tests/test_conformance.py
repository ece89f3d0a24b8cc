"""hml's own parts, by the kit that it gives to the authors of plugins."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

from phoenix_tree import make_tree

from hml.testing import GridChecks, InterpolatorChecks


class TestSynthetic(GridChecks):
    name = "synthetic"
    fields = {"preprocess": [], "wavelength": (8700.0, 8710.0)}
    others = ({"seed": 1}, {"teff": {"nodes": [5200.0]}}, {"preset": "full"}, {"resolving_power": 50_000.0})
    skips = {"test_wavelengths_are_vacuum": "its lines are drawn at random and are those of no atom"}


class TestPhoenix(GridChecks):
    name = "phoenix"
    others = ({"teff": {"nodes": [5000.0]}},)
    skips = {"test_wavelengths_are_vacuum": "the files made here hold no lines of atoms"}

    @classmethod
    def configure(cls, folder: Path) -> Mapping[str, Any]:
        nodes = [(t, g, z, 0.0) for t, g, z in product((5000.0, 5100.0), (4.0, 4.5), (-0.5, 0.0))]
        return {"path": make_tree(folder / "tree", nodes)}


class TestLinear(InterpolatorChecks):
    name = "linear"


class TestCubic(InterpolatorChecks):
    name = "cubic"
