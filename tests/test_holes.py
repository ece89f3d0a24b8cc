"""Nodes that a grid lacks are made up from others; and grids with holes and bad nodes, from end to end."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hml import ConfigError, GridSource, Space, Spectrum, Table, parse_config
from hml.core.build import obtain_generator
from hml.core.holes import whole
from hml.core.parts import Parts, plan_nodes
from hml.core.residual import nearby

AXES = {"teff": np.arange(3000.0, 4000.0, 100.0), "logg": np.arange(3.0, 5.5, 0.5), "feh": np.array([-0.5, 0.0, 0.5])}
NODES = np.stack(np.meshgrid(*AXES.values(), indexing="ij"), -1).reshape(-1, 3)
SPACE = Space.from_nodes(tuple(AXES), [tuple(n) for n in NODES])


def values(nodes, curved=0.0):
    """`[M, 2, 1]`, a product of straight lines and a cubic in Teff."""
    t, g, z = ((nodes - [3500.0, 4.0, 0.0]) / [500.0, 1.0, 0.5]).T
    return np.stack([1 + t + 2 * g - z + t * g * z, t - curved * (t**3 - t**2)], -1)[..., None]


def table_without(holes, curved=0.0, **more):
    keep = np.setdiff1d(np.arange(len(NODES)), holes)
    return Table(SPACE, NODES[keep], values(NODES[keep], curved), **more)


@settings(deadline=None)
@given(st.sets(st.integers(0, len(NODES) - 1), min_size=1, max_size=30))
def test_what_is_straight_along_every_axis_comes_back_whatever_is_missing(holes):
    made = whole(table_without(sorted(holes)))
    assert len(made.nodes) == len(NODES)
    np.testing.assert_allclose(made.values, values(made.nodes), atol=2e-2)  # slopes weigh a little, see SLOPE
    assert made.on_grid().shape == (10, 5, 3, 2, 1)


def test_a_hole_on_a_line_gets_the_cubic_through_its_neighbours():
    made = whole(table_without([5 * 15 + 7], curved=1.0))
    assert tuple(made.nodes[-1]) == (3500.0, 4.0, 0.0)
    np.testing.assert_allclose(made.values[-1], values(NODES[[5 * 15 + 7]], 1.0)[0], atol=2e-3)


def test_nothing_is_carried_over_a_break():
    table = table_without([5 * 15 + 7], breaks={"teff": (5,)})  # between 3500 and 3600 K
    jumped = replace(table, values=table.values + 1000.0 * (table.nodes[:, 0, None, None] > 3550))
    np.testing.assert_allclose(whole(jumped).values[-1], values(NODES[[5 * 15 + 7]])[0], atol=0.5)


def test_a_whole_table_is_left_alone():
    table = table_without([])
    assert whole(table) is table


EVERY = tuple((t, g) for t in (4000.0, 4100.0, 4200.0, 4300.0, 4400.0, 4500.0, 4600.0) for g in (4.0, 4.5, 5.0))


class Patchy(GridSource):
    """Six lines that deepen with the labels at 21 nodes, of which some are missing, and one may be wrong."""

    resolving_power = None

    def __init__(self, holes=(), bad=None):
        self.there, self.bad = [node for node in EVERY if node not in holes], bad

    @property
    def space(self):
        return Space.from_nodes(("teff", "logg"), self.there)

    def nodes(self):
        return self.there

    def fingerprint(self):
        return f"patchy {len(self.there)} {self.bad}"

    def load(self, node):
        t, g = ((4600.0, 4.0) if node == self.bad else node)
        wavelength = np.arange(8500, 8510, 0.02)
        centre, depth = np.linspace(8501, 8509, 6), np.linspace(0.2, 0.7, 6) * g / 5 * np.exp((4300 - t) / 600)
        profile = np.exp(-0.5 * ((wavelength[:, None] - centre) / 0.15) ** 2)
        return Spectrum(wavelength, np.exp(-profile @ depth), name=f"patchy {node}")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def built(home, monkeypatch):
    monkeypatch.setenv("HML_HOME", str(home))

    def build(grid, **generator):
        config = parse_config({
            "grid": {"name": "synthetic", "preprocess": []}, "generator": generator,
            "clone": {"continuum": None}, "associate": {"rounds": 2}, "runtime": {"workers": 1, "device": "cpu"},
        })
        parts = Parts.of(config)
        parts.__dict__["grid"] = grid
        return obtain_generator(parts, plan_nodes(parts))

    return build


def missed(generator, grid, labels):
    flux = generator(np.array([labels]))[0].double().numpy()
    return float(np.sqrt(np.mean((flux - grid.load(labels).flux) ** 2)))


def test_a_grid_with_holes_becomes_a_generator_that_says_where_they_are(built):
    holes = [(4300.0, 4.5), (4600.0, 5.0)]
    grid = Patchy(holes)
    generator = built(grid)
    assert missed(generator, grid, (4150.0, 4.2)) < 1e-3
    assert missed(generator, grid, holes[0]) < 1e-3  # between others
    assert missed(generator, grid, holes[1]) < 0.02  # at a corner
    assert not generator.made_up((4150.0, 4.2)) and not generator.made_up((4300.0, 4.0))
    assert generator.made_up((4250.0, 4.4)) and generator.made_up((4600.0, 4.9)) and generator.made_up(holes[0])
    with pytest.raises(ConfigError, match=r"2 holes among 21 nodes .*4300"):
        built(grid, holes="refuse")
    with pytest.raises(ConfigError, match="holes"):
        built(Patchy([node for i, node in enumerate(EVERY) if i % 3 != i // 3 % 3]))  # there is more hole than grid


def test_a_bad_node_spoils_its_neighbours_unless_it_is_excluded(built):
    bad = (4300.0, 4.5)
    grid, good = Patchy(bad=bad), Patchy()
    kept, without = built(grid), built(grid, bad_nodes="exclude")
    assert list(bad) not in without.header["nodes"] and len(without.header["nodes"]) == 20
    for labels in (bad, (4350.0, 4.5), (4250.0, 4.6)):
        assert missed(without, good, labels) < min(2e-3, missed(kept, good, labels) / 5)


def test_its_own_error_is_what_it_misses_at_nodes_that_are_left_out(built):
    generator = built(Patchy(bad=(4300.0, 4.5)))
    size = lambda labels: float(generator.errors(np.array(labels)).double().square().sum(0).mean().sqrt())  # noqa: E731
    assert len(generator.header["left_out"]) == 3 * 5
    there = (generator.error_nodes == torch.tensor([4300.0, 4.5])).all(1).numpy()
    told = np.array(generator.header["left_out"])[there]
    assert told == pytest.approx(missed(generator, Patchy(), (4300.0, 4.5)), rel=0.1)
    assert size((4300.0, 4.5)) > 2 * size((4600.0, 4.0)) > 0
    window = generator.window_on(8503, 8506)
    np.testing.assert_array_equal(
        window.errors(np.array([4300.0, 4.5])), generator.errors(np.array([4300.0, 4.5]))[:, 150:301]
    )
    assert len(built(Patchy(), error=0).errors(np.array([4300.0, 4.5]))) == 0


@pytest.mark.parametrize("axis", [0, 1])
def test_a_walk_along_every_axis_of_a_built_grid_meets_no_jump(built, axis):
    generator = built(Patchy([(4300.0, 4.5), (4600.0, 5.0)]))
    low, high = generator.space.lower, generator.space.upper

    @settings(deadline=None, max_examples=10)
    @given(st.floats(0, 1))
    def walk(other):
        def farthest(steps):
            points = np.repeat((low + other * (high - low))[None], steps, 0)
            points[:, axis] = np.linspace(low[axis], high[axis], steps)
            with torch.no_grad():
                return float(generator(points).diff(dim=0).abs().max())

        assert farthest(401) < 0.6 * farthest(201) < 0.02  # half the step, half the way

    walk()


def test_the_covariance_nearby_is_the_mean_of_what_nodes_around_have():
    rng = np.random.default_rng(0)
    strengths, nodes = torch.from_numpy(rng.normal(size=(4, 3))).float(), torch.tensor([[0.0], [0], [9], [9]])
    space = Space.from_nodes(("x",), [(float(x),) for x in range(10)])
    made = nearby(space, np.array([0.0]), strengths, nodes.double(), torch.tensor([0, 0, 0, 0])).double()
    expected = (strengths[:2].T @ strengths[:2] / 2).double()
    torch.testing.assert_close(made.T @ made, expected, atol=1e-5, rtol=1e-5)
    two = nearby(space, np.array([0.0]), strengths, nodes.double(), torch.tensor([0, 1, 0, 1])).double()
    torch.testing.assert_close(two.T @ two, 2 * expected, atol=1e-5, rtol=1e-5)
