"""The paper's continuum: a polynomial through the highest, widely spaced peaks."""

from __future__ import annotations

import numpy as np
from numpy.polynomial import Polynomial
from scipy.signal import find_peaks

from hml import SpectrumError
from hml.plugins.preprocess.orders import Floats, OrderContinuum


class PeakContinuum(OrderContinuum):
    """A polynomial, least squares, through `scipy.signal.find_peaks(flux, distance=distance)`.

    The recipe of Shankar, Gully-Santiago & Morley, but for the abscissa, which is scaled to -1…1: in Å the five
    coefficients have a condition number of 6e19.
    """

    def __init__(self, degree: int, distance: int) -> None:
        self.degree, self.distance = degree, distance

    def curve(self, wavelength: Floats, flux: Floats, who: str) -> Floats:
        peaks = find_peaks(flux, distance=self.distance)[0]
        if len(peaks) <= self.degree:
            raise SpectrumError(
                f"{who}: {len(peaks)} peaks at least {self.distance} pixels apart, {self.degree + 1} are needed for "
                f"degree {self.degree}; set method: envelope, or a smaller distance or degree"
            )
        domain = [wavelength[0], wavelength[-1]]
        return np.asarray(Polynomial.fit(wavelength[peaks], flux[peaks], self.degree, domain=domain)(wavelength))
