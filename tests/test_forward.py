"""The forward model against brute force, its derivatives in both modes, and what it recovers."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import least_squares
from torch.autograd import forward_ad, gradcheck
from toy import make

from hml.core.broaden import FWHM, instrument, macroturbulence, rotation
from hml.core.config import ObjectiveConfig, TruthConfig, parse_config
from hml.core.errors import ConfigError
from hml.core.forward import ForwardModel
from hml.core.generator import doppler
from hml.core.likelihood import SpectrumObjective, parameters
from hml.core.mock import Sight, seen
from hml.core.observe import _seen
from hml.core.optics import Optics, lay_out
from hml.core.pixels import Pixels
from hml.core.selection import Selection
from hml.core.space import LIGHT
from hml.core.spectrum import Spectrum

LABELS = np.array([5444.0, 4.6])
PROBES = np.array([[5000.0, 4.0], [5400.0, 4.4], [5800.0, 4.75]])
EXACT = 1e-4  # of the continuum: what the forward model promises


def between(low, high):
    return Selection(lower=low, upper=high)


def exactly(value):
    return Selection(nodes=(value,))


def order(low=8506.0, high=8534.0, step=0.05):
    return Pixels.of(np.arange(low, high, step))


def uneven(low=8506.0, high=8534.0, count=400):
    """Pixels that become twice as wide across the order."""
    x = np.linspace(0, 1, count)
    return Pixels.of(low + (high - low) * (x + x**2 / 2) / 1.5)


def model(generator, orders, **fields):
    return ForwardModel.of(generator, orders, ObjectiveConfig(**fields), PROBES)


def tensors(**values):
    return {name: torch.tensor(np.atleast_1d(value), dtype=torch.float64) for name, value in values.items()}


def flux(made, labels=LABELS, **values):
    with torch.no_grad():
        return made(torch.tensor(np.atleast_2d(labels)), tensors(**values)).numpy()


def exact(generator, wavelength, velocity=None):
    """Of the generator, in float64."""
    velocity = None if velocity is None else torch.as_tensor(np.atleast_1d(velocity))
    labels = torch.tensor(LABELS).expand(1 if velocity is None else len(velocity), -1)
    with torch.no_grad():
        return generator(labels, torch.as_tensor(wavelength), velocity, dtype=torch.float64).numpy()


def brute(generator, pixels, power=None, own=None, **sight):
    """By `hml.core.mock`, from a spectrum on very fine points."""
    fine = np.exp(np.arange(np.log(8495), np.log(8545), 6e-7))
    spectrum = exact(generator, fine)[0]
    return seen(fine, spectrum, pixels, Sight(resolving_power=power, **sight), own)


# --- against brute force -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("vsini", "darkening"), [(3.0, 0.6), (12.0, 0.0), (28.0, 1.0)])
def test_rotation_is_the_sum_over_the_disc(vsini, darkening):
    generator, pixels = make(), order()
    made = model(generator, [pixels], vsini=exactly(vsini), limb_darkening=darkening, pixel_integration=False)
    x = np.cos(np.pi * (np.arange(160) + 0.5) / 160)  # strips of the disc, each at its own velocity
    y = (np.arange(400) + 0.5) / 400
    height = np.sqrt(1 - x**2)[:, None]
    mu = np.sqrt(np.clip(1 - x[:, None] ** 2 - (height * y) ** 2, 0, None))
    weight = (1 - darkening * (1 - mu)).mean(1) * height[:, 0] * np.sqrt(1 - x**2)  # dx = sin θ dθ
    expected = weight @ exact(generator, pixels.wavelength, vsini * x) / weight.sum()
    np.testing.assert_allclose(flux(made, vsini=vsini)[0], expected, atol=EXACT)
    assert np.abs(flux(made, vsini=0.8 * vsini)[0] - expected).max() > 5 * EXACT


def test_macroturbulence_is_the_sum_over_moving_elements():
    generator, pixels, speed = make(), order(), 4.0
    made = model(generator, [pixels], macroturbulence=exactly(speed), pixel_integration=False)
    mu = np.sqrt((np.arange(60) + 0.5) / 60)
    nodes, weights = np.polynomial.hermite.hermgauss(24)
    velocity = speed * np.concatenate([mu, np.sqrt(1 - mu**2)])[:, None] * nodes
    weight = np.tile(weights, 120) / (120 * weights.sum())
    expected = weight @ exact(generator, pixels.wavelength, velocity.ravel())
    np.testing.assert_allclose(flux(made, macroturbulence=speed)[0], expected, atol=EXACT)


@pytest.mark.parametrize("pixels", [order(), uneven(), order(step=0.011), order(step=0.31)], ids=len)
@pytest.mark.parametrize("sight", [
    {"power": 55_000.0}, {"power": 12_000.0, "rv": -87.0}, {"power": 80_000.0, "vsini": 2.0, "rv": 33.0},
    {"power": 50_000.0, "vsini": 25.0, "macroturbulence": 3.0, "rv": 101.0}, {"vsini": 9.0, "macroturbulence": 5.0},
])  # fmt: skip
def test_all_together_equals_brute_force(pixels, sight):
    generator = make(complete=True)
    known = {"resolving_power" if name == "power" else name: value for name, value in sight.items()}
    made = model(generator, [pixels], **{name: exactly(value) for name, value in known.items()})
    expected = brute(generator, pixels, **sight)
    np.testing.assert_allclose(flux(made, **known)[0], expected, atol=EXACT)


def test_the_grids_own_resolution_is_taken_into_account():
    generator, pixels = make(resolving_power=60_000.0), order()
    made = model(generator, [pixels], resolving_power=between(20_000, 60_000))
    expected = brute(generator, pixels, power=30_000.0, own=60_000.0)
    np.testing.assert_allclose(flux(made, resolving_power=30_000.0)[0], expected, atol=EXACT)
    same = brute(generator, pixels, power=60_000.0, own=60_000.0, vsini=1e-6)  # nothing but pixels
    np.testing.assert_allclose(flux(made, resolving_power=60_000.0)[0], same, atol=EXACT)


@pytest.mark.parametrize("pixels", [uneven(count=300), Pixels.of(np.delete(np.arange(8506, 8534, 0.2), [30, 31, 77]))])
def test_pixels_integrate(pixels):
    generator = make(resolving_power=60_000.0)
    made = model(generator, [pixels], resolving_power=exactly(60_000.0))  # the grid's own: pixels do all
    inside = (np.arange(400) + 0.5) / 400 - 0.5
    points = pixels.wavelength[:, None] + pixels.width[:, None] * inside
    expected = np.array([exact(generator, row)[0].mean() for row in points])
    np.testing.assert_allclose(flux(made, resolving_power=60_000.0)[0], expected, atol=EXACT)
    assert np.abs(exact(generator, pixels.wavelength)[0] - expected).max() > 20 * EXACT


def test_a_gap_makes_no_pixel_wider():
    wavelength = np.delete(np.linspace(8500, 8510, 101), [40, 41, 70])
    np.testing.assert_allclose(Pixels.of(wavelength).width, 0.1, rtol=1e-9)
    widths = uneven().width
    assert widths[-1] / widths[0] == pytest.approx(2, rel=0.01)
    assert Pixels.of(np.array([8500.0])).width == [0]


@pytest.mark.parametrize("power", [20_000.0, 60_000.0, 110_000.0])
def test_as_many_points_as_are_needed(power):
    generator, config = make(), ObjectiveConfig(resolving_power=exactly(power))
    made = ForwardModel.of(generator, [order()], config, PROBES)
    points, optics = Optics.of(generator, [order()], config, 2e-7, 2e-7)
    fine = torch.as_tensor(exact(generator, points))
    finest = optics(fine, tensors(resolving_power=power))
    np.testing.assert_allclose(flux(made, resolving_power=power), finest.numpy(), atol=EXACT)
    assert made.rendering.points < len(points) / 4


def test_flux_is_conserved():
    generator, pixels = make(), order(low=8470, high=8570)  # no line is near the ends
    missing = (1 - exact(generator, np.linspace(8469.975, 8569.975, 2_000_001))[0]).mean() * 100
    values = {"vsini": 20.0, "macroturbulence": 3.0, "resolving_power": 4e4}
    made = model(generator, [pixels], **{name: exactly(value) for name, value in values.items()})
    assert pixels.width @ (1 - flux(made, **values)[0]) == pytest.approx(missing, rel=1e-4)


@given(st.floats(0, 60), st.floats(0, 20), st.floats(15_000, 90_000))
def test_kernels_keep_the_mean_and_only_take_away(vsini, speed, power):
    k = torch.linspace(0, 2e5, 300, dtype=torch.float64)
    parts = [rotation(k, torch.tensor([vsini], dtype=torch.float64), 0.6),
             macroturbulence(k, torch.tensor([speed], dtype=torch.float64)),
             instrument(k, torch.tensor([[power]], dtype=torch.float64), 0.0)[0]]
    for part in parts:
        assert part[0, 0] == 1
        assert (part.abs() <= 1 + 1e-12).all()


def test_series_meet_the_closed_forms():
    u = torch.tensor([[0.2999999, 0.3000001]], dtype=torch.float64)
    for part in (rotation(u[0] * LIGHT / 2 / torch.pi, torch.ones(1, dtype=torch.float64), 0.7),
                 macroturbulence(u[0] * LIGHT / torch.pi, torch.ones(1, dtype=torch.float64))):
        assert abs(float(part.diff())) < 3e-7
        assert float(part[0, 0]) < 0.996


# --- derivatives ---------------------------------------------------------------------------------------------------


def small_optics(generator, **fields):
    config = ObjectiveConfig(**fields)
    points, optics = Optics.of(generator, [uneven(8510, 8516, 40), order(8515, 8520, 0.2)], config, 4e-6, 4e-6)
    return optics, torch.as_tensor(exact(generator, points))


@pytest.mark.parametrize("power", [59_000.0, 60_000.0 - 1e-3])
@pytest.mark.parametrize("vsini", [0.0, 1e-4, 0.7, 14.0])
def test_optics_have_exact_derivatives_in_both_modes(vsini, power):
    generator = make(resolving_power=60_000.0)
    optics, fine = small_optics(generator, vsini=between(0, 20), macroturbulence=between(0, 5),
                                resolving_power=between(3e4, 6e4), resolving_power_factors=(1.0, 0.8))

    def seen_with(speed, turbulence, sharpness):
        values = {"vsini": speed, "macroturbulence": turbulence, "resolving_power": 1e4 * sharpness}
        return optics(fine, values)

    for turbulence in (0.0, 2.0):
        values = [torch.tensor([x], dtype=torch.float64, requires_grad=True) for x in (vsini, turbulence, power / 1e4)]
        assert gradcheck(seen_with, values, eps=1e-5, atol=1e-6, rtol=1e-4, check_forward_ad=True)


def test_optics_are_linear_in_the_flux_in_both_modes():
    optics, fine = small_optics(make(), resolving_power=exactly(5e4))
    chosen = fine[:, :40].clone().requires_grad_()
    values = tensors(resolving_power=5e4)

    def of_some(part):
        return optics(torch.cat([part, fine[:, 40:]], -1), values)[:, :12]

    assert gradcheck(of_some, [chosen], eps=1e-4, atol=1e-6, check_forward_ad=True)


STEPS = {"teff": 2.0, "logg": 5e-3, "rv": 0.05, "vsini": 0.1, "macroturbulence": 0.1, "resolving_power": 300.0}


@pytest.mark.parametrize("vsini", [0.0, 8.0])
def test_the_whole_has_right_derivatives_in_both_modes(vsini):
    generator = make(complete=True, resolving_power=100_000.0)
    made = model(generator, [uneven(), order(8520, 8535)], rv=between(-50, 50), vsini=between(0, 20),
                 macroturbulence=between(0, 5), resolving_power=between(3e4, 1e5))
    point = np.array([5330.0, 4.33, 12.0, vsini, 1.5, 99_000.0])
    names = list(STEPS)

    def of(numbers):
        return made(numbers[:, :2], {name: numbers[:, 2 + i] for i, name in enumerate(names[2:])})

    rows = torch.tensor(point).expand(6, -1)
    with torch.no_grad(), forward_ad.dual_level():
        dual = forward_ad.make_dual(rows.clone(), torch.eye(6, dtype=torch.float64))
        tangent = forward_ad.unpack_dual(of(dual)).tangent.numpy()
    rng = np.random.default_rng(0)
    direction = torch.as_tensor(rng.normal(size=tangent.shape[1]))
    free = torch.tensor(point[None], requires_grad=True)
    (gradient,) = torch.autograd.grad(of(free)[0] @ direction, free)
    np.testing.assert_allclose(gradient[0], tangent @ direction.numpy(), rtol=2e-3, atol=1e-6)
    for p, step in enumerate(STEPS.values()):
        up, down = (of(torch.tensor((point + s * step * np.eye(6)[p])[None])).numpy()[0] for s in (1, -1))
        assert np.isfinite(tangent[p]).all()
        np.testing.assert_allclose(tangent[p] * step, (up - down) / 2, atol=5e-3 * np.abs(up - down).max() + 1e-6)
    assert (np.abs(tangent[3]).max() < 1e-12) == (vsini == 0)  # even in v sin i
    known = {name: torch.tensor([x], dtype=torch.float64) for name, x in zip(names, point, strict=True)}
    labels = {name: known.pop(name) for name in names[:2]}
    with torch.no_grad():
        value, change = made.linear(labels, known, names[::-1])
        np.testing.assert_allclose(value, of(rows[:1]), atol=1e-6)
    steps = np.array(list(STEPS.values()))[:, None]
    np.testing.assert_allclose(change.numpy()[::-1] * steps, tangent * steps, atol=1e-5)


def test_linear_without_broadening_and_with_labels_fixed():
    generator, pixels = make(), order()
    labels, values = {"teff": tensors(x=5444.0)["x"], "logg": tensors(x=4.6)["x"]}, tensors(rv=12.0)
    plain = model(generator, [pixels], rv=between(-50, 50))
    value, change = plain.linear(labels, values, ["rv", "logg"])
    for names, p, step in ((("rv",), 0, {"rv": 0.05}), (("logg",), 1, {"logg": 5e-3})):
        up, down = (flux(plain, [5444.0, 4.6 + s * step.get("logg", 0)], rv=12.0 + s * step.get("rv", 0))
                    for s in (1, -1))  # fmt: skip
        np.testing.assert_allclose(change[p] * step[names[0]], (up - down)[0] / 2, atol=5e-3 * np.abs(up - down).max())
    made = model(generator, [pixels], rv=between(-50, 50), resolving_power=exactly(5e4))
    value, change = made.linear(labels, {**values, **tensors(resolving_power=5e4)}, ["rv"])
    up, down = (flux(made, rv=12 + s * 0.05, resolving_power=5e4) for s in (1, -1))
    np.testing.assert_allclose(change * 0.05, (up - down) / 2, atol=5e-3 * np.abs(up - down).max())
    np.testing.assert_allclose(value, flux(made, rv=12.0, resolving_power=5e4), atol=1e-6)


# --- orders and batches --------------------------------------------------------------------------------------------


def test_every_item_of_a_batch_is_what_it_is_alone():
    made = model(make(), [order(8506, 8522), uneven(8518, 8534)], rv=between(-99, 99), vsini=between(0, 30),
                 resolving_power=between(3e4, 7e4))
    labels = np.array([[5100.0, 4.1], [5444.0, 4.6], [5700.0, 4.7]])
    values = {"rv": [-80.0, 0.0, 44.0], "vsini": [0.0, 3.0, 30.0], "resolving_power": [7e4, 5e4, 3e4]}
    many = flux(made, labels, **values)
    for i, label in enumerate(labels):
        alone = flux(made, label, **{name: value[i] for name, value in values.items()})
        np.testing.assert_allclose(many[i], alone[0], atol=1e-6)


def test_orders_together_are_what_they_are_alone():
    generator, orders = make(), [order(8506, 8515), uneven(8510, 8522), order(8530, 8534, 0.1)]
    fields = {"resolving_power": between(4e4, 6e4), "vsini": between(0, 10)}
    values = {"resolving_power": 55_000.0, "vsini": 4.0}
    made = model(generator, orders, **fields)
    parts = made.split(torch.as_tensor(flux(made, **values)))
    assert [part.shape[1] for part in parts] == [len(o) for o in orders]
    for part, one in zip(parts, orders, strict=True):
        alone = flux(model(generator, [one], **fields), **values)
        np.testing.assert_allclose(part.numpy(), alone, atol=EXACT)


def test_each_order_has_its_own_resolving_power():
    generator, orders = make(), [order(8506, 8516), order(8520, 8530)]
    made = model(generator, orders, resolving_power=between(4e4, 6e4), resolving_power_factors=(1.0, 0.7))
    first, second = made.split(torch.as_tensor(flux(made, resolving_power=5e4)))
    np.testing.assert_allclose(first[0], brute(generator, orders[0], power=5e4), atol=EXACT)
    np.testing.assert_allclose(second[0], brute(generator, orders[1], power=3.5e4), atol=EXACT)


def test_without_broadening_the_generator_is_read_off_at_the_pixels():
    generator, orders = make(), [order(8506, 8516), order(8510, 8530, 0.03)]
    made = model(generator, orders, rv=between(-50, 50))
    expected = np.concatenate([exact(generator, o.wavelength, 20.0)[0] for o in orders])
    np.testing.assert_allclose(flux(made, rv=20.0)[0], expected, atol=2e-6)


def test_points_are_laid_out_once_each():
    points, first, window = lay_out([(130, 200), (100, 160), (300, 360)], 80)
    assert points.tolist() == [*range(100, 200), *range(300, 360)]
    assert [int(points[f]) for f in first] == [130, 100, 300]
    assert window.sum(1).tolist() == pytest.approx([54, 44, 44])
    assert (window[1, 60:] == 0).all()


# --- recovery ------------------------------------------------------------------------------------------------------


def test_what_was_injected_is_recovered():
    generator = make()
    fine = np.arange(8500, 8540, 0.005)
    rest = Spectrum(fine, exact(generator, fine)[0])
    truth = {"rv": 41.7, "vsini": 7.3, "resolving_power": 47_000.0}
    sight = Sight(**truth)
    orders = [Spectrum(o.wavelength, seen(rest.wavelength, rest.flux, o, sight), np.full(len(o), 1e-3))
              for o in (uneven(8504, 8520), order(8518, 8534, 0.06))]
    config = ObjectiveConfig(rv=between(-100, 100), vsini=between(0, 30), resolving_power=between(30_000, 80_000))
    made = SpectrumObjective(generator, orders, parameters(generator.space, {}, config), config)
    scale = made.space.upper - made.space.lower
    start = np.array([5400.0, 4.4, 38.0, 10.0, 55_000.0])
    bounds = made.space.lower / scale, made.space.upper / scale
    found = scale * least_squares(lambda x: made.residuals(x * scale), start / scale,
                                  lambda x: made.jacobian(x * scale) * scale, bounds).x  # fmt: skip
    best = made.space.to_dict(found)
    assert best["rv"] == pytest.approx(41.7, abs=0.005)
    assert best["vsini"] == pytest.approx(7.3, abs=0.05)
    assert best["resolving_power"] == pytest.approx(47_000, rel=0.01)
    np.testing.assert_allclose((found[:2] - LABELS) / [2, 0.005], 0, atol=1)


def test_the_mock_is_shifted_and_broadened():
    fine = np.arange(8500, 8540, 0.005)
    generator = make()
    spectrum = Spectrum(fine, 7.0 * exact(generator, fine)[0])
    plain = _seen(spectrum, None, TruthConfig(rv=25.0))
    np.testing.assert_allclose(plain.flux, 7 * exact(generator, plain.wavelength, 25.0)[0], atol=7e-4)
    wide = _seen(spectrum, None, TruthConfig(rv=25.0, vsini=10.0, macroturbulence=2.0, resolving_power=5e4))
    made = model(generator, [Pixels.of(wide.wavelength)], rv=exactly(25.0), vsini=exactly(10.0),
                 macroturbulence=exactly(2.0), resolving_power=exactly(5e4))
    values = {"rv": 25.0, "vsini": 10.0, "macroturbulence": 2.0, "resolving_power": 5e4}
    np.testing.assert_allclose(wide.flux / 7, flux(made, **values)[0], atol=EXACT)
    assert _seen(spectrum, None, TruthConfig()) is spectrum


def test_gaussians_add_in_quadrature():
    x = np.exp(np.arange(np.log(8500), np.log(8540), 2e-7))
    narrow, power, pixels = 6e-6, 50_000.0, order(8515, 8525, 0.02)
    line = 1 - 0.5 * np.exp(-0.5 * (np.log(x / 8520) / narrow) ** 2)
    spread = np.sqrt(narrow**2 + (1 / power / FWHM) ** 2 + (0.02 / 8520) ** 2 / 12)
    expected = 1 - 0.5 * narrow / spread * np.exp(-0.5 * (np.log(pixels.wavelength / 8520) / spread) ** 2)
    np.testing.assert_allclose(seen(x, line, pixels, Sight(resolving_power=power)), expected, atol=2e-5)
    np.testing.assert_allclose(
        seen(x, line, pixels, Sight(rv=12.0)),
        1 - 0.5 * np.exp(-0.5 * (np.log(pixels.wavelength / 8520 / float(doppler(torch.tensor(12.0)))) / narrow) ** 2),
        atol=1e-7,
    )


# --- mistakes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("field", "value", "text"), [
    ("vsini", [-1, 20], "from 0 to 1000"), ("vsini", [0, None], "from 0 to 1000"), ("macroturbulence", -3, "from 0"),
    ("limb_darkening", 1.2, "less than or equal to 1"), ("resolving_power", [0, 5e4], "positive"),
    ("resolving_power_factors", [], "at least 1"), ("resolving_power_factors", [1, 0], "greater than 0"),
])  # fmt: skip
def test_a_field_that_cannot_be_meant(field, value, text):
    with pytest.raises(ConfigError, match=text) as caught:
        parse_config({"objective": {field: value}})
    assert f"objective.{field}" in str(caught.value)


def test_no_spectrum_is_sharpened():
    generator = make(resolving_power=50_000.0)
    with pytest.raises(ConfigError, match=r"objective\.resolving_power: 60000 is more than the grid's own 50000"):
        model(generator, [order()], resolving_power=between(4e4, 6e4))
    with pytest.raises(ConfigError, match=r"objective\.resolving_power: 55000 is more"):
        model(generator, [order()], resolving_power=exactly(5e4), resolving_power_factors=(1.1,))
    with pytest.raises(ConfigError, match=r"truth\.resolving_power: 60000 is more than the grid's own 50000"):
        brute(generator, order(), power=60_000.0, own=50_000.0)


def test_factors_are_one_an_order():
    generator, pixels = make(), order()
    spectrum = Spectrum(pixels.wavelength, np.ones(len(pixels)))
    config = ObjectiveConfig(resolving_power=exactly(5e4), resolving_power_factors=(1.0, 1.0))
    with pytest.raises(ConfigError, match="resolving_power_factors: 2 numbers for 1 orders"):
        SpectrumObjective(generator, [spectrum], parameters(generator.space, {}, config), config)
    far = Spectrum(np.linspace(9000, 9010, 100), np.ones(100))
    used = SpectrumObjective(generator, [far, spectrum], parameters(generator.space, {}, config), config)
    assert used.forward.optics.factors.tolist() == [1.0]
