"""The neural manifold, on tables whose values are known at any label."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hml_neural import NeuralConfig
from hml_neural.interpolator import Neural, held_out
from hml_neural.patterns import Patterns

from hml import Space, Table, quiet
from hml.testing import InterpolatorChecks, PluginChecks

NAMES = ("shift", "ln_amplitude", "ln_sigma", "ln_gamma")
NODES = np.array([[t, g] for t in np.arange(4000.0, 6001.0, 200.0) for g in (3.5, 4.0, 4.5, 5.0)])
RNG = np.random.default_rng(0)
SLOPES = RNG.normal(size=(5, 40, 4)) * [0.002, 0.6, 0.1, 0.1]
BASE = np.array([0.0, -3.5, -2.8, -3.2])


def values(nodes, jump=0.0):
    """`[M, 40, 4]`, smooth in the labels but for a jump at 5100 K."""
    t, g = (nodes[:, 0] - 5000) / 1000, nodes[:, 1] - 4.25
    terms = np.stack([t, g, t**2, t * g, np.sin(2 * t)])
    return BASE + np.einsum("sm,slk->mlk", terms, SLOPES) + jump * (nodes[:, :1, None] > 5100) * [0, 1, 0, 0]


def table(nodes=NODES, **more):
    return Table(Space.from_nodes(("teff", "logg"), [tuple(n) for n in nodes]), nodes, values(nodes), NAMES, **more)


def neural(**fields):
    return Neural(NeuralConfig(**{"steps": 1500, "size": 0.5, **fields}), 0, quiet)


def at(manifold, points):
    with torch.no_grad():
        return manifold(torch.as_tensor(points, dtype=torch.float64)).numpy()


def between(count=60):
    return np.random.default_rng(1).uniform([4100, 3.6], [5900, 4.9], (count, 2))


@pytest.fixture(scope="module")
def learnt():
    return neural().fit(table())


def test_it_tells_what_lies_between_nodes(learnt):
    spread = values(NODES).std(0)
    assert np.sqrt(np.mean(((at(learnt, between()) - values(between())) / spread) ** 2)) < 0.03


def test_nodes_on_no_common_lines_do_as_well():
    some = np.random.default_rng(2).uniform([4000, 3.5], [6000, 5.0], (60, 2))
    points = between()
    found, spread = at(neural().fit(table(some)), points), values(NODES).std(0)
    assert np.sqrt(np.mean(((found - values(points)) / spread) ** 2)) < 0.06


def test_a_break_stays_sharp():
    jumped = replace(table(breaks={"teff": (5,)}), values=values(NODES, 1.0))  # between 5000 and 5200 K
    found = neural(hidden=16).fit(jumped)
    points = np.array([[4990.0, 4.2], [5210.0, 4.2]])
    np.testing.assert_allclose(at(found, points)[..., 1], values(points, 1.0)[..., 1], atol=0.1)
    step = at(found, [[5101.0, 4.2]]) - at(found, [[5099.0, 4.2]])
    np.testing.assert_allclose(step[..., 1], 1, atol=0.2)


def test_size_is_kept_to():
    many = np.array([[t, g] for t in np.linspace(4000.0, 6000.0, 60) for g in (3.5, 4.0, 4.5, 5.0)])
    noisy = replace(table(many), values=values(many) + 0.01 * np.random.default_rng(3).normal(size=(240, 40, 4)))
    sizes = []
    for size in (0.05, 0.2):
        found = Patterns.of(noisy.values, NAMES, size)
        taken = found.fine * 2 + (len(found.patterns) - found.fine) + 8
        assert taken <= max(size * 2 * 240, 8 + 2 * 8)
        sizes.append(len(found.patterns))
    assert sizes[1] > 2 * sizes[0]


def test_patterns_are_the_table_where_all_are_taken():
    whole = Patterns.of(values(NODES), NAMES, 1.0)
    made = whole.mean + whole.scale * np.tensordot(whole.strengths, whole.patterns, 1)
    assert np.abs((made - values(NODES)) / whole.scale).max() < 2e-3
    small = values(NODES)[:, :7, :1]
    other = Patterns.of(small, ("strength",), 0.01)
    made = other.mean + other.scale * np.tensordot(other.strengths, other.patterns, 1)
    np.testing.assert_allclose(made, small, atol=1e-4)


def test_nodes_held_out_are_a_part_and_few_are_not_divided():
    assert held_out(100, 0.1, 0).sum() == 10 and not held_out(5, 0.5, 0).any()
    one, same, other = (held_out(100, 0.1, seed) for seed in (0, 0, 1))
    assert (one == same).all() and (one != other).any()


class TestPlugin(PluginChecks):
    """The package."""

    package = "hml-neural"


class TestNeural(InterpolatorChecks):
    """The kit's own checks."""

    name = "neural"
    at_nodes = 0.05  # it is learnt, and does not pass through nodes
    between = 0.2
