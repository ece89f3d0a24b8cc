"""What is missed at nodes that are left out, and how much of that is missed between nodes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_holes import Patchy, built, home, missed

from hml import Spectrum
from hml.core.coordinates import spaced, told
from hml.core.left_out import Axis, shares
from hml.core.space import Space
from hml.core.waves import QUIET, WAVES, Gain, between, told_apart

__all__ = ["built", "home"]  # fixtures

AXES = {"teff": np.arange(3000.0, 4000.0, 100.0), "logg": np.array([3.0, 3.5, 4.0, 4.5])}
NODES = np.stack(np.meshgrid(*AXES.values(), indexing="ij"), -1).reshape(-1, 2)
SPACE = Space.from_nodes(tuple(AXES), [tuple(n) for n in NODES])


def misses(flux, items):
    return np.array([weights @ flux[others] - flux[m] for m, others, weights in items])


def test_the_four_ways_tell_of_the_same_nodes_from_the_same_places():
    x = (NODES[:, 0] - 3500) / 100
    near, straight, far, _ = zip(*spaced(SPACE, NODES, 0, {}), strict=True)
    for way in (near, far):
        np.testing.assert_allclose(misses(x**2, way), 0, atol=1e-9)
    np.testing.assert_allclose(misses(x**2, straight), 1)
    four = [len(others) == 4 for _, others, _ in near]
    assert sum(four) == 2 * 4 and [m for m, *_ in near] == [m for m, *_ in far] == [m for m, *_ in straight]
    np.testing.assert_allclose(misses(x**4, far)[four], 16 * misses(x**4, near)[four])
    np.testing.assert_allclose(misses(x**3, far), 8 * misses(x**3, near), atol=1e-9)  # of the others three tell
    assert not list(spaced(SPACE, NODES, 1, {})) and list(told(SPACE, NODES, 1, {}))  # four nodes are too few


def test_a_hole_or_a_break_between_them_is_not_skipped():
    keep = np.flatnonzero(NODES[:, 0] != 3400)
    assert not [m for m, *_ in (near for near, *_ in spaced(SPACE, NODES[keep], 0, {})) if NODES[keep][m, 0] == 3500]
    for ways in spaced(SPACE, NODES, 0, {"teff": (6,)}):
        assert all((NODES[others, 0] > 3650).all() == (NODES[m, 0] > 3650) for m, others, _ in ways)


AXIS = np.arange(14.0)
LINE = np.stack([AXIS, np.zeros_like(AXIS)], -1)
ROW = Space.from_nodes(("x", "y"), [tuple(n) for n in LINE])
WAYS = [list(way) for way in zip(*spaced(ROW, LINE, 0, {}), strict=True)]
GAINS = [Gain.of(AXIS, way) for way in WAYS]


def simulated(wave, height, noise, count=3000, seed=0):
    """Spectra `[M, n]`: waves of any phase and noise, on 14 nodes."""
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 2 * np.pi, count)
    return height * np.cos(wave * AXIS[:, None] + phase) + noise * rng.normal(size=(len(AXIS), count))


def test_gains_are_what_is_missed_of_waves_and_of_noise():
    for way, gain in zip(WAYS, GAINS, strict=True):
        assert np.mean(misses(simulated(WAVES[40], np.sqrt(2), 0), way) ** 2) == pytest.approx(gain.waves[40], rel=0.05)
        assert np.mean(misses(simulated(1.0, 0, 1.0), way) ** 2) == pytest.approx(gain.noise, rel=0.05)
    t = (np.arange(50) + 0.5) / 50
    truth = np.exp(1j * WAVES[50] * t)
    weights = [np.prod([(t - o) / (q - o) for o in (-1, 0, 1, 2) if o != q], 0) for q in (-1, 0, 1, 2)]
    cubic = sum(w * np.exp(1j * WAVES[50] * q) for q, w in zip((-1, 0, 1, 2), weights, strict=True))
    assert between()[50] == pytest.approx(np.mean(np.abs(cubic - truth) ** 2))


@pytest.mark.parametrize(("wave", "own"), [(0.5, 0.0), (1.7, 0.0), (0.6, 0.9), (1.2, 0.5), (1.0, 1.0)])
def test_waves_and_noise_are_told_apart(wave, own):
    k = np.abs(WAVES - wave).argmin()
    height = np.sqrt(2 * (1 - own) / GAINS[0].waves[k])
    flux = simulated(WAVES[k], height, np.sqrt(own / GAINS[0].noise))
    squares = [np.array([np.mean(misses(flux, way) ** 2)]) for way in WAYS]
    found, part = told_apart(GAINS, squares)
    assert part[0] == pytest.approx(own, abs=0.06)
    if own < 1:
        assert WAVES[found[0]] == pytest.approx(wave, abs=0.15)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=2), st.floats(0.01, 10))
def test_noise_counts_once_and_waves_as_they_are_missed_between_nodes(own, size):
    wave = np.array([20, 20])
    axes = {p: Axis(np.full(2, size), GAINS[0], (wave, np.array(own))) for p in range(2)}
    total = sum(share * size for share in shares(axes, 2).values())
    fall = (between() / GAINS[0].waves)[20]
    noise = np.array(own) / GAINS[0].noise * QUIET**2
    np.testing.assert_allclose(total, size * (noise + 2 * (1 - np.array(own)) * fall), atol=1e-12)


def test_noise_between_nodes_is_less_than_at_them():
    flux, middle = simulated(1.0, 0, 1.0), np.array([-1, 9, 9, -1]) / 16
    assert np.var(middle @ flux[3:7]) == pytest.approx((middle**2).sum(), rel=0.1)
    assert (middle**2).sum() < QUIET < 1


def test_an_axis_that_cannot_tell_is_as_the_others_and_if_none_can_nothing_is_judged():
    two = shares({0: Axis(np.ones(1), GAINS[0], (np.array([30]), np.zeros(1))), 1: Axis(np.ones(1), GAINS[0])}, 2)
    np.testing.assert_allclose(two[1], two[0])
    np.testing.assert_array_equal(shares({0: Axis(np.ones(2), GAINS[0])}, 1)[0], 1)
    np.testing.assert_array_equal(shares({0: Axis(np.zeros(2), GAINS[0], (np.zeros(2, int), np.ones(2)))}, 1)[0], 1)


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
        wave = 1 + 0.3 * np.sin(t / 150 + np.arange(6))
        centre, depth = np.linspace(8501, 8509, 6), np.linspace(0.2, 0.5, 6) * g / 5 * wave
        profile = np.exp(-0.5 * ((wavelength[:, None] - centre) / 0.15) ** 2)
        noise = np.random.default_rng(int(t + 10 * g)).normal(size=6) * self.noise if node in self.there else 0
        return Spectrum(wavelength, np.exp(-profile @ (depth + noise)), name=f"wavy {node}")


@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_its_own_error_is_as_large_as_what_it_misses_between_nodes(built, noise):
    """Within a factor of three, where what is missed at nodes left out is more than five times too large for smooth
    spectra, and half as much again for those whose nodes have noise that the truth between them has not."""
    grid = Wavy(noise)
    generator = built(grid)
    points = [(t, 4.25) for t in np.arange(4230.0, 4900.0, 37.0)]
    truly = np.sqrt(np.mean([missed(generator, grid, point) ** 2 for point in points]))
    errors = [generator.errors(np.array(point)).double().square().sum(0).mean() for point in points]
    assert 0.7 < float(np.sqrt(np.mean(errors))) / truly < 3.0
    left_out = np.sqrt(np.mean(np.square(generator.header["left_out"])))
    assert left_out > 5 * truly if noise == 0 else left_out > 1.5 * truly
