"""Samplers against distributions whose moments, bounds and integrals are known."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hml import Axis, BuildContext, PluginError, Space, SpectrumError, Start, installed, parse_config
from hml.core.parts import Parts

QUICK = {"emcee": {}, "dynesty": {"live": 60, "remainder": 0.5}}
BOTH = sorted(QUICK)


def box(*widths):
    """Axes of very different units, each `width` standard deviations (of 1) to either side of 0."""
    return Space(tuple(Axis(f"p{i}", -width, width) for i, width in enumerate(widths)))


def sampler(name, **fields):
    component = installed().get("samplers", name)
    return component.build(component.config(**{**QUICK[name], **fields}), BuildContext())


class Normal:
    """ln of a normal density `[B]` at `[B, P]`, as a likelihood would give it: without its constant. Remembers every
    point it was asked for."""

    def __init__(self, mean, covariance):
        self.mean, self.covariance = np.asarray(mean, float), np.asarray(covariance, float)
        self.inverse, self.asked = np.linalg.inv(self.covariance), []

    def __call__(self, points):
        self.asked.append(np.array(points))
        off = points - self.mean
        return -0.5 * np.einsum("bi,ij,bj->b", off, self.inverse, off)

    @property
    def start(self):
        return Start(self.mean, self.covariance)


def draw(name, probability, space, seed=0, start=None, on_step=lambda n: None, **fields):
    start = start or probability.start
    return sampler(name, **fields).sample(probability, space, start, np.random.default_rng(seed), on_step)


def moments(found):
    mean = np.average(found.points, axis=0, weights=found.weights)
    return mean, np.atleast_2d(np.cov(found.points.T, aweights=found.weights, ddof=0))


def effective(found):
    """Independent draws, at least: by the sampler's own autocorrelation time, or by the weights."""
    if found.weights is not None:
        return 1 / (found.weights**2).sum()
    steps = found.chains.shape[0] * found.diagnostics["steps"]
    return steps / found.diagnostics["autocorrelation_time"] * 0.8


MIXING = np.random.default_rng(3).normal(size=(5, 5))
CORRELATED = MIXING @ MIXING.T / 5


@pytest.mark.parametrize(("name", "covariance", "fields"), [
    ("emcee", CORRELATED, {}), ("emcee", [[1.0, 0.9], [0.9, 1.0]], {}), ("emcee", [[4.0]], {}),
    ("dynesty", [[1.0, 0.9], [0.9, 1.0]], {"live": 200}),
    ("dynesty", [[1.0, -0.5], [-0.5, 1.0]], {"mode": "dynamic", "live": 60, "effective": 800}),
])
def test_mean_and_covariance_of_a_normal_distribution(name, covariance, fields):
    target = Normal(np.linspace(-0.5, 0.5, len(covariance)), covariance)
    space = box(*(12 * np.sqrt(np.diag(target.covariance))))
    found = draw(name, target, space, **fields)
    assert found.converged and found.message == ""
    mean, spread = moments(found)
    error, size = np.sqrt(np.diag(target.covariance)), effective(found)
    assert size > 500
    assert (np.abs(mean - target.mean) < 5 * error / np.sqrt(size)).all()
    assert (np.abs(spread - target.covariance) < 5 * np.outer(error, error) * np.sqrt(2 / size)).all()
    np.testing.assert_allclose(found.log_probability, target(found.points), atol=1e-9)
    assert found.evaluations == sum(map(len, target.asked[:-1]))


@pytest.mark.parametrize("name", BOTH)
def test_a_distribution_cut_by_the_box(name):
    target = Normal([-0.7, 0.0], np.eye(2))
    space = Space((Axis("cut", -0.2, 9.0), Axis("whole", -9.0, 9.0)))
    more = {"live": 200} if name == "dynesty" else {}
    found = draw(name, target, space, start=Start(np.array([-0.2, 0.0]), np.eye(2)), **more)
    cut = stats.truncnorm(0.5, 9.7, loc=-0.7)
    mean, spread = moments(found)
    size = effective(found)
    assert abs(mean[0] - cut.mean()) < 5 * cut.std() / np.sqrt(size)
    assert np.sqrt(spread[0, 0]) == pytest.approx(cut.std(), rel=6 * np.sqrt(0.5 / size))
    assert found.points[:, 0].min() >= -0.2 and found.points[:, 0].min() < -0.15


