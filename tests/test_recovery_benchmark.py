"""The benchmark of whole stars works at its small size, and what it counts with is right."""

import json
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
FIGURES = ("teff", "logg", "feh", "rv", "seconds", "failures", "coverage68", "coverage95")


@pytest.fixture(scope="module")
def bench():
    """Modules of the benchmark by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield import_module


def row(truth, values, errors, status="CONVERGED", snr=100.0, seconds=1.0):
    return {"truth": truth, "values": values, "errors": errors, "status": status, "snr": snr, "seconds": seconds}


# --- the command ---------------------------------------------------------------------------------------------------


def test_small_size_gives_every_figure_and_goes_on_where_it_stopped(bench, capsys, monkeypatch):
    main = bench("recovery").main
    options = ["--size", "small", "--stars", "1", "--coverage", "1", "--methods", "lm"]
    options += ["--set", "optimizer={name: lm, n_starts: 1, n_initial: 20}"]
    main([*options, "--json"])
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    figures = found["figures"]
    assert tuple(figures) == FIGURES
    assert figures["feh"] is None  # all nodes have the same
    for name in set(FIGURES) - {"feh"}:
        made = figures[name]
        expected = made["value"] / made["reference"] if made["reference"] else None
        assert made["ratio"] == (expected if expected is None else pytest.approx(expected)), name
    assert figures["teff"]["value"] < 200 and figures["rv"]["value"] < 2  # the step of the grid; a line's width is 5
    assert set(found["methods"]) == {"lm"} and set(found["methods"]["lm"]) == {"30", "100", "300"}
    assert {"teff", "logg", "rv", "resolving_power"} <= set(figures["coverage68"]["parameters"])
    assert found["nodes"] == 16

    monkeypatch.setattr(bench("recovery_fit").Method, "_measure", lambda *_: pytest.fail("this star was kept"))
    main(options)
    assert "Truths within intervals: laplace" in capsys.readouterr().out


@pytest.mark.parametrize(("options", "said"), [
    (["--stars", "-3"], "expected a number of stars"),
    (["--methods", "lm,mcmc"], "mcmc: expected some of lm, gp, paper"),
    (["--set", "objective.model_eror=false"], "unknown field 'model_eror'"),
])  # fmt: skip
def test_what_does_not_exist_is_refused_at_once(bench, capsys, options, said):
    with pytest.raises(SystemExit) as end:
        bench("recovery").main(options)
    assert end.value.code == 2 and said in capsys.readouterr().err


# --- mocks ---------------------------------------------------------------------------------------------------------


def test_truths_are_off_the_nodes_and_a_step_from_every_bound(bench):
    made = bench("recovery_stars")
    sky = made.Sky(made.SIZES["orders"])
    some = made.stars(sky, 100, (30.0, 100.0))
    truths = np.array([list(star.labels.values()) for star in some])
    steps = np.array([200.0, 0.5, 0.5])
    assert (truths >= sky.space.lower + steps).all() and (truths <= sky.space.upper - steps).all()
    assert len({star.labels["teff"] for star in some}) == 200
    assert max(abs(star.sight.rv) for star in some) > 90 and max(star.sight.vsini for star in some) > 27
    powers = np.array([star.sight.resolving_power for star in some])
    assert np.abs(powers / 55_000 - 1).max() < 0.1 and np.std(powers / 55_000) == pytest.approx(0.047, abs=0.01)


def test_a_mock_has_the_noise_that_it_says_and_a_mask(bench):
    made = bench("recovery_stars")
    sky = made.Sky(made.SIZES["small"])
    star = sky.star(3, 100.0)
    order, again = sky.observed(star)[0], sky.observed(star)[0]
    np.testing.assert_array_equal(order.flux, again.flux)
    assert 0.85 < order.mask.mean() < 1 and (order.flux[~order.mask] == 0).all()
    quiet = sky.observed(made.Star(3, 1e9, star.labels, star.sight))[0]
    assert np.ptp(quiet.flux) > 0.2  # lines
    assert order.error[0] == pytest.approx(np.percentile(quiet.flux, 95) / 100, rel=0.3)  # another tilt


# --- what is counted -----------------------------------------------------------------------------------------------


def test_a_failure_is_named_by_its_status_or_its_error(bench):
    made, truth = bench("recovery_figures"), {"teff": 5000.0, "rv": 10.0}
    near = row(truth, {"teff": 5099.0, "rv": 10.0}, {"teff": 1.0, "rv": 0.1})
    far = {"teff": 5101.0, "rv": 10.0}
    silent = row(truth, far, {"teff": 20.0, "rv": 0.1})
    unsure = row(truth, far, {"teff": 21.0, "rv": 0.1})
    told = row(truth, far, {"teff": 1.0, "rv": 0.1}, "MULTIMODAL")
    refused = row(truth, {}, {}, "REFUSED")
    every = [near, silent, unsure, told, refused]
    assert list(map(made.failed, every)) == [False, True, True, True, True]
    assert list(map(made.unnamed, every)) == [False, True, False, False, False]
    assert made.summary(every[:4])["statuses"] == {"CONVERGED": 3, "MULTIMODAL": 1}


@given(st.integers(0, 2**32 - 1))
def test_normal_errors_are_covered_as_normal_errors_are(bench, seed):
    rng = np.random.default_rng(seed)
    rows = [row({"teff": 5000.0, "vsini": v}, {"teff": 5000 + 30 * e, "vsini": v}, {"teff": 30.0, "vsini": 1.0})
            for e, v in zip(rng.standard_normal(4000), rng.uniform(0, 30, 4000), strict=True)]
    found = bench("recovery_figures").coverage(rows)
    assert found["teff"]["coverage68"] == pytest.approx(0.6827, abs=0.04)
    assert found["teff"]["coverage95"] == pytest.approx(0.95, abs=0.02)
    assert found["teff"]["width"] == 60
    assert found["vsini"]["mocks"] == sum(r["truth"]["vsini"] >= 5 for r in rows)
    figures = bench("recovery_figures").figures({}, rows)
    assert figures["coverage68"]["value"] == 1.0 and not figures["coverage68"]["met"]  # the worst: v sin i is exact


def test_draws_are_counted_by_their_quantiles(bench):
    def star(low, high):
        made = row({"teff": 5000.0}, {"teff": 4000.0}, {"teff": 1.0})
        return {**made, "intervals": {"teff": {"coverage68": [low, high], "coverage95": [low - 50, high + 50]}}}
    rows = [star(4990, 5010), star(5001, 5011), star(4900, 4940), star(4960, 5040)]
    found = bench("recovery_figures").coverage(rows)["teff"]
    assert (found["coverage68"], found["coverage95"], found["width"]) == (0.5, 0.75, 30)


def test_figures_are_of_the_range_and_the_signal_that_targets_name(bench):
    made = bench("recovery_figures")
    def star(teff, off, snr):
        return row({"teff": teff}, {"teff": teff + off}, {"teff": 1.0}, snr=snr, seconds=3.0)
    ours = [star(3500, 90, 100.0), star(5000, 4, 100.0), star(5500, -6, 100.0), star(5500, 50, 30.0)]
    figures = made.figures({"lm": ours, "gp": [star(5000, 8, 100.0)]}, [])
    teff = figures["teff"]
    assert [teff[key] for key in ("value", "reference", "ratio")] == pytest.approx([5, 8, 5 / 8])
    assert teff["met"] and not figures["seconds"]["met"] and figures["coverage68"] is None
    tables = made.by_range(ours)
    assert tables["100"]["5000–6000 K"]["stars"] == 2 and tables["30"]["all"]["median"]["teff"] == pytest.approx(50)


def test_a_line_that_was_cut_short_is_made_again(bench, tmp_path):
    rows = bench("recovery_fit").Rows
    first = rows(tmp_path / "kept.jsonl")
    first.keep("a", {"x": 1})
    with (tmp_path / "kept.jsonl").open("a") as file:
        file.write('\n{"name": "b", "ro')
    again = rows(tmp_path / "kept.jsonl")
    assert again.known == {"a": {"x": 1}}
    again.keep("b", {"x": 4})
    assert rows(tmp_path / "kept.jsonl").known == {"a": {"x": 1}, "b": {"x": 4}}
