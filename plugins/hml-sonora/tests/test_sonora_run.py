"""A YAML that names one of these grids runs end to end: a star of known labels is measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sonora_files import write_text

from hml import load_config, run

MICRONS = np.arange(1.2500, 1.2530, 0.000004)
YAML = """
grid: {name: sonora_bobcat, path: PATH/grid, wavelength: [12502, 12528], preprocess: [percentile]}
clone: {rounds: 0, steps: 40}
generator: {error: 0, residual: 0}
optimizer: lm
spectrum: {path: PATH/star.txt}
"""


def flux_of(teff: float, logg: float, microns: np.ndarray = MICRONS) -> np.ndarray:
    """Lines in erg/s/cm²/Hz whose depths depend on both labels in different ways."""
    rng = np.random.default_rng(0)
    centres, slopes = np.linspace(1.2503, 1.2527, 12), rng.uniform(-1, 1, (2, 12))
    depth = 0.4 * np.exp(slopes[0] * (teff - 1000) / 100 + slopes[1] * (logg - 4.75))
    lines = np.exp(-0.5 * ((microns[:, None] - centres) / 0.00002) ** 2)
    return 1e-5 * np.exp(-lines @ depth)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HML_HOME", str(tmp_path / "home"))
    for teff in (950, 1000, 1100):
        for g, logg in ((316, 4.5), (562, 4.75), (1000, 5.0)):
            write_text(tmp_path / "grid" / f"sp_t{teff}g{g}nc_m0.0", "bobcat", flux_of(teff, logg), MICRONS)
    flux = flux_of(1030, 4.8)
    np.savetxt(tmp_path / "star.txt", np.column_stack([MICRONS * 1e4, flux, np.full(len(flux), 1e-8)]))
    (tmp_path / "run.yaml").write_text(YAML.replace("PATH", str(tmp_path)))
    return tmp_path / "run.yaml"


def test_a_star_is_measured(config: Path, tmp_path: Path) -> None:
    run(load_config(config), output=tmp_path / "out")
    result = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    measured = {p["name"]: p["value"] for p in result["parameters"]}
    assert measured["teff"] == pytest.approx(1030, abs=15)
    assert measured["logg"] == pytest.approx(4.8, abs=0.1)
