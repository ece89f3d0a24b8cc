"""The zero point of an exposure's wavelengths, from lines of the air: they do not move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev
from scipy.stats import theilslopes

from hml.core.barycentre import LIGHT
from hml.core.errors import SpectrumError
from hml.core.masks import read_table
from hml.core.space import Floats
from hml.core.spectrum import Spectrum

STEP = 0.5  # km/s
DEGREE = 5  # of the continuum of an order
POWERS = (0.5, 1.0, 2.0)  # of the template's transmission: how much air and water there was
DEEP = 0.08  # scatter of the transmission in an order that is worth asking
EXPLAINED = 0.5  # of the squares that a continuum leaves alone, at most, is left when the lines are where they belong
FEWEST = 200  # pixels of it
SLOPED = 6  # orders from which a slope is believed


class Zero(NamedTuple):
    """By how much lines of the air were found too far to the red: a straight line over wavelength."""

    velocity: float  # km/s, at `centre`
    slope: float  # km/s over 1000 Å
    centre: float  # Å
    error: float  # km/s, of the velocity, from the scatter of the orders about the line
    orders: int  # how many had such lines

    def at(self, wavelength: Floats) -> Floats:
        """km/s at `wavelength` (vacuum Å), of any shape."""
        return self.velocity + self.slope * (wavelength - self.centre) / 1000.0


def air_velocity(orders: Sequence[Spectrum], file: Path, limit: float) -> Zero:
    """Where lines of the air are in the orders (frame observed), by a template of wavelength (vacuum Å) and
    transmission. In each order with such lines, template to a power times a continuum is fitted at velocities up to
    `limit` (km/s); through those of the orders goes the line of Theil and Sen, which heeds no outliers (level, with
    fewer than six orders). SpectrumError where there are no such lines, or none within the limit."""
    template = read_table(file)
    found = [(np.mean(order.band), v) for order in orders if (v := _one(order, template, limit)) is not None]
    if not found:
        raise SpectrumError(f"{orders[0].name or 'spectrum'}: spectrum.rezero: none of its orders shows lines of the "
                            f"air that {file.name} has within {limit:g} km/s")  # fmt: skip
    where, velocity = np.array(found).T
    centre = float(where.mean())
    slope = float(theilslopes(velocity, where - centre).slope) if len(found) >= SLOPED else 0.0
    level = float(np.median(velocity - slope * (where - centre)))
    scatter = 1.4826 * float(np.median(np.abs(velocity - slope * (where - centre) - level)))
    # of a median; pi/2 is its variance over that of a mean
    return Zero(level, 1000.0 * slope, centre, float(np.sqrt(np.pi / 2 / len(found))) * scatter, len(found))


def moved(order: Spectrum, zero: Zero) -> Spectrum:
    """The order with lines of the air where they belong."""
    return replace(order, wavelength=order.wavelength / (1.0 + zero.at(order.wavelength) / LIGHT))


def _one(order: Spectrum, template: tuple[Floats, Floats], limit: float) -> float | None:
    """The velocity of one order, None where it has too few lines, the best is at the limit, or explains little."""
    used = order.used & np.isfinite(order.flux)
    used &= (order.wavelength > template[0][0] * 1.0001) & (order.wavelength < template[0][-1] * 0.9999)
    if used.sum() < FEWEST:
        return None
    wavelength, flux = order.wavelength[used], order.flux[used] / np.median(np.abs(order.flux[used]))
    if np.std(np.interp(wavelength, *template)) < DEEP:
        return None
    velocities = np.arange(-limit, limit + STEP / 2, STEP)
    basis: Floats = np.asarray(chebyshev.chebvander(np.linspace(-1, 1, len(flux)), DEGREE), dtype=np.float64)
    misfit = np.min([[_misfit(wavelength, flux, template, basis, v, power) for v in velocities] for power in POWERS], 0)
    best = int(np.argmin(misfit))
    without = _misfit(wavelength, flux, template, basis, 0.0, 0.0)
    if best in (0, len(velocities) - 1) or misfit[best] > EXPLAINED * without:
        return None
    before, here, after = misfit[best - 1 : best + 2]
    return float(velocities[best] + STEP * 0.5 * (before - after) / (before - 2 * here + after))


def _misfit(
    wavelength: Floats, flux: Floats, template: tuple[Floats, Floats], basis: Floats, velocity: float, power: float
) -> float:
    """Sum of squared residuals with the best continuum."""
    lines = np.interp(wavelength / (1.0 + velocity / LIGHT), *template).clip(0.0, 1.0) ** power
    design = basis * lines[:, None]
    coefficients = np.linalg.lstsq(design, flux, rcond=None)[0]
    return float(((flux - design @ coefficients) ** 2).sum())
