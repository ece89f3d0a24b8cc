"""The benchmark of the engine works at its small size, and its reference is what it says it is."""

import json
import math
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from hml import BuildContext, Spectrum, installed
from hml.core.config import FindConfig
from hml.core.find import find_lines

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
FIGURES = ("clone", "reconstruct", "gradient", "lookup", "batch", "window", "stored", "complete", "gp")
PART_OF_WHOLE = ("gradient", "window", "complete")  # ratio: value/reference; of the others reference/value


@pytest.fixture
def bench(monkeypatch):
    """Modules of the benchmark by name."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return import_module


# --- the command ---------------------------------------------------------------------------------------------------


def test_small_size_gives_every_figure():
    command = [sys.executable, str(BENCHMARKS / "engine.py"), "--size", "small", "--json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["size"] == "small"
    assert {"cores", "threads", "torch", "numba", "load"} <= set(found["machine"])
    assert tuple(found["figures"]) == FIGURES
    for name, row in found["figures"].items():
        value, reference = (row[key] for key in ("value", "reference"))
        assert value > 0 and reference > 0, name
        expected = value / reference if name in PART_OF_WHOLE else reference / value
        assert math.isclose(row["ratio"], expected, rel_tol=1e-9), name
        assert row["unit"] == ("B" if name == "stored" else "s")
        assert row["target"] == "; ".join(row["goals"]) and row["met"] == all(row["goals"].values()), name
    check_sanity(found)


def check_sanity(found):
    clone, stored = found["figures"]["clone"], found["figures"]["stored"]
    assert 20 < clone["hml_lines"] < 200 and abs(clone["hml_lines"] - clone["paper_lines"]) < 10
    assert clone["hml_rms"] < 0.03 and abs(clone["hml_rms"] - clone["hml_rms_uncut"]) < 1e-3
    assert clone["ratio_6000"] > 0
    assert stored["lines_a_node"] < stored["tracks"] == 80  # some lines are missing from some nodes
    assert stored["value"] > 24 * 70 * 4 * 2  # no less than two bytes a parameter
    assert found["accuracy"]["cut"]["rms"] < 3e-4 and found["accuracy"]["stored"]["rms"] < 3e-4
    what = [row["what"].split(",")[0] for row in found["reference"]]
    assert what == ["epoch", "epoch", "render", "one scipy look-up"]
    assert all(row["ratio_scaled"] > 0 and row["remark"] for row in found["reference"])


@pytest.mark.parametrize(("options", "said"), [
    (["--only", "clone,speed"], "speed: expected some of clone, reconstruct"),
    (["--set", "clone.stepz=3"], "unknown field 'stepz'"),
])
def test_what_does_not_exist_is_refused_at_once(bench, capsys, options, said):
    with pytest.raises(SystemExit) as end:
        bench("engine").main(options)
    assert end.value.code == 2 and said in capsys.readouterr().err


# --- the reference -------------------------------------------------------------------------------------------------


def some_lines(bench, count=12):
    """Lines on 600 pixels of 0.02 Å, some near the ends."""
    rng = np.random.default_rng(3)
    wavelength = 8600 + 0.02 * np.arange(600)
    centre = np.sort(rng.uniform(wavelength[0], wavelength[-1], count))
    params = rng.uniform([-4, -3.5, -4], [-2.5, -2.5, -3], (count, 3))
    return wavelength, bench("paper_recipe").PaperLines(centre, params)


def product_of_lines(wavelength, lines):
    """Π (1 - a·V), the way it is written in the paper, line after line."""
    flux = np.ones_like(wavelength)
    for centre, (ln_a, ln_sigma, ln_gamma) in zip(lines.centre, lines.params, strict=True):
        a, sigma, gamma = np.exp([ln_a, ln_sigma, ln_gamma])
        g, v = 2 * np.sqrt(2 * np.log(2)) * sigma, 2 * gamma
        powers = [1, 2.69269, 2.42843, 4.47163, 0.07842, 1]
        f = sum(c * g ** (5 - i) * v**i for i, c in enumerate(powers)) ** 0.2
        eta = 1.36603 * (v / f) - 0.47719 * (v / f) ** 2 + 0.11116 * (v / f) ** 3
        lorentz = gamma / np.pi / ((wavelength - centre) ** 2 + gamma**2)
        gauss = np.exp(-((wavelength - centre) ** 2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))
        flux *= 1 - np.minimum(a * (eta * lorentz + (1 - eta) * gauss), 0.999999999)
    return flux


def test_paper_model_is_the_product_of_its_lines(bench):
    wavelength, lines = some_lines(bench)
    flux = bench("paper_recipe").render(wavelength, lines, window=600)
    np.testing.assert_allclose(flux, product_of_lines(wavelength, lines), rtol=1e-11)


def test_paper_window_cuts_what_is_outside(bench):
    wavelength, lines = some_lines(bench, count=1)
    whole, cut = (bench("paper_recipe").render(wavelength, lines, window) for window in (600, 100))
    inside = np.abs(np.arange(600) - np.searchsorted(wavelength, lines.centre[0])) < 49
    np.testing.assert_allclose(cut[inside], whole[inside], rtol=1e-12)
    outside = np.abs(np.arange(600) - np.searchsorted(wavelength, lines.centre[0])) > 101  # shifted inwards at the ends
    assert (cut[outside] == 1).all() and (whole[outside] < 1).all()


def test_paper_clone_comes_back_to_its_lines(bench):
    wavelength, lines = some_lines(bench)
    recipe = bench("paper_recipe")
    flux = product_of_lines(wavelength, lines)
    off = recipe.PaperLines(lines.centre, lines.params + 0.3)
    before = np.sqrt(np.mean((recipe.render(wavelength, off, 600) - flux) ** 2))
    fit = recipe.clone(wavelength, flux, off, window=600, epochs=60, edge=0.0)
    assert len(fit.epochs) == 60 and fit.rms < 0.2 * before


def test_paper_finds_and_starts_as_hml_does_with_the_paper_s_settings(bench):
    wavelength, lines = some_lines(bench)
    flux = product_of_lines(wavelength, lines)
    ours = find_lines(Spectrum(wavelength, flux), FindConfig(edge=1.0))
    component = installed().get("profiles", "pseudo_voigt")
    profile = component.build(component.config(widths="separate", start="paper"), BuildContext())
    theirs = bench("paper_recipe").find(wavelength, flux, edge=1.0)
    assert len(theirs) > 4
    np.testing.assert_array_equal(theirs.centre, ours.centre)
    np.testing.assert_allclose(theirs.params, profile.initial(ours), atol=1e-4)


def test_uncut_rendering_is_the_product_too(bench):
    wavelength, lines = some_lines(bench)
    component = installed().get("profiles", "pseudo_voigt")
    profile = component.build(component.config(widths="separate"), BuildContext())
    at, centre, params = map(torch.from_numpy, (wavelength, lines.centre, lines.params))
    flux = bench("uncut").uncut(at, centre, params, profile, "product").numpy()
    np.testing.assert_allclose(flux, product_of_lines(wavelength, lines), atol=1e-6)
