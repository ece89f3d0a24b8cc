"""Mean spectra of Gaia's radial velocity spectrometer, as the archive hands them out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from hml import Reader, Spectrum, SpectrumError
from hml.plugins.readers import TableConfig
from hml.plugins.readers.text import TextReader, heading

COLUMNS = {"source_id", "wavelength", "flux", "flux_error"}


class GaiaRvsReader(Reader):
    """Wavelengths are nm in vacuum, shifted by Gaia to the star's rest frame; pixels beyond its ends are empty."""

    def __init__(self) -> None:
        columns = {"wavelength": "wavelength", "flux": "flux", "error": "flux_error", "order": "source_id"}
        self.text = TextReader(TableConfig(**columns, wavelength_unit="nm", medium="vacuum", frame="rest"))

    def sniff(self, path: Path) -> bool:
        return self.text.sniff(path) and set(heading(path)) >= COLUMNS

    def read(self, path: Path) -> list[Spectrum]:
        stars = self.text.read(path)
        if len(stars) > 1:
            raise SpectrumError(f"{path}: holds {len(stars)} stars; split it by source_id")
        star = replace(stars[0], name=path.name)
        return [star.hide(~np.isfinite(star.flux), "no signal")]
