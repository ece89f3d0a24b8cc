"""From labels to the few numbers of a one-layer atmosphere that lines need. Smooth in every label.

Formulas: D. F. Gray, The Observation and Analysis of Stellar Photospheres, 3rd ed. (2005), named as Gray below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from hml.plugins.synthetic.species import HYDROGEN, Atom, Molecule

Floats = NDArray[np.float64]

H, C, K = 6.62607015e-27, 2.99792458e10, 1.380649e-16  # erg s, cm/s, erg/K
AMU = 1.66053907e-24  # g
SURFACE = 0.70  # temperature where line cores form, over Teff
DONORS = (  # abundance (hydrogen = 12), ionisation energy eV, log10 2 U1/U0: where free electrons come from
    (12.0, 13.598, 0.0), (8.43, 11.26, 0.10), (8.02, 7.90, 0.45), (6.34, 6.11, 0.56), (6.45, 5.99, -0.47),
    (6.24, 5.14, 0.0), (5.03, 4.34, 0.0),
)


@dataclass(frozen=True)
class Atmosphere:
    """The state of the layer where lines form."""

    teff: float  # K
    logg: float  # dex, cm/s²
    feh: float  # dex
    alpha: float  # dex
    temperature: float  # K
    log_pg: float  # gas pressure, log10 dyn/cm²
    log_pe: float  # electron pressure, log10 dyn/cm²
    microturbulence: float  # cm/s

    @property
    def theta(self) -> float:
        """5040 K / T, 1/eV."""
        return 5039.8 / self.temperature

    @classmethod
    def of(cls, labels: Mapping[str, float]) -> Atmosphere:
        """The atmosphere of {teff K, logg, feh, alpha}; alpha may be missing (0). Pressures scale with gravity and
        metallicity as in Gray chapter 9; microturbulence: Bruntt et al. 2010, A&A 519, A51, with a gravity term."""
        teff, logg, feh = labels["teff"], labels["logg"], labels["feh"]
        temperature = 0.9 * teff
        log_pg = 5.0 + 0.63 * (logg - 4.44) - 0.30 * feh - 3.0 * np.log10(teff / 5772.0)
        warm = teff - 5700.0
        turbulence = 1.01 + 4.56e-4 * warm + 2.75e-7 * warm**2 + 0.15 * (4.5 - logg)
        log_pe = electron_pressure(temperature, log_pg, feh)
        return cls(teff, logg, feh, labels.get("alpha", 0.0), temperature, log_pg, log_pe, turbulence * 1e5)

    def log_population(self, what: Atom | Molecule) -> float:
        """log10 of the particles of this species per hydrogen nucleus, over its partition function."""
        return self._molecule(what) if isinstance(what, Molecule) else self._atom(what)

    def _atom(self, atom: Atom) -> float:
        neutral, ion = atom.partition
        log_ratio = saha(self.temperature, atom.ionisation, np.log10(2 * ion / neutral)) - self.log_pe
        share = log_ratio if atom.stage else 0.0
        log_u = float(np.log10(atom.partition[atom.stage]))
        return atom.abundance - 12 + self._metals(atom) + share - _log1p10(log_ratio) - log_u

    def _metals(self, what: Atom | Molecule) -> float:
        return 0.0 if what is HYDROGEN else self.feh + (self.alpha if what.alpha else 0.0)

    def _molecule(self, molecule: Molecule) -> float:
        partner = molecule.partner - 12 + (self._metals(molecule) if molecule.partner_is_metal else 0.0)
        log_ratio = self.log_pg + partner + molecule.dissociation * self.theta - molecule.equilibrium
        if molecule.frees:
            log_ratio -= self._carbon_in_monoxide()
        log_q = molecule.partition + 2.0 * float(np.log10(self.temperature / 3000))
        return molecule.abundance - 12 + self._metals(molecule) + log_ratio - _log1p10(log_ratio) - log_q

    def _carbon_in_monoxide(self) -> float:
        """log10 of all carbon over the carbon that CO (11.1 eV) leaves."""
        return _log1p10(self.log_pg - 3.3 + self.feh + 11.1 * self.theta - 13.0)

    def log_continuous_opacity(self, wavelength: Floats) -> Floats:
        """log10 of the absorption by H⁻ per hydrogen nucleus, cm² `[N]` (Gray chapter 8)."""
        strength = np.log10(4.158e-10) + self.log_pe + 2.5 * np.log10(self.theta) + 0.754 * self.theta
        return np.asarray(strength + np.log10(negative_hydrogen(wavelength) * 1e-18))


def saha(temperature: float, energy: float, log_weights: float) -> float:
    """log10 of (ions/neutrals · electron pressure in dyn/cm²) (Gray chapter 1). energy in eV; log10 of 2 U1/U0."""
    return float(2.5 * np.log10(temperature) - 0.48 + log_weights - 5039.8 / temperature * energy)


def electron_pressure(temperature: float, log_pg: float, feh: float) -> float:
    """log10 of the electron pressure, dyn/cm², at which the donors' ions balance the electrons (Gray chapter 9)."""
    abundance = np.array([10 ** (a - 12 + (feh if i else 0.0)) for i, (a, _, _) in enumerate(DONORS)])
    constant = np.array([10 ** saha(temperature, energy, weights) for _, energy, weights in DONORS])
    nuclei = 1.085 + abundance[1:].sum()  # with helium

    def excess(log_pe: float) -> float:
        ions = (abundance * constant / (constant + 10**log_pe)).sum()
        return log_pe - float(np.log10(10**log_pg * ions / (nuclei + ions)))

    return float(brentq(excess, -12.0, log_pg, xtol=1e-13, rtol=1e-14))


def negative_hydrogen(wavelength: Floats) -> Floats:
    """Bound-free cross-section of H⁻, 10⁻¹⁸ cm² `[N]`, at 2250–15000 Å (Gray chapter 8, after Wishart 1979)."""
    terms = (1.99654, -1.18267e-5, 2.64243e-6, -4.40524e-10, 3.23992e-14, -1.39568e-18, 2.78701e-23)
    return np.asarray(np.polynomial.polynomial.polyval(wavelength, terms))


def surface_blackbody(wavelength: Floats, temperature: float) -> Floats:
    """π·B(λ, T) `[N]`, erg/s/cm²/cm, at vacuum Å."""
    cm = np.asarray(wavelength) * 1e-8
    with np.errstate(over="ignore"):
        return np.asarray(np.pi * 2 * H * C**2 / cm**5 / np.expm1(H * C / (cm * K * temperature)))


def continuum(wavelength: Floats, atmosphere: Atmosphere) -> Floats:
    """Continuum over blackbody `[N]`: bright where H⁻ lets one look deep, with a contrast that varies smoothly."""
    warm = np.tanh((atmosphere.teff - 4500) / 1000)
    contrast = 0.15 + 0.05 * warm - 0.02 * atmosphere.feh + 0.01 * (atmosphere.logg - 4.5)
    relative = negative_hydrogen(wavelength) / negative_hydrogen(np.array([1e4]))
    return np.asarray(relative**-contrast)


def core_flux(wavelength: Floats, teff: float) -> Floats:
    """Flux over continuum in the core of an infinitely strong line `[N]`: the source function at the surface."""
    return surface_blackbody(wavelength, SURFACE * teff) / surface_blackbody(wavelength, teff)


def _log1p10(x: float) -> float:
    """log10(1 + 10ˣ) without overflow."""
    return float(np.logaddexp(0.0, x * np.log(10)) / np.log(10))
