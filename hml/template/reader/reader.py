"""Two rows of numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hml import Reader, Spectrum, SpectrumError

MAGIC = b"\x93NUMPY"


class ExampleReader(Reader):
    """Wavelengths (vacuum Å) and fluxes."""

    def sniff(self, path: Path) -> bool:
        try:
            with path.open("rb") as file:
                return file.read(len(MAGIC)) == MAGIC
        except OSError:
            return False

    def read(self, path: Path) -> list[Spectrum]:
        try:
            wavelength, flux = np.load(path, allow_pickle=False)
        except (OSError, ValueError, TypeError, EOFError) as error:
            raise SpectrumError(f"{path}: is no NumPy file of two rows ({' '.join(str(error).split())})") from None
        return [Spectrum(wavelength, flux, name=path.name)]
