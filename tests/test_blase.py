"""Clones of blase, in and out."""

import pickle

import numpy as np
import pytest
import torch

from hml import ArtefactError, Clone, ConfigError, parse_config, read_blase, write_blase
from hml.core import pipeline
from hml.core.blase import blase_name
from hml.core.compat import check_config
from hml.core.raster import Raster
from hml.core.render import render
from hml.plugins.profiles import PseudoVoigtConfig
from hml.plugins.profiles.pseudo_voigt import PseudoVoigt

SEPARATE = PseudoVoigt(PseudoVoigtConfig(widths="separate"))
NAMES = ("ln_amplitude", "ln_sigma", "ln_gamma")


def rendered(clone, wavelength, window=6000):
    lines = torch.as_tensor(clone.centre)[None], torch.as_tensor(clone.params)[None]
    raster = Raster.of(torch.as_tensor(wavelength))
    return render(raster, *lines, SEPARATE, "product", tolerance=1, window=window)[0].numpy()


def test_round_trip_and_name(tmp_path):
    rng = np.random.default_rng(0)
    found = np.sort(rng.uniform(8500, 8600, 20))
    clone = Clone(found + 0.01, rng.normal(-4, 1, (20, 3)), NAMES, found, 0.0)
    path = tmp_path / blase_name({"teff": 5800.0, "logg": 4.5, "feh": -0.5})
    assert path.name == "T5800G4.5Z-0.5.pt"
    write_blase(clone, path)
    back = read_blase(path)
    np.testing.assert_array_equal(back.centre, clone.centre)
    np.testing.assert_array_equal(back.params, clone.params)
    np.testing.assert_array_equal(back.found, clone.found)
    assert (back.meta["teff"], back.meta["logg"], back.meta["feh"]) == (5800, 4.5, -0.5)
    state = torch.load(path, weights_only=True)
    assert {"lam_centers", "amplitudes", "sigma_widths", "gamma_widths", "radial_velocity"} < set(state)


def test_a_stored_radial_velocity_moves_the_centres(tmp_path):
    state = {k: torch.zeros(3) for k in ("amplitudes", "sigma_widths", "gamma_widths")}
    state |= {"lam_centers": torch.tensor([8500.0, 8510.0, 8520.0]), "radial_velocity": torch.tensor(10.0)}
    torch.save(state, tmp_path / "x.pt")
    shifted = read_blase(tmp_path / "x.pt").centre / [8500, 8510, 8520]
    np.testing.assert_allclose(shifted, 1 + 10 / 299792.458, rtol=1e-9)


class Evil:
    def __reduce__(self):
        return (print, ("executed",))


@pytest.mark.parametrize("content", [b"", b"text", pickle.dumps(Evil()), pickle.dumps({"lam_centers": 1})])
def test_foreign_files_are_refused_and_run_nothing(tmp_path, content, capsys):
    (tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(ArtefactError, match=r"x\.pt"):
        read_blase(tmp_path / "x.pt")
    torch.save({"lam_centers": torch.zeros(3), "amplitudes": torch.zeros(2)}, tmp_path / "y.pt")
    with pytest.raises(ArtefactError, match="needs the tensors"):
        read_blase(tmp_path / "y.pt")
    assert "executed" not in capsys.readouterr().out


def test_a_generator_from_blase_clones(tmp_path):
    grid = {"name": "synthetic", "teff": {"nodes": [5000, 5200]}, "logg": 4.5, "feh": 0, "wavelength": [8700, 8720]}
    paper = {
        "grid": grid, "profile": {"name": "pseudo_voigt", "widths": "separate"}, "interpolator": "linear",
        "clone": {"composition": "product", "steps": 20, "rounds": 0, "continuum": None},
        "associate": {"method": "paper"}, "generator": {"residual": 0},
    }
    fitted = pipeline.build(parse_config(paper))
    from hml.core.fitting import clone_nodes
    from hml.core.parts import Parts, plan_nodes
    from hml.core.shelf import Shelf

    parts = Parts.of(parse_config(paper))
    plan = plan_nodes(parts)
    for node, made in zip(plan.used, clone_nodes(parts, plan, Shelf.of(parts, plan)), strict=True):
        write_blase(made.clone, tmp_path / blase_name(plan.space.to_dict(node)))
    paper["clone"] = {"composition": "product", "from_blase": str(tmp_path)}
    imported = pipeline.build(parse_config(paper))
    labels = {"teff": 5000.0, "logg": 4.5, "feh": 0.0}
    np.testing.assert_allclose(imported.spectrum(labels).flux, fitted.spectrum(labels).flux, atol=1e-6)
    (tmp_path / "T5200G4.5Z0.0.pt").unlink()
    paper["grid"] = {**grid, "teff": {"nodes": [5200]}}
    with pytest.raises(ArtefactError, match=r"T5200G4\.5Z0\.0\.pt"):
        pipeline.build(parse_config(paper))


def test_blase_clones_need_blases_composition():
    with pytest.raises(ConfigError, match=r"clone\.composition=product"):
        check_config(parse_config({"clone": {"from_blase": "somewhere"}}))


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "lines"), [("emulator_T4700g4p5_prom0p01_HPF", 9028), ("sparse_T4100g3p5_prom0p01_HPF", 11759)]
)
def test_published_clones_render_to_spectra_with_their_own_lines(real_data, name, lines):
    clone = read_blase(real_data / "blase" / f"{name}.pt")
    assert len(clone) == lines
    low, high = 8500.0, 8700.0
    wavelength = np.arange(low, high, 0.01)
    flux = rendered(clone, wavelength)
    assert ((flux > 0) & (flux <= 1)).all()
    assert np.percentile(flux, 99) > 0.97  # normalised: the continuum is near 1
    inside = (clone.centre > low + 1) & (clone.centre < high - 1)
    # a line that is well above the detection limit is a minimum of the spectrum within two pixels of its centre
    peak = SEPARATE.evaluate(torch.zeros(lines, 1), torch.as_tensor(clone.params))[:, 0].numpy()
    minima = wavelength[1:-1][(flux[1:-1] < flux[:-2]) & (flux[1:-1] <= flux[2:])]
    strong = clone.centre[inside & (peak > 0.1)]
    distance = np.abs(strong[:, None] - minima[None]).min(1)
    assert (distance <= 0.02 + 1e-9).mean() > 0.9  # blends apart
    # amplitudes are areas in Å: what all lines take away, in the logarithm, is at least their sum
    some = (clone.centre > low + 20) & (clone.centre < high - 20)
    window = (wavelength > low + 20) & (wavelength < high - 20)
    taken = -np.log(flux[window]).sum() * 0.01
    areas = np.exp(clone.params[some, 0]).sum()
    assert 0.9 < taken / areas < 1.6
