"""From the columns of a table to spectra: which column is which, and in what unit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from numpy.typing import NDArray

from hml import Spectrum, SpectrumError
from hml.plugins.readers import TableConfig
from hml.plugins.readers.door import Floats, Medium, enter, frame, unit_of

WAVELENGTH = {"wavelength", "wavelengths", "wave", "wl", "lambda", "lam", "spectral", "frequency", "freq", "wavenumber"}
FLUX = {"flux", "fluxes", "flam", "fnu", "f", "intensity", "spec", "spectrum", "transmission", "counts"}
ERROR = {"error", "errors", "err", "unc", "uncertainty", "sigma", "std", "stddev", "e"}
VARIANCE = {"variance", "variances", "var"}
LENGTHS = {"a": "AA", "aa": "AA", "ang": "AA", "angstrom": "AA", "angstroms": "AA", "å": "AA", "nm": "nm",
           "um": "um", "µm": "um", "micron": "um", "microns": "um"}
SHORTEST = 3000.0
"""Å; numbers without a unit are taken as Å only above this: smaller ones are more often nm or µm."""


def words(name: str) -> list[str]:
    """The parts of a column's name: `wave_vac [A]` → wave, vac, a."""
    return [word for word in re.split(r"[^0-9a-zµåλ]+", name.lower()) if word]


def _any(kind: set[str], name: str) -> bool:
    return not kind.isdisjoint(words(name))


ROLES: dict[str, Callable[[str], bool]] = {
    "wavelength": lambda name: _any(WAVELENGTH, name) and not _any(ERROR, name),
    "flux": lambda name: _any(FLUX, name) and not _any(ERROR | VARIANCE | WAVELENGTH, name),
    "error": lambda name: _any(ERROR, name) and not _any(VARIANCE | WAVELENGTH, name),
    "variance": lambda name: _any(VARIANCE, name) and not _any(WAVELENGTH, name),
    "order": lambda name: words(name) == ["order"],
}
"""Which names a column of each kind may have."""


def looks_right(names: list[str]) -> bool:
    """Whether these columns hold a spectrum."""
    return all(any(ROLES[role](name) for name in names) for role in ("wavelength", "flux"))


@dataclass(frozen=True, eq=False)
class Columns:
    """A table as a file has it; a column is `[N]`, or `[orders, N]` where a row holds a whole order."""

    path: Path
    values: Mapping[str, NDArray[Any]]
    units: Mapping[str, str] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)

    def spectra(self, config: TableConfig) -> list[Spectrum]:
        """One spectrum an order, by wavelength. SpectrumError names file and column."""
        names = {role: self._name(role, getattr(config, role)) for role in ROLES}
        wave_name, flux_name = str(names["wavelength"]), str(names["flux"])
        wave, flux = self._numbers(wave_name), self._numbers(flux_name)
        flux_unit = config.flux_unit or self.units.get(flux_name, "")
        wave_unit = config.wavelength_unit or self._wave_unit(wave_name, wave)
        kind, error = self._error(names, config, flux_unit)
        where = frame(self.meta, config, _named_medium(wave_name))
        spectra = [
            enter(
                self.path, wave[rows], wave_unit, flux[rows], error=None if error is None else error[rows],
                unit=flux_unit, frame=where, name=self.path.name + order, meta={**self.meta, **kind},
            )
            for order, rows in self._orders(names["order"], wave)
        ]
        return sorted(spectra, key=lambda spectrum: spectrum.band[0])

    def _name(self, role: str, asked: str | None) -> str | None:
        there = ", ".join(self.values)
        if asked is not None:
            if asked not in self.values:
                raise SpectrumError(f"{self.path}: no column {asked!r} (spectrum.reader.{role}); it has {there}")
            return asked
        found = next((name for name in self.values if ROLES[role](name)), None)
        if found is None and role in ("wavelength", "flux"):
            raise SpectrumError(f"{self.path}: no column looks like a {role}; it has {there or 'none'}: name one with "
                                f"spectrum.reader.{role}")
        return found

    def _numbers(self, name: str) -> Floats:
        """A column as float64, NaN where a cell is empty."""
        column = self.values[name]
        if column.size == 0:
            raise SpectrumError(f"{self.path}: the table has no rows")
        if column.dtype.kind not in "fiu" or column.ndim > 2:
            first = np.ma.getdata(column).ravel()[0]
            raise SpectrumError(f"{self.path}: column {name!r} must hold numbers, it begins with {str(first)!r}")
        return np.asarray(np.ma.filled(np.ma.asarray(column).astype(np.float64), np.nan))

    def _wave_unit(self, name: str, wave: Floats) -> str:
        named = next((LENGTHS[word] for word in reversed(words(name)[1:]) if word in LENGTHS), "")
        unit = self.units.get(name, "") or named
        if not unit and np.nanmin(wave, initial=np.inf) < SHORTEST:
            raise SpectrumError(
                f"{self.path}: column {name!r} has no unit and begins at {np.nanmin(wave):g}, hardly Å; set "
                "spectrum.reader.wavelength_unit (nm, um, AA, …)"
            )
        return LENGTHS.get(unit.lower(), unit or "AA")

    def _error(
        self, names: Mapping[str, str | None], config: TableConfig, flux_unit: str
    ) -> tuple[dict[str, str], Floats | None]:
        """What the table has, as `{"uncertainty": …}`, and errors in the unit of the flux. Errors come before
        variances where a table has both, unless variances are asked for."""
        if config.error is not None and config.variance is not None:
            raise SpectrumError(f"{self.path}: spectrum.reader.error and variance: give one of the two")
        power = 2 if config.variance is not None or names["error"] is None else 1
        name = names["variance" if power == 2 else "error"]
        unit = unit_of(flux_unit, self.path, "flux_unit")
        if name is None:
            return {}, None
        own = self.units.get(name, "")
        try:
            scale = unit_of(own, self.path, "flux_unit").to(unit**power) if own and flux_unit else 1.0
        except u.UnitConversionError:
            field = "error" if power == 1 else "variance"
            raise SpectrumError(f"{self.path}: column {name!r} is in {own!r}, the flux in {flux_unit!r}; choose "
                                f"another with spectrum.reader.{field}") from None
        values = self._numbers(name) * scale
        if power == 1:
            return {"uncertainty": "errors"}, values
        return {"uncertainty": "variances"}, np.sqrt(np.where(values >= 0, values, np.nan))

    def _orders(self, name: str | None, wave: Floats) -> Iterator[tuple[str, Any]]:
        """What to call each order, and its rows."""
        if wave.ndim == 2:
            yield from ((f" order {row}" if len(wave) > 1 else "", row) for row in range(len(wave)))
        elif name is None:
            yield "", slice(None)
        else:
            labels = self.values[name]
            yield from ((f" order {label}", labels == label) for label in dict.fromkeys(labels.tolist()))


def _named_medium(name: str) -> Medium | None:
    told = set(words(name))
    return "air" if "air" in told else "vacuum" if told & {"vac", "vacuum"} else None
