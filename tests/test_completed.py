"""What a generator has besides lines: a pseudo-continuum, a residual, and straight flux over breaks."""

import numpy as np
import pytest
import torch
import torch.autograd.forward_ad as forward_ad
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import BAND, NODES, TEFF, make

from hml.core.generator import Generator
from hml.core.pseudo import Bends, PseudoContinuum
from hml.core.residual import affordable, patterns, resampled, summed

LABELS = torch.tensor([[5333.0, 4.4], [5120.0, 4.1], [5710.0, 4.7]], dtype=torch.float64)


@pytest.fixture(scope="module")
def whole():
    return make(complete=True)


def test_it_is_lines_times_bends_plus_residual(whole):
    with torch.no_grad():
        lines, bends = whole.only(np.arange(len(whole)))(LABELS), whole.bends
        curve = bends.logarithm(whole.series["bends"](LABELS)[..., 0], whole.wavelength).exp()
        missed = whole.series["residual"](LABELS)[..., 0].float() @ whole.patterns.float()
        np.testing.assert_allclose(whole(LABELS), lines * curve + missed, atol=1e-5)
        np.testing.assert_allclose(whole.lines_alone()(LABELS), lines * curve, atol=1e-5)
    assert missed.abs().max() > 0.01 and (curve - 1).abs().max() > 0.01


def test_a_batch_a_window_and_a_file_give_the_same(whole, tmp_path):
    with torch.no_grad():
        flux = whole(LABELS)
        for b in range(3):
            torch.testing.assert_close(whole(LABELS[b : b + 1])[0], flux[b], atol=1e-6, rtol=0)
        part = whole.window_on(8510.0, 8520.0)
        here = torch.isin(whole.wavelength, part.wavelength)
        torch.testing.assert_close(part(LABELS), flux[:, here], atol=2e-6, rtol=0)
        whole.save(tmp_path / "whole.hml")
        torch.testing.assert_close(Generator.load(tmp_path / "whole.hml")(LABELS), flux, atol=0, rtol=0)
        torch.testing.assert_close(whole(LABELS, whole.wavelength), flux, atol=1e-6, rtol=0)


def test_a_velocity_moves_all_of_it(whole):
    wavelength = torch.arange(8505.0, 8535.0, 0.02, dtype=torch.float64)
    velocity = torch.tensor([30.0, -12.0, 0.0], dtype=torch.float64)
    factor = torch.sqrt((1 + velocity / 299792.458) / (1 - velocity / 299792.458))
    with torch.no_grad():
        seen = whole(LABELS, wavelength, velocity)
        for b in range(3):
            rest = whole(LABELS[b : b + 1], wavelength / factor[b])[0]
            torch.testing.assert_close(seen[b], rest, atol=3e-6, rtol=0)


