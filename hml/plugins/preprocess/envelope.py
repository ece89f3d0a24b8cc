"""An upper envelope by asymmetric least squares."""

from __future__ import annotations

import numpy as np
from numpy.polynomial import chebyshev

from hml import SpectrumError
from hml.plugins.preprocess.orders import Floats, OrderContinuum

SWEEPS = 100


class EnvelopeContinuum(OrderContinuum):
    """A Chebyshev series that minimises Σ w (flux - curve)², w = asymmetry above the curve and 1 - asymmetry below.

    This is expectile regression (Newey & Powell 1987, Econometrica 55, 819). The sum is strictly convex with one
    minimum, so the curve follows the flux continuously: nothing is picked or dropped, and the normalisation is as
    smooth from node to node as the spectra are.
    """

    def __init__(self, degree: int, asymmetry: float) -> None:
        self.degree, self.asymmetry = degree, asymmetry

    def curve(self, wavelength: Floats, flux: Floats, who: str) -> Floats:
        use = np.isfinite(flux)
        if use.sum() <= self.degree:
            raise SpectrumError(f"{who}: {use.sum()} usable pixels, {self.degree + 1} are needed for degree "
                                f"{self.degree}; lower the degree, or leave this order out")
        middle, half = (wavelength[0] + wavelength[-1]) / 2, max((wavelength[-1] - wavelength[0]) / 2, 1e-9)
        basis = chebyshev.chebvander((wavelength - middle) / half, self.degree)
        scale = float(np.max(np.abs(flux[use]))) or 1.0
        return np.asarray(basis @ expectile(basis[use], flux[use] / scale, self.asymmetry) * scale)


def expectile(basis: Floats, flux: Floats, asymmetry: float) -> Floats:
    """Coefficients `[D]` of the expectile curve; basis `[N, D]`, flux `[N]`. Newton's method is exact as soon as the
    same pixels lie above the curve twice; the asymmetry grows in steps so that it gets there."""
    coefficients = np.linalg.lstsq(basis, flux, rcond=None)[0]
    for tau in [t for t in (0.9, 0.99, 0.999, 0.9999) if t < asymmetry] + [asymmetry]:
        above = np.zeros(len(flux), dtype=bool)
        for _ in range(SWEEPS):
            last, above = above, flux > basis @ coefficients
            if np.array_equal(above, last):
                break
            weight = np.where(above, tau, 1.0 - tau)[:, None] * basis
            coefficients = np.linalg.lstsq(weight.T @ basis, weight.T @ flux, rcond=None)[0]
    return np.asarray(coefficients, dtype=np.float64)
