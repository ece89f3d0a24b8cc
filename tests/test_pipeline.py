"""The whole chain on a tiny grid: caching, resuming, reproducing, measuring files, holding nodes out."""

import json
from pathlib import Path

import numpy as np
import pytest

from hml.core import fitting, nodes, pipeline, workers
from hml.core.config import dump_config, load_config, parse_config
from hml.core.errors import ConfigError, GridError, SpectrumError
from hml.core.export import write_spectrum
from hml.core.parts import Parts, plan_nodes
from hml.core.paths import data_home
from hml.core.shelf import Shelf
from hml.core.spectrum import Spectrum

TINY = {
    "grid": {
        "name": "synthetic", "teff": {"nodes": [5000, 5200, 5400, 5600]}, "logg": {"nodes": [4.0, 4.5]},
        "feh": {"nodes": [-0.5, 0.0]}, "wavelength": [8700, 8730],
    },
    "clone": {"steps": 25}, "associate": {"rounds": 2, "steps": 10},
    "optimizer": {"name": "lbfgs", "n_initial": 30, "n_starts": 2},
}


def tiny(**changes):
    return parse_config({**TINY, **changes})


@pytest.fixture
def cloned(monkeypatch):
    """How often a spectrum was fitted (in this process, where it can be counted)."""
    calls = []
    monkeypatch.setattr(workers, "START_UP", np.inf)
    real = nodes.clone_spectrum
    monkeypatch.setattr(nodes, "clone_spectrum", lambda *a, **k: calls.append(a[0].name) or real(*a, **k))
    return calls


def test_a_run_measures_a_truth_between_nodes_and_leaves_a_folder(tmp_path):
    result = pipeline.run(tiny(), output=tmp_path / "run")
    assert abs(result["teff"].value - result["teff"].truth) < 60
    assert abs(result["logg"].value - result["logg"].truth) < 0.15
    assert abs(result["feh"].value - result["feh"].truth) < 0.1
    assert all(p.error is not None and p.error > 0 for p in result.parameters)
    assert result["teff"].truth not in (5000, 5200, 5400, 5600)
    assert "rv not applied" in result.notes
    files = {p.name for p in (tmp_path / "run").iterdir()}
    assert files == {
        "config.yaml", "result.json", "labels.ecsv", "fit.png", "convergence.png", "lines.png", "report.html",
    }
    stored = json.loads((tmp_path / "run" / "result.json").read_text())
    assert stored["parameters"][0]["value"] == result.parameters[0].value
    assert stored["fingerprints"]["grid"]
    assert stored["seconds"]["build"] > 0
    from astropy.table import QTable

    table = QTable.read(tmp_path / "run" / "labels.ecsv")
    assert list(table["parameter"]) == ["teff", "logg", "feh"]


def test_the_stored_config_gives_the_same_result_again(tmp_path):
    first = pipeline.run(tiny(), output=tmp_path / "a")
    again = pipeline.run(load_config(tmp_path / "a" / "config.yaml"), output=tmp_path / "b")
    assert [p.value for p in again.parameters] == [p.value for p in first.parameters]
    stored = [dump_config(load_config(tmp_path / which / "config.yaml")) for which in "ab"]
    assert stored[0] == stored[1]


def test_nothing_is_built_twice_and_a_change_builds_what_it_touches(cloned):
    pipeline.build(tiny())
    assert len(cloned) == 2 * 16  # two rounds of every node
    pipeline.build(tiny())
    assert len(cloned) == 32
    pipeline.build(tiny(interpolator="linear"))
    assert len(cloned) == 32  # same clones, another manifold
    pipeline.build(tiny(associate={"rounds": 2, "steps": 5}))
    assert len(cloned) == 64
    pipeline.build(tiny(clone={"steps": 26}))
    assert len(cloned) == 96


