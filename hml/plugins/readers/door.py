"""The door: whatever unit, medium and frame a file has, vacuum Å come in and what it had is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from astropy import units as u
from numpy.typing import NDArray

from hml import Frame, Pointing, Spectrum, SpectrumError, air_to_vacuum
from hml.plugins.readers import FrameConfig

Floats = NDArray[np.float64]
Medium = Literal["vacuum", "air"]

Rest = Literal["rest", "barycentric", "observed"]

LONGEST = 100  # characters of a unit

FRAMES: dict[str, Rest] = {
    "rest": "rest", "barycentric": "barycentric", "barycent": "barycentric", "heliocentric": "barycentric",
    "heliocen": "barycentric", "observed": "observed", "topocentric": "observed", "topocent": "observed",
}


def vacuum_angstrom(values: Floats, unit: str, medium: Medium, path: Path) -> Floats:
    """Wavelengths, vacuum Å, from `values` in any spectral unit. A frequency (or wavenumber, energy) in air stands for
    a wavelength in air."""
    spectral = unit_of(unit, path, "wavelength_unit")
    try:
        wavelength = (np.asarray(values, dtype=np.float64) * spectral).to_value(u.AA, u.spectral())
    except u.UnitConversionError:
        raise SpectrumError(f"{path}: wavelengths in {unit!r}: that is no wavelength, frequency or wavenumber; set "
                            "spectrum.reader.wavelength_unit") from None
    if (wavelength[np.isfinite(wavelength)] <= 0).any():
        raise SpectrumError(f"{path}: wavelengths of zero or less; check column and unit (spectrum.reader)")
    try:
        return air_to_vacuum(wavelength) if medium == "air" else np.asarray(wavelength)
    except SpectrumError as error:
        raise SpectrumError(f"{path}: {error}") from None


def unit_of(text: str, path: Path, setting: str) -> u.UnitBase:
    """The astropy unit of that name; SpectrumError names the file and the field to set."""
    try:
        if len(text) > LONGEST:
            raise ValueError
        return u.Unit(text)
    except (ValueError, TypeError, ArithmeticError, RecursionError, AttributeError):
        text = text[:LONGEST]
        raise SpectrumError(f"{path}: {text!r} is no unit that astropy knows; set spectrum.reader.{setting}") from None


def frame(meta: Mapping[str, Any], config: FrameConfig, named: Medium | None = None) -> Frame:
    """Medium and frame: as configured, else as the file's header says, else as its column names say, else vacuum and
    observed."""
    told = {str(key).lower(): str(value).strip().lower() for key, value in meta.items()}
    rest: Rest = next((FRAMES[told[key]] for key in ("frame", "specsys") if told.get(key) in FRAMES), "observed")
    return Frame(config.medium or _medium(told) or named or "vacuum", config.frame or rest)


def _medium(told: Mapping[str, str]) -> Medium | None:
    if told.get("ctype1", "").startswith("awav"):  # FITS paper III
        return "air"
    if "vacuum" in told:  # a flag of SDSS and others
        return "vacuum" if told["vacuum"] in ("t", "true", "1", "yes") else "air"
    value = next((told[key] for key in ("medium", "airorvac", "wavemed") if key in told), "")
    return "vacuum" if value.startswith("vac") else "air" if value.startswith("air") else None


def enter(
    path: Path, spectral: Floats, spectral_unit: str, flux: Floats, *, error: Floats | None = None,
    mask: NDArray[np.bool_] | None = None, unit: str, frame: Frame, name: str, meta: Mapping[str, Any],
    pointing: Pointing | None = None,
) -> Spectrum:
    """The spectrum of these fields on `spectral` `[N]`, in `spectral_unit`; turned round where that is a frequency, a
    wavenumber or an energy, which rise as wavelengths fall."""
    wavelength = vacuum_angstrom(spectral, spectral_unit, frame.medium, path)
    turn = slice(None, None, 1 if u.Unit(spectral_unit).is_equivalent(u.AA) else -1)
    return Spectrum(
        wavelength[turn], flux[turn], error=None if error is None else error[turn],
        mask=None if mask is None else mask[turn], unit=unit, frame=frame, name=name, meta=meta,
        pointing=pointing,
    )