@pytest.mark.parametrize("breaks", [None, {"teff": (1,)}, {"teff": (0, 3), "logg": (1,)}])
def test_gradients_are_those_of_differences_in_both_modes(breaks):
    made = make(complete=True, breaks=breaks)
    wavelength = torch.arange(8510.0, 8512.0, 0.05, dtype=torch.float64)

    def flux(labels, velocity):
        return made(labels, wavelength, velocity).double()

    labels, velocity = LABELS[:1], torch.tensor([5.0], dtype=torch.float64)
    weight = torch.randn(len(wavelength), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    given = labels.requires_grad_(), velocity.requires_grad_()
    back = torch.autograd.grad((flux(*given)[0] * weight).sum(), given)
    zero, still = torch.zeros(1, 2, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    hotter, denser = (torch.tensor([step], dtype=torch.float64) for step in ([2.0, 0.0], [0.0, 0.004]))
    # a residual between pixels is smooth within a pixel only: short steps
    for turn, move in ((hotter, still), (denser, still), (zero, still + 0.02)):
        with torch.no_grad():
            told = (flux(labels + turn, velocity + move) - flux(labels - turn, velocity - move))[0] / 2
            with forward_ad.dual_level():
                dual = forward_ad.make_dual(labels.detach(), turn), forward_ad.make_dual(velocity.detach(), move)
                ahead = forward_ad.unpack_dual(flux(*dual)).tangent[0]
        torch.testing.assert_close(ahead, told, atol=3e-3 * float(told.abs().max()), rtol=0)
        expected = float((back[0] * turn).sum() + (back[1] * move).sum())
        assert float((ahead * weight).sum()) == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_over_a_break_the_flux_is_straight_and_nowhere_jumps():
    made = make(complete=True, breaks={"teff": (1,)})
    assert made.breaks == [(0, TEFF[1], TEFF[2])]

    def at(*teff):
        with torch.no_grad():
            return made(torch.tensor([[t, 4.4] for t in teff], dtype=torch.float64)).double()

    low, middle, high = at(TEFF[1], 5250.0, TEFF[2])
    torch.testing.assert_close(middle, 0.75 * low + 0.25 * high, atol=1e-5, rtol=0)
    fine = at(*np.linspace(TEFF[0], TEFF[-1], 401))
    assert fine.diff(dim=0).abs().max() < 0.02


def test_nodes_come_back_with_as_many_patterns_as_nodes_and_bytes_are_kept_to():
    rng = np.random.default_rng(0)
    missed = (rng.standard_normal((20, 6)) @ rng.standard_normal((6, 3000)) * 1e-3).astype(np.float32)
    shapes, strengths = patterns(missed, 20)
    assert len(shapes) == 6  # there is no more in it
    np.testing.assert_allclose(strengths @ shapes, missed, atol=0.05 * missed.std())  # eight bits
    noise = rng.standard_normal((40, 3000)).astype(np.float32)
    for part in (0.02, 0.05, 0.1, 0.5):
        shapes, strengths = patterns(noise, affordable(noise, part))
        assert 0 < shapes.nbytes + strengths.nbytes <= part * noise.nbytes
    assert len(patterns(noise, affordable(noise, 0.0))[0]) == 0


def test_the_sum_of_patterns_is_differentiable():
    shapes = torch.from_numpy(np.random.default_rng(0).integers(-9, 9, (5, 10_000)).astype(np.int8))
    strengths = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(summed(strengths, shapes), strengths.float() @ shapes.float(), atol=1e-4, rtol=1e-5)
    weight = torch.randn(3, 10_000)
    (summed(strengths, shapes) * weight).sum().backward()
    torch.testing.assert_close(strengths.grad.float(), weight @ shapes.float().T, atol=1e-2, rtol=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.integers(4, 200), st.floats(0.1, 3))
def test_cubics_are_resampled_exactly_and_nothing_lies_outside(count, step):
    pixels = 8500 + step * torch.arange(count, dtype=torch.float64)
    x = (pixels - pixels[0]) / (pixels[-1] - pixels[0])
    values = torch.stack([1 + x - 3 * x**2 + 2 * x**3, x**2])
    wanted = torch.linspace(float(pixels[0]) - 1, float(pixels[-1]) + 1, 77, dtype=torch.float64)
    u = (wanted - pixels[0]) / (pixels[-1] - pixels[0])
    inside = (u >= 0) & (u <= 1)
    expected = torch.stack([1 + u - 3 * u**2 + 2 * u**3, u**2]) * inside
    torch.testing.assert_close(resampled(values, pixels, wanted), expected, atol=1e-6, rtol=0)


def test_the_last_pixel_is_there_after_its_wavelength_went_through_other_units():
    pixels = torch.tensor([10031.7, 10070.3, 10109.2, 23950.0, 23989.1], dtype=torch.float64)
    values = torch.ones(1, 5)
    for factor in (1 + 2e-16, 1 - 2e-16):
        torch.testing.assert_close(resampled(values, pixels, pixels * factor), values)
    assert resampled(values, pixels, pixels[-1:] + 1e-6) == 0


def test_bends_find_a_smooth_curve_and_leave_what_no_pixel_tells():
    wavelength = np.arange(*BAND, 0.02)
    curve = 1 - 0.05 * np.cos((wavelength - BAND[0]) / 6)
    bends, used = Bends(wavelength, 5.0), np.ones(len(wavelength), bool)
    for _ in range(12):
        model = bends.flux().astype(np.float32)
        bends.update(model, (model - curve).astype(np.float32), used)
    np.testing.assert_allclose(bends.flux(), curve, atol=1e-3)
    knots = PseudoContinuum.of(wavelength, 5.0)
    told = knots.logarithm(torch.from_numpy(bends.coefficients)[None], torch.from_numpy(wavelength))[0].exp()
    np.testing.assert_allclose(told, bends.flux(), atol=1e-6)
    alone = Bends(wavelength, None)
    alone.update(model, model, used)
    assert alone.flux() == 1


def test_nodes_are_as_they_were(whole):
    """Interpolation is exact at nodes, whatever is interpolated."""
    with torch.no_grad():
        at = whole.series["residual"](torch.from_numpy(NODES))[..., 0]
    assert at.shape == (len(NODES), 3)
    np.testing.assert_allclose(at[7], whole.series["residual"](torch.from_numpy(NODES[7:8]))[0, :, 0], rtol=1e-12)


@pytest.mark.parametrize("interpolator", ["linear", "cubic"])
@pytest.mark.parametrize("breaks", [None, {"teff": (2,), "logg": (0,)}])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_walk_along_any_axis_meets_no_jump(interpolator, breaks, axis):
    """Steps twice as fine change the flux by half as much at most, which a jump would not allow."""
    made = make(interpolator, complete=True, breaks=breaks)
    low, high = made.space.lower[axis], made.space.upper[axis]
    for other in np.random.default_rng(axis).uniform(0.05, 0.95, 2):
        start = made.space.lower + other * (made.space.upper - made.space.lower)
        largest = []
        for steps in (160, 320):
            labels = np.repeat(start[None], steps + 1, 0)
            labels[:, axis] = np.linspace(low, high, steps + 1)
            with torch.no_grad():
                largest.append(float(made(labels).diff(dim=0).abs().max()))
        assert largest[1] < 0.6 * largest[0]
