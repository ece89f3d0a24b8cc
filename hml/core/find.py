"""Find lines: the minima of a preprocessed spectrum that stand out."""

from __future__ import annotations

import numpy as np

from hml.core.config import FindConfig
from hml.core.lines import FoundLines
from hml.core.spectrum import Spectrum


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
