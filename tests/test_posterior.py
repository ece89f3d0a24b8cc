"""The posterior of a spectrum's parameters: its probability, what is said of it, its files and its picture."""

import io
import json

import numpy as np
import pytest
from astropy.table import QTable, Table
from matplotlib.image import imread
from scipy import integrate
from test_likelihood import objective, observed
from test_pipeline import TINY, tiny
from toy import make

from hml import BuildContext, Posterior, Start, installed
from hml.core import figures, pipeline, posterior
from hml.core.figures.corner import _levels
from hml.core.posterior import Sampled, alike, draw, weighted_quantiles, write_posterior
from hml.core.selection import Selection
from hml.core.spectrum import Spectrum

TRUTH = np.array([5444.0, 4.6])
UNITS = {"teff": "K", "logg": "dex"}


@pytest.fixture(scope="module")
def seen():
    return objective(make(), observed(make(), noise=0.003, seed=5))


@pytest.fixture(scope="module")
def sampled(seen):
    """Draws by emcee around the best fit."""
    return draw(seen, sampler("emcee"), best(seen), np.random.default_rng(0), "emcee")


def sampler(name, **fields):
    component = installed().get("samplers", name)
    return component.build(component.config(**fields), BuildContext())


def best(seen):
    lm = installed().get("optimizers", "lm")
    found = lm.build(lm.config(), BuildContext()).minimize(seen, seen.space, np.random.default_rng(0))
    return Start(found.point, seen.covariance(found.point))


# --- the probability -----------------------------------------------------------------------------------------------


def test_with_errors_it_is_the_gaussian_likelihood(seen):
    points = TRUTH + np.array([[0, 0], [10, 0.02], [-30, -0.1]])
    direct = [-0.5 * sum((((s.flux - m) / s.error) ** 2).sum() for s, m in seen.model(p)) for p in points]
    np.testing.assert_allclose(seen.log_probability(points), direct, rtol=1e-6)


@pytest.mark.parametrize("metric", ["rms", "chi2"])
def test_without_errors_the_noise_is_integrated_over(metric):
    whole = observed(make(), noise=0.01, low=8519.0, high=8520.0)
    bare = Spectrum(whole.wavelength, whole.flux, name="no errors")
    made = objective(make(), bare, metric=metric, continuum_degree=0)
    points = TRUTH + np.array([[0, 0], [120, -0.1]])

    def log_integral(point):
        residual = made.residuals(point)
        count, square = len(residual), (residual**2).sum()
        peak = np.sqrt(square / count)

        def density(log_sigma):  # times 1/σ, times dσ/d ln σ
            sigma = np.exp(log_sigma)
            return np.exp(-count * np.log(sigma / peak) - square / (2 * sigma**2) + count / 2)

        value, _ = integrate.quad(density, np.log(peak) - 3, np.log(peak) + 3, epsabs=0)
        return np.log(value) - count * np.log(peak) - count / 2

    found = np.diff(made.log_probability(points))[0]
    assert found < -1
    assert found == pytest.approx(log_integral(points[1]) - log_integral(points[0]), rel=1e-6)


# --- draws ---------------------------------------------------------------------------------------------------------


def test_laplace_and_posterior_agree_where_the_data_decide(seen, sampled):
    errors = np.sqrt(np.diag(best(seen).covariance))
    assert sampled.posterior.converged and sampled.mixed
    for p, name in enumerate(seen.space.names):
        low, middle, high = sampled.quantiles(name)
        assert sampled.laplace[name] == pytest.approx(errors[p])
        assert sampled.deviation(name) == pytest.approx(errors[p], rel=0.08)
        assert (high - low) / 2 == pytest.approx(0.9945 * errors[p], rel=0.1)
        assert middle == pytest.approx(best(seen).point[p], abs=0.15 * errors[p])
        assert abs(middle - TRUTH[p]) < 4 * errors[p]
    both = np.corrcoef(sampled.posterior.points.T)[0, 1]
    covariance = best(seen).covariance
    assert both == pytest.approx(covariance[0, 1] / errors.prod(), abs=0.1)


