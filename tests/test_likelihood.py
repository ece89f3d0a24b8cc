"""The objective: known minimum, closed-form continuum, velocity, resolution, derivatives."""

import numpy as np
import pytest
import torch
from numpy.polynomial import chebyshev
from toy import make

from hml.core.broaden import FWHM
from hml.core.config import ObjectiveConfig
from hml.core.errors import ConfigError, SpectrumError
from hml.core.generator import doppler
from hml.core.likelihood import SpectrumObjective, parameters
from hml.core.selection import Selection
from hml.core.spectrum import Spectrum

TRUTH = {"teff": 5444.0, "logg": 4.6}


def observed(generator, rv=0.0, power=None, tilt=(1.0,), noise=0.0, low=8505.0, high=8535.0, seed=0, step=0.04):
    """What a spectrograph would see: fine spectrum, brute-force convolution, shift, continuum, noise."""
    wavelength = np.arange(low, high, step)
    factor = float(doppler(torch.tensor(rv)))
    if power is None:
        flux = generator(TRUTH, torch.as_tensor(wavelength / factor), dtype=torch.float64)[0].numpy()
    else:
        fine = np.exp(np.arange(np.log(low - 3), np.log(high + 3), 4e-7))
        model = generator(TRUTH, torch.as_tensor(fine / factor), dtype=torch.float64)[0].numpy()
        sigma = 1 / power / FWHM
        kernel = np.exp(-0.5 * (np.arange(-400, 401) * 4e-7 / sigma) ** 2)
        flux = np.interp(wavelength, fine, np.convolve(model - 1, kernel / kernel.sum(), "same") + 1)
    x = (2 * wavelength - low - high) / (high - low)
    flux = 1234.0 * flux * chebyshev.chebval(x, tilt)
    error = np.full(len(flux), 1234.0 * max(noise, 1e-3))
    if noise:
        flux = flux + error * np.random.default_rng(seed).standard_normal(len(flux))
    return Spectrum(wavelength, flux, error, name="mock")


def objective(generator, spectrum, **fields):
    fields = {"continuum_degree": 2, "pixel_integration": False, **fields}  # `observed` looks at points
    config = ObjectiveConfig(**fields)
    orders = spectrum if isinstance(spectrum, list) else [spectrum]
    return SpectrumObjective(generator, orders, parameters(generator.space, {}, config), config)


def test_zero_at_the_truth_whatever_the_continuum():
    generator = make()
    seen = observed(generator, tilt=(1.0, 0.2, -0.1))
    made = objective(generator, seen)
    truth = np.array([5444.0, 4.6])
    assert made.values(truth)[0] < 1e-4  # (float32 noise over errors of 1e-3) squared
    assert made.values(truth + np.array([60, 0]))[0] > 100 * made.values(truth)[0]
    bare = objective(generator, seen, continuum_degree=0)
    assert bare.values(truth)[0] > 1


def test_the_continuum_equals_a_direct_least_squares_fit():
    generator = make()
    seen = observed(generator, tilt=(1.0, 0.1), noise=0.01)
    point = np.array([5300.0, 4.3])
    ((spectrum, fitted),) = objective(generator, seen).model(point)
    model = generator(point, torch.as_tensor(seen.wavelength))[0].double().numpy()
    x = np.linspace(-1, 1, len(seen))
    design = model[:, None] * chebyshev.chebvander(x, 2)
    coefficients, *_ = np.linalg.lstsq(design, seen.flux, rcond=None)
    np.testing.assert_allclose(fitted, design @ coefficients, rtol=1e-5)
    assert len(spectrum) == len(seen)


def test_batch_equals_single_and_rms_is_the_papers():
    generator = make()
    seen = observed(generator, noise=0.01)
    made = objective(generator, seen, metric="rms", continuum_degree=None)
    points = np.array([[5100.0, 4.1], [5444.0, 4.6], [5700.0, 4.7]])
    values = made.values(points)
    np.testing.assert_allclose(values, [made.values(p)[0] for p in points], rtol=1e-6)
    flux = generator(points[0], torch.as_tensor(seen.wavelength))[0].double().numpy()
    assert values[0] == pytest.approx(np.sqrt(np.mean((flux - seen.flux) ** 2)), rel=1e-6)


@pytest.mark.parametrize("rv", [-103.0, 0.0, 55.5])
def test_velocity_and_resolution_match_brute_force(rv):
    generator = make()
    seen = observed(generator, rv=rv, power=40_000, step=0.02)
    made = objective(generator, seen, rv=Selection(lower=-200, upper=200), resolving_power=Selection(nodes=(40_000,)))
    assert made.space.names == ("teff", "logg", "rv")
    at_truth = made.residuals(np.array([5444.0, 4.6, rv])) * 1e-3
    assert np.abs(at_truth).max() < 1e-4
    beside = made.residuals(np.array([5444.0, 4.6, rv + 1])) * 1e-3
    assert np.abs(beside).max() > 20 * np.abs(at_truth).max()


