"""Coordinates of labels, and what nodes tell of one that is left out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hml.core.coordinates import COORDINATES, counted, smoothest, told
from hml.core.space import Space

TEFF, LOGG = np.arange(3000.0, 5400.0, 200.0), np.array([3.0, 3.5, 4.0])
NODES = np.array([[t, g] for g in LOGG for t in TEFF])
SPACE = Space.from_nodes(("teff", "logg"), [tuple(n) for n in NODES])


def bent_in(coordinate, seed=0):
    """Spectra of 30 pixels that are parabolas of the Teff in a coordinate."""
    x = counted(NODES[:, 0], coordinate)
    x = (x - x.mean()) / np.ptp(x)
    powers = np.stack([x, x**2], -1)
    return powers @ np.random.default_rng(seed).normal(size=(2, 30)) + NODES[:, 1:]


@pytest.mark.parametrize("coordinate", COORDINATES)
def test_the_coordinate_is_chosen_in_which_spectra_are_smooth(coordinate):
    flux = bent_in(coordinate)
    assert smoothest(SPACE, NODES, flux, {}) == {"teff": coordinate}  # log g has too few nodes to tell
    for m, others, weights in told(SPACE, NODES, 0, {}, coordinate):
        np.testing.assert_allclose(weights @ flux[others], flux[m], atol=1e-9)
        assert m not in others and (NODES[others, 1] == NODES[m, 1]).all()


def test_labels_that_are_not_above_zero_are_left_as_they_are():
    nodes = NODES - [3600.0, 0.0]
    space = Space.from_nodes(("x", "logg"), [tuple(n) for n in nodes])
    assert smoothest(space, nodes, bent_in("log"), {}) == {"x": "identity"}


def test_every_inner_node_is_told_once_and_only_from_its_side_of_a_break():
    items = list(told(SPACE, NODES, 0, {"teff": (5,)}))
    assert sorted(m for m, *_ in items) == [m for m, (t, _) in enumerate(NODES) if t not in (3000, 4000, 4200, 5200)]
    for m, others, weights in items:
        assert ((NODES[others, 0] > 4100) == (NODES[m, 0] > 4100)).all()
        assert weights.sum() == pytest.approx(1)


@given(st.sets(st.integers(0, len(NODES) - 1), max_size=12))
def test_holes_are_no_neighbours(holes):
    keep = np.setdiff1d(np.arange(len(NODES)), list(holes))
    t = NODES[keep, :1] / 1000
    flux = 1 + 0.3 * t - 0.2 * t**2
    for m, others, weights in told(SPACE, NODES[keep], 0, {}):
        np.testing.assert_allclose(weights @ flux[others], flux[m], atol=1e-9)