def test_both_samplers_agree(seen, sampled):
    nested = draw(seen, sampler("dynesty", live=80, remainder=0.3), best(seen), np.random.default_rng(1), "dynesty")
    for name in seen.space.names:
        scale = sampled.deviation(name)
        np.testing.assert_allclose(nested.quantiles(name), sampled.quantiles(name), atol=0.3 * scale)
    value, error = nested.posterior.evidence
    covariance = best(seen).covariance  # Laplace's approximation of the integral
    peak = seen.log_probability(best(seen).point)[0]
    width = seen.space.upper - seen.space.lower
    expected = peak + 0.5 * np.linalg.slogdet(2 * np.pi * covariance)[1] - np.log(width).sum()
    assert abs(value - expected) < 4 * error + 0.05
    assert nested.effective[0] > 100 and np.isnan(nested.rhat[0])


def test_a_parameter_at_the_edge_of_the_box_has_a_one_sided_posterior():
    made = objective(make(), observed(make(), noise=0.02, seed=2), rv=Selection(lower=0.0, upper=5.0))
    found = draw(made, sampler("emcee"), best(made), np.random.default_rng(0), "emcee")
    low, middle, high = found.quantiles("rv")  # the truth is 0, the lower bound
    assert 0 < low < middle < high < 1
    assert found.column("rv").min() >= 0


# --- what is said --------------------------------------------------------------------------------------------------


def drawn(points, weights=None, chains=None, **more):
    points = np.asarray(points, dtype=float)
    told = {"converged": True, "evaluations": 5, **more}
    found = Posterior(points, np.arange(len(points), dtype=float), weights=weights, chains=chains, **told)
    names = ("teff", "logg", "feh", "rv", "vsini")[: points.shape[1]]
    return Sampled("toy", names, found, *posterior._trust(found), {})


def test_quantiles_and_deviation_of_weighted_draws():
    rng = np.random.default_rng(0)
    wide = rng.normal(3, 4, (20_000, 1))
    weights = np.exp(-0.5 * (wide[:, 0] - 1) ** 2 + 0.5 * ((wide[:, 0] - 3) / 4) ** 2)
    found = drawn(wide, weights / weights.sum())
    np.testing.assert_allclose(found.quantiles("teff"), [1 - 0.9945, 1, 1 + 0.9945], atol=0.05)
    assert found.deviation("teff") == pytest.approx(1, abs=0.03)
    again = alike(found.posterior)[0]
    assert again.shape[0] == 1 and 0.9 * found.effective[0] < again.shape[1] <= found.effective[0]
    assert (again.mean(), again.std()) == pytest.approx((1, 1), abs=0.05)


def test_equal_weights_change_nothing():
    values = np.random.default_rng(1).normal(size=999)
    at = (0.16, 0.5, 0.84)
    np.testing.assert_allclose(weighted_quantiles(values, np.full(999, 1 / 999), at),
                               weighted_quantiles(values, None, at), atol=0.01)


def test_the_notes_say_what_is_wrong():
    rng = np.random.default_rng(0)
    chains = rng.normal(size=(4, 200, 2))
    fine = drawn(chains.reshape(-1, 2), chains=chains)
    (note,) = fine.notes
    assert "median and standard deviation of the posterior (800 draws by toy)" in note
    chains[2, :, 1] += 1.5
    apart = drawn(chains.reshape(-1, 2), chains=chains, converged=False, message="do that")
    assert "has not converged: do that" in apart.notes[1]
    assert "the chains disagree in logg" in apart.notes[2]
    assert apart.facts()["converged"] is False


def test_errors_taken_at_face_value_in_a_poor_fit_are_told():
    seen = objective(make(), observed(make(), noise=0.003, seed=5), noise="given")
    off = Start(TRUTH + np.array([80, 0.0]), None)
    found = draw(seen, sampler("emcee", steps=20), off, np.random.default_rng(0))
    assert found.poor == pytest.approx(seen.values(off.point)[0]) and found.poor > 2
    assert "χ² per pixel is" in found.notes[-1]


# --- files ---------------------------------------------------------------------------------------------------------


def test_the_netcdf_is_what_arviz_reads(sampled, tmp_path):
    arviz = pytest.importorskip("arviz")
    path = write_posterior(sampled, UNITS, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name] == ["posterior.nc"]
    data = arviz.from_netcdf(path)
    chains = sampled.posterior.chains
    for p, name in enumerate(sampled.names):
        np.testing.assert_array_equal(data.posterior[name].values, chains[..., p])
        assert data.posterior[name].attrs["units"] == UNITS[name]
        assert sampled.rhat[p] == pytest.approx(float(arviz.rhat(data)[name]), rel=1e-9)
        assert sampled.effective[p] == pytest.approx(float(arviz.ess(data)[name]), rel=1e-6)
    np.testing.assert_array_equal(data.sample_stats["lp"].values.ravel(), sampled.posterior.log_probability)


