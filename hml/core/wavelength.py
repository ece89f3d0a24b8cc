"""Between air and vacuum wavelengths."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hml.core.errors import SpectrumError

Floats = NDArray[np.float64]

SHORTEST = 2000.0
"""Å; below, wavelengths are given in vacuum by convention and the formula nears its poles."""


def vacuum_to_air(vacuum: Floats) -> Floats:
    """Wavelengths in standard air (15 °C, 101 325 Pa, 0.045 % CO₂), Å, from those in vacuum, Å, of any shape.

    Refractive index of Birch & Downs (1994, Metrologia 31, 315) as given by Morton (2000, ApJS 130, 403), the one VALD
    uses. SpectrumError below 2000 Å.
    """
    vacuum = _checked(vacuum)
    return vacuum / _index(vacuum)


def air_to_vacuum(air: Floats) -> Floats:
    """The inverse of `vacuum_to_air` to rounding (fixed point; the index hardly depends on wavelength).
    SpectrumError below 2000 Å."""
    air = _checked(air)
    vacuum = air
    for _ in range(4):
        vacuum = air * _index(vacuum)
    return vacuum


def _index(vacuum: Floats) -> Floats:
    square = (1e4 / vacuum) ** 2  # of the wavenumber, 1/µm²
    return np.asarray(1.0 + 8.34254e-5 + 2.406147e-2 / (130.0 - square) + 1.5998e-4 / (38.9 - square))


def _checked(wavelength: Floats) -> Floats:
    wavelength = np.asarray(wavelength, dtype=np.float64)
    if np.any(wavelength < SHORTEST - 1.0):
        raise SpectrumError(
            f"{np.min(wavelength):g} Å: no wavelength in air is defined below {SHORTEST:g} Å; such "
            "wavelengths are in vacuum"
        )
    return wavelength
