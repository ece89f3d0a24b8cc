"""Grids too coarse to have lines: told at once, and interpolated as they are."""

import json

import numpy as np
import pytest
import torch
from ragged_grid import Coarse
from ragged_home import _installed, places
from typer.testing import CliRunner

from hml import BuildContext, ConfigError, Generator, Spectrum, Table, parse_config
from hml.cli import app
from hml.core import pipeline
from hml.core.compat import check_config, check_sharpness
from hml.core.export import write_spectrum
from hml.core.parts import Parts
from hml.core.residual import affordable, patterns, rms_left

__all__ = ["_installed", "places"]  # fixtures

COARSE = {
    "grid": {"name": "coarse", "lost": 0}, "generator": {"lines": False}, "interpolator": {"name": "cubic"},
    "optimizer": {"name": "lm", "n_initial": 30, "n_starts": 2}, "runtime": {"workers": 1, "device": "cpu"},
}  # fmt: skip
WITH_HOLES = {**COARSE, "grid": {"name": "coarse", "lost": 12}, "interpolator": {"name": "scattered", "power": 5}}
INSIDE = np.array([[1234.0, 4.9, 3.3], [850.0, 5.3, 1.4], [1600.0, 4.6, 6.5]])


def pixels_of(config, labels):
    """The nodes' own pixels through the interpolator of a config, each as if it were a line's parameter."""
    parts = Parts.of(config)
    flux = np.stack([parts.prepared(node).flux for node in parts.grid.nodes()])
    generator = pipeline.build(config)
    table = Table(generator.space, np.array(parts.grid.nodes()), flux[..., None], coordinates=coordinates_of(generator))
    with torch.no_grad():
        return config.interpolator.build(BuildContext()).fit(table)(torch.as_tensor(labels))[..., 0].numpy()


def coordinates_of(generator):
    axes = generator.manifold.header()
    told = axes.get("axes") or axes["labels"]
    return {label["name"]: label["coordinate"] for label in told}


@pytest.mark.parametrize("raw", [COARSE, WITH_HOLES])
def test_it_is_the_interpolation_of_pixels_by_the_same_interpolator(raw):
    config = parse_config(raw)
    made, expected = pipeline.build(config), pixels_of(config, INSIDE)
    with torch.no_grad():
        np.testing.assert_allclose(made(INSIDE), expected, atol=1e-5)
        nodes = np.array(made.header["nodes"])[::7]
        grid = np.stack([Parts.of(config).prepared(tuple(node)).flux for node in nodes.tolist()])
        np.testing.assert_allclose(made(nodes), grid, atol=1e-5)
    assert len(made) == 0 and max(made.header["clone_rms"]) < 1e-5
    truth = Coarse(config.grid.config).truth({"teff": 1234, "logg": 4.9, "f_sed": 3.3})
    absolute = made.spectrum({"teff": 1234, "logg": 4.9, "f_sed": 3.3}, absolute=True)
    assert np.abs(absolute.flux / truth.flux - 1).max() < 0.02 and absolute.unit == truth.unit


def test_its_file_is_all_that_is_needed(tmp_path):
    made = pipeline.build(parse_config(COARSE))
    made.save(tmp_path / "coarse.hml")
    again = Generator.load(tmp_path / "coarse.hml")
    part = again.window_on(12000, 13000)
    with torch.no_grad():
        assert torch.equal(again(INSIDE), made(INSIDE))
        here = torch.isin(made.wavelength, part.wavelength)
        torch.testing.assert_close(part(INSIDE), made(INSIDE)[:, here], atol=1e-6, rtol=0)
        velocity = torch.full((3,), 1000.0, dtype=torch.float64)
        moved = made(INSIDE, made.wavelength[20:-20], velocity)
        factor = np.sqrt((1 + 1000 / 299792.458) / (1 - 1000 / 299792.458))
        still = made(INSIDE, made.wavelength[20:-20] / factor)
        torch.testing.assert_close(moved, still, atol=1e-5, rtol=0)


