"""Finding and fitting lines whose truth is known."""

import numpy as np
import pytest
import torch

from hml.core.clone import Start, clone_spectrum
from hml.core.config import CloneConfig, FindConfig
from hml.core.errors import ConfigError, GridError
from hml.core.find import find_lines
from hml.core.raster import Raster
from hml.core.render import render
from hml.core.spectrum import Spectrum
from hml.plugins.profiles.pseudo_voigt import PseudoVoigt

PROFILE = PseudoVoigt()
CENTRES = np.array([8502.0, 8503.1, 8503.6, 8505.0, 8507.3])
PARAMS = np.array([[-3.0, -2.8, -3.5], [-4.0, -3.0, -4.0], [-3.6, -2.9, -3.6], [-5.0, -3.1, -4.2], [-2.2, -2.5, -2.8]])


def one_fit(**fields):
    """Of the lines that are there, and nothing else."""
    return CloneConfig(**{"rounds": 0, "continuum": None, **fields})


def made(composition="opacity", step=0.01):
    wavelength = np.arange(8500, 8510, step)
    flux = render(Raster.of(torch.as_tensor(wavelength)), torch.as_tensor(CENTRES)[None], torch.as_tensor(PARAMS)[None],
                  PROFILE, composition, tolerance=1e-12, dtype=torch.float64)
    return Spectrum(wavelength, flux[0].numpy(), name="made")


def test_find_sees_every_line_at_its_pixel_and_its_width():
    found = find_lines(made(), FindConfig())
    np.testing.assert_allclose(found.centre, CENTRES, atol=0.011)
    assert (found.prominence <= found.depth + 1e-9).all()
    wavelength = np.arange(8500, 8510, 0.01)
    gauss = Spectrum(wavelength, 1 - 0.3 * np.exp(-0.5 * ((wavelength - 8505) / 0.1) ** 2))
    assert find_lines(gauss, FindConfig()).fwhm[0] == pytest.approx(0.2355, rel=0.02)


def test_find_respects_edges_prominence_and_orders():
    spectrum = made()
    assert len(find_lines(spectrum, FindConfig(edge=3.05))) == 3
    assert len(find_lines(spectrum, FindConfig(prominence=0.3))) < 5
    cut = Spectrum(spectrum.wavelength, spectrum.flux, starts=(0, 200))  # an order starts on the first line
    assert len(find_lines(cut, FindConfig())) <= 5


SOLVERS = [("opacity", "gauss_newton"), ("sum", "gauss_newton"), ("opacity", "adam"), ("product", "adam"),
           ("sum", "adam")]


@pytest.mark.parametrize(("composition", "solver"), SOLVERS)
def test_a_clone_recovers_the_lines_it_was_made_of(composition, solver):
    spectrum = made(composition)
    found = find_lines(spectrum, FindConfig())
    config = one_fit(composition=composition, solver=solver, steps=300, stop=0)
    clone = clone_spectrum(spectrum, Start.from_found(found, PROFILE), PROFILE, config)
    assert clone.rms < 3e-4
    np.testing.assert_allclose(clone.centre, CENTRES, atol=2e-3)
    np.testing.assert_allclose(clone.params[:, 0], PARAMS[:, 0], atol=0.05)


def test_the_papers_fit_finds_a_radial_velocity_or_centres():
    spectrum = made("product")
    config = one_fit(
        composition="product", centres="free", radial_velocity=True, learning_rate=0.02, window=600, steps=300
    )
    found = find_lines(spectrum, FindConfig())
    clone = clone_spectrum(spectrum, Start.from_found(found, PROFILE), PROFILE, config)
    shifted = clone.centre * (1 + clone.meta["radial_velocity"] / 299_792.458)
    np.testing.assert_allclose(shifted, CENTRES, atol=0.02)


def test_loss_falls_and_is_reported_each_step():
    losses = []
    found = find_lines(made(), FindConfig())
    clone_spectrum(made(), Start.from_found(found, PROFILE), PROFILE, one_fit(steps=30, stop=0),
                   on_step=lambda step, loss: losses.append(loss))
    assert len(losses) == 30
    assert losses[-1] < losses[0] / 10


def test_centres_never_leave_their_width():
    spectrum = made()
    start = Start(CENTRES + 0.3, PARAMS, np.full(5, 0.05))  # bounds too small to reach the truth
    clone = clone_spectrum(spectrum, start, PROFILE, one_fit(steps=50))
    assert (np.abs(clone.centre - start.centre) <= 0.05).all()


def test_an_edge_that_leaves_nothing_says_so():
    with pytest.raises(GridError, match=r"clone\.edge"):
        clone_spectrum(made(), Start(CENTRES, PARAMS, np.ones(5)), PROFILE, one_fit(edge=20))


def test_a_fit_stops_when_it_gets_no_better():
    found = find_lines(made(), FindConfig())
    start = Start.from_found(found, PROFILE)
    configs = [one_fit(steps=2000, stop=stop, solver="adam", schedule="constant") for stop in (0.9, 0.01)]
    short, long = (clone_spectrum(made(), start, PROFILE, config) for config in configs)
    assert short.meta["steps"] < long.meta["steps"] < 2000
    assert long.rms < short.rms


@pytest.mark.parametrize("solver", ["gauss_newton", "adam"])
def test_pixels_that_are_not_fitted_do_not_matter(solver):
    spectrum = made()
    found = find_lines(spectrum, FindConfig(edge=2.5))
    spoilt = Spectrum(spectrum.wavelength, np.where(spectrum.wavelength > 8508.2, 0.3, spectrum.flux))
    config = one_fit(edge=2.0, steps=30, solver=solver)
    clones = [clone_spectrum(s, Start.from_found(found, PROFILE), PROFILE, config) for s in (spectrum, spoilt)]
    np.testing.assert_allclose(clones[0].params, clones[1].params, atol=1e-6)


def test_gauss_newton_follows_the_true_gradient():
    """From any start its first step goes downhill, line by line: the loss falls along it."""
    spectrum = made()
    start = Start.from_found(find_lines(spectrum, FindConfig()), PROFILE)

    def loss_after(rate):
        config = one_fit(steps=1, stop=0, learning_rate=rate, schedule="constant")
        return clone_spectrum(spectrum, start, PROFILE, config).rms ** 2

    fell = [loss_after(1e-9) - loss_after(rate) for rate in (1e-3, 2e-3)]
    assert fell[0] > 0
    assert fell[1] == pytest.approx(2 * fell[0], rel=0.05)  # linear in the length of the step


@pytest.mark.parametrize("edit", [{"composition": "product"}, {"window": 600}, {"radial_velocity": True},
                                  {"centres": "free"}])
def test_what_gauss_newton_cannot_do_is_said_and_auto_does_otherwise(edit):
    spectrum = made()
    start = Start.from_found(find_lines(spectrum, FindConfig()), PROFILE)
    with pytest.raises(ConfigError, match=r"clone\.solver"):
        clone_spectrum(spectrum, start, PROFILE, one_fit(solver="gauss_newton", **edit))
    assert clone_spectrum(spectrum, start, PROFILE, one_fit(steps=2, **edit)).meta["steps"] == 2
