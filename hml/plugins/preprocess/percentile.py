"""Division by a percentile of the flux."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hml import Preprocessor, Spectrum, SpectrumError


class Percentile(Preprocessor):
    """Divides the whole spectrum by the q-th percentile of its usable flux."""

    def __init__(self, q: float) -> None:
        self.q = q

    def __call__(self, spectrum: Spectrum, labels: Mapping[str, float] | None) -> Spectrum:
        use = np.isfinite(spectrum.flux) & (True if spectrum.mask is None else spectrum.mask)
        value = float(np.percentile(spectrum.flux[use], self.q)) if use.any() else 0.0
        if not value > 0:
            raise SpectrumError(
                f"percentile: {self.q:g} % of the flux of {spectrum.name or 'the spectrum'} lie below {value:g}, which "
                "cannot become 1; raise q or check the flux"
            )
        return spectrum.divide(value)
