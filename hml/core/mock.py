"""What a spectrograph would see of a spectrum: brute force, in no way related to the forward model it is to test.

The star is cut into surface elements, its turbulence and the instrument into as many shifts; the spectrum is shifted by
each (cubics through four points of a fine grid), weighted and added. Pixels integrate a spline through what comes out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hml.core.errors import ConfigError
from hml.core.pixels import Pixels
from hml.core.space import LIGHT, Floats

RINGS, SECTORS = 200, 400  # of the disc
ANGLES, SPEEDS = 400, 40  # of turbulence
FWHM = 2.3548200450309493  # of a Gaussian, in sigmas
FINER = 4  # points to the narrowest of pixels and kernels


@dataclass(frozen=True)
class Sight:
    """How a star is seen: km/s, λ/Δλ (None: as sharp as the spectrum is)."""

    rv: float = 0.0
    vsini: float = 0.0
    limb_darkening: float = 0.6
    macroturbulence: float = 0.0
    resolving_power: float | None = None

    @property
    def factor(self) -> float:
        """λ_observed / λ_rest."""
        return float(np.sqrt((1 + self.rv / LIGHT) / (1 - self.rv / LIGHT)))

    @property
    def sharp(self) -> bool:
        return self.vsini == 0 and self.macroturbulence == 0 and self.resolving_power is None

    @property
    def reach(self) -> float:
        """How far light is spread to either side, in ln λ."""
        instrument = 0.0 if self.resolving_power is None else 2.5 / self.resolving_power
        return (self.vsini + 4 * self.macroturbulence) / LIGHT + instrument

    @property
    def margin(self) -> float:
        """What pixels need beyond themselves, in ln λ."""
        return abs(float(np.log(self.factor))) + self.reach


def seen(wavelength: Floats, flux: Floats, pixels: Pixels, sight: Sight, own_power: float | None = None) -> Floats:
    """A spectrum `[M]` (vacuum Å, at rest, of resolving power `own_power`) on pixels `[N]`, which it must exceed by
    `sight.margin`. A star that is not broadened is read off at the pixels' centres."""
    from scipy.interpolate import CubicSpline
    from scipy.signal import oaconvolve

    spline = CubicSpline(wavelength, flux)
    if sight.sharp:
        return np.asarray(spline(pixels.wavelength / sight.factor))
    ends = np.log(pixels.wavelength - pixels.width / 2), np.log(pixels.wavelength + pixels.width / 2)
    shifts = _shifts(sight, own_power)
    step = _step(wavelength, pixels, shifts)
    half = int(sight.reach / step) + 8
    points = step * np.arange(int(ends[0][0] / step) - 2 * half, int(ends[1][-1] / step) + 2 * half)
    fine = np.asarray(spline(np.clip(np.exp(points) / sight.factor, wavelength[0], wavelength[-1])))
    for places, weights in shifts:
        fine = 1 + oaconvolve(fine - 1, _taps(places / step, weights, half), mode="same")
    smooth = CubicSpline(points, fine)
    total, width = smooth.antiderivative(), ends[1] - ends[0]
    mean = (total(ends[1]) - total(ends[0])) / np.where(width > 0, width, 1)
    return np.asarray(np.where(width > 0, mean, smooth(np.log(pixels.wavelength))))


def _shifts(sight: Sight, own_power: float | None) -> list[tuple[Floats, Floats]]:
    """Of every kernel the shifts in ln λ and their weights, which add up to one."""
    kernels = []
    if sight.vsini:
        kernels.append(_disc(sight.vsini / LIGHT, sight.limb_darkening))
    if sight.macroturbulence:
        kernels.append(_turbulence(sight.macroturbulence / LIGHT))
    if sight.resolving_power is not None:
        variance = sight.resolving_power**-2 - (0.0 if own_power is None else own_power**-2)
        if variance < 0:
            raise ConfigError(
                f"truth.resolving_power: {sight.resolving_power:g} is more than the grid's own {own_power:g}; a "
                f"spectrum cannot be sharpened: give {own_power:g} or less"
            )
        if variance > 0:
            sigma = np.sqrt(variance) / FWHM
            places = np.linspace(-6, 6, 601)
            kernels.append((sigma * places, _normal(np.exp(-(places**2) / 2))))
    return kernels


def _disc(edge: float, darkening: float) -> tuple[Floats, Floats]:
    """Elements of equal area of a disc whose edges move by ± `edge`."""
    square = (np.arange(RINGS) + 0.5) / RINGS
    angle = 2 * np.pi * (np.arange(SECTORS) + 0.5) / SECTORS
    places = edge * np.sqrt(square)[:, None] * np.cos(angle)
    bright = np.broadcast_to(1 - darkening * (1 - np.sqrt(1 - square))[:, None], places.shape)
    return places.ravel(), _normal(bright.ravel())


def _turbulence(speed: float) -> tuple[Floats, Floats]:
    """Elements of the disc, half of whose gas moves radially, half along the surface: in ln λ."""
    square = (np.arange(ANGLES) + 0.5) / ANGLES  # μ²; equal areas as they are seen
    nodes, weights = np.polynomial.hermite.hermgauss(SPEEDS)
    along = np.concatenate([np.sqrt(square), np.sqrt(1 - square)])  # the part of the speed in the line of sight
    return (speed * along[:, None] * nodes).ravel(), _normal(np.tile(weights, len(along)))


def _normal(weights: Floats) -> Floats:
    return np.asarray(weights / weights.sum())


def _step(wavelength: Floats, pixels: Pixels, shifts: list[tuple[Floats, Floats]]) -> float:
    """Short against pixels, lines and kernels."""
    widths = [float(np.diff(np.log(wavelength)).min())]
    widths += [float((pixels.width / pixels.wavelength).min())] if (pixels.width > 0).all() else []
    widths += [float(np.sqrt((weights * places**2).sum())) for places, weights in shifts]
    return max(min(widths) / FINER, 1e-8)


def _taps(places: Floats, weights: Floats, half: int) -> Floats:
    """The weights `[2·half + 1]` of points around one that is shifted to all `places` (in steps)."""
    left = np.floor(places).astype(np.int64)
    t = places - left
    inner, outer = (t + 1) * (t - 2) / 2, t * (t - 1) / 6
    four: list[Floats] = [-outer * (t - 2), inner * (t - 1), -inner * t, outer * (t + 1)]
    taps: NDArray[np.float64] = np.zeros(2 * half + 1)
    for k, weight in enumerate(four):
        np.add.at(taps, np.clip(half + left + k - 1, 0, 2 * half), weights * weight)
    return taps