def test_gradients_are_those_of_differences():
    made = pipeline.build(parse_config(WITH_HOLES))
    labels = torch.tensor(INSIDE[:1], requires_grad=True)
    weight = torch.randn(len(made.wavelength), generator=torch.Generator().manual_seed(0))
    (slope,) = torch.autograd.grad((made(labels)[0] * weight).sum(), labels)
    for p, step in enumerate((5.0, 0.02, 0.05)):
        move = torch.zeros(1, 3, dtype=torch.float64)
        move[0, p] = step
        with torch.no_grad():
            told = (made(labels + move) - made(labels - move))[0].double() @ weight.double() / (2 * step)
        assert float(slope[0, p]) == pytest.approx(float(told), rel=2e-2, abs=1e-4)


@pytest.mark.parametrize("raw", [COARSE, WITH_HOLES])
def test_a_star_is_measured_with_it(raw, tmp_path):
    truth = {"teff": 1180.0, "logg": 5.2, "f_sed": 2.7}
    config = parse_config({**raw, "truth": {"labels": truth, "snr": 200}})
    result = pipeline.run(config, output=tmp_path / "run")
    assert abs(result["teff"].value - 1180) < 40 and abs(result["f_sed"].value - 2.7) < 0.5
    assert result["teff"].error > 0 and result.counts["tracks"] == 0
    assert "few_pixels" not in result.flags
    files = {path.name for path in (tmp_path / "run").iterdir()}
    assert "report.html" in files and "lines.png" not in files
    grid = Coarse(config.grid.config)
    star = grid.truth(truth)
    write_spectrum(Spectrum(star.wavelength, star.flux, 0.01 * star.flux), tmp_path / "star.ecsv")
    told = pipeline.run(parse_config({**raw, "spectrum": {"path": str(tmp_path / "star.ecsv")}}), output=tmp_path / "s")
    assert abs(told["teff"].value - 1180) < 40


def test_commands_know_that_there_are_no_lines(tmp_path):
    runner, where = CliRunner(), ["--config", str(tmp_path / "coarse.yaml")]
    (tmp_path / "coarse.yaml").write_text(json.dumps(COARSE))
    built = runner.invoke(app, ["build", *where, "--json"])
    assert json.loads(built.stdout)["tracks"] == 0
    assert runner.invoke(app, ["grid", "check", *where]).exit_code == 0
    labels = ["--labels", "teff=1000,logg=5,f_sed=2"]
    assert runner.invoke(app, ["reconstruct", *where, *labels, "--output", str(tmp_path / "x.ecsv")]).exit_code == 0
    for command in (["lines"], ["clone"], ["plot", "all", "--output", str(tmp_path / "pictures")]):
        told = runner.invoke(app, [*command, *where])
        assert isinstance(told.exception, ConfigError) and "generator.lines: false" in str(told.exception)


def test_coarse_pixels_are_told_before_any_work_with_figures_and_a_way_on():
    with pytest.raises(ConfigError, match=r"pixels of 20 Å at 139.. Å its λ/Δλ is 300, and lines need 1000, pixels of "
                                          r"7 Å; set generator\.lines=false"):  # fmt: skip
        pipeline.build(parse_config({**COARSE, "generator": {}}))
    fine = Spectrum(np.arange(8000.0, 8100, 1.0), np.ones(100))
    check_sharpness(parse_config({}), fine, None)
    with pytest.raises(ConfigError, match=r"λ/Δλ is 600"):
        check_sharpness(parse_config({}), fine, 600.0)
    check_sharpness(parse_config({"generator": {"lines": False}}), fine, 600.0)


def test_what_cannot_be_without_lines_is_refused():
    for more in ({"generator": {"lines": False, "residual": 0}}, {"associate": {"method": "paper"}}):
        with pytest.raises(ConfigError, match=r"generator\.lines: false"):
            check_config(parse_config({"generator": {"lines": False}, **more}))


def test_patterns_in_float32_are_exact_and_a_part_of_them_keeps_to_its_bytes():
    rng = np.random.default_rng(0)
    missed = rng.standard_normal((30, 200)).astype(np.float32)
    every = patterns(missed, affordable(missed, 1.0, np.float32), np.float32)
    np.testing.assert_allclose(every[1] @ every[0], missed, atol=1e-5)
    assert max(rms_left(missed, *every)) < 1e-5
    some = patterns(missed, affordable(missed, 0.4, np.float32), np.float32)
    assert some[0].nbytes + some[1].nbytes <= 0.4 * missed.nbytes
    left = np.sqrt(((missed - some[1] @ some[0]) ** 2).mean(1))
    np.testing.assert_allclose(rms_left(missed, *some), left, rtol=1e-5)
    assert left.min() > 0.1
