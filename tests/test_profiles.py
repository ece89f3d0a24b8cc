"""Line profiles against scipy's Faddeeva function, quadrature and finite differences."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import erfcx, wofz

from hml import BuildContext, FoundLines, LineProfile

PROFILES = [("pseudo_voigt", {}), ("pseudo_voigt", {"widths": "separate"}), ("voigt", {}), ("asymmetric", {})]
IDS = ["common", "separate", "voigt", "asymmetric"]
SKEW = 0.8

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
REGISTRY = run_path(str(BENCHMARKS / "asymmetric.py"))["with_asymmetric"]()  # which hml does not bring itself


def make(name: str, fields: dict | None = None) -> LineProfile:
    component = REGISTRY.get("profiles", name)
    return component.build(component.config(**(fields or {})), BuildContext())


def evaluate(profile: LineProfile, offset, ln_a, ln_s, ln_g, dtype=torch.float64, skew=SKEW) -> np.ndarray:
    """One line at offsets `[C]`; with `skew` if the profile has one."""
    params = torch.tensor([[ln_a, ln_s, ln_g, skew][: len(profile.params)]], dtype=dtype)
    return profile.evaluate(torch.as_tensor(np.asarray(offset)[None], dtype=dtype), params)[0].numpy()


def true_voigt(offset, sigma, gamma):
    z = (np.asarray(offset) + 1j * gamma) / (sigma * np.sqrt(2))
    return wofz(z).real / (sigma * np.sqrt(2 * np.pi))


def thompson(sigma, gamma):
    g, v = 2 * np.sqrt(2 * np.log(2)) * sigma, 2 * gamma
    f = (g**5 + 2.69269 * g**4 * v + 2.42843 * g**3 * v**2 + 4.47163 * g**2 * v**3 + 0.07842 * g * v**4 + v**5) ** 0.2
    r = v / f
    return f, 1.36603 * r - 0.47719 * r**2 + 0.11116 * r**3


def mixture(x, s, g, eta):
    return eta * g / np.pi / (x**2 + g**2) + (1 - eta) * np.exp(-0.5 * (x / s) ** 2) / s / np.sqrt(2 * np.pi)


widths = st.floats(-11.0, 4.0)


@settings(deadline=None, max_examples=200)
@given(ln_s=widths, ln_g=widths, dtype=st.sampled_from([torch.float64, torch.float32]))
def test_voigt_is_the_faddeeva_function(ln_s: float, ln_g: float, dtype: torch.dtype) -> None:
    sigma, gamma = np.exp(ln_s), np.exp(ln_g)
    offset = np.concatenate([[0.0], np.geomspace(1e-3, 1e4, 400)]) * (sigma + gamma)
    got = evaluate(make("voigt"), offset, 0.0, ln_s, ln_g, dtype)
    peak = true_voigt(0.0, sigma, gamma)
    bound = 1.5e-7 if dtype == torch.float64 else 1e-5
    assert np.abs(got - true_voigt(offset, sigma, gamma)).max() < bound * peak


def test_voigt_error_bound_of_its_docstring_holds_on_the_real_axis() -> None:
    """By the maximum principle the bound on the real axis holds for every damping."""
    from hml.plugins.profiles.voigt import POLES

    x = np.concatenate([np.linspace(0, 20, 20001), np.geomspace(20, 1e6, 2001)])
    poles = [(a - 1j * b, re + 1j * im) for a, b, re, im in POLES]
    approx = sum(c / (x - p) - np.conj(c) / (x + np.conj(p)) for p, c in poles)
    assert np.abs((approx - wofz(x)) * (x + 1j)).max() < 7e-8
    assert all(p.imag < 0 for p, _ in poles)
    assert sum(2 * c.imag for _, c in poles) == pytest.approx(1 / np.sqrt(np.pi), abs=1e-12)


@pytest.mark.parametrize(("name", "fields"), PROFILES, ids=IDS)
@pytest.mark.parametrize(("sigma", "gamma"), [(0.1, 0.05), (0.02, 0.3), (0.5, 0.001), (0.1, 0.1)])
def test_area_is_the_amplitude(name: str, fields: dict, sigma: float, gamma: float) -> None:
    # offset = w·tan(t) carries the whole axis, far wings included, into one period of a smooth function, which the
    # midpoint rule integrates exactly
    t, w = np.pi * ((np.arange(40_000) + 0.5) / 40_000 - 0.5), sigma + gamma
    flux = evaluate(make(name, fields), w * np.tan(t), np.log(0.3), np.log(sigma), np.log(gamma))
    area = np.mean(np.pi * flux * w / np.cos(t) ** 2)
    assert area == pytest.approx(0.3, rel=1e-6)


@settings(deadline=None, max_examples=50)
@given(ln_s=widths, ln_g=widths)
def test_pseudo_voigt_follows_thompson_cox_hastings(ln_s: float, ln_g: float) -> None:
    sigma, gamma = np.exp(ln_s), np.exp(ln_g)
    full, eta = thompson(sigma, gamma)
    x = np.linspace(-6, 6, 101) * full
    got = evaluate(make("pseudo_voigt"), x, np.log(0.2), ln_s, ln_g)
    expected = 0.2 * mixture(x, full / (2 * np.sqrt(2 * np.log(2))), full / 2, eta)
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-14 * expected.max())


@settings(deadline=None, max_examples=50)
@given(ln_s=widths, ln_g=widths)
def test_separate_widths_are_those_of_blase(ln_s: float, ln_g: float) -> None:
    sigma, gamma = np.exp(ln_s), np.exp(ln_g)
    _, eta = thompson(sigma, gamma)
    x = np.linspace(-6, 6, 101) * (sigma + gamma)
    got = evaluate(make("pseudo_voigt", {"widths": "separate"}), x, np.log(0.2), ln_s, ln_g)
    expected = 0.2 * mixture(x, sigma, gamma, eta)
    np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-12 * expected.max())


def test_pseudo_voigt_is_within_its_stated_error_of_a_voigt() -> None:
    x = np.linspace(0, 5, 500)
    for sigma, gamma in [(0.3, 0.05), (0.3, 0.3), (0.1, 0.5)]:
        true = true_voigt(x, sigma, gamma)
        got = evaluate(make("pseudo_voigt"), x, 0.0, np.log(sigma), np.log(gamma))
        assert np.abs(got - true).max() < 0.013 * true.max()


@pytest.mark.parametrize("name", ["pseudo_voigt", "voigt"])
def test_limits_are_gaussian_and_lorentzian(name: str) -> None:
    profile, x = make(name), np.linspace(-2, 2, 201)
    gauss = np.exp(-0.5 * (x / 0.3) ** 2) / 0.3 / np.sqrt(2 * np.pi)
    lorentz = 0.3 / np.pi / (x**2 + 0.09)
    assert np.abs(evaluate(profile, x, 0.0, np.log(0.3), -30.0) - gauss).max() < 1e-5 * gauss.max()
    assert np.abs(evaluate(profile, x, 0.0, -30.0, np.log(0.3)) - lorentz).max() < 1e-5 * lorentz.max()


def test_peak_of_a_voigt() -> None:
    sigma, gamma = 0.2, 0.15
    peak = erfcx(gamma / sigma / np.sqrt(2)) / sigma / np.sqrt(2 * np.pi)
    assert evaluate(make("voigt"), [0.0], 0.0, np.log(sigma), np.log(gamma))[0] == pytest.approx(peak, rel=2e-7)


@pytest.mark.parametrize(("name", "fields"), PROFILES, ids=IDS)
def test_gradients_are_those_of_finite_differences(name: str, fields: dict) -> None:
    profile = make(name, fields)
    generator = torch.Generator().manual_seed(1)
    offset = torch.randn(3, 5, generator=generator, dtype=torch.float64).requires_grad_()
    params = torch.randn(3, len(profile.params), generator=generator, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(profile.evaluate, (offset, params))


@settings(deadline=None, max_examples=100)
@given(
    name=st.sampled_from(PROFILES), dtype=st.sampled_from([torch.float64, torch.float32]),
    ln_s=st.floats(-60, 60), ln_g=st.floats(-60, 60), x=st.floats(-60, 60), skew=st.floats(-60, 60),
)
def test_values_and_gradients_are_finite_everywhere(name, dtype, ln_s: float, ln_g: float, x: float, skew) -> None:
    profile = make(*name)
    offset = torch.tensor([[0.0, x]], dtype=dtype, requires_grad=True)
    params = torch.tensor([[-1.0, ln_s, ln_g, skew][: len(profile.params)]], dtype=dtype, requires_grad=True)
    value = profile.evaluate(offset, params)
    assert torch.isfinite(value).all() and (value >= 0).all()
    for gradient in torch.autograd.grad(value.sum(), (offset, params)):
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize(("name", "fields"), PROFILES, ids=IDS)
def test_a_batch_is_its_members(name: str, fields: dict) -> None:
    profile, generator = make(name, fields), torch.Generator().manual_seed(2)
    offset = torch.randn(2, 4, 7, generator=generator)
    params = torch.randn(2, 4, len(profile.params), generator=generator)
    whole = profile.evaluate(offset, params)
    assert whole.shape == (2, 4, 7)
    assert whole.dtype == torch.float32
    for b in range(2):
        for line in range(4):
            one = profile.evaluate(offset[b, line, None], params[b, line, None])
            torch.testing.assert_close(one[0], whole[b, line])


FOUND = FoundLines(
    centre=np.array([8500.0, 8510.0, 8520.0]), prominence=np.array([0.3, 0.02, 0.05]),
    depth=np.array([0.4, 0.02, 0.01]), fwhm=np.array([0.2, 0.05, 0.4]),
)


@pytest.mark.parametrize(("name", "fields"), PROFILES, ids=IDS)
def test_start_has_the_depth_of_the_line(name: str, fields: dict) -> None:
    profile = make(name, fields)
    params = torch.from_numpy(profile.initial(FOUND))
    peak = profile.evaluate(torch.zeros(3, 1, dtype=torch.float64), params)[:, 0]
    np.testing.assert_allclose(peak, [0.4, 0.02, 0.05], rtol=1e-12)


@pytest.mark.parametrize("name", ["pseudo_voigt", "voigt"])
def test_start_has_the_width_of_the_line(name: str) -> None:
    profile = make(name)
    params = torch.from_numpy(profile.initial(FOUND))
    half = torch.from_numpy(FOUND.fwhm / 2)[:, None]
    ratio = profile.evaluate(half, params) / profile.evaluate(torch.zeros_like(half), params)
    np.testing.assert_allclose(ratio, 0.5, atol=0.01)


def test_start_of_the_paper() -> None:
    got = np.exp(make("pseudo_voigt", {"start": "paper", "widths": "separate"}).initial(FOUND))
    width = FOUND.fwhm / 2.355
    expected = np.stack([0.14 * FOUND.prominence, 1.28 * width / np.sqrt(2), 1.52 * width / np.sqrt(2)], axis=-1)
    np.testing.assert_allclose(got, expected, rtol=1e-12)


# --- asymmetric ----------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=50)
@given(ln_s=widths, ln_g=widths)
def test_without_skew_it_is_the_pseudo_voigt_and_starts_there(ln_s: float, ln_g: float) -> None:
    x = np.linspace(-6, 6, 101) * (np.exp(ln_s) + np.exp(ln_g))
    expected = evaluate(make("pseudo_voigt"), x, -1.0, ln_s, ln_g)
    np.testing.assert_allclose(evaluate(make("asymmetric"), x, -1.0, ln_s, ln_g, skew=0.0), expected, rtol=1e-12)
    start = make("asymmetric").initial(FOUND)
    np.testing.assert_array_equal(start[:, :3], make("pseudo_voigt").initial(FOUND))
    assert (start[:, 3] == 0).all()


@settings(deadline=None, max_examples=50)
@given(ln_s=widths, ln_g=widths, skew=st.floats(-2.9, 2.9))
def test_it_is_the_pseudo_voigt_at_stretched_offsets(ln_s: float, ln_g: float, skew: float) -> None:
    """The forward map from y to x, as its docstring has it, where the code takes the inverse."""
    full, _ = thompson(np.exp(ln_s), np.exp(ln_g))
    y, v, a = np.linspace(-20, 20, 201) * full, full / 2, np.tanh(skew)
    x = y + a * (np.sqrt(y**2 + v**2) - v)
    expected = evaluate(make("pseudo_voigt"), y, -1.0, ln_s, ln_g)
    np.testing.assert_allclose(evaluate(make("asymmetric"), x, -1.0, ln_s, ln_g, skew=skew), expected,
                               rtol=1e-7, atol=1e-9 * expected.max())
    mirrored = evaluate(make("asymmetric"), -x, -1.0, ln_s, ln_g, skew=-skew)
    np.testing.assert_allclose(mirrored, expected, rtol=1e-7, atol=1e-9 * expected.max())


@settings(deadline=None, max_examples=50)
@given(ln_s=widths, ln_g=widths, skew=st.floats(-2.9, 2.9))
def test_an_asymmetric_line_has_one_peak_at_its_centre_and_falls_to_zero(ln_s, ln_g, skew) -> None:
    full, _ = thompson(np.exp(ln_s), np.exp(ln_g))
    x = np.concatenate([[0.0], np.geomspace(1e-2, 1e5, 300)]) * full
    for side in (x, -x):
        line = evaluate(make("asymmetric"), side, 0.0, ln_s, ln_g, skew=skew)
        assert (np.diff(line) <= 1e-12 * line[0]).all() and (line >= 0).all() and line[-1] < 1e-4 * line[0]
    assert line[0] == evaluate(make("pseudo_voigt"), [0.0], 0.0, ln_s, ln_g)[0]
