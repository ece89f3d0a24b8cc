"""Departures from the one-layer picture: how much stronger or weaker each species absorbs than Boltzmann and Saha say.

Real populations leave local thermodynamic equilibrium, and layers shift with the onset of convection or of molecules:
slow, smooth functions of the labels that differ from species to species. Here each is a short Fourier series drawn by
seed, so that an interpolator meets structure in Teff that the textbook formulas lack.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hml.plugins.synthetic.atmosphere import Atmosphere

Floats = NDArray[np.float64]

WAVES = 3  # for each species
SIZE = 0.085  # rms of a departure, dex
PERIODS = {"teff": (600.0, 1400.0), "logg": (2.3, 5.5), "feh": (1.8, 4.5)}  # K and dex


@dataclass(frozen=True, eq=False)
class Departures:
    """frequency `[S, W, 3]` radians per K and per dex, phase `[S, W]`, for S species."""

    frequency: Floats
    phase: Floats

    @classmethod
    def draw(cls, species: int, seed: int) -> Departures:
        """For as many species; not the numbers that drew the lines."""
        rng = np.random.Generator(np.random.PCG64([seed, 1]))
        low, high = np.log(np.array(list(PERIODS.values()))).T
        period = np.exp(rng.uniform(low, high, (species, WAVES, len(PERIODS))))
        return cls(2 * np.pi / period, rng.uniform(0, 2 * np.pi, (species, WAVES)))

    def log_factor(self, atmosphere: Atmosphere) -> Floats:
        """log10 of the departure coefficient of each species `[S]`."""
        labels = np.array([atmosphere.teff, atmosphere.logg, atmosphere.feh])
        return np.asarray(SIZE * np.sqrt(2 / WAVES) * np.sin(self.frequency @ labels + self.phase).sum(axis=1))
