"""hml's own parts, by the kit that it gives to the authors of plugins."""

from __future__ import annotations

import io
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from echelle import WAVE as ORDERS
from echelle import write_hpf
from phoenix_tree import make_tree
from test_tables import TableChecks

import hml
from hml import vacuum_to_air
from hml.testing import (
    Checks,
    GridChecks,
    InterpolatorChecks,
    OptimizerChecks,
    PreprocessorChecks,
    ProfileChecks,
    ReaderChecks,
    SamplerChecks,
)

# --- grids ---------------------------------------------------------------------------------------------------------


class TestSynthetic(GridChecks):
    name = "synthetic"
    fields = {"preprocess": [], "wavelength": (8700.0, 8710.0)}
    others = (
        {"seed": 1}, {"lines": 1500}, {"teff": (5200, 5600)}, {"alpha": 0.2}, {"resolving_power": 60_000.0},
        {"preset": "full"},
    )  # fmt: skip
    skips = {"test_wavelengths_are_vacuum": "its lines are drawn at random and are those of no atom"}


class TestPhoenix(GridChecks):
    name = "phoenix"
    others = ({"teff": {"nodes": [5000.0]}},)
    skips = {"test_wavelengths_are_vacuum": "the files made here hold no lines of atoms"}

    @classmethod
    def configure(cls, folder: Path) -> Mapping[str, Any]:
        nodes = [(t, g, z, 0.0) for t, g, z in product((5000.0, 5100.0), (4.0, 4.5), (-0.5, 0.0))]
        return {"path": make_tree(folder / "tree", nodes)}


class TestStarfish(GridChecks):
    name = "starfish_hdf5"
    others = ({"teff": {"nodes": [3000.0]}}, {"medium": "air"})
    skips = {"test_wavelengths_are_vacuum": "the files made here hold no lines of atoms; genuine ones are tested apart"}

    @classmethod
    def configure(cls, folder: Path) -> Mapping[str, Any]:
        from test_starfish import WAVE, write

        return {"path": write(folder / "m110.hdf5", WAVE)}

    @classmethod
    def alter(cls, content: bytes) -> bytes:
        import h5py

        with h5py.File(io.BytesIO(content), "r+") as file:
            for spectrum in file["flux"].values():
                spectrum[-1] *= 1.01
            file.flush()
            return file.id.get_file_image()


# --- preprocessors -------------------------------------------------------------------------------------------------


class TestBlackbody(PreprocessorChecks):
    name = "blackbody"


class TestPercentile(PreprocessorChecks):
    name = "percentile"


class TestContinuum(PreprocessorChecks):
    name = "continuum"


class TestContinuumOfThePaper(PreprocessorChecks):
    name = "continuum"
    fields = {"method": "paper", "distance": 40}


# --- profiles ------------------------------------------------------------------------------------------------------


class TestPseudoVoigt(ProfileChecks):
    name = "pseudo_voigt"


class TestPseudoVoigtSeparate(ProfileChecks):
    name = "pseudo_voigt"
    fields = {"widths": "separate"}


class TestVoigt(ProfileChecks):
    name = "voigt"


# --- interpolators -------------------------------------------------------------------------------------------------


class TestLinear(InterpolatorChecks):
    name = "linear"


class TestCubic(InterpolatorChecks):
    name = "cubic"


class TestScattered(InterpolatorChecks):
    name = "scattered"


class TestCubicInFloat64(InterpolatorChecks):
    name = "cubic"
    fields = {"storage": "float64"}
    at_nodes, at_slope = 1e-9, 1e-5


# --- optimizers ----------------------------------------------------------------------------------------------------


class TestGp(OptimizerChecks):
    name = "gp"
    fields = {"n_initial": 20, "n_calls": 8, "candidates": 200}
    budget = 200


class TestDifferentialEvolution(OptimizerChecks):
    name = "differential_evolution"
    fields = {"population": 10, "generations": 40}
    at_optimum, budget = 0.01, 30 * 41


