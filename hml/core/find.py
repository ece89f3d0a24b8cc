"""Find lines: the minima of a preprocessed spectrum that stand out."""

from __future__ import annotations

import numpy as np

from hml.core.config import FindConfig
from hml.core.lines import FoundLines
from hml.core.space import Floats
from hml.core.spectrum import Spectrum

DARK = 0.02  # of the continuum: darker pixels tell nothing of further lines
BLUR = 1.5  # pixels, a standard deviation: what is narrower than a line is rounding
WIDTHS = (2.0, 12.0)  # pixels: what a fit of a hidden line starts with


def find_lines(spectrum: Spectrum, config: FindConfig) -> FoundLines:
    """The lines of a normalised spectrum, each order searched on its own."""
    from scipy.signal import find_peaks

    parts = []
    for order in spectrum.order_slices():
        wavelength, flux = spectrum.wavelength[order], spectrum.flux[order]
        peaks, seen = find_peaks(-flux, distance=config.distance, prominence=config.prominence, width=0, rel_height=0.5)
        step = np.gradient(wavelength) if len(wavelength) > 1 else np.ones(1)
        parts.append(
            np.stack([wavelength[peaks], seen["prominences"], 1 - flux[peaks], seen["widths"] * step[peaks]], -1)
        )
    lines = np.concatenate(parts)
    low, high = spectrum.band
    inside = (lines[:, 0] >= low + config.edge) & (lines[:, 0] <= high - config.edge)
    centre, prominence, depth, fwhm = lines[inside].T
    return FoundLines(centre, prominence, depth, fwhm)


def find_hidden(spectrum: Spectrum, model: Floats, flux: Floats, least: float) -> FoundLines:
    """The lines that a model `[N]` lacks: maxima of ln(model/flux), the opacity that is missing, which stand out by
    `least`. Blends hide them from `find_lines`; they show once the stronger lines are taken away."""
    from scipy.signal import find_peaks

    missing, parts = missing_opacity(spectrum, model, flux), [np.zeros((0, 3))]
    for order in spectrum.order_slices():
        wavelength, opacity = spectrum.wavelength[order], missing[order]
        peaks, seen = find_peaks(opacity, distance=2, prominence=least, width=0, rel_height=0.5)
        step = np.gradient(wavelength) if len(wavelength) > 1 else np.ones(1)
        widths = np.clip(seen["widths"], *WIDTHS) * step[peaks]
        parts.append(np.stack([wavelength[peaks], np.maximum(opacity[peaks], least / 2), widths], -1))
    centre, height, fwhm = np.concatenate(parts).T
    return FoundLines(centre, height, height, fwhm)


def missing_opacity(spectrum: Spectrum, model: Floats, flux: Floats) -> Floats:
    """ln(model/flux) `[N]`, smoothed a little within each order."""
    from scipy.ndimage import gaussian_filter1d

    opacity = np.log(np.maximum(model, DARK) / np.maximum(flux, DARK))
    return np.concatenate([gaussian_filter1d(opacity[order], BLUR) for order in spectrum.order_slices()])
