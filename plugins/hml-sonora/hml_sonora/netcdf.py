"""Elf Owl's netCDF files: variables `wavelength` (µm) and `flux` (erg/s/cm²/cm) among many others."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from hml import GridError, GridFile
from hml_sonora.text import LIMIT, PIXELS, Floats, checked

UNITS = {"wavelength": {"", "micron", "microns", "um"},
         "flux": {"", "erg/cm**2/s/cm", "erg/cm^2/s/cm", "erg/s/cm^2/cm", "erg/s/cm**2/cm"}}  # fmt: skip


def read_netcdf(file: GridFile) -> tuple[Floats, Floats]:
    """Wavelengths (Å, increasing) and flux (erg/s/cm²/cm). GridError where the file is not as described."""
    data = file.read(LIMIT)
    if data.startswith((b"CDF\x01", b"CDF\x02")):
        found = _classic(data, file)
    elif data.startswith(b"\x89HDF\r\n\x1a\n"):
        found = _hdf5(data, file)
    else:
        raise GridError(f"{file}: is no netCDF file")
    wavelength, flux = found["wavelength"], found["flux"]
    if wavelength.shape != flux.shape or wavelength.ndim != 1 or not 2 <= len(flux) <= PIXELS:
        raise GridError(f"{file}: wavelength has shape {wavelength.shape}, flux {flux.shape}, expected one row each")
    return checked(wavelength * 1e4, flux, file)


def _classic(data: bytes, file: GridFile) -> dict[str, Floats]:
    from scipy.io import netcdf_file

    # a header from a stranger: whatever it makes scipy stumble over is a damaged file
    try:
        with netcdf_file(io.BytesIO(data), mmap=False) as source:
            return {name: _numbers(name, source.variables, file) for name in UNITS}
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, MemoryError, OSError) as error:
        raise GridError(f"{file}: is damaged ({' '.join(str(error).split())[:120]})") from None


def _hdf5(data: bytes, file: GridFile) -> dict[str, Floats]:
    try:
        import h5py
    except ImportError:
        raise GridError(f"{file}: is netCDF 4; pip install 'hml-sonora[hdf5]' to read it") from None
    try:
        with h5py.File(io.BytesIO(data), "r") as source:
            links = {name: source.get(name, getlink=True) for name in UNITS}
            found = {name: source[name] for name, link in links.items() if isinstance(link, h5py.HardLink)}
            if any(d.is_virtual or d.external or d.size > PIXELS for d in found.values()):
                raise GridError(f"{file}: keeps values elsewhere, or too many")
            return {name: _numbers(name, found, file) for name in UNITS}
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise GridError(f"{file}: is damaged ({' '.join(str(error).split())[:120]})") from None


def _numbers(name: str, variables: Any, file: GridFile) -> Floats:
    if name not in variables:
        raise GridError(f"{file}: has no variable {name!r}: not Elf Owl's format as it is known here")
    variable = variables[name]
    raw = getattr(variable, "units", b"") if hasattr(variable, "units") else getattr(variable, "attrs", {}).get("units")
    unit = raw.decode("ascii", "replace") if isinstance(raw, bytes) else str(raw or "")
    if unit.replace(" ", "").lower() not in UNITS[name]:
        raise GridError(f"{file}: {name} is in {unit!r}, expected {max(UNITS[name], key=len)}")
    return np.array(variable[:], dtype=np.float64)
