"""The compiled loops against float64 torch and its autograd."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import forward_ad

from hml.core.fused import flux_of_lines
from hml.core.raster import Raster
from hml.core.render import render
from hml.plugins.profiles.pseudo_voigt import PseudoVoigt

PROFILE = PseudoVoigt()
WHOLE = 1e-11  # tolerance: nothing is cut


def drawn(seed, count, pixels, spread=1.0):
    """Pixels with gaps, and lines of every kind: unsorted, outside, of no depth, saturated."""
    rng = np.random.default_rng(seed)
    wavelength = torch.as_tensor(8500 + np.cumsum(rng.uniform(0.005, 0.03, pixels) + (rng.random(pixels) < 0.01) * 3))
    centre = rng.uniform(8495, float(wavelength[-1]) + 5, count)
    ln_a = np.where(rng.random(count) < 0.1, -40.0, rng.normal(-4.5, 1.5 * spread, count))
    params = np.stack([ln_a, rng.normal(-3.3, 0.3, count), rng.normal(-3.8, spread, count)], -1)
    return wavelength, torch.as_tensor(centre)[None], torch.as_tensor(params)[None]


def exact(wavelength, centre, params, composition="opacity"):
    total = PROFILE.evaluate(wavelength[None, None, :] - centre[:, :, None], params).sum(1)
    return 1 - total if composition == "sum" else torch.exp(-total)


@given(seed=st.integers(0, 10**6), count=st.integers(0, 60), pixels=st.integers(1, 1500))
@settings(max_examples=40, deadline=None)
def test_values_are_those_of_float64(seed, count, pixels):
    wavelength, centre, params = drawn(seed, count, pixels)
    flux = render(Raster.of(wavelength), centre, params, PROFILE, "opacity", tolerance=WHOLE)
    assert (flux - exact(wavelength, centre, params)).abs().max() < 1e-6


@pytest.mark.parametrize("composition", ["opacity", "sum"])
@pytest.mark.parametrize("seed", range(4))
def test_gradients_are_those_of_float64(composition, seed):
    wavelength, centre, params = drawn(seed, 40, 1200)
    weight = torch.as_tensor(np.random.default_rng(9).normal(size=len(wavelength)))
    pairs = []
    for make in (exact, lambda w, c, p, how: render(Raster.of(w), c, p, PROFILE, how, tolerance=WHOLE)):
        c, p = centre.clone().requires_grad_(), params.clone().requires_grad_()
        (weight * make(wavelength, c, p, composition)).sum().backward()
        pairs.append((c.grad, p.grad))
    for ours, theirs in zip(pairs[1], pairs[0], strict=True):
        assert (ours - theirs).abs().max() < 1e-5 * max(1.0, float(theirs.abs().max()))


def test_gradients_are_those_of_finite_differences():
    wavelength, centre, params = drawn(3, 12, 400, 0.5)
    raster, weight = Raster.of(wavelength), torch.linspace(-1, 1, len(wavelength), dtype=torch.float64)

    def loss(p):
        return (weight * render(raster, centre, p, PROFILE, "opacity", tolerance=WHOLE)).sum()

    p = params.clone().requires_grad_()
    loss(p).backward()
    for line, k in [(0, 0), (3, 1), (5, 2), (7, 0), (11, 1)]:
        step = torch.zeros_like(params)
        step[0, line, k] = 0.02
        slope = float(loss(params + step) - loss(params - step)) / 0.04
        assert float(p.grad[0, line, k]) == pytest.approx(slope, abs=2e-3 * float(p.grad.abs().max()) + 1e-4)


def test_forward_mode_is_the_transpose_of_reverse_mode():
    wavelength, centre, params = drawn(5, 50, 900)
    raster, rng = Raster.of(wavelength), np.random.default_rng(0)
    shape = PROFILE.mixture(params)
    moves, changes = torch.as_tensor(rng.normal(size=centre.shape)) * 1e-2, shape * torch.as_tensor(
        rng.normal(size=shape.shape)
    )
    weight = torch.as_tensor(rng.normal(size=len(wavelength)), dtype=torch.float32)
    with torch.no_grad(), forward_ad.dual_level():
        flux = flux_of_lines(
            raster, forward_ad.make_dual(centre, moves), forward_ad.make_dual(shape, changes), WHOLE, True
        )
        tangent = forward_ad.unpack_dual(flux).tangent
    c, s = centre.clone().requires_grad_(), shape.clone().requires_grad_()
    (flux_of_lines(raster, c, s, WHOLE, True)[0] * weight).sum().backward()
    ahead = float((tangent[0] * weight).double().sum())
    back = float((c.grad * moves).sum() + (s.grad * changes).sum())
    assert ahead == pytest.approx(back, rel=1e-4)


def test_threads_and_batches_change_nothing():
    wavelength, centre, params = drawn(6, 2500, 4000)
    raster = Raster.of(wavelength)
    centre, params = centre + torch.tensor([[0.0], [0.01], [0.03]]), params.expand(3, -1, -1)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3, 4):
            torch.set_num_threads(threads)
            c, p = centre.clone().requires_grad_(), params.clone().requires_grad_()
            flux = render(raster, c, p, PROFILE, "opacity", tolerance=1e-7)
            flux.square().sum().backward()
            results.append((flux.detach(), c.grad, p.grad))
        single = [render(raster, centre[b : b + 1], params[b : b + 1], PROFILE, "opacity", tolerance=1e-7)[0]
                  for b in range(3)]  # fmt: skip
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        for ours, theirs in zip(other, results[0], strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(torch.stack(single), results[0][0], atol=1e-6, rtol=0)


def test_a_window_shows_what_the_whole_shows_there():
    wavelength, centre, params = drawn(7, 500, 6000)
    whole = render(Raster.of(wavelength), centre, params, PROFILE, "opacity", tolerance=WHOLE)
    part = render(Raster.of(wavelength[2000:2600]), centre, params, PROFILE, "opacity", tolerance=WHOLE)
    torch.testing.assert_close(part[0], whole[0, 2000:2600], atol=2e-6, rtol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_gpu_gives_the_same_numbers():
    wavelength, centre, params = drawn(8, 300, 4000)
    here = render(Raster.of(wavelength), centre, params, PROFILE, "opacity", tolerance=1e-8)
    there = render(Raster.of(wavelength.cuda()), centre.cuda(), params.cuda(), PROFILE, "opacity", tolerance=1e-8)
    torch.testing.assert_close(there.cpu(), here, atol=1e-5, rtol=0)