@pytest.mark.parametrize("mode", ["static", "dynamic"])
def test_two_maxima_and_the_evidence_are_found_by_nested_sampling(mode):
    parts = stats.norm(-4, 0.5), stats.norm(3, 0.25)

    def two(points):
        inside = stats.norm(0, 0.5).logpdf(points[:, 1])
        return np.logaddexp(np.log(0.7) + parts[0].logpdf(points[:, 0]), np.log(0.3) + parts[1].logpdf(points[:, 0])) \
            + inside

    space = Space((Axis("x", -8.0, 8.0), Axis("y", -4.0, 4.0)))
    found = draw("dynesty", two, space, start=Start(np.array([-4.0, 0.0]), np.eye(2)), live=250, mode=mode,
                 remainder=0.05, effective=1000)
    value, error = found.evidence
    assert 0.02 < error < 0.4
    assert abs(value - -np.log(16 * 8)) < 4 * error
    share = found.weights[found.points[:, 0] < 0].sum()
    assert share == pytest.approx(0.7, abs=0.15)
    assert found.weights.sum() == pytest.approx(1)


def test_batches_of_nested_sampling_leave_the_evidence_unbiased():
    target, space = Normal([0.3, -0.2], np.eye(2)), box(10, 10)
    found = [draw("dynesty", target, space, seed=seed, live=50).evidence for seed in range(8)]
    off = [value - (np.log(2 * np.pi) - np.log(400)) for value, _ in found]
    assert abs(np.mean(off)) < 4 * np.mean([error for _, error in found]) / np.sqrt(8)


@pytest.mark.parametrize("factor", [0.02, 0.3, 3.0, None])
def test_walkers_do_not_depend_on_a_good_covariance(factor):
    target = Normal([0.0, 0.0, 0.0], np.diag([1.0, 0.5, 2.0]))
    start = Start(np.array([0.5, 0.2, 0.0]), None if factor is None else factor**2 * target.covariance)
    found = draw("emcee", target, box(15, 15, 15), start=start)
    assert found.converged
    mean, spread = moments(found)
    size, error = effective(found), np.sqrt(np.diag(target.covariance))
    assert (np.abs(mean) < 5 * error / np.sqrt(size)).all()
    np.testing.assert_allclose(np.sqrt(np.diag(spread)) / error, 1, atol=5 * np.sqrt(0.5 / size))


def test_leaps_by_a_good_covariance_spare_most_of_the_work():
    target = Normal(np.zeros(5), CORRELATED)
    good = draw("emcee", target, box(*[20] * 5)).diagnostics["autocorrelation_time"]
    poor = draw("emcee", target, box(*[20] * 5), start=Start(np.zeros(5), None)).diagnostics["autocorrelation_time"]
    assert good < 6 and poor > 2 * good


@pytest.mark.parametrize("name", BOTH)
def test_the_seed_decides(name):
    target = Normal([0.0, 0.0], np.eye(2))
    state = np.random.get_state()[1].copy()
    first, again, other = (draw(name, target, box(9, 9), seed=seed) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first.points, again.points)
    assert first.points.shape != other.points.shape or (first.points != other.points).any()
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # nobody else's randomness is touched


@settings(max_examples=12, deadline=None)
@given(name=st.sampled_from(BOTH), centre=st.tuples(*[st.floats(-1.4, 1.4)] * 2), width=st.floats(0.05, 5))
def test_points_never_leave_the_box(name, centre, width):
    target = Normal(centre, width**2 * np.eye(2))
    space = Space((Axis("p", -1.0, 1.0), Axis("q", -1.0, 1.0)))
    start = Start(np.clip(target.mean, -1, 1), target.covariance)
    few = {"steps": 100} if name == "emcee" else {"live": 25}
    found = draw(name, target, space, start=start, **few)
    asked = np.concatenate(target.asked)
    assert (np.abs(asked) <= 1).all() and (np.abs(found.points) <= 1).all()
    assert len(found.points) > 10 and np.isfinite(found.log_probability).all()