def test_the_file_of_a_nested_sampling_tells_the_evidence(tmp_path):
    xarray = pytest.importorskip("xarray")
    found = drawn(np.arange(8).reshape(4, 2), np.array([0.4, 0.3, 0.2, 0.1]), evidence=(-3.5, 0.2), message="x")
    with xarray.open_datatree(write_posterior(found, {}, tmp_path)) as tree:
        assert tree.attrs["ln_evidence"] == -3.5 and tree.attrs["sampler"] == "toy"
        assert tree["posterior"]["teff"].dims == ("chain", "draw")


def test_without_xarray_there_is_a_table(sampled, tmp_path, monkeypatch):
    monkeypatch.setattr(posterior, "find_spec", lambda name: None)
    path = write_posterior(sampled, UNITS, tmp_path)
    assert path.name == "posterior.ecsv"
    table = Table.read(path)
    points = np.stack([table[name] for name in sampled.names], -1)
    np.testing.assert_allclose(points, sampled.posterior.points, rtol=1e-12)
    np.testing.assert_allclose(table["lp"], sampled.posterior.log_probability, rtol=1e-12)
    assert table["chain"].max() == len(sampled.posterior.chains) - 1
    assert table.meta["converged"] == 1 and table["teff"].description == "K"


# --- the picture ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_corner_plot_of_any_number_of_parameters(count):
    points = np.random.default_rng(0).normal(size=(3000, count)) * 10.0 ** np.arange(count)
    image = imread(io.BytesIO(figures.corner(drawn(points), {"teff": 0.5}, dict.fromkeys(drawn(points).names, 0.0))))
    assert min(image.shape[:2]) > 200 * count
    assert len(np.unique(image.reshape(-1, image.shape[-1]), axis=0)) > 20


def test_the_contours_hold_what_they_say():
    x = np.linspace(-5, 5, 401)
    density = np.exp(-0.5 * (x[:, None] ** 2 + x**2))
    low, high = _levels(density)
    assert density[density >= low].sum() / density.sum() == pytest.approx(0.865, abs=0.002)
    assert np.sqrt(-2 * np.log([low, high])) == pytest.approx([2, 1], abs=0.03)


def test_draws_that_hardly_differ_are_still_drawn():
    assert figures.corner(drawn(np.full((50, 2), 3.0))).startswith(b"\x89PNG")


# --- a run ---------------------------------------------------------------------------------------------------------


def test_a_run_with_a_sampler_reports_the_posterior(tmp_path):
    config = tiny(optimizer="lm", sampler={"name": "emcee", "length": 15}, objective={"rv": [-5, 5]},
                  truth={"labels": {"teff": 5310, "logg": 4.2, "feh": -0.2}},
                  grid={**TINY["grid"], "wavelength": [8700, 8712]}, clone={"steps": 10},
                  associate={"rounds": 1, "steps": 3})
    result = pipeline.run(config, output=tmp_path)
    teff, stored = result["teff"], json.loads((tmp_path / "result.json").read_text())
    told = stored["posterior"]["parameters"]["teff"]
    assert (teff.interval[0], teff.value, teff.interval[1]) == tuple(told["quantiles"].values())
    assert teff.interval[0] < teff.value < teff.interval[1]
    assert teff.error == told["deviation"] == pytest.approx(told["laplace"], rel=0.25)
    assert stored["parameters"][0]["interval"] == list(teff.interval)
    assert stored["posterior"]["converged"] and stored["seconds"]["sample"] > 0
    assert any("draws by emcee" in note for note in result.notes)
    assert {"corner.png", "posterior.nc"} <= {p.name for p in tmp_path.iterdir()}
    table = QTable.read(tmp_path / "labels.ecsv")
    assert (table["low"][0], table["high"][0]) == teff.interval
    assert result.config["sampler"]["length"] == 15


def test_draws_without_chains_and_weights_are_enough(tmp_path):
    class Fixed:
        def sample(self, log_probability, space, start, rng, on_step):
            points = start.point + rng.normal(size=(100, 2)) * [5, 0.01]
            on_step(100)
            return Posterior(points, log_probability(points), 100, True)

    made = objective(make(), observed(make(), noise=0.01))
    found = draw(made, Fixed(), Start(TRUTH, None), np.random.default_rng(0), "fixed")
    assert found.effective == (100, 100) and found.laplace == {}
    assert write_posterior(found, UNITS, tmp_path).exists()
