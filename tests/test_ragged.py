"""Ragged grids: what their nodes enclose, and one from the first node to the labels of a star."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from any_grid import any_generator
from hypothesis import given, settings
from hypothesis import strategies as st
from ragged_home import _installed, places
from scipy.optimize import linprog
from typer.testing import CliRunner

from hml import ConfigError, LabelError, parse_config
from hml.cli import app
from hml.core import pipeline
from hml.core.around import told_around
from hml.core.check import checked
from hml.core.compat import check_config, check_nodes
from hml.core.figures.counts import over_nodes
from hml.core.generator import Generator
from hml.core.hull import Hull, hull_of
from hml.core.smooth import smoothed
from hml.core.space import Space

HERE = Path(__file__).parent


def box(*sizes):
    return np.array(list(product(*[np.arange(float(n)) for n in sizes])))


def enclosed(nodes, point):
    """Whether a point is a mean of nodes, by a linear programme."""
    constraints = np.concatenate([nodes.T, np.ones((1, len(nodes)))])
    return linprog(np.zeros(len(nodes)), A_eq=constraints, b_eq=np.append(point, 1)).status == 0


# --- hulls -----------------------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 5), st.integers(6, 60), st.integers(0, 999))
def test_inside_is_what_means_of_nodes_reach_and_the_nearest_is_at_the_edge(labels, count, seed):
    rng = np.random.default_rng(seed)
    nodes = rng.integers(0, 5, (count, labels)) * np.array([100.0, 0.5, 0.25, 1, 2])[:labels]
    hull, points = Hull(nodes), nodes.min(0) + np.ptp(nodes, axis=0) * rng.uniform(-0.2, 1.2, (8, labels))
    points = np.concatenate([points, nodes[:3], (nodes[1:4] + nodes[2:5]) / 2])
    inside = hull.inside(points)
    assert inside.tolist() == [enclosed(nodes, point) for point in points]
    moved = hull.nearest(torch.tensor(points)).numpy()
    assert np.array_equal(moved[inside], points[inside])
    assert (hull._beyond(moved) < 1e-7).all()
    for point, there in zip(points[~inside], moved[~inside], strict=True):
        away = (point - there) / hull.width  # no node lies on this side of the plane through the nearest point
        assert (((nodes - there) / hull.width) @ away).max() < 1e-6


def test_the_move_to_the_hull_is_differentiable():
    hull = Hull(np.array([n for n in box(4, 4, 4) if n.sum() < 6]))
    x = torch.tensor([[2.5, 2.9, 2.2], [4.5, 2.0, 1.0], [1.0, 1.0, 1.0]], dtype=torch.float64)
    assert torch.autograd.gradcheck(hull.nearest, (x.requires_grad_(),), check_forward_ad=True)


def test_a_whole_box_has_no_hull_of_its_own_whatever_is_missing_inside():
    assert hull_of(box(4, 3, 2)) is None
    assert hull_of([n for n in box(4, 4, 3) if tuple(n) != (1, 2, 1)]) is None
    assert hull_of(np.array([[1.0, 2.0, 3.0]])) is None
    assert hull_of(np.concatenate([box(4, 3), np.full((12, 1), 7.0)], 1)) is None
    assert hull_of(box(4, 4, 3)[1:]) is not None
    assert hull_of(np.array([[0.0, 0], [1, 1], [2, 2]])) is not None  # a line in a plane


def test_labels_in_a_gap_are_told_from_those_with_nodes_all_around():
    there = np.array([n for n in box(9, 9) if not (n > 3).all()])  # an L
    hull = Hull(there)
    assert hull.surrounds(np.array([1.5, 6.2])) and hull.surrounds(np.array([3.0, 3.0]))
    assert not hull.surrounds(np.array([5.5, 5.5])) and hull.inside(np.array([[5.5, 5.5]]))[0]
    assert not hull.surrounds(np.array([8.0, 8.0]))
    hole = Hull(np.array([n for n in box(5, 5, 3) if tuple(n) != (2, 2, 1)]))
    assert hole.surrounds(np.array([2.0, 2.0, 1.0]))
    assert hull.edge(np.array([8.0, 3.0])) == pytest.approx(0, abs=1e-9) and hull.edge(np.array([1.0, 1.0])) > 0.3


def corner_cut():
    """A generator of a ragged grid, and one that does not know that it is."""
    holes = [(5200.0, 5.0), (5400.0, 4.5), (5400.0, 5.0)]
    made = any_generator({"teff": [5000.0, 5200.0, 5400.0], "logg": [4.0, 4.5, 5.0]}, holes)
    return made.changed({}, header={**made.header, "ragged": True}), made


def test_a_generator_takes_the_nearest_labels_and_refuses_to_make_spectra_of_others():
    ragged, whole = corner_cut()
    inside, beyond = np.array([[5100.0, 4.3]]), np.array([[5400.0, 5.0]])
    with torch.no_grad():
        assert torch.equal(ragged(inside), whole(inside))
        nearest = ragged.nearest(beyond)
        torch.testing.assert_close(nearest, torch.tensor([[5200.0, 4.5]], dtype=torch.float64))
        assert torch.equal(ragged(beyond), whole(nearest)) and not torch.equal(ragged(beyond), whole(beyond))
    with pytest.raises(LabelError, match=r"teff 5400, logg 5: the grid is ragged.*nearest.*teff 5200, logg 4\.5"):
        ragged.spectrum({"teff": 5400, "logg": 5})
    assert len(ragged.spectrum({"teff": 5200, "logg": 4.5})) == len(ragged.wavelength)
    assert ragged.made_up(beyond[0]) and not ragged.made_up(inside[0])


def test_scattered_labels_are_counted_without_listing_their_holes():
    nodes = [tuple(n) for n in np.random.default_rng(0).random((400, 6)).tolist()]
    space = Space.from_nodes("abcdef", nodes)
    assert space.count_holes(nodes) == 400**6 - 400
    check_nodes(parse_config({"interpolator": "scattered"}), space, nodes)
    with pytest.raises(ConfigError, match=r"holes among.*such as .*scattered nodes \(.*scattered\)"):
        check_nodes(parse_config({}), space, nodes)


# --- from end to end -------------------------------------------------------------------------------------------------


__all__ = ["_installed", "places"]  # fixtures

RECIPE = {
    "grid": "ragged", "interpolator": "scattered", "associate": {"rounds": 2, "steps": 15},
    "optimizer": {"name": "lm", "n_initial": 20, "n_starts": 2}, "runtime": {"workers": 1, "device": "cpu"},
}  # fmt: skip


def test_the_default_interpolator_is_refused_at_once_and_scattered_named():
    with pytest.raises(ConfigError, match=r"grid 'ragged' is ragged.*'cubic' needs every node.*scattered"):
        check_config(parse_config({**RECIPE, "interpolator": "cubic"}))


def test_a_ragged_grid_is_measured_with(tmp_path):
    result = pipeline.run(parse_config(RECIPE), output=tmp_path / "run")
    assert abs(result["teff"].value - result["teff"].truth) < 80
    assert abs(result["logg"].value - result["logg"].truth) < 0.2
    assert abs(result["feh"].value - result["feh"].truth) < 0.1
    assert result.counts["nodes"] == 19
    assert (tmp_path / "run" / "report.html").is_file()


def test_its_generator_is_good_between_nodes_and_in_a_hole_and_comes_back_from_a_file(tmp_path):
    config = parse_config(RECIPE)
    made, grid = pipeline.build(config), config.grid.build(None)
    parts = pipeline.Parts.of(config)
    for labels in ({"teff": 5310, "logg": 4.3, "feh": -0.2}, {"teff": 5400, "logg": 4.5, "feh": 0.0}):
        truth = grid.truth(labels)
        for step in parts.preprocess:
            truth = step(truth, labels)
        missed = made.spectrum(labels).flux - truth.flux
        assert np.sqrt(np.mean(missed**2)) < 6e-3 < np.sqrt(np.mean((1 - truth.flux) ** 2)) / 5
    assert made.made_up({"teff": 5010, "logg": 4.9, "feh": -0.1})
    made.save(tmp_path / "ragged.hml")
    again = Generator.load(tmp_path / "ragged.hml")
    labels = torch.tensor([[5310, 4.3, -0.2], [5000, 5.0, 0.0]], dtype=torch.float64)
    with torch.no_grad():
        assert torch.equal(made(labels), again(labels))
    assert len(made.errors(np.array([5310, 4.3, -0.2]))) > 0


def test_commands_say_what_a_ragged_grid_is_like(tmp_path):
    runner = CliRunner()
    info = runner.invoke(app, ["grid", "info", "ragged", "--set", "interpolator=scattered", "--json"])
    assert json.loads(info.stdout)["holes"] == 5
    where = ["--config", str(tmp_path / "ragged.yaml")]
    (tmp_path / "ragged.yaml").write_text(json.dumps(RECIPE))
    assert runner.invoke(app, ["grid", "check", *where]).exit_code == 0
    told = runner.invoke(app, ["reconstruct", *where, "--labels", "teff=5000,logg=5,feh=0", "--output",
                               str(tmp_path / "no.ecsv")])  # fmt: skip
    assert isinstance(told.exception, LabelError) and not (tmp_path / "no.ecsv").exists()
    told = runner.invoke(app, ["reconstruct", *where, "--labels", "teff=5300,logg=4.6,feh=-0.2", "--output",
                               str(tmp_path / "yes.ecsv")])  # fmt: skip
    assert told.exit_code == 0 and (tmp_path / "yes.ecsv").is_file()


# --- nodes on no lines -----------------------------------------------------------------------------------------------


def anywhere(count, seed=0):
    return np.random.default_rng(seed).random((count, 3)) * [1000, 2, 1] + [4000, 3, -0.5]


@pytest.mark.parametrize("nodes", [anywhere(150), box(6, 5, 4)])
def test_what_is_told_around_is_exact_for_parabolas_and_nothing_is_told_at_the_edge(nodes):
    unit = (nodes - nodes.min(0)) / np.ptp(nodes, axis=0)
    parabola = 1 + unit @ [1, -2, 0.5] + unit[:, 0] * unit[:, 2] - unit[:, 1] ** 2
    told = list(told_around(nodes))
    assert 0.2 * len(nodes) < len(told) < len(nodes)
    for m, others, weights in told:
        assert m not in others and weights @ parabola[others] == pytest.approx(parabola[m], abs=1e-6)
    corners = {int(np.abs(unit - corner).sum(1).argmin()) for corner in product((0, 1), repeat=3)}
    assert not corners & {m for m, *_ in told}
    assert list(told_around(nodes[:9])) == []


def test_noise_of_scattered_nodes_is_smoothed_by_those_around():
    nodes, rng = anywhere(200), np.random.default_rng(1)
    unit = (nodes - nodes.min(0)) / np.ptp(nodes, axis=0)
    truth = np.sin(2 * unit[:, :1] + unit[:, 1:2] - unit[:, 2:])[..., None] * np.ones((1, 1, 2))
    noisy = truth + 0.1 * rng.normal(size=truth.shape)
    space = Space.from_nodes("abc", [tuple(n) for n in nodes.tolist()])
    information = np.broadcast_to(np.eye(2) / 0.1**2, (200, 1, 2, 2))
    made = smoothed(space, nodes, noisy, information, np.array([0.05, 0.05]), {})
    assert np.std(made - truth) < 0.8 * np.std(noisy - truth)


def test_bad_ones_and_pictures_of_scattered_nodes():
    nodes = anywhere(300)
    unit = (nodes - nodes.min(0)) / np.ptp(nodes, axis=0)
    flux = 1 + 0.1 * np.sin(unit[:, :1] * np.arange(1, 40) / 20 + unit[:, 1:2])
    space = Space.from_nodes(("teff", "logg", "feh"), [tuple(n) for n in nodes.tolist()])
    found = checked(space, nodes, flux)
    assert np.isfinite(found.left_out).sum() > 60 and found.breaks == {}
    assert np.nanmedian(found.left_out) < 1e-3
    middle = int(np.where(np.isfinite(found.left_out), np.abs(unit - 0.5).sum(1), np.inf).argmin())
    flux[middle] += 0.2
    assert np.nanargmax(checked(space, nodes, flux).left_out) == middle
    assert over_nodes(space, nodes, found.left_out, "left out")[:4] == b"\x89PNG"
