"""A small tree of files in PHOENIX's own format, with known flux."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

RELEASE = "PHOENIX-ACES-AGSS-COND-2011"
WAVE = f"WAVE_{RELEASE}.fits"
WAVES = 7000.0 + 0.5 * np.arange(14_000)  # vacuum Å, 7000 to 13999.5
Labels = tuple[float, float, float, float]


def make_tree(root: Path, nodes: Iterable[Labels], waves: NDArray[np.float64] = WAVES) -> Path:
    """The wavelength file and the spectra below `root`, which is what HiResFITS is on the server."""
    root.mkdir(parents=True, exist_ok=True)
    hdu = fits.PrimaryHDU(waves.astype(">f8"))
    hdu.header["UNIT"] = "Angstrom"
    hdu.writeto(root / WAVE, overwrite=True)
    for node in nodes:
        write_spectrum(root / RELEASE / relative(node), node, waves)
    return root


def relative(node: Labels) -> str:
    """The path below the release's folder, written out by hand from the library's documentation."""
    teff, logg, feh, alpha = node
    end = "-0.0" if feh == 0 else f"{feh:+.1f}"
    end += f".Alpha={alpha:+.2f}" if alpha else ""
    return f"Z{end}/lte{int(teff):05d}-{logg:.2f}{end}.{RELEASE}-HiRes.fits"


def flux_of(node: Labels, waves: NDArray[np.float64] = WAVES) -> NDArray[np.float32]:
    """The flux `[N]` written for a node, erg/s/cm²/cm."""
    teff, logg, feh, alpha = node
    lines = 0.3 * np.sin(waves / (3.0 + feh + alpha)) ** 2
    return (1e10 * teff * (1 - lines) * (1 + 0.01 * logg) * (waves / 8000) ** -2).astype(np.float32)


def write_spectrum(
    path: Path, node: Labels, waves: NDArray[np.float64] = WAVES, *, scale: float = 1.0, **cards: Any
) -> Path:
    """One file, its flux times `scale`; `cards` replace or add header cards."""
    hdu = fits.PrimaryHDU((scale * flux_of(node, waves)).astype(">f4"))
    for key, value in zip(("PHXTEFF", "PHXLOGG", "PHXM_H", "PHXALPHA"), node, strict=True):
        hdu.header[key] = float(value)
    for key, value in ({"INTERPOL": False, "PHXCONV": True, "BUNIT": "erg/s/cm^2/cm"} | cards).items():
        hdu.header[key] = value
    table = fits.BinTableHDU.from_columns([fits.Column("H", "E", array=[12.0]), fits.Column("Fe", "E", array=[7.5])])
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList([hdu, table]).writeto(path, overwrite=True)
    return path
