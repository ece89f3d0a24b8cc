"""The generic engine against the plain sum of all lines on all pixels, and what both engines promise."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hml import LineProfile
from hml.core.errors import SpectrumError
from hml.core.generic import find_reach, weigh
from hml.core.raster import RATIO, Raster
from hml.core.render import half_width, has_loops, reach, render
from hml.plugins.profiles import VoigtConfig
from hml.plugins.profiles.pseudo_voigt import PseudoVoigt
from hml.plugins.profiles.voigt import Voigt

PROFILE = PseudoVoigt()
VOIGT = Voigt(VoigtConfig())


class Lopsided(LineProfile):
    """Three times as wide on the left."""

    params = PROFILE.params

    def initial(self, found):
        return PROFILE.initial(found)

    def evaluate(self, offset, params):
        return PROFILE.evaluate(torch.where(offset < 0, offset / 3, offset), params)


LOPSIDED = Lopsided()
LIMIT = 1.0 - 1e-6
DOUBLE = {"dtype": torch.float64}


def plain(wavelength, centre, params, composition, profile=PROFILE):
    """What `render` means, without windows: every line on every pixel."""
    lines = profile.evaluate(wavelength[None, None, :] - centre[:, :, None], params)
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
    flux = render(Raster.of(wavelength), centre, params, PROFILE, composition, tolerance=1, window=5000, **DOUBLE)
    torch.testing.assert_close(flux, plain(wavelength, centre, params, composition), atol=1e-12, rtol=0)


@pytest.mark.parametrize("profile", [PROFILE, VOIGT, LOPSIDED])
@pytest.mark.parametrize("composition", ["opacity", "product", "sum"])
def test_far_wings_on_coarser_grids_lose_nothing(composition, profile):
    rng = np.random.default_rng(2)
    wavelength = torch.arange(8500, 8560, 0.01, dtype=torch.float64)
    centre, params = lines(rng, 1, 120, 8480, 8580)
    flux = render(Raster.of(wavelength), centre, params, profile, composition, tolerance=1e-11, **DOUBLE)
    assert (flux - plain(wavelength, centre, params, composition, profile)).abs().max() < 2e-6


@given(seed=st.integers(0, 10**6), count=st.integers(0, 30), pixels=st.integers(1, 200))
@settings(max_examples=30, deadline=None)
def test_what_is_cut_of_all_lines_stays_small(seed, count, pixels):
    rng = np.random.default_rng(seed)
    wavelength = torch.as_tensor(8500 + np.cumsum(rng.uniform(0.005, 0.1, pixels)))
    centre, params = lines(rng, 1, count, 8495, 8525)  # some outside the pixels, unsorted
    for dtype in (torch.float32, torch.float64):  # both engines
        flux = render(Raster.of(wavelength), centre, params, PROFILE, "opacity", tolerance=1e-7, dtype=dtype)
        assert flux.shape == (1, pixels)
        assert (flux - plain(wavelength, centre, params, "opacity")).abs().max() < 1e-7 * count + 3e-6


@pytest.mark.parametrize("window", [60, None])
def test_batch_item_equals_single_item(window):
    rng = np.random.default_rng(2)
    raster = Raster.of(torch.linspace(8500, 8505, 500, dtype=torch.float64))
    centre, params = lines(rng, 4, 30)
    whole = render(raster, centre, params, PROFILE, "product", tolerance=1e-7, window=window)
    for b in range(4):
        item = slice(b, b + 1)
        one = render(raster, centre[item], params[item], PROFILE, "product", tolerance=1e-7, window=window)
        torch.testing.assert_close(whole[b], one[0], atol=2e-6, rtol=0)


@pytest.mark.parametrize("composition", ["opacity", "product", "sum"])
def test_gradients_equal_finite_differences(composition):
    rng = np.random.default_rng(3)
    raster = Raster.of(torch.linspace(8500, 8502, 60, dtype=torch.float64))
    centre, params = lines(rng, 2, 4, 8500.2, 8501.8)
    velocity = torch.zeros(2, dtype=torch.float64, requires_grad=True)

    def flux(centre, params, velocity):
        factor = 1 + velocity / 3e5
        return render(raster, centre, params, PROFILE, composition, tolerance=1, window=1000, factor=factor, **DOUBLE)

    assert torch.autograd.gradcheck(flux, (centre.requires_grad_(), params.requires_grad_(), velocity), atol=1e-5)


def test_a_doppler_factor_stretches_everything():
    rng = np.random.default_rng(4)
    wavelength = torch.arange(8500, 8520, 0.02, dtype=torch.float64)
    centre, params = lines(rng, 2, 20, 8502, 8518)
    factor = torch.tensor([1.0003, 0.9997], dtype=torch.float64)
    expected = torch.cat([plain(wavelength / d, centre[b : b + 1], params[b : b + 1], "opacity")
                          for b, d in enumerate(factor)])  # fmt: skip
    for dtype, window in ((torch.float32, None), (torch.float64, None), (torch.float64, 10_000)):
        flux = render(Raster.of(wavelength), centre, params, PROFILE, "opacity", tolerance=1e-9, factor=factor,
                      dtype=dtype, window=window)  # fmt: skip
        torch.testing.assert_close(flux.double(), expected, atol=2e-6, rtol=0)


def test_float32_offsets_lose_nothing_at_large_wavelengths():
    wavelength = torch.linspace(12_000, 12_001, 100, dtype=torch.float64)
    centre = torch.tensor([[12_000.5003]], dtype=torch.float64)
    params = torch.tensor([[[-4.0, -3.0, -4.0]]], dtype=torch.float64)
    single = render(Raster.of(wavelength), centre, params, PROFILE, "opacity", tolerance=1, window=400)
    torch.testing.assert_close(single.double(), plain(wavelength, centre, params, "opacity"), atol=1e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_lines_and_lines_elsewhere_leave_the_continuum(dtype):
    raster = Raster.of(torch.linspace(8500, 8501, 10, dtype=torch.float64))
    for centre in (torch.zeros(2, 0, dtype=torch.float64), torch.full((2, 1), 1e9, dtype=torch.float64)):
        params = torch.full((2, centre.shape[1], 3), -4.0)
        flux = render(raster, centre, params, PROFILE, "opacity", tolerance=1e-7, dtype=dtype)
        assert flux.shape == (2, 10)
        assert (flux == 1).all()


def test_half_width_of_a_narrow_gaussian():
    params = torch.tensor([[0.0, np.log(0.1), np.log(1e-5)]])
    assert float(half_width(PROFILE, params)[0]) == pytest.approx(0.1 * np.sqrt(2 * np.log(2)), rel=0.13)


@pytest.mark.parametrize("profile", [PROFILE, VOIGT, LOPSIDED])
def test_beyond_its_reach_a_line_stays_below_the_tolerance(profile):
    _, params = lines(np.random.default_rng(5), 1, 40)
    far = reach(profile, params[0], 1e-6)
    for times in (1.01, 2.0, 5.0, -1.01, -2.0, -5.0):
        assert (profile.evaluate(times * far[:, None], params[0]) <= 1e-6).all()


def test_a_wing_begins_where_the_gaussian_has_ended():
    params = torch.tensor([[-3.0, np.log(0.05), np.log(1e-3)], [-3.0, np.log(1e-3), np.log(0.05)]])
    near = find_reach(VOIGT, params, 1e-9, [0.01]).radii[0]
    assert near[0] > 4 * 4 * 0.05  # a quarter of it is four sigmas
    assert weigh(near * 0.25, near).eq(1).all()


# --- rasters ---------------------------------------------------------------------------------------------------


def test_grids_get_coarser_and_hold_every_pixel():
    raster = Raster.of(torch.as_tensor(np.sort(np.random.default_rng(0).uniform(8000, 8100, 5000))))
    for fine, coarse in zip(raster.grids[:-1], raster.grids[1:], strict=True):
        assert coarse.step == pytest.approx(RATIO * fine.step)
        assert coarse.origin + 2 * coarse.step < fine.origin
        assert coarse.origin + (coarse.size - 3) * coarse.step >= fine.origin + (fine.size - 1) * fine.step
    first = raster.grids[0].points(torch.device("cpu"))
    assert first[2] <= 8000.1
    assert first[-4] >= raster.wavelength[-1]


def test_values_come_up_to_the_pixels_as_smooth_functions_are():
    raster = Raster.of(torch.arange(8000, 8040, 0.02, dtype=torch.float64))
    sums = [torch.zeros(1, len(raster), dtype=torch.float64)]
    sums += [torch.sin(grid.points(torch.device("cpu")) / (8 * grid.step))[None] for grid in raster.grids]
    expected = sum(torch.sin(raster.wavelength / (8 * grid.step)) for grid in raster.grids)
    torch.testing.assert_close(raster.brought_up(sums)[0], expected, atol=2e-5, rtol=0)


def test_a_window_without_pixels_and_numbers_that_are_none_say_so():
    with pytest.raises(SpectrumError, match="no pixel"):
        Raster.of(torch.zeros(0, dtype=torch.float64))
    raster = Raster.of(torch.linspace(8500, 8501, 10, dtype=torch.float64))
    centre, params = lines(np.random.default_rng(0), 1, 3)
    params[0, 1, 1] = torch.nan
    with pytest.raises(SpectrumError, match="not finite"):
        render(raster, centre, params, PROFILE, "opacity", tolerance=1e-7)


def test_only_what_compiled_loops_know_takes_them(caplog):
    cpu = torch.device("cpu")
    assert has_loops(PROFILE, "opacity", cpu, torch.float32)
    assert not has_loops(PROFILE, "product", cpu, torch.float32)
    assert not has_loops(PROFILE, "opacity", cpu, torch.float64)
    assert not has_loops(PROFILE, "opacity", torch.device("meta"), torch.float32)
    with caplog.at_level("INFO", logger="hml"):
        assert not has_loops(VOIGT, "opacity", cpu, torch.float32)
        assert not has_loops(VOIGT, "opacity", cpu, torch.float32)
    assert sum("no compiled loop" in message for message in caplog.messages) <= 1


@pytest.mark.parametrize(
    "wavelength",
    [[8502.0, 8501.0], [8501.0, 8503.0, 8502.0], [8501.0, 8501.0], [-1.0, 2.0], [8501.0, float("nan")],
     [8501.0, float("inf")], [[8501.0, 8502.0]]],
)  # fmt: skip
def test_wavelengths_out_of_order_are_refused_by_name(wavelength):
    with pytest.raises(SpectrumError, match="wavelengths to render"):
        Raster.of(torch.tensor(wavelength, dtype=torch.float64))


def test_parameters_that_overflow_are_refused_rather_than_rendered_as_nan():
    raster = Raster.of(torch.arange(8500.0, 8501.0, 0.01, dtype=torch.float64))
    centre, params = torch.tensor([[8500.5]], dtype=torch.float64), torch.tensor([[[100.0, -3.0, -3.0]]])
    with pytest.raises(SpectrumError, match="too large"):
        render(raster, centre, params, PROFILE, "opacity", tolerance=1e-7)


def test_a_pure_lorentzian_is_followed_no_farther_than_its_wing():
    from hml.core.fused import Work

    raster = Raster.of(torch.arange(8500.0, 8540.0, 0.02, dtype=torch.float64))
    shape = np.array([[1e-3, 1e-3, 0.0, 0.0]], dtype=np.float32)
    assert Work.of(raster, np.array([8520.0]), shape, 1e-7).near.max() < 5


def test_loops_are_compiled_with_the_numbers_that_the_raster_has():
    from hml.core import kernels, raster

    assert (kernels.CORE, kernels.INNER) == (raster.CORE, raster.INNER)
