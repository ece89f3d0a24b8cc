"""What preprocessing divided out, kept small: per order a Chebyshev series of its logarithm."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.polynomial import chebyshev

from hml.core.space import Floats
from hml.core.spectrum import Spectrum

DEGREE = 24  # a blackbody over the whole HPF band needs less

Bands = Sequence[tuple[float, float]]


def bands_of(spectrum: Spectrum) -> list[tuple[float, float]]:
    """First and last wavelength (Å) of each order."""
    return [(float(spectrum.wavelength[s][0]), float(spectrum.wavelength[s][-1])) for s in spectrum.order_slices()]


def compress(spectrum: Spectrum) -> tuple[Floats, float]:
    """Coefficients `[orders × (DEGREE + 1)]` of ln(divided) and the largest relative error they make."""
    if spectrum.divided is None:
        return np.zeros(len(spectrum.starts) * (DEGREE + 1)), 0.0
    series = []
    for pixels, band in zip(spectrum.order_slices(), bands_of(spectrum), strict=True):
        x = _scaled(spectrum.wavelength[pixels], band)
        degree = min(DEGREE, len(x) - 1)
        pick = np.unique(np.linspace(0, len(x) - 1, 2000).astype(int))  # smooth: no need of every pixel
        fit = chebyshev.chebfit(x[pick], np.log(spectrum.divided[pixels][pick]), degree)
        series.append(np.pad(fit, (0, DEGREE - degree)))
    coefficients = np.concatenate(series)
    back = expand(coefficients, bands_of(spectrum), spectrum.wavelength)
    return coefficients, float(np.max(np.abs(back / spectrum.divided - 1)))


def expand(coefficients: Floats, bands: Bands, wavelength: Floats) -> Floats:
    """What was divided out `[N]` at `wavelength` (Å)."""
    # a pixel between two orders belongs to the nearer one
    edges = [-np.inf, *((a[1] + b[0]) / 2 for a, b in pairwise(bands)), np.inf]
    out = np.empty(len(wavelength))
    for series, band, (low, high) in zip(coefficients.reshape(len(bands), -1), bands, pairwise(edges), strict=True):
        here = (wavelength >= low) & (wavelength < high)
        out[here] = np.exp(chebyshev.chebval(_scaled(wavelength[here], band), series))
    return out


def _scaled(wavelength: Floats, band: tuple[float, float]) -> Floats:
    low, high = band
    return (2 * wavelength - low - high) / max(high - low, 1e-9)