class TestLbfgs(OptimizerChecks):
    name = "lbfgs"
    fields = {"n_initial": 20, "n_starts": 3}
    at_optimum, budget = 1e-4, 1000


class TestLm(OptimizerChecks):
    name = "lm"
    fields = {"n_initial": 20}
    at_optimum, budget = 1e-6, 300


# --- samplers ------------------------------------------------------------------------------------------------------


class TestEmcee(SamplerChecks):
    name = "emcee"


class TestDynesty(SamplerChecks):
    name = "dynesty"
    fields = {"live": 60, "remainder": 0.5}


# --- readers -------------------------------------------------------------------------------------------------------

WAVE = np.linspace(8500.0, 8510.0, 101)
FLUX = 1.0 + 0.1 * np.sin(WAVE)
BAND = (8500.0, 8510.0)


class TestCsv(ReaderChecks):
    name = "csv"

    @classmethod
    def files(cls, folder: Path) -> Mapping[Path, tuple[float, float]]:
        plain, air = folder / "plain.csv", folder / "air.ecsv"
        rows = [f"{w!r},{f!r},0.01" for w, f in zip(WAVE.tolist(), FLUX.tolist(), strict=True)]
        plain.write_text("wavelength,flux,error\n" + "\n".join(rows) + "\n")
        QTable({"wavelength": vacuum_to_air(WAVE) / 10 * u.nm, "flux": FLUX}, meta={"medium": "air"}).write(air)
        return {plain: BAND, air: BAND}


class TestFitsTable(ReaderChecks):
    name = "fits_table"

    @classmethod
    def files(cls, folder: Path) -> Mapping[Path, tuple[float, float]]:
        path = folder / "star.fits"
        QTable({"WAVE": WAVE / 1e4 * u.um, "FLUX": FLUX * u.Jy, "ERR": 0.01 * FLUX * u.Jy}).write(path)
        return {path: BAND}


class TestFitsImages(ReaderChecks):
    name = "fits_images"
    fields = {"flux": "Sci Flux", "wavelength": "Sci Wavl", "error": "Sci Error"}

    @classmethod
    def files(cls, folder: Path) -> Mapping[Path, tuple[float, float]]:
        return {write_hpf(folder / "orders.fits", "goldilocks"): (ORDERS.min(), ORDERS.max())}


class TestHpf(ReaderChecks):
    name = "hpf"

    @classmethod
    def files(cls, folder: Path) -> Mapping[Path, tuple[float, float]]:
        kinds = ("team", "goldilocks")
        return {write_hpf(folder / f"{kind}.fits", kind): (ORDERS.min(), ORDERS.max()) for kind in kinds}


class TestGaiaRvs(ReaderChecks):
    name = "gaia_rvs"

    @classmethod
    def files(cls, folder: Path) -> Mapping[Path, tuple[float, float]]:
        path = folder / "rvs.csv"
        rows = [f"1,{w / 10:.3f},{f:.4f},0.01" for w, f in zip(WAVE.tolist(), FLUX.tolist(), strict=True)]
        path.write_text("source_id,wavelength,flux,flux_error\n" + "\n".join(rows) + "\n")
        return {path: BAND}


class TestSpecutils(ReaderChecks):
    name = "specutils"

    @classmethod
    def files(cls, folder: Path) -> Mapping[Path, tuple[float, float]]:
        specutils = pytest.importorskip("specutils")
        path = folder / "star.fits"
        star = specutils.Spectrum(spectral_axis=WAVE / 1e4 * u.um, flux=FLUX * u.Jy)
        star.write(path, format="tabular-fits")
        return {path: BAND}


def test_every_part_of_hml_is_checked() -> None:
    classes = [c for c in globals().values() if isinstance(c, type) and issubclass(c, Checks) and c.name]
    assert TableChecks in classes  # whose tests are beside those of tables
    checked = {(c.family, c.name) for c in classes}
    ours = {(e.family, e.component.name) for e in hml.installed().entries if e.distribution == "hml"}
    assert ours - checked == set()
