"""Small files in the authors' layouts, as their descriptions have them (see the README)."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

MICRONS = np.linspace(1.0, 1.4, 801)
HEADERS = {
    "bobcat": "  1000.  1000.  0.28  0.00  1.00  Teff, grav (MKS), Y, [M/H], C/O\n microns   Flux (erg/cm^2/s/Hz)\n",
    "cholla": "Sonora Cholla\nwavelength (micron)\tflux (W/m2/m)\n",
    "diamondback": "wavelength (micron) \t flux (W/m2/m)\ncalculated using grid spacing: 1\n"
    "molecules included: ['H2O', 'CH4']\n",
}


def flux_of(teff: float, logg: float, more: float = 0.0, microns: np.ndarray = MICRONS) -> np.ndarray:
    line = np.exp(-0.5 * ((microns - 1.2) / 0.001) ** 2)
    return teff * (1 - (0.3 + 0.1 * (logg - 4) + 0.05 * more) * line)


def write_text(path: Path, layout: str, flux: np.ndarray, microns: np.ndarray = MICRONS) -> Path:
    """Long wavelengths first, as published."""
    rows = "".join(f"{w:.6f} {f:.8e}\n" for w, f in zip(microns[::-1], flux[::-1], strict=True))
    data = (HEADERS[layout] + rows).encode("ascii")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def write_netcdf(path: Path, flux: np.ndarray, microns: np.ndarray = MICRONS, units: bool = True) -> Path:
    from scipy.io import netcdf_file

    path.parent.mkdir(parents=True, exist_ok=True)
    with netcdf_file(path, "w", version=2) as file:
        file.createDimension("wavelength", len(microns))
        file.createDimension("pressure", 3)
        for name, values, unit in (("wavelength", microns, "micron"), ("flux", flux, "erg/cm**2/s/cm")):
            variable = file.createVariable(name, "f8", ("wavelength",))
            variable[:] = values[::-1]
            if units:
                variable.units = unit
        file.createVariable("temperature", "f8", ("pressure",))[:] = [100.0, 200.0, 300.0]
    return path
