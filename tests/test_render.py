"""The renderer against a plain sum over all lines and pixels in float64, and its gradients."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hml.core.render import half_width, lay_out, reach, render
from hml.plugins.profiles.pseudo_voigt import PseudoVoigt

PROFILE = PseudoVoigt()
LIMIT = 1.0 - 1e-6


def plain(wavelength, centre, params, composition):
    """What `render` means, without windows: every line on every pixel."""
    offset = wavelength[None, None, :] - centre[:, :, None]
    lines = PROFILE.evaluate(offset, params)
    if composition == "product":
        return torch.prod(1 - lines.clamp(max=LIMIT), 1)
    return torch.exp(-lines.sum(1)) if composition == "opacity" else 1 - lines.sum(1)


def lines(rng, batch, count, low=8499.0, high=8506.0):
    centre = torch.as_tensor(rng.uniform(low, high, (batch, count)))
    params = np.stack([rng.uniform(-7, -2.5, (batch, count)), rng.uniform(-4, -2, (batch, count)),
                       rng.uniform(-5, -2.5, (batch, count))], -1)
    return centre, torch.as_tensor(params)


@pytest.mark.parametrize("composition", ["opacity", "product", "sum"])
def test_whole_windows_equal_the_plain_sum(composition):
    rng = np.random.default_rng(1)
    wavelength = torch.as_tensor(np.sort(rng.uniform(8500, 8505, 400)))
    centre, params = lines(rng, 3, 20)
    layout = lay_out(wavelength, centre, 5000, torch.float64)
    flux = render(layout, torch.zeros_like(centre), params, PROFILE, composition)
    torch.testing.assert_close(flux, plain(wavelength, centre, params, composition), atol=1e-12, rtol=0)


@given(seed=st.integers(0, 10**6), count=st.integers(0, 30), pixels=st.integers(1, 200))
@settings(max_examples=40, deadline=None)
def test_windows_by_reach_cut_less_than_the_tolerance_a_line(seed, count, pixels):
    rng = np.random.default_rng(seed)
    wavelength = torch.as_tensor(8500 + np.cumsum(rng.uniform(0.005, 0.1, pixels)))
    centre, params = lines(rng, 1, count, 8495, 8525)  # some outside the pixels, unsorted
    span = reach(PROFILE, params[0], 1e-5)
    flux = render(lay_out(wavelength, centre, span), torch.zeros_like(centre), params, PROFILE, "opacity")
    expected = plain(wavelength, centre, params, "opacity")
    assert flux.shape == (1, pixels)
    assert (flux - expected).abs().max() < 1e-5 * max(count, 1) + 2e-6


def test_batch_item_equals_single_item():
    rng = np.random.default_rng(2)
    wavelength = torch.linspace(8500, 8505, 500, dtype=torch.float64)
    centre, params = lines(rng, 4, 30)
    whole = render(lay_out(wavelength, centre, 60), torch.zeros_like(centre), params, PROFILE, "product")
    for b in range(4):
        one = render(lay_out(wavelength, centre[b:b + 1], 60), torch.zeros(1, 30), params[b:b + 1], PROFILE, "product")
        torch.testing.assert_close(whole[b], one[0], atol=1e-6, rtol=0)


@pytest.mark.parametrize("composition", ["opacity", "product", "sum"])
def test_gradients_equal_finite_differences(composition):
    rng = np.random.default_rng(3)
    wavelength = torch.linspace(8500, 8502, 60, dtype=torch.float64)
    centre, params = lines(rng, 2, 4, 8500.2, 8501.8)
    layout = lay_out(wavelength, centre, 1000, torch.float64)
    moved = torch.zeros(2, 4, dtype=torch.float64, requires_grad=True)
    stretch = torch.ones(2, dtype=torch.float64, requires_grad=True)
    inputs = (moved, params.requires_grad_(), stretch)
    assert torch.autograd.gradcheck(lambda m, p, s: render(layout, m, p, PROFILE, composition, s), inputs, atol=1e-6)


def test_moving_the_centre_is_the_same_as_laying_out_there():
    rng = np.random.default_rng(4)
    wavelength = torch.linspace(8500, 8505, 500, dtype=torch.float64)
    centre, params = lines(rng, 1, 10)
    shift = torch.as_tensor(rng.uniform(-0.05, 0.05, (1, 10)))
    moved = render(lay_out(wavelength, centre, 4000, torch.float64), shift, params, PROFILE, "opacity")
    there = render(lay_out(wavelength, centre + shift, 4000, torch.float64), 0 * shift, params, PROFILE, "opacity")
    torch.testing.assert_close(moved, there, atol=1e-9, rtol=0)


def test_float32_offsets_lose_nothing_at_large_wavelengths():
    wavelength = torch.linspace(12_000, 12_001, 100, dtype=torch.float64)
    centre = torch.tensor([[12_000.5003]], dtype=torch.float64)
    params = torch.tensor([[[-4.0, -3.0, -4.0]]], dtype=torch.float64)
    single = render(lay_out(wavelength, centre, 400), torch.zeros(1, 1), params, PROFILE, "opacity")
    torch.testing.assert_close(single.double(), plain(wavelength, centre, params, "opacity"), atol=1e-6, rtol=0)


def test_no_lines_and_lines_elsewhere_leave_the_continuum():
    wavelength = torch.linspace(8500, 8501, 10, dtype=torch.float64)
    for centre in (torch.zeros(2, 0, dtype=torch.float64), torch.full((2, 1), 9000.0, dtype=torch.float64)):
        params = torch.full((2, centre.shape[1], 3), -4.0)
        flux = render(lay_out(wavelength, centre, torch.ones(centre.shape[1])), 0 * centre, params, PROFILE, "opacity")
        assert flux.shape == (2, 10)
        assert (flux == 1).all()


def test_half_width_of_a_narrow_gaussian():
    params = torch.tensor([[0.0, np.log(0.1), np.log(1e-5)]])
    assert float(half_width(PROFILE, params)[0]) == pytest.approx(0.1 * np.sqrt(2 * np.log(2)), rel=0.13)
