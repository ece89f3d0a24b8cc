"""The .HSR.h5 files, one a model: log10 of the flux (erg/s/cm²/cm) on vacuum wavelengths in Å, twice."""

from __future__ import annotations

import re
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from hml import GridError, GridFile

NAME = re.compile(
    r"lte(?P<teff>\d{5})-(?P<logg>\d\.\d\d)(?P<feh>[+-]\d\.\d)(?:\.alpha=(?P<alpha>[+-]\d\.\d))?"
    r"\.PHOENIX-NewEra(?:V\d+)?-ACES-COND-\d{4}\.HSR\.h5"
)
SPECIAL = re.compile(r"lte\d{5}[-+.\d]*\.(?:alpha=[+-]\d\.\d\.)?[A-Za-z]\w*\.PHOENIX-NewEra.*\.HSR\.h5")
DATASETS = {"high": ("PHOENIX_SPECTRUM", "flux"), "low": ("PHOENIX_SPECTRUM_LSR", "fl")}
LARGEST = 100_000_000  # values of a dataset
HIGHEST = 30.0  # log10 of a flux; the surface of the hottest star has 18

Floats = NDArray[np.float64]
Key = tuple[float, float, float, float]  # teff, logg, feh, alpha


def key_of(name: str) -> Key | None:
    """The labels in a file name; None for other files and for models of single stars (such as Vega)."""
    if not re.match(r"lte.*NewEra.*\.h5$", name) or SPECIAL.fullmatch(name):
        return None
    found = NAME.fullmatch(name)
    if found is None:
        raise GridError(f"{name[:200]!r}: is named like no NewEra file that is known here, such as "
                        "lte05000-5.00-0.0.PHOENIX-NewEra-ACES-COND-2023.HSR.h5")
    return float(found["teff"]), float(found["logg"]), float(found["feh"]) + 0.0, float(found["alpha"] or 0.0) + 0.0


def read(file: GridFile, sampling: str, band: tuple[float, float]) -> tuple[Floats, Floats]:
    """Wavelengths (vacuum Å) and flux (erg/s/cm²/cm) in the band."""
    group, flux = DATASETS[sampling]
    try:
        with h5py.File(file.path, "r") as source:
            wave, log_flux = (_get(source, group, name, file) for name in ("wl", flux))
            if wave.shape != log_flux.shape:
                raise GridError(f"{file}: {group}/wl has shape {wave.shape}, {group}/{flux} {log_flux.shape}")
            all_waves = np.asarray(wave[()], dtype=np.float64)
            first, stop = np.searchsorted(all_waves, [band[0], band[1] + 1e-9]).tolist()
            if stop - first < 2:
                raise GridError(f"{file}: has nothing in grid.wavelength, {list(band)}; it covers "
                                f"{all_waves[0]:.1f}–{all_waves[-1]:.1f} Å")
            logs = np.asarray(log_flux[first:stop], dtype=np.float64)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise GridError(f"{file}: is damaged, get it again ({' '.join(str(error).split())[:120]})") from None
    return _checked(all_waves[first:stop], logs, file)


def _checked(wavelength: Floats, logs: Floats, file: GridFile) -> tuple[Floats, Floats]:
    if not np.isfinite(wavelength).all() or (np.diff(wavelength) <= 0).any():
        raise GridError(f"{file}: its wavelengths are not in order")
    if np.isnan(logs).any() or logs.max() > HIGHEST:
        raise GridError(f"{file}: its fluxes are no decimal logarithms (up to {np.nanmax(logs):g})")
    return wavelength, 10.0**logs


def _get(source: Any, group: str, name: str, file: GridFile) -> Any:
    """A dataset of one row of numbers that lies in the file itself."""
    where = f"{group}/{name}"
    for part in (group, where):
        if not isinstance(source.get(part, getlink=True), h5py.HardLink):
            raise GridError(f"{file}: has no {part}: not NewEra's format as it is known here")
    data = source[where]
    if not isinstance(data, h5py.Dataset) or data.is_virtual or data.external:
        raise GridError(f"{file}: {where} is no dataset of this file")
    if data.ndim != 1 or data.dtype.kind != "f" or not 2 <= data.size <= LARGEST:
        raise GridError(f"{file}: {where} has shape {data.shape} and type {data.dtype}, expected one row of numbers")
    return data