@pytest.mark.parametrize("nothing", [np.nan, -np.inf])
@pytest.mark.parametrize("name", BOTH)
def test_where_there_is_no_probability_nothing_is_drawn(name, nothing):
    target = Normal([0.0, 0.0], np.eye(2))

    def half(points):
        return np.where(points[:, 0] > 0, target(points), nothing)

    found = draw(name, half, box(8, 8), start=Start(np.array([0.1, 0.0]), np.eye(2)))
    assert found.points[:, 0].min() > 0
    mean, _ = moments(found)
    assert mean[0] == pytest.approx(np.sqrt(2 / np.pi), abs=5 * 0.6 / np.sqrt(effective(found)))
    with pytest.raises(SpectrumError, match="no point of the search box has a finite probability"):
        draw(name, lambda points: np.full(len(points), nothing), box(8, 8), start=target.start)


def test_a_probability_that_is_flat_is_sampled_flat():
    found = draw("emcee", lambda points: np.zeros(len(points)), box(1, 2), start=Start(np.zeros(2), None))
    assert found.converged
    size = effective(found)
    np.testing.assert_allclose(found.points.std(0), np.array([2, 4]) / np.sqrt(12), rtol=6 / np.sqrt(size))


def test_a_budget_that_does_not_suffice_is_told():
    target = Normal(np.zeros(5), CORRELATED)
    found = draw("emcee", target, box(*[20] * 5), start=Start(np.zeros(5), None), steps=120)
    assert not found.converged
    assert "120 steps" in found.message and "sampler.steps" in found.message
    assert found.diagnostics["steps"] == 120 and len(found.points) > 0
    found = draw("dynesty", target, box(*[20] * 5), max_evaluations=1500)
    assert not found.converged and "sampler.max_evaluations" in found.message
    assert found.evaluations < 2000


@pytest.mark.parametrize("name", BOTH)
def test_fixed_parameters_stay_and_steps_are_reported(name):
    target = Normal([0.0, 0.5, 0.0], np.eye(3))
    space = Space((Axis("a", -8, 8), Axis("b", 0.7, 0.7), Axis("c", -8, 8)))
    steps = []
    found = draw(name, target, space, start=Start(np.array([0.0, 0.7, 0.0]), np.eye(3)), on_step=steps.append)
    assert (found.points[:, 1] == 0.7).all() and found.points[:, 0].std() > 0.8
    assert steps == sorted(steps) and steps[-1] == found.evaluations
    nothing = Space(tuple(Axis(n, 0.5, 0.5) for n in "abc"))
    only = draw(name, target, nothing)
    assert only.points.tolist() == [[0.5, 0.5, 0.5]] and only.converged


def test_few_walkers_become_enough_for_the_parameters():
    found = draw("emcee", Normal(np.zeros(5), np.eye(5)), box(*[9] * 5), walkers=4, steps=60)
    assert len(found.chains) == 12
    assert len(draw("emcee", Normal([0.0], [[1.0]]), box(9), walkers=7, steps=60).chains) == 8


@pytest.mark.parametrize("name", BOTH)
def test_a_sampler_that_is_not_installed_is_told_before_any_work(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(PluginError) as error:
        Parts.of(parse_config({"sampler": name}))
    assert str(error.value) == f"sampler: {name} is not installed; pip install 'hml[{name}]'"


def test_the_slot_is_empty_by_default_and_traits_tell_who_knows_the_evidence():
    assert parse_config({}).sampler is None
    assert parse_config({"sampler": {"steps": 200}}).sampler.name == "emcee"
    assert {e.component.name for e in installed().family("samplers") if e.component.traits["evidence"]} >= {"dynesty"}
