"""Breaks of a grid: found from the nodes alone, and splines that know nothing of the other side."""

import numpy as np
import pytest
import torch

from hml.core.breaks import find_breaks
from hml.core.lines import Table
from hml.core.space import Space
from hml.plugins.interpolators.basis import AxisPlan
from hml.plugins.interpolators.cubic import Cubic

TEFF, LOGG = np.arange(3000.0, 5400.0, 200.0), np.array([3.0, 3.5, 4.0])
NODES = np.array([[t, g] for t in TEFF for g in LOGG])
SPACE = Space.from_nodes(("teff", "logg"), [tuple(n) for n in NODES])


def spectra(jump=0.0, after=4900.0, noise=1e-4, seed=0):
    """200 pixels that bend slowly with temperature, most at its low end, and jump after some temperature."""
    rng = np.random.default_rng(seed)
    bend, step = rng.uniform(-0.3, 0.3, 200), rng.uniform(-1, 1, 200)
    t = NODES[:, :1] / 1000
    flux = 1 - 0.3 * np.exp(-bend * t) + 0.05 * np.exp(3 - t) * bend + 0.02 * NODES[:, 1:] * step
    return flux + jump * step * (NODES[:, :1] > after) + noise * rng.standard_normal(flux.shape)


@pytest.mark.parametrize("seed", range(5))
def test_a_smooth_grid_has_no_break(seed):
    assert find_breaks(SPACE, NODES, spectra(seed=seed)) == {}


@pytest.mark.parametrize("interval", range(2, len(TEFF) - 1))
def test_a_break_is_found_where_it_is(interval):
    made = spectra(jump=0.01, after=TEFF[interval] + 50)
    assert find_breaks(SPACE, NODES, made) == {"teff": (interval,)}


def test_single_bad_nodes_and_lines_that_come_and_go_are_no_breaks():
    flux = spectra()
    flux[7] += 0.05
    flux[NODES[:, 0] > 4100, :40] += 0.1  # a fifth of the pixels
    assert find_breaks(SPACE, NODES, flux) == {}


def test_a_grid_with_holes_is_searched_as_far_as_it_goes():
    whole = spectra(jump=0.01)
    keep = np.ones(len(NODES), bool)
    keep[[4, 17, 30]] = False
    assert find_breaks(SPACE, NODES[keep], whole[keep]) == {"teff": (9,)}


def manifold(values, breaks):
    table = Table(SPACE, NODES, values[:, None, None], ("x",), {"teff": breaks})
    return Cubic({}, "float64").fit(table)


def at(made, teff):
    labels = np.stack([np.atleast_1d(teff), np.full(np.size(teff), 3.5)], -1)
    return made(torch.from_numpy(labels))[:, 0, 0].numpy()


def test_a_side_knows_nothing_of_the_other_and_the_bridge_is_straight():
    values = NODES[:, 0] / 1000 + 5.0 * (NODES[:, 0] > 4300)
    made = manifold(values, (6,))  # 4200 to 4400
    np.testing.assert_allclose(at(made, [3100, 3990, 4199]), [3.1, 3.99, 4.199], atol=1e-9)
    np.testing.assert_allclose(at(made, [4401, 5100]), [9.401, 10.1], atol=1e-9)
    np.testing.assert_allclose(at(made, [4250, 4300, 4350]), 4.2 + 5.2 * np.array([0.25, 0.5, 0.75]), atol=1e-9)
    np.testing.assert_allclose(at(made, TEFF), values[1::3], atol=1e-9)
    assert np.abs(at(manifold(values, ()), [4100.0]) - 4.1) > 0.1  # without it the cubic rings


@pytest.mark.parametrize("breaks", [(0,), (10,), (0, 1, 2), (1, 5, 9), tuple(range(11))])
def test_it_is_exact_at_nodes_and_continuous_however_it_breaks(breaks):
    values = np.random.default_rng(1).standard_normal(len(NODES))
    made = manifold(values, breaks)
    np.testing.assert_allclose(at(made, TEFF), values[1::3], atol=1e-9)
    fine = np.linspace(TEFF[0], TEFF[-1], 4001)
    assert np.abs(np.diff(at(made, fine))).max() < 0.1
    labels = torch.tensor([[4333.0, 3.3]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(made, labels)


@pytest.mark.parametrize("breaks", [(-1,), (11,), (3, 3), (4, 2)])
def test_breaks_that_are_no_intervals_are_refused(breaks):
    with pytest.raises(ValueError, match="breaks"):
        AxisPlan("teff", tuple(TEFF), 3, "identity", breaks)
