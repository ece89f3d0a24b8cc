"""Flags: each is raised by the fault it names, none by a good fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from toy import make

from hml import BuildContext, Generator, RunConfig, Spectrum, Status, parse_config
from hml.core.infer import Inference, infer
from hml.core.observe import Target
from hml.core.verdict import STRETCH, Flag, coherence, verdict

NOISE = 0.01
TRUTH = {"teff": 5444.0, "logg": 4.6}


def order(generator: Generator, low: float = 8502.0, high: float = 8538.0, seed: int = 0, labels=TRUTH) -> Spectrum:
    """A noisy spectrum of these labels, 0.02 Å pixels."""
    wavelength = np.arange(low, high, 0.02)
    flux = generator(labels, torch.as_tensor(wavelength), dtype=torch.float64)[0].numpy()
    noisy = flux + NOISE * np.random.default_rng(seed).standard_normal(len(flux))
    return Spectrum(wavelength, noisy, np.full(len(flux), NOISE))


def fitted(generator: Generator, orders: list[Spectrum], **raw) -> tuple[Inference, Target, RunConfig]:
    config = parse_config({"optimizer": {"name": "lm", "n_initial": 20, "n_starts": 1}, **raw})
    target = Target(orders, "made up")
    return infer(generator, target, config.optimizer.build(BuildContext()), config), target, config


def flags(generator: Generator, orders: list[Spectrum], **raw) -> dict[str, str]:
    found, target, _ = fitted(generator, orders, **raw)
    told = verdict(found, target, generator.space)
    assert all("\n" not in flag.line for flag in told)
    return dict(told)


@pytest.fixture(scope="module")
def generator() -> Generator:
    return make()


def test_a_good_fit_has_none(generator: Generator) -> None:
    for outliers in ("none", "clip", "student_t"):
        assert flags(generator, [order(generator)], objective={"outliers": outliers}) == {}


def test_the_end_of_the_grid_the_box_and_a_range_are_told_apart(generator: Generator) -> None:
    edge = order(generator, labels={"teff": 5444.0, "logg": 4.75})
    brighter = replace(edge, flux=edge.flux - 0.3 * (1 - edge.flux))  # every line stronger than any model has it
    told = flags(generator, [brighter])
    assert any(word.startswith("at_bound:") and "bound of the grid" in line for word, line in told.items())
    told = flags(generator, [order(generator)], box={"teff": [5000, 5300]})
    assert "at the upper bound of box.teff, 5300 K" in told["at_bound:teff"]
    told = flags(generator, [order(generator)], objective={"rv": [5, 20]})
    assert "at the lower bound of objective.rv, 5 km/s" in told["at_bound:rv"]


def test_no_rotation_is_nothing_wrong(generator: Generator) -> None:
    told = flags(generator, [order(generator)], objective={"vsini": [0, 20], "pixel_integration": False})
    assert not any(word.endswith("vsini") for word in told)


@pytest.mark.parametrize("outliers", ["none", "student_t"])
def test_errors_that_are_too_small(generator: Generator, outliers: str) -> None:
    seen = order(generator)
    small = replace(seen, error=seen.error / 2)
    told = flags(generator, [small], objective={"outliers": outliers})
    assert set(told) == {"poor_fit"}
    assert "χ² per pixel is 4" in told["poor_fit"] or "χ² per pixel is 3.9" in told["poor_fit"]


def test_a_few_bad_pixels_are_no_poor_fit_where_they_are_expected(generator: Generator) -> None:
    seen = order(generator)
    hit = replace(seen, flux=seen.flux + np.where(np.arange(len(seen)) % 100 == 0, 50 * NOISE, 0))
    assert "poor_fit" in flags(generator, [hit])
    for outliers in ("clip", "student_t"):
        assert "poor_fit" not in flags(generator, [hit], objective={"outliers": outliers})


def test_a_trend_that_the_continuum_cannot_follow(generator: Generator) -> None:
    seen = order(generator)
    waves = replace(seen, flux=seen.flux + NOISE * np.sin(seen.wavelength / 2.0))
    told = flags(generator, [waves])
    assert "coherent_residuals" in told
    assert "poor_fit" not in told  # such waves hardly show in χ²
    assert flags(generator, [waves], objective={"continuum_degree": 15}) == {}


@pytest.mark.parametrize(("pixels", "expected"), [("independent", 1.0), ("alike", float(STRETCH))])
def test_coherence_is_what_it_says(pixels: str, expected: float) -> None:
    rng = np.random.default_rng(0)
    sign = rng.choice([-1.0, 1.0], 400)
    missed = rng.standard_normal(400 * STRETCH) if pixels == "independent" else np.repeat(sign, STRETCH)
    assert coherence([missed[: 7 * STRETCH], missed[7 * STRETCH :]]) == pytest.approx(expected, rel=0.2)
    assert coherence([missed[:STRETCH]]) == 1.0  # too few to tell
    missed[777] = 1e6
    assert coherence([missed]) == pytest.approx(expected, rel=0.2)  # one pixel is no trend


def test_little_of_the_spectrum_is_of_use(generator: Generator) -> None:
    beyond = Spectrum(np.arange(8600, 8700, 0.02), np.ones(5000), np.full(5000, NOISE))
    told = flags(generator, [order(generator), beyond, beyond, beyond])
    assert set(told) == {"little_overlap"}
    assert "1,800 of 16,800 pixels in 1 of 4 orders" in told["little_overlap"]
    few = flags(generator, [order(generator, 8515, 8520)])
    assert set(few) == {"few_pixels"}


def test_a_search_that_did_not_end_well(generator: Generator) -> None:
    found, target, _ = fitted(generator, [order(generator)])
    rival = {"teff": 5100.0, "logg": 4.1}
    search = replace(found.search, status=Status.MULTIMODAL, meta={"rivals": [rival]})
    (flag,) = verdict(replace(found, search=search), target, generator.space)
    assert flag.word == "multimodal"
    assert "teff 5100, logg 4.1" in flag.line
    stopped = replace(found, search=replace(found.search, status=Status.BUDGET), covariance=None)
    assert [flag.word for flag in verdict(stopped, target, generator.space)] == ["not_converged", "undetermined"]
    assert Flag._fields == ("word", "line")
