"""What residuals are weighed by: the generator's own error, outliers, priors, the scale of the noise."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student
from test_likelihood import TRUTH, observed
from toy import NODES, make

from hml import ConfigError, parse_config
from hml.core.config import ObjectiveConfig
from hml.core.infer import infer
from hml.core.likelihood import SpectrumObjective, parameters
from hml.core.noise import FREEDOM, Shared, rooted, spread_of_estimate
from hml.core.observe import Target
from hml.core.parts import Parts

POINT = np.array([TRUTH["teff"], TRUTH["logg"]])


def erring(size=0.01):
    """The toy generator with an error of its own: two patterns, alike everywhere."""
    made = make(complete=True)
    x = np.arange(len(made.wavelength))
    shapes = np.stack([127 * np.sin(x / 90), 127 * np.cos(x / 37)]).astype(np.int8)
    count = len(NODES)
    return made.changed({
        "error_patterns": torch.from_numpy(shapes), "error_nodes": torch.from_numpy(NODES.copy()),
        "error_strengths": torch.tensor([[size / 127, 0.0], [0.0, size / 127]]).repeat(count, 1)[:count],
        "error_axes": torch.zeros(count, dtype=torch.int64),
    })  # fmt: skip


def objective(generator, orders, **fields):
    config = ObjectiveConfig(**{"continuum_degree": 2, "pixel_integration": False, **fields})
    return SpectrumObjective(generator, orders, parameters(generator.space, {}, config), config)


@settings(deadline=None)
@given(seed=st.integers(0, 100), size=st.floats(1e-2, 1e3))
def test_shared_errors_are_made_independent(seed, size):
    patterns = size * torch.from_numpy(np.random.default_rng(seed).normal(size=(30, 3)))
    whiten = Shared.of(patterns)(torch.eye(30, dtype=torch.float64))
    covariance = torch.eye(30, dtype=torch.float64) + patterns @ patterns.T
    torch.testing.assert_close(whiten @ covariance @ whiten.T, torch.eye(30, dtype=torch.float64), atol=1e-8, rtol=0)
    assert Shared.of(torch.zeros(30, 2)) is None


def test_squares_of_rooted_residuals_are_students_t():
    r = torch.linspace(-40, 40, 4001, dtype=torch.float64)
    root, slope = rooted(r)
    expected = -2 * (student.logpdf(r, FREEDOM) - student.logpdf(0, FREEDOM))
    np.testing.assert_allclose(root**2, expected, atol=1e-9)
    np.testing.assert_allclose(slope[1:-1], (root[2:] - root[:-2]) / (r[2:] - r[:-2]), atol=1e-3)
    near = torch.tensor([-2e-4, -1e-5, 0.0, 1e-5, 2e-4], dtype=torch.float64)
    np.testing.assert_allclose(rooted(near)[0], np.sqrt(1.25) * near, rtol=1e-6)


def test_the_models_error_gives_what_generalised_least_squares_do():
    """Brute force: all orders in one matrix, the covariance in full, every continuum coefficient free."""
    generator = erring()
    orders = [observed(generator, low=low, high=high, noise=0.01) for low, high in ((8503, 8515), (8514, 8530))]
    made = objective(generator, orders, continuum_degree=1).with_model_error(POINT)
    errors = generator.errors(POINT).double().numpy()
    assert np.sqrt((errors**2).sum(0)).max() == pytest.approx(0.01, rel=0.3)
    data, columns, patterns, sigma = [], [], [], []
    for i, order in enumerate(orders):
        flux = generator(POINT, torch.as_tensor(order.wavelength))[0].double().numpy()
        x = np.linspace(-1, 1, len(flux))
        mine = flux[:, None] * np.stack([np.ones_like(x), x], -1)
        columns.append(np.concatenate([mine * (j == i) for j in range(2)], -1))
        seen = np.stack([np.interp(order.wavelength, generator.wavelength.numpy(), e) for e in errors])
        level = np.linalg.lstsq(mine / order.error[:, None], order.flux / order.error)[0]
        patterns.append(seen * (np.stack([np.ones_like(x), x], -1) @ level))
        data.append(order.flux)
        sigma.append(order.error)
    data, design = np.concatenate(data), np.concatenate(columns)
    patterns, sigma = np.concatenate(patterns, -1), np.concatenate(sigma)
    root = np.linalg.cholesky(np.diag(sigma**2) + patterns.T @ patterns)
    left, right = np.linalg.solve(root, design), np.linalg.solve(root, data)
    best = right - left @ np.linalg.lstsq(left, right)[0]
    assert made.values(POINT)[0] * made.pixels == pytest.approx((best**2).sum(), rel=1e-3)
    assert made.values(POINT)[0] < objective(generator, orders, continuum_degree=1).values(POINT)[0]


@pytest.mark.parametrize("outliers", ["none", "student_t"])
def test_derivatives_hold_with_all_of_it(outliers):
    generator = erring()
    priors = {"teff": {"mean": 5400.0, "sigma": 30.0}, "rv": {"mean": 0.0, "sigma": 1.0}}
    fields = {"outliers": outliers, "priors": priors, "rv": [-5, 5], "vsini": [0, 20], "resolving_power": [3e4, 9e4]}
    made = objective(generator, [observed(generator, noise=0.01)], **fields)
    point = np.array([5420.0, 4.5, 0.7, 6.0, 5e4])
    made = made.with_model_error(point)
    assert made.shared is not None and len(made.residuals(point)) == made.pixels + 2
    jacobian, (_, gradient) = made.jacobian(point), made.value_and_gradient(point)
    for p, step in enumerate([2.0, 0.01, 0.02, 0.3, 500.0]):
        move = np.eye(5)[p] * step
        change = (made.residuals(point + move) - made.residuals(point - move)) / 2
        np.testing.assert_allclose(jacobian[:, p] * step, change, atol=1e-2 * np.abs(change).max())
        slope = (made.values(point + move)[0] - made.values(point - move)[0]) / 2
        assert gradient[p] * step == pytest.approx(slope, rel=0.03, abs=1e-6)


def test_a_prior_adds_its_information_and_none_of_an_unknown_name():
    generator = make()
    seen = [observed(generator, noise=0.01)]
    plain = objective(generator, seen).covariance(POINT)
    sigma = float(np.sqrt(plain[0, 0]))
    with_prior = objective(generator, seen, priors={"teff": {"mean": 5444.0, "sigma": sigma}}).covariance(POINT)
    expected = np.linalg.inv(np.linalg.inv(plain) + np.diag([sigma**-2, 0]))
    np.testing.assert_allclose(with_prior, expected, rtol=2e-2)
    with pytest.raises(ConfigError, match=r"objective\.priors.*'tef'.*teff, logg"):
        objective(generator, seen, priors={"tef": {"mean": 1, "sigma": 1}})


def test_the_scale_of_the_noise():
    generator = make()
    seen = observed(generator, noise=0.02, step=0.05)
    for factor, inflated in ((0.5, 4.0), (2.0, 1.0)):  # errors half and twice as large as they are
        wrong = [type(seen)(seen.wavelength, seen.flux, seen.error * factor)]
        size = {n: objective(generator, wrong, noise=n).covariance(POINT)[0, 0] for n in ("given", "inflate", "free")}
        assert size["inflate"] == pytest.approx(inflated * size["given"], rel=0.15)
        assert size["free"] == pytest.approx(size["given"] / factor**2, rel=0.15)


def test_the_covariance_of_students_t_holds_for_normal_noise():
    generator, pulls = make(), []
    for seed in range(40):
        made = objective(generator, [observed(generator, noise=0.02, seed=seed, step=0.1)], outliers="student_t")
        jacobian, residuals = made.jacobian(POINT), made.residuals(POINT)
        near = POINT
        for _ in range(4):
            near = near - np.linalg.lstsq(jacobian, residuals)[0]
            jacobian, residuals = made.jacobian(near), made.residuals(near)
        pulls.append((near - POINT) / np.sqrt(np.diag(made.covariance(near))))
    spread = np.sqrt(np.mean(np.square(pulls), axis=0))
    assert ((spread > 0.7) & (spread < 1.3)).all()
    draws = torch.from_numpy(np.random.default_rng(0).standard_normal(100_000))
    assert 1.02 < spread_of_estimate(draws) < 1.2  # a little is lost beside least squares


@pytest.mark.parametrize("outliers, holds", [("none", False), ("clip", True), ("student_t", True)])
def test_outliers_spoil_labels_unless_they_are_told_to_be_there(outliers, holds):
    generator = make()
    seen = observed(generator, noise=0.005)
    flux = seen.flux.copy()
    lines = np.argsort(flux)[: len(flux) // 60]
    flux[lines] *= 1.5  # cosmic rays prefer deep lines
    config = parse_config({
        "grid": {"preprocess": []}, "optimizer": "lm",
        "objective": {"outliers": outliers, "pixel_integration": False},
    })  # fmt: skip
    target = Target([type(seen)(seen.wavelength, flux, seen.error)], "spoilt")
    found = infer(generator, target, Parts.of(config).optimizer, config)
    pulls = [(found.values[name] - value) / found.errors[name] for name, value in TRUTH.items()]
    sane = infer(generator, Target([seen], "sane"), Parts.of(config).optimizer, config)
    far = max(abs(found.values[name] - value) / sane.errors[name] for name, value in TRUTH.items())
    assert (far < 6) is holds
    assert not holds or np.abs(pulls).max() < 4


@pytest.mark.parametrize("tilt", [(1.0,), (1.0, 0.4), (1.0, 0.2, -0.3, 0.1)])
def test_the_continuum_is_of_the_degree_that_the_data_have(tilt):
    generator = make()
    orders = [observed(generator, noise=0.01, low=low, high=low + 15, tilt=tilt) for low in (8503, 8518)]
    config = parse_config({"grid": {"preprocess": []}, "optimizer": "lm", "objective": {"pixel_integration": False}})
    found = infer(generator, Target(orders, "tilted"), Parts.of(config).optimizer, config)
    assert [order.degree for order in found.objective.orders] == [len(tilt) - 1] * 2
    assert all(abs(found.values[name] - value) < 4 * found.errors[name] for name, value in TRUTH.items())
