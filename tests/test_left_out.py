"""What is missed at nodes that are left out, and how much of that is missed between nodes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_holes import Patchy, built, home, missed

from hml import Spectrum
from hml.core.coordinates import spaced, told
from hml.core.left_out import CUBIC, FALL, shares
from hml.core.space import Space

__all__ = ["built", "home"]  # fixtures

AXES = {"teff": np.arange(3000.0, 4000.0, 100.0), "logg": np.array([3.0, 3.5, 4.0, 4.5])}
NODES = np.stack(np.meshgrid(*AXES.values(), indexing="ij"), -1).reshape(-1, 2)
SPACE = Space.from_nodes(tuple(AXES), [tuple(n) for n in NODES])


def misses(flux, items):
    return np.array([weights @ flux[others] - flux[m] for m, others, weights in items])


def test_neighbours_twice_as_far_away_stand_in_the_same_places():
    x = (NODES[:, 0] - 3500) / 100
    near, far = zip(*spaced(SPACE, NODES, 0, {}), strict=True)
    np.testing.assert_allclose(misses(x**2, near), 0, atol=1e-9)
    np.testing.assert_allclose(misses(x**2, far), 0, atol=1e-9)
    four = [len(others) == 4 for _, others, _ in near]
    assert sum(four) == 2 * 4 and [m for m, *_ in near] == [m for m, *_ in far]  # 3400 and 3500 K
    np.testing.assert_allclose(misses(x**4, far)[four], 16 * misses(x**4, near)[four])
    np.testing.assert_allclose(misses(x**3, far), 8 * misses(x**3, near), atol=1e-9)  # of the others three tell
    assert not list(spaced(SPACE, NODES, 1, {})) and list(told(SPACE, NODES, 1, {}))  # four nodes are too few


def test_a_hole_or_a_break_between_them_is_not_skipped():
    keep = np.flatnonzero(NODES[:, 0] != 3400)
    assert not [m for m, *_ in (near for near, _ in spaced(SPACE, NODES[keep], 0, {})) if NODES[keep][m, 0] == 3500]
    for pair in spaced(SPACE, NODES, 0, {"teff": (6,)}):
        assert all((NODES[others, 0] > 3650).all() == (NODES[m, 0] > 3650) for m, others, _ in pair)


SQUARE = st.floats(1e-8, 1e2)


@given(SQUARE, SQUARE, SQUARE, st.booleans())
def test_a_library_error_and_an_error_of_interpolation_are_told_apart(own, teff, logg, known):
    """`own` is missed whichever axis tells; the other two fall with the square of the distance between nodes."""
    squares = {0: np.array([own + teff]), 1: np.array([own + logg])}
    growth = {0: (own + FALL * np.array([teff])) / squares[0]}
    if known:
        growth[1] = (own + FALL * np.array([logg])) / squares[1]
    share = shares(squares, growth)
    between = sum(float(share[p][0] * squares[p][0]) for p in squares)
    assert between == pytest.approx(own + (teff + logg) / FALL, rel=1e-6)


def test_what_falls_faster_counts_less_and_no_axis_that_tells_means_no_judgement():
    one = {0: np.ones(3)}
    np.testing.assert_allclose(shares(one, {0: np.array([0.5, 30.0, 256.0])})[0], [1, 1 / 30, 1 / CUBIC])
    np.testing.assert_array_equal(shares(one, {})[0], 1)
    np.testing.assert_array_equal(shares({0: np.zeros(2)}, {0: np.ones(2)})[0], 1)


class Wavy(Patchy):
    """Lines whose depths wave with Teff, so that cubics through the nodes miss them a little."""

    def __init__(self, noise=0.0):
        super().__init__()
        self.noise = noise
        self.there = [(float(t), g) for t in range(4000, 5200, 100) for g in (4.0, 4.5)]

    def fingerprint(self):
        return f"wavy {self.noise}"

    def load(self, node):
        t, g = node
        wavelength = np.arange(8500, 8510, 0.02)
        centre, depth = np.linspace(8501, 8509, 6), np.linspace(0.2, 0.5, 6) * g / 5 * (1 + 0.3 * np.sin(t / 110))
        profile = np.exp(-0.5 * ((wavelength[:, None] - centre) / 0.15) ** 2)
        noise = np.random.default_rng(int(t + 10 * g)).normal(size=6) * self.noise
        return Spectrum(wavelength, np.exp(-profile @ (depth + noise)), name=f"wavy {node}")


@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_its_own_error_is_as_large_as_what_it_misses_between_nodes(built, noise):
    """Beside the grid's own truth; with noise of the nodes that truth has it too, as a node left out has."""
    grid = Wavy(noise)
    generator = built(grid)
    points = [(t, 4.25) for t in np.arange(4250.0, 4900.0, 100.0)]
    truly = np.sqrt(np.mean([missed(generator, grid, point) ** 2 for point in points]))
    errors = [generator.errors(np.array(point)).double().square().sum(0).mean() for point in points]
    assert 0.7 < float(np.sqrt(np.mean(errors))) / truly < 2.0
    left_out = np.sqrt(np.mean(np.square(generator.header["left_out"])))
    assert left_out > 4 * truly if noise == 0 else left_out < 2 * truly
