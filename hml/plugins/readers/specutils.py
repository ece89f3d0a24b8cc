"""Whatever the specutils package can read."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hml import Reader, Spectrum, SpectrumError
from hml.plugins.readers import FrameConfig
from hml.plugins.readers.door import enter, frame
from hml.plugins.readers.fits_table import LARGEST, opened


class SpecutilsReader(Reader):
    """Asks specutils' own registry of formats."""

    def __init__(self, config: FrameConfig) -> None:
        self.config = config

    def sniff(self, path: Path) -> bool:
        if not _bounded(path):
            return False
        try:
            from specutils.io.registers import identify_spectrum_format

            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return bool(identify_spectrum_format(str(path)))
        # its identifiers are of many hands and raise anything on a foreign file
        except Exception:
            return False

    def read(self, path: Path) -> list[Spectrum]:
        try:
            import specutils
        except ImportError:
            raise SpectrumError(f"{path}: specutils is not installed; pip install 'hml[specutils]'") from None
        if not _bounded(path):
            raise SpectrumError(f"{path}: is damaged, or claims more data than a spectrum has; get it again")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = _read(specutils, path)
        # its loaders raise whatever they meet
        except Exception as error:
            reason = " ".join(str(error).split())[:120]
            raise SpectrumError(f"{path}: specutils cannot read it ({reason}); try another spectrum.reader") from None
        if not found:  # a folder, say
            raise SpectrumError(f"{path}: specutils finds no spectrum in it; try another spectrum.reader")
        orders = [row for theirs in found for row in self._orders(theirs, path)]
        names = [path.name if len(orders) == 1 else f"{path.name} order {i}" for i in range(len(orders))]
        named = [replace(order, name=name) for order, name in zip(orders, names, strict=True)]
        return sorted(named, key=lambda spectrum: spectrum.band[0])

    def _orders(self, theirs: Any, path: Path) -> Iterator[Spectrum]:
        """One of specutils' spectra, flux `[..., N]`, row by row."""
        meta = {**theirs.meta.get("header", {}), **{k: v for k, v in theirs.meta.items() if k != "header"}}
        where = frame(meta, self.config)
        shape = (-1, theirs.flux.shape[-1])
        flux = theirs.flux.value.reshape(shape)
        error, mask = _deviation(theirs), theirs.mask
        axis = np.asarray(theirs.spectral_axis.value)
        if axis[0] in (0, 1) and (np.diff(axis) == 1).all():
            raise SpectrumError(f"{path}: its header has no wavelengths (pixels are counted from {axis[0]:g}); choose "
                                "another spectrum.reader")  # fmt: skip
        for row in range(len(flux)):
            yield enter(
                path, axis, str(theirs.spectral_axis.unit), flux[row],
                error=None if error is None else error.reshape(shape)[row],
                mask=None if mask is None else ~np.asarray(mask, dtype=bool).reshape(shape)[row],
                unit=str(theirs.flux.unit), frame=where, name=path.name, meta=meta,
            )


def _bounded(path: Path) -> bool:
    """Whether what a FITS file claims is small enough for loaders that believe it."""
    try:
        with path.open("rb") as file:
            if not file.read(9).startswith((b"SIMPLE  =", b"\x1f\x8b", b"BZ")):
                return path.stat().st_size <= LARGEST
        with opened(path):
            return True
    except SpectrumError:
        return False
    except OSError:  # specutils has words for it
        return True


def _read(specutils: Any, path: Path) -> list[Any]:
    """All spectra of the file; not every format has a loader of lists."""
    from astropy.io.registry import IORegistryError

    try:
        return list(specutils.SpectrumList.read(str(path)))
    except IORegistryError:
        return [specutils.Spectrum.read(str(path))]


def _deviation(theirs: Any) -> Any:
    """One standard deviation in the unit of the flux, from whatever kind of uncertainty; None without one."""
    from astropy.nddata import StdDevUncertainty

    if theirs.uncertainty is None:
        return None
    return theirs.uncertainty.represent_as(StdDevUncertainty).quantity.to_value(theirs.flux.unit)