def test_resolution_in_quadrature_with_the_grids_own():
    seen = observed(make(), power=30_000, step=0.02)
    assert 1 / (1 / 30_000**2 - 1 / 60_000**2) ** 0.5 > 30_000
    sharp = objective(make(resolving_power=60_000.0), seen, resolving_power=Selection(nodes=(30_000,)))
    assert sharp.values(np.array([5444.0, 4.6]))[0] > 1  # a grid already broadened is broadened less
    with pytest.raises(ConfigError, match="cannot be sharpened"):
        objective(make(resolving_power=20_000.0), seen, resolving_power=Selection(nodes=(30_000,)))


@pytest.mark.parametrize("interpolator", ["linear", "cubic"])
def test_gradient_and_jacobian_equal_finite_differences(interpolator):
    generator = make(interpolator)
    seen = observed(generator, rv=12.0, power=45_000, noise=0.01)
    made = objective(
        generator, seen, rv=Selection(lower=-50, upper=50), resolving_power=Selection(lower=30_000, upper=60_000)
    )
    point = np.array([5330.0, 4.33, 9.0, 41_000.0])
    value, gradient = made.value_and_gradient(point)
    assert value == pytest.approx(made.values(point)[0], rel=1e-6)
    jacobian = made.jacobian(point)
    steps = np.array([2.0, 5e-3, 0.05, 300.0])
    for p, step in enumerate(steps):
        move = np.eye(4)[p] * step
        up, down = made.residuals(point + move), made.residuals(point - move)
        np.testing.assert_allclose(jacobian[:, p] * step, (up - down) / 2, atol=5e-3 * np.abs(up - down).max())
        high, low = made.values(point + move)[0], made.values(point - move)[0]
        assert gradient[p] * step == pytest.approx((high - low) / 2, rel=0.02)


def test_laplace_errors_cover_the_scatter_of_many_noises():
    generator = make()
    truth, pulls = np.array([5444.0, 4.6]), []
    for seed in range(40):
        made = objective(generator, observed(generator, noise=0.02, seed=seed, step=0.1))
        jacobian, residuals = made.jacobian(truth), made.residuals(truth)
        shift = -np.linalg.lstsq(jacobian, residuals, rcond=None)[0]  # one Gauss–Newton step from the truth
        pulls.append(shift / np.sqrt(np.diag(made.covariance(truth))))
    spread = np.sqrt(np.mean(np.square(pulls), axis=0))
    assert ((spread > 0.7) & (spread < 1.3)).all()


def test_several_orders_each_with_its_own_continuum():
    generator = make()
    first = observed(generator, tilt=(1, 0.3), low=8502, high=8512)
    orders = [first, observed(generator, tilt=(5, -1), low=8511, high=8530)]
    assert objective(generator, orders).values(np.array([5444.0, 4.6]))[0] < 1e-4


def test_no_overlap_is_an_error_that_names_both_bands():
    generator = make()
    far = Spectrum(np.linspace(9000, 9010, 100), np.ones(100), name="star.csv")
    with pytest.raises(SpectrumError, match=r"star\.csv: no usable pixel between 8500\.0 and 85"):
        objective(generator, far)


def test_without_errors_the_rms_is_used_and_said():
    generator = make()
    seen = observed(generator)
    made = objective(generator, Spectrum(seen.wavelength, seen.flux))
    assert made.metric == "rms"
    assert made.notes[0] == "no errors given: the rms of residuals is minimised"
    assert made.notes[1:] == [
        f"{name} not applied" for name in ("rv", "vsini", "macroturbulence", "resolving_power")
    ]


@pytest.mark.parametrize(("box", "text"), [
    ({"age": Selection(lower=0, upper=1)}, "no such label"),
    ({"teff": Selection(lower=7000, upper=8000)}, "outside the grid"),
    ({"teff": Selection(nodes=(5400,)), "logg": Selection(nodes=(4.5,))}, "nothing to search"),
])
def test_a_box_that_cannot_be_meant(box, text):
    with pytest.raises(ConfigError, match=text):
        parameters(make().space, box, ObjectiveConfig())


def test_a_box_around_a_guess_is_cut_to_the_grid():
    search = parameters(make().space, {"teff": Selection(around=5700, half_width=500)}, ObjectiveConfig())
    assert (search.space["teff"].lower, search.space["teff"].upper) == (5200, 5800)
