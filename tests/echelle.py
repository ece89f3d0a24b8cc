"""Small files like those of HPF's two pipelines, with known photons in them, and what is made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits

from hml import BuildContext, parse_config
from hml.core.exposures import Exposure, read_exposures

BARNARD = "GJ_699/Slope-20181003T014556_R01.optimal.fits"
LUYTEN = "GJ_273/Slope-20180302T021512_R01.optimal.fits"
A0V = "A0V/Goldilocks_20210801T083618_v1.0_0036.spectra.fits"
ORDERS, PIXELS, EXPOSURE = 3, 400, 300.0
START = 8500.0 + 120.0 * np.arange(ORDERS)
WAVE = START[:, None] + 0.06 * np.arange(PIXELS)
BLAZE = 0.3 + 0.7 * np.cos(np.linspace(-1.2, 1.2, PIXELS)) ** 2
HEADER = {
    "INSTRUME": "HPF", "OBJECT": "made up", "CUNITS": "e-/sec", "EXPLNDR": EXPOSURE,
    "DATE-OBS": "2018-10-03T01:46:19.85", "QRA": "17:57:48.49", "QDEC": "+04:41:36.20",
    "QEPOCH": 2000, "QPMRA": -798.6, "QPMDEC": 10328.1,
    "RA": 17.978355, "DEC": 4.750597,
}  # fmt: skip


def star(wavelength: np.ndarray = WAVE) -> np.ndarray:
    """Electrons per second `[orders, N]`: a blaze with a few lines."""
    depth = sum(0.5 * np.exp(-0.5 * ((wavelength - start - at) / 0.2) ** 2) for start in START for at in (5, 11, 17))
    return 900.0 * BLAZE * (1 - depth)


def write_hpf(path: Path, kind: str = "team", *, sky: float = 0.0, seed: int = 1, header: dict | None = None,
              wavelengths: bool = True, change=lambda planes: None) -> Path:  # fmt: skip
    """A file of the `team` (variances, NaN at the edges) or of `goldilocks` (errors, zeros at the edges), with photon
    noise. `change` edits the planes before they are written."""
    rng = np.random.default_rng(seed)
    planes: dict[str, np.ndarray] = {}
    for fibre, rate in (("Sci", star() + sky), ("Sky", np.full_like(WAVE, sky)), ("Cal", np.ones_like(WAVE))):
        variance = np.maximum(rate, 0.01) / EXPOSURE
        planes[f"{fibre} Flux"] = rate + rng.standard_normal(rate.shape) * np.sqrt(variance)
        noise = {"Variance": variance} if kind == "team" else {"Error": np.sqrt(variance)}
        planes |= {f"{fibre} {name}": plane for name, plane in noise.items()}
        if wavelengths:
            planes[f"{fibre} Wavl"] = WAVE.copy()
    for name, plane in planes.items():
        if not name.endswith("Wavl"):
            plane[:, :4] = plane[:, -4:] = np.nan if kind == "team" else 0.0
    change(planes)
    primary = fits.PrimaryHDU()
    primary.header.update(HEADER if header is None else header)
    kinds = {name: "f8" if name.endswith("Wavl") else "f4" for name in planes}
    images = [fits.ImageHDU(plane.astype(kinds[name]), name=name) for name, plane in planes.items()]
    fits.HDUList([primary, *images]).writeto(path, overwrite=True)
    return path


def spoiled(path: Path, row, **values: float) -> Path:
    """A file with planes of the science fibre set to a value in one order, or in all."""

    def spoil(planes: dict) -> None:
        for name, value in values.items():
            planes[f"Sci {name}"][row] = value

    return write_hpf(path, change=spoil)


def exposure(path: Path, **spectrum) -> Exposure:
    """What is made of a file, with these fields of `spectrum`."""
    (only,) = read_exposures(parse_config({"spectrum": {"path": path, **spectrum}}), BuildContext())
    return only


def borrowing(real_data: Path) -> dict:
    """What the file of GJ 273 lacks."""
    lamp = real_data / "observed/hpf/calibration/LFC_wavecal_scifiber_v2.fits"
    return {"reader": {"name": "hpf", "wavelengths": str(lamp)}, "barycentric": {"ra": 111.85208, "dec": 5.22579}}
