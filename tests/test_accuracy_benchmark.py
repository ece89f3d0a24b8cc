"""The benchmark of accuracy works at its small size, and what it measures with is right."""

import json
import math
from importlib import import_module
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import CubicSpline

from hml import Space, Table

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
FIGURES = ("rms", "median_node", "rms_published", "rms_smooth", "lines_only", "paper", "recovery", "synthetic", "clone")


@pytest.fixture(scope="module")
def bench():
    """Modules of the benchmark by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield import_module


@pytest.fixture(scope="module")
def case(bench):
    """Teff 4000, 4400, 4800, 5200 are learnt, those between predicted; 500 pixels."""
    return bench("accuracy_run").small().splits[0]


# --- the command ---------------------------------------------------------------------------------------------------


def test_small_size_gives_every_figure_and_goes_on_where_it_stopped(bench, capsys, tmp_path):
    main = bench("accuracy").main
    main(["--size", "small", "--json", "--plots", str(tmp_path)])
    done = capsys.readouterr()
    found = json.loads(done.out.splitlines()[-1])
    assert tuple(found["figures"]) == FIGURES
    for name, row in found["figures"].items():
        assert row["value"] > 0 and row["reference"] > 0, name
        assert math.isclose(row["ratio"], row["value"] / row["reference"], rel_tol=1e-9), name
        assert row["target"] == "; ".join(row["goals"]) and row["met"] == all(row["goals"].values()), name
    check_cases(found)
    pictures = {file.name for file in tmp_path.glob("*.png")}
    assert pictures == {f"accuracy-{name}-{what}.png" for name in found["cases"] for what in ("rms", "stretch")}
    main(["--size", "small", "--json", "--only", "rms,recovery"])
    again = capsys.readouterr()
    assert "recovered" in done.err and "recovered" not in again.err
    rest = json.loads(again.out.splitlines()[-1])["figures"]
    assert rest["rms"] == found["figures"]["rms"] and rest["recovery"] == found["figures"]["recovery"]
    assert rest["clone"] is None and rest["paper"] is None


    main(["--size", "small", "--only", "rms,recovery"])
    assert "hml, lines alone" in capsys.readouterr().out  # tables


def check_cases(found):
    assert list(found["cases"]) == ["teff", "logg", "synthetic"]
    teff, logg = found["cases"]["teff"], found["cases"]["logg"]
    assert (teff["nodes"], teff["points"], logg["nodes"], logg["points"]) == (12, 9, 14, 7)
    assert logg["linear_for_all"] == ["logg"] and teff["linear_for_all"] == []
    for row in found["cases"].values():
        rms = {name: method["rms"] for name, method in row["methods"].items()}
        assert {"pixel-linear", "pixel-cubic", "pixel-PCHIP", "pixel-makima", "pixels, hml cubic"} < set(rms)
        assert {"paper's recipe", "hml, lines alone", "hml"} < set(rms)
        assert all(0 < value < 0.2 for value in rms.values())
        assert rms["pixel-cubic"] < rms["paper's recipe"]
    published = [method["rms"] for method in teff["methods"].values() if method["role"] == "published"]
    assert found["figures"]["rms_published"]["reference"] == min(published)
    for rows in found["recovery"].values():
        assert all(set(row["all"]["median"]) == {"teff", "logg"} for row in rows.values())


@pytest.mark.parametrize(("options", "said"), [
    (["--only", "rms,speed"], "speed: expected some of rms, median_node"),
    (["--set", "clone.stepz=3"], "unknown field 'stepz'"),
    (["--data", "nowhere"], "expected a folder with the H-band orders"),
])
def test_what_does_not_exist_is_refused_at_once(bench, capsys, options, said):
    with pytest.raises(SystemExit) as end:
        bench("accuracy").main(options)
    assert end.value.code == 2 and said in capsys.readouterr().err


def test_orders_are_the_first_ones_or_those_named(bench, tmp_path):
    for name in ("m102", "m098", "m100"):
        (tmp_path / f"ORDER_{name}.hdf5").touch()
    options = bench("accuracy")._options
    assert options(["--data", str(tmp_path), "--orders", "2"]).orders == ["ORDER_m098", "ORDER_m100"]
    assert options(["--data", str(tmp_path), "--orders", "m102"]).orders == ["m102"]
    assert len(options(["--data", str(tmp_path)]).orders) == 3


# --- methods -------------------------------------------------------------------------------------------------------


def pixel_methods(bench):
    methods = bench("methods")
    return [*methods.published(), *(m for m in methods.other_pixels() if not m.name.startswith("PCA"))]


def test_pixel_methods_are_exact_at_nodes(bench, case):
    nodes = np.array(case.plan.used)
    for method in pixel_methods(bench):
        np.testing.assert_allclose(method.fit(case).predict(nodes), case.train, atol=1e-12, err_msg=method.name)


def test_all_components_are_exact_at_nodes_and_few_are_not(bench, case):
    nodes = np.array(case.plan.used)
    pca = bench("pixel_methods").Pca
    np.testing.assert_allclose(pca(case, len(nodes)).predict(nodes), case.train, atol=1e-12)
    few = pca(case, 2)
    assert np.abs(few.predict(nodes) - case.train).max() > 1e-4
    assert few.bytes_on_disk() < pca(case, 5).bytes_on_disk()


def test_pixel_cubic_is_scipy_s_spline_along_an_axis(bench, case):
    cubic = next(m for m in bench("methods").published() if m.name == "pixel-cubic").fit(case)
    teff = np.array(case.space["teff"].nodes)
    at = np.linspace(teff[0], teff[-1], 23)
    line = [(t, 4.0, 0.0) for t in teff]
    flux = case.library.flux(line)
    points = np.column_stack([at, np.full(23, 4.0), np.zeros(23)])
    np.testing.assert_allclose(cubic.predict(points), CubicSpline(teff, flux)(at), atol=1e-12)


def test_parabolas_and_planes_come_back_on_short_axes(bench, case):
    """Every method but pixel-linear gives a parabola back on three nodes, and all of them what is linear everywhere."""
    nodes = np.array(case.plan.used)
    at = np.array([[4100.0, 3.7, 0.0], [5000.0, 4.4, 0.0]])

    def fake(function):
        table = Table(case.space, nodes, function(nodes)[:, None, None] * np.ones((1, 3, 1)), ("flux",))
        stub = {"space": case.space, "plan": case.plan, "train": table.values[..., 0], "wavelength": np.arange(3.0)}
        return SimpleNamespace(**stub, table=lambda: table)

    def plane(x):
        return 0.2 + 1e-4 * x[:, 0] + 0.1 * x[:, 1]

    def bent(x):
        return plane(x) + 0.05 * (x[:, 1] - 4) ** 2

    for method in bench("methods").published():
        np.testing.assert_allclose(method.fit(fake(plane)).predict(at)[:, 0], plane(at), rtol=1e-12)
        off = np.abs(method.fit(fake(bent)).predict(at)[:, 0] - bent(at)).max()
        assert off > 1e-3 if method.name == "pixel-linear" else off < 1e-12, method.name


def test_lines_reproduce_their_generator(bench, case):
    methods = bench("methods")
    own = methods.ours([], bench("results").quiet)[-1].fit(case)
    generator = own.generators[0]
    points = np.vstack([case.points, case.points])  # more than are rendered together
    expected = np.concatenate([generator(point[None]).double().numpy() for point in points])
    np.testing.assert_allclose(own.predict(points), expected, atol=1e-6)
    assert own.lines == len(generator) and own.bytes_on_disk() > 1000


def test_the_paper_s_recipe_is_its_config_but_for_the_case_s_own(bench, case, monkeypatch):
    methods, seen = bench("methods"), []
    monkeypatch.setattr(methods.pipeline, "build", lambda config, progress: seen.append(config))
    monkeypatch.setattr(methods, "Rendered", lambda case, generators, nan_as_one: nan_as_one)
    assert methods.paper(["runtime.workers=1", "clone.steps=7"], None, 100).fit(case) is True
    (config,) = seen
    clone, grid = config.clone, case.library.parts.config.grid
    assert (config.associate.method, config.interpolator.name) == ("paper", "linear")
    assert (clone.composition, clone.solver, clone.steps, clone.radial_velocity) == ("product", "adam", 100, True)
    assert (config.find.edge, clone.edge, clone.window, config.generator.window) == (0.25, 0.5, 200, 200)
    assert config.grid == grid and config.hold_out == case.config.hold_out and config.runtime.workers == 1


def test_orders_are_taken_one_by_one_for_it(bench):
    data = {"name": "starfish_hdf5", "orders": ["m110", "m112"], "teff": [3000, 4000]}
    grid = SimpleNamespace(to_data=lambda: data)
    library = SimpleNamespace(parts=SimpleNamespace(config=SimpleNamespace(grid=grid)))
    one, other = bench("cases").Case("teff", library, {"teff": "alternate"}, 10.0).by_order()
    assert one == {"grid": {**data, "orders": ["m110"]}, "hold_out": {"teff": "alternate"}}
    assert other["grid"]["orders"] == ["m112"]


# --- breaks --------------------------------------------------------------------------------------------------------

@pytest.mark.real
def test_the_break_of_phoenix_is_found_in_training_nodes(bench, real_data):
    folder = real_data / "phoenix" / "hband"
    orders = sorted(file.stem for file in folder.glob("*.hdf5"))[:2]
    teff, logg, feh = bench("cases").h_band(folder, orders)
    assert [(found.low, found.high) for found in teff.breaks] == [(5000, 5200)]
    assert [(found.low, found.high) for found in logg.breaks] == [(5000, 5100)]
    assert set(teff.points[~teff.smooth, 0]) == {5100} and set(logg.points[~logg.smooth, 0]) == {5000, 5100}
    assert (len(teff.points), len(logg.points), len(feh.points)) == (99, 72, 72)


# --- scores --------------------------------------------------------------------------------------------------------


def test_scores_are_those_of_a_known_error(bench, case):
    """Off by 1e-3 at one point, by 3e-3 at another, by nothing else."""
    scores = bench("scores")
    off = np.zeros((len(case.points), 1))
    off[2], off[5] = 1e-3, 3e-3

    def predict(points):
        index = [int(np.argmin(np.abs(case.points - point).sum(1))) for point in points]
        return case.test[index] + off[index]

    made = SimpleNamespace(predict=predict, bytes_on_disk=lambda: 7, lines=None)
    score, _ = scores.measured(case, SimpleNamespace(fit=lambda case: made))
    row = scores.summary(case, score)
    assert row["rms"] == pytest.approx(np.sqrt((1e-6 + 9e-6) / 9), rel=1e-6)
    assert row["median_node"] == pytest.approx(0, abs=1e-12) and row["worst_node"] == pytest.approx(3e-3)
    assert row["worst_at"] == case.space.to_dict(case.points[5]) and row["bytes"] == 7
    assert row["rms_warm"] == row["rms_smooth"] == row["rms"]  # no break here, and all are warm
    assert set(row["by_teff"]) == {"4000–4500", "4500–5000", "5000–5500"}
    np.testing.assert_allclose(score.shown, predict(case.points)[scores.shown_point(case)], rtol=1e-12)


def test_nothing_is_scored_near_the_ends(case):
    (part,) = case.scored
    wavelength = case.wavelength
    assert wavelength[part.start] >= wavelength[0] + 0.5 > wavelength[part.start - 1]
    assert wavelength[part.stop - 1] <= wavelength[-1] - 0.5 + 1e-9 < wavelength[part.stop]


# --- labels --------------------------------------------------------------------------------------------------------


class Truth:
    """Flux that is an analytic function of labels; `[B, N]` for labels `[B, P]`."""

    def __init__(self, size=300):
        rng = np.random.default_rng(7)
        self.strength, self.slopes = rng.uniform(0.1, 1, size), rng.normal(size=(3, size))

    def predict(self, labels):
        scaled = (labels - np.array([4800.0, 4.0, 0.0])) / np.array([1600.0, 1.0, 1.0])
        return np.exp(-self.strength * np.exp(scaled @ self.slopes))


RECOVERY_SPACE = Space.from_nodes(
    ("teff", "logg", "feh"), list(product((4000.0, 4400.0, 4800.0, 5200.0, 5600.0), (3.5, 4.0, 4.5), (-0.5, 0.0, 0.5)))
)


def recovery_case(truth, points):
    return SimpleNamespace(space=RECOVERY_SPACE, points=points, test=truth.predict(points), scored=[slice(0, 300)],
                           smooth=np.array([True] * (len(points) - 1) + [False]))


def test_a_perfect_predictor_recovers_the_truth(bench):
    recovery, truth = bench("label_recovery"), Truth()
    points = np.array([[4200.0, 3.5, -0.5], [4600.0, 4.0, 0.0], [5000.0, 4.3, 0.2], [5400.0, 4.5, 0.5]])
    case = recovery_case(truth, points)
    found = recovery.recover(case, truth, 1e5, bench("results").quiet)
    np.testing.assert_allclose(found.labels[1:3], points[1:3], atol=0.2, rtol=1e-4)
    row = recovery.summary(case, found)
    assert row["failures"] == 0 and row["interior_points"] == 2
    assert row["interior"]["median"]["teff"] < 0.5 and row["interior"]["median"]["feh"] < 1e-3
    assert row["all"]["mean"]["teff"] < 2  # edges too, beyond which the tangent takes over


def test_a_fit_that_ends_elsewhere_is_a_failure(bench):
    recovery, truth = bench("label_recovery"), Truth()
    points = np.array([[4200.0, 3.5, -0.5], [4600.0, 4.0, 0.0], [5000.0, 4.3, 0.2]])
    off = np.array([[0, 0, 0], [0, 0, 0.3], [250.0, 0, 0]])
    found = recovery.Recovered(points + off, np.array([False, True, True]), 1.0)
    row = recovery.summary(recovery_case(truth, points), found)
    assert (row["failures"], row["failures_smooth"], row["not_converged"]) == (3, 2, 1)
    assert row["failed_beyond"] == {"teff": 200.0, "logg": 0.25, "feh": 0.25}


def test_the_same_noise_for_every_method_and_another_for_every_point(bench):
    recovery, truth = bench("label_recovery"), Truth()
    points = np.array([[4600.0, 4.0, 0.0]] * 2)
    once, again = (recovery.recover(recovery_case(truth, points), truth, 50, bench("results").quiet) for _ in range(2))
    np.testing.assert_array_equal(once.labels, again.labels)
    assert np.abs(once.labels[0] - once.labels[1]).max() > 1e-3


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(-0.5, 1.5), st.floats(-0.5, 1.5)), min_size=1, max_size=5))
def test_beyond_the_space_a_plane_goes_on(bench, units):
    """What is linear in the labels stays so outside, at corners too; inside nothing changes."""
    slope = np.array([[1e-3, -2.0, 3.0], [2e-3, 0.5, 1.0]])

    def plane(labels):
        RECOVERY_SPACE.require(labels)  # is never asked beyond
        return labels @ slope.T

    labels = RECOVERY_SPACE.lower + np.array(units) * (RECOVERY_SPACE.upper - RECOVERY_SPACE.lower)
    found = bench("label_recovery").continued(plane, RECOVERY_SPACE, labels)
    np.testing.assert_allclose(found, labels @ slope.T, rtol=1e-9, atol=1e-9)


def test_the_box_ends_one_step_beyond(bench):
    box = bench("label_recovery").Box.around(RECOVERY_SPACE)
    np.testing.assert_allclose(box.lower, [4000, 3, -1])
    np.testing.assert_allclose(box.upper, [5600, 5, 1])
