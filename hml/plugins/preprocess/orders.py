"""What both continuum methods share: order by order, positive, said clearly when it cannot be done."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hml import Preprocessor, Spectrum, SpectrumError

Floats = NDArray[np.float64]


class OrderContinuum(Preprocessor):
    """Divides each order by a curve fitted to that order alone."""

    @abstractmethod
    def curve(self, wavelength: Floats, flux: Floats, who: str) -> Floats:
        """The continuum at every pixel `[N]` of one order; flux is NaN where it is not to be used. SpectrumError,
        beginning with `who`, if it cannot be fitted."""

    def __call__(self, spectrum: Spectrum, labels: Mapping[str, float] | None) -> Spectrum:
        flux = spectrum.flux if spectrum.mask is None else np.where(spectrum.mask, spectrum.flux, np.nan)
        continuum = np.empty(len(spectrum))
        for pixels in spectrum.order_slices():
            wavelength = spectrum.wavelength[pixels]
            who = (f"continuum: {spectrum.name or 'the spectrum'}, {wavelength[0]:.1f}–{wavelength[-1]:.1f} Å "
                   f"({len(wavelength)} pixels)")
            continuum[pixels] = self.curve(wavelength, flux[pixels], who)
            if not (continuum[pixels] > 0).all():
                raise SpectrumError(f"{who}: the fitted continuum is not positive everywhere; lower its degree, or "
                                    "divide by the blackbody first")
        return spectrum.divide(continuum)
