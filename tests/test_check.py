"""`hml grid check`: what neighbours tell of a node, breaks, bad nodes, and what files say of themselves."""

import json

import numpy as np
import pytest
from test_breaks import NODES, SPACE, spectra
from typer.testing import CliRunner

from hml.cli import app
from hml.core.breaks import find_breaks
from hml.core.check import bad_nodes, left_out_rms


def test_noise_alone_is_told_as_it_is():
    rng = np.random.default_rng(0)
    flux = 1 + 1e-4 * NODES[:, :1] + 1e-3 * rng.standard_normal((len(NODES), 4000))
    left_out = left_out_rms(SPACE, NODES, flux, {})
    ends = np.isin(NODES[:, 0], [3000, 5200])  # extrapolated, they would repeat what the node beside them is told
    assert np.isnan(left_out[ends]).all()
    np.testing.assert_allclose(left_out[~ends], 1e-3, rtol=0.1)


def test_a_cubic_is_told_exactly_and_a_bad_node_stands_out_alone():
    t, g = NODES[:, :1] / 1000, NODES[:, 1:]
    flux = 1 - 0.1 * t + 0.02 * t**2 - 0.001 * t**3 + 0.1 * g + np.zeros((1, 50))
    inner = (NODES[:, 0] > 3200) & (NODES[:, 0] < 5000)
    np.testing.assert_allclose(left_out_rms(SPACE, NODES, flux, {})[inner], 0, atol=1e-9)
    flux += 1e-4 * np.random.default_rng(1).standard_normal(flux.shape)
    flux[16] += 0.01
    left_out = left_out_rms(SPACE, NODES, flux, {})
    assert bad_nodes(SPACE, NODES, left_out) == [16]
    assert left_out[16] > 20 * np.nanmedian(left_out)


def test_neighbours_beyond_a_break_do_not_count():
    flux = spectra(jump=0.05)
    breaks = find_breaks(SPACE, NODES, flux)
    beside = NODES[:, 0] == 4600
    assert np.nanmax(left_out_rms(SPACE, NODES, flux, breaks)[beside]) < 1e-3
    assert np.nanmin(left_out_rms(SPACE, NODES, flux, {})[beside]) > 3e-3
    assert np.isnan(left_out_rms(SPACE, NODES, flux, breaks)[NODES[:, 0] > 4900]).all()  # two on their side


@pytest.fixture
def check(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    few = ["--teff", "5000:5800", "--logg", "4:4.5", "--feh", "0", "--wavelength", "8700:8704"]

    def call(*arguments):
        done = CliRunner().invoke(app, ["grid", "check", "synthetic", *few, *map(str, arguments)])
        if done.exception is not None:
            raise done.exception
        return done.output

    return call


def test_the_command_shows_each_value_of_the_longest_axis_and_a_picture(check, tmp_path):
    text = check("--plot", tmp_path / "check.png")
    assert "what its neighbours along teff tell" in text and "5400" in text
    assert (tmp_path / "check.png").read_bytes().startswith(b"\x89PNG")
    told = json.loads(check("--json"))
    assert {node["teff"] for node in told["nodes"]} >= {5200.0, 5800.0}
    assert all(node["left_out"] is None or node["left_out"] < 0.01 for node in told["nodes"])


@pytest.mark.real
def test_the_real_grid_breaks_where_it_is_known_to(real_data):
    grid = ["--set", f"grid.path={real_data / 'phoenix' / 'hband'}", "--set", "grid.orders=[m110]"]
    done = CliRunner().invoke(app, ["grid", "check", "starfish_hdf5", *grid, "--json"])
    assert json.loads(done.output)["breaks"] == {"teff": [[5000.0, 5100.0]]}
