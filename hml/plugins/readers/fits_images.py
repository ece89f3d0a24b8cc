"""Echelle orders of any spectrograph: one image each for wavelengths, fluxes and errors."""

from __future__ import annotations

from pathlib import Path

from hml import Reader, Spectrum, SpectrumError
from hml.plugins.readers import FitsImagesConfig
from hml.plugins.readers.door import frame, unit_of
from hml.plugins.readers.fits_table import cards, opened
from hml.plugins.readers.images import Orders, Uncertainty, errors_from, image


class FitsImagesReader(Reader):
    """Extensions by name or number."""

    def __init__(self, config: FitsImagesConfig) -> None:
        self.config = config

    def sniff(self, path: Path) -> bool:
        try:
            with opened(path) as hdus:
                names = {hdu.name for hdu in hdus if hdu.is_image and hdu.header.get("NAXIS") in (1, 2)}
                wanted = {str(self.config.flux).upper(), str(self.config.wavelength).upper()}
                return wanted <= {name.upper() for name in names}
        except SpectrumError:
            return False

    def read(self, path: Path) -> list[Spectrum]:
        config = self.config
        unit_of(config.flux_unit, path, "flux_unit")
        with opened(path) as hdus:
            flux = image(hdus, config.flux, path, "flux")
            wavelength = image(hdus, config.wavelength, path, "wavelength")
            kind, extension = self._uncertainty(path)
            error = None if extension is None else errors_from(image(hdus, extension, path, kind[:-1]), kind)
            meta = cards(hdus[0]) | cards(hdus[config.flux])
        if len(wavelength) == 1 < len(flux):
            wavelength = wavelength.repeat(len(flux), axis=0)
        return Orders(
            path, wavelength, flux, error, kind if extension is not None else None, frame(meta, config),
            config.flux_unit, config.wavelength_unit, meta,
        ).spectra()  # fmt: skip

    def _uncertainty(self, path: Path) -> tuple[Uncertainty, int | str | None]:
        if self.config.error is not None and self.config.variance is not None:
            raise SpectrumError(f"{path}: spectrum.reader.error and variance: give one of the two")
        if self.config.variance is not None:
            return "variances", self.config.variance
        return "errors", self.config.error
