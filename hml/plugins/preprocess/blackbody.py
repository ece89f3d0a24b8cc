"""Division by the blackbody of a node's effective temperature."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from astropy import units as u
from astropy.constants import c, h, k_B
from numpy.typing import NDArray

from hml import LabelError, Preprocessor, Spectrum, SpectrumError

Floats = NDArray[np.float64]


class Blackbody(Preprocessor):
    """Divides by π·B(λ, Teff): the flux through a blackbody's surface, in the spectrum's own unit."""

    def __call__(self, spectrum: Spectrum, labels: Mapping[str, float] | None) -> Spectrum:
        if not labels or "teff" not in labels:
            known = ", ".join(labels) if labels else "none"
            raise LabelError(
                f"blackbody: {spectrum.name or 'the spectrum'} has no label 'teff' (its labels: {known}); an observed "
                "spectrum cannot be divided by a blackbody: leave it out and use continuum"
            )
        if not labels["teff"] > 0:
            raise LabelError(f"blackbody: teff = {labels['teff']:g} K; it must be above 0 K")
        return spectrum.divide(surface_flux(spectrum.wavelength, labels["teff"], self._unit(spectrum)))

    @staticmethod
    def _unit(spectrum: Spectrum) -> u.UnitBase:
        who = spectrum.name or "the spectrum"
        try:
            unit = u.Unit(spectrum.unit)
            (1.0 * u.Unit("erg / (s cm2 AA)")).to(unit, u.spectral_density(5000 * u.AA))
        except ValueError:
            raise SpectrumError(
                f"blackbody: {who} is in {spectrum.unit!r}, not an absolute flux per wavelength or frequency; take "
                "blackbody out of preprocess (continuum alone is enough for normalised spectra)"
            ) from None
        return unit


def surface_flux(wavelength: Floats, teff: float, unit: u.UnitBase) -> Floats:
    """π·B(λ, Teff) `[N]` in `unit`; wavelength vacuum Å, teff K. Planck's law: 2hc²/λ⁵ / (exp(hc/λkT) - 1)."""
    lam = wavelength * u.AA
    x = (h * c / (lam * k_B * teff * u.K)).to_value(u.one)
    with np.errstate(over="ignore"):
        flux = np.pi * 2.0 * h * c**2 / lam**5 / np.expm1(x)
    return np.asarray(flux.to_value(unit, u.spectral_density(lam)), dtype=np.float64)
