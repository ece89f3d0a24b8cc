"""One level an order."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hml import Preprocessor, Spectrum, SpectrumError


class ExamplePreprocessor(Preprocessor):
    """Divides by the percentile `q` of the pixels that are used."""

    def __init__(self, q: float) -> None:
        self.q = q

    def __call__(self, spectrum: Spectrum, labels: Mapping[str, float] | None) -> Spectrum:
        level = np.ones(len(spectrum))
        for order in spectrum.order_slices():
            flux = spectrum.flux[order][spectrum.used[order]]
            level[order] = np.nanpercentile(flux, self.q) if np.isfinite(flux).any() else np.nan
        if not (level > 0).all():
            raise SpectrumError(f"{spectrum.name}: an order without light; take example out of preprocess")
        return spectrum.divide(level)  # divide() remembers what was divided out, so that it can be undone
