"""The paper's recipe as a config, and its own test."""

import json
from pathlib import Path

import numpy as np
import pytest

from hml.core.config import load_config
from hml.core.protocol import _guesses, _test_nodes, run_protocol
from hml.core.selection import Selection
from hml.core.space import Axis

PAPER = Path(__file__).parents[1] / "configs" / "paper.yaml"


def test_paper_yaml_is_the_recipe():
    config = load_config(PAPER)
    grid = config.grid.config
    assert config.grid.name == "phoenix"
    assert grid.wavelength == (8038, 12849)
    assert [s.name for s in grid.preprocess] == ["blackbody", "percentile", "continuum"]
    assert grid.preprocess[1].config.q == 99
    assert (grid.preprocess[2].config.method, grid.preprocess[2].config.degree) == ("paper", 4)
    assert config.find.model_dump() == {"prominence": 0.005, "distance": 4, "edge": 30}
    clone = config.clone
    assert (clone.composition, clone.steps, clone.learning_rate, clone.schedule) == ("product", 100, 0.05, "constant")
    assert (clone.centres, clone.radial_velocity, clone.window, clone.edge) == ("free", True, 6000, 60)
    assert (config.profile.config.widths, config.profile.config.start) == ("separate", "paper")
    assert (config.associate.method, config.interpolator.name, config.generator.window) == ("paper", "linear", 1000)
    objective = config.objective
    assert (objective.metric, objective.continuum_degree, objective.nan_as_one) == ("rms", None, True)
    optimizer = config.optimizer.config
    assert (config.optimizer.name, optimizer.n_initial, optimizer.n_calls) == ("gp", 100, 20)
    assert (optimizer.acquisition, optimizer.scale, optimizer.refit) == ("gp_hedge", "none", "restarts")
    assert not optimizer.polish
    assert (config.truth.snr, config.truth.preprocess) == (None, True)


def test_nodes_of_the_test_are_the_papers_or_spread_over_the_grid():
    paper = Axis.of("teff", [*range(2300, 7001, 100), *range(7200, 12001, 200)])
    assert _test_nodes(paper) == tuple(range(3000, 11001, 1000))
    assert _test_nodes(Axis.of("logg", np.arange(2, 6.1, 0.5))) == (2, 4, 6)
    assert _test_nodes(Axis.of("teff", [4800, 5000, 5200])) == (4800, 5000, 5200)
    assert _test_nodes(Axis.of("feh", [-0.5])) == (-0.5,)


def test_guesses_are_what_guessing_scores():
    axes = (Axis("teff", 2300, 12000), Axis("logg", 2, 6))
    (random, centre), (random_logg, centre_logg) = _guesses(
        axes, (11900.0, 3.0), {"teff": Selection(around=11900, half_width=500)}
    )
    rng = np.random.default_rng(0)
    assert random == pytest.approx(np.abs(rng.uniform(11400, 12000, 200_000) - 11900).mean(), rel=0.01)
    assert centre == pytest.approx(200)
    assert random_logg == pytest.approx(np.abs(rng.uniform(2, 6, 200_000) - 3).mean(), rel=0.01)
    assert centre_logg == pytest.approx(1)


def test_the_protocol_runs_and_reports_beside_the_published_figures(tmp_path):
    config = load_config(PAPER, sets=[
        "grid={name: synthetic, teff: {nodes: [5000, 5200]}, logg: {nodes: [4.0]}, feh: {nodes: [-0.5, 0]}, "
        "wavelength: [8700, 8830], preprocess: [blackbody, percentile, {name: continuum, method: paper, degree: 1}]}",
        "find.edge=10", "clone.edge=20", "clone.steps=10", "clone.window=400", "optimizer={name: lbfgs, n_initial: 8}",
    ])
    outcome = run_protocol(config, output=tmp_path)
    assert len(outcome.stars) == 4
    assert outcome.summary["published (paper)"] == {"teff": 185, "logg": 0.19, "feh": 0.12}
    errors = [abs(s.result["teff"] - s.truth["teff"]) for s in outcome.stars]
    assert outcome.summary["this run"]["teff"] == pytest.approx(np.mean(errors))
    assert outcome.summary["random guess"]["teff"] == pytest.approx(100)
    stored = json.loads((tmp_path / "protocol.json").read_text())
    assert len(stored["stars"]) == 4