def test_an_interrupted_build_goes_on_from_where_it_was(monkeypatch, cloned):
    real = fitting.write_clone
    written = []

    def interrupted(path, *rest):
        if len(written) == 5:
            raise KeyboardInterrupt
        real(path, *rest)
        written.append(path)

    monkeypatch.setattr(fitting, "write_clone", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pipeline.build(tiny(runtime={"workers": 1}))
    monkeypatch.setattr(fitting, "write_clone", real)
    done = len(cloned)
    pipeline.build(tiny())
    assert len(cloned) - done == 32 - 5


def test_damaged_and_stale_artefacts_are_made_again(cloned):
    pipeline.build(tiny())
    parts = Parts.of(tiny())
    shelf = Shelf.of(parts, plan_nodes(parts))
    victim = sorted(next(shelf.folder.glob("tracks-*-2")).iterdir())[0]
    victim.write_bytes(victim.read_bytes()[:200])
    shelf.generator.write_bytes(b"not a generator")
    before = len(cloned)
    made = pipeline.build(tiny())
    assert len(cloned) == before + 1
    assert len(made) > 0
    assert shelf.generator.stat().st_size > 1000


def test_a_file_is_measured_like_a_star(tmp_path):
    truth = {"teff": 5310.0, "logg": 4.2, "feh": -0.2}
    parts = Parts.of(tiny())
    star = parts.grid.truth(truth)
    level = np.median(star.flux) * 0.002
    flux = star.flux + level * np.random.default_rng(0).standard_normal(len(star))
    noisy = Spectrum(star.wavelength, flux, np.full(len(star), level), unit=star.unit)
    path = tmp_path / "star.ecsv"
    write_spectrum(noisy, path)
    result = pipeline.run(tiny(spectrum={"path": str(path)}), output=tmp_path / "run")
    assert result.target == "read from star.ecsv"
    assert result["teff"].truth is None
    assert abs(result["teff"].value - 5310) < 60
    assert abs(result["feh"].value + 0.2) < 0.1
    again = star.flux + level * np.random.default_rng(1).standard_normal(len(star))
    write_spectrum(Spectrum(star.wavelength, again, np.full(len(star), level), unit=star.unit), tmp_path / "again.ecsv")
    masks = {"edge": {"drop": [[8700, 8702]], "frame": "rest"}}
    both = pipeline.run(tiny(spectrum={"path": [str(path), str(tmp_path / "again.ecsv")], "masks": masks}))
    assert both.counts["orders"] == 2 * result.counts["orders"]
    assert both.counts["pixels"] < 2 * result.counts["pixels"]
    assert 0.55 < both["teff"].error / result["teff"].error < 0.9  # about one over the root of two
    assert abs(both["teff"].value - 5310) < 60


def test_velocity_and_resolution_are_recovered_when_free(tmp_path):
    config = tiny(
        truth={"labels": {"teff": 5310, "logg": 4.2, "feh": -0.2}, "rv": 20.0, "resolving_power": 50_000, "snr": 200},
        objective={"rv": [-40, 40], "resolving_power": [40_000, 60_000]},
        box={"teff": {"around": 5300, "half_width": 200}}, optimizer={"name": "lbfgs", "n_initial": 200, "n_starts": 4},
    )
    result = pipeline.run(config, output=tmp_path / "run")
    assert abs(result["rv"].value - 20) < 0.2
    assert abs(result["resolving_power"].value / 50_000 - 1) < 0.1
    assert abs(result["teff"].value - 5310) < 80
    assert "rv not applied" not in result.notes


def test_a_held_out_value_is_kept_out_and_measured(tmp_path):
    config = tiny(hold_out={"teff": {"nodes": [5400]}})
    parts = Parts.of(config)
    plan = plan_nodes(parts)
    assert plan.space["teff"].nodes == (5000, 5200, 5600)
    assert len(plan.held) == 4
    result = pipeline.run(config, output=tmp_path / "run")
    assert result["teff"].truth == 5400
    assert "left out" in result.target


def test_alternate_holds_out_every_second_node():
    parts = Parts.of(tiny(hold_out={"teff": "alternate"}))
    assert plan_nodes(parts).space["teff"].nodes == (5000, 5400)


@pytest.mark.parametrize(("change", "text"), [
    ({"hold_out": {"teff": {"nodes": [5300]}}}, "hold_out.teff.*5300"),
    ({"hold_out": {"teff": [0, 9999]}}, "every node"),
    ({"spectrum": {"preprocess": ["blackbody"]}}, "needs labels"),
    ({"runtime": {"device": "abacus"}}, "runtime.device"),
])
def test_configs_that_cannot_work_say_why(change, text):
    with pytest.raises(ConfigError, match=text):
        plan_nodes(Parts.of(tiny(**change)))


def test_a_grid_without_lines_is_named():
    with pytest.raises(GridError, match="no lines found"):
        pipeline.build(tiny(find={"prominence": 0.999}))


@pytest.mark.parametrize(("column", "value", "text"), [
    ("flux", np.nan, "flux is not finite"), ("error", 0.0, "error is zero"), ("error", -1.0, "error is zero, negative"),
])
def test_bad_pixels_are_refused_or_masked(tmp_path, column, value, text):
    star = Parts.of(tiny()).grid.truth({"teff": 5310.0, "logg": 4.2, "feh": -0.2})
    arrays = {"flux": star.flux.copy(), "error": star.flux * 0.01}
    arrays[column][100:110] = value
    path = tmp_path / "star.ecsv"
    write_spectrum(Spectrum(star.wavelength, arrays["flux"], arrays["error"], unit=star.unit), path)
    with pytest.raises(SpectrumError, match=f"{text}.*10 of .*bad_pixels=mask"):
        pipeline.run(tiny(spectrum={"path": str(path)}), output=tmp_path / "a")
    result = pipeline.run(tiny(spectrum={"path": str(path), "bad_pixels": "mask"}), output=tmp_path / "b")
    assert result.counts["pixels"] <= len(star) - 10


def test_artefacts_stay_inside_the_home():
    pipeline.build(tiny())
    assert Path(data_home(), "grids").is_dir()
    assert not list(data_home().rglob("*.part"))
