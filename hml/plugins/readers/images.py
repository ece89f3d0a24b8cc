"""Echelle orders kept as images, orders × pixels, in the extensions of a FITS file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from astropy.io import fits

from hml import Frame, Pointing, Spectrum, SpectrumError
from hml.plugins.readers.door import Floats, enter

LARGEST = 20_000_000  # pixels of an image that are still taken for a spectrum

Uncertainty = Literal["errors", "variances"]


def image(hdus: fits.HDUList, extension: int | str, path: Path, setting: str = "") -> Floats:
    """An extension as float64 `[orders, N]`; one row is one order. SpectrumError where there is no such image."""
    try:
        hdu = hdus[extension]
    except (KeyError, IndexError):
        there = ", ".join(f"{i} {hdu.name}".strip() for i, hdu in enumerate(hdus) if hdu.header.get("NAXIS"))
        hint = f" (spectrum.reader.{setting})" if setting else ""
        raise SpectrumError(f"{path}: no extension {extension!r}{hint}; it has {there or 'none with data'}") from None
    shape = [hdu.header.get(f"NAXIS{i + 1}", 0) for i in range(hdu.header.get("NAXIS", 0))]
    if not (hdu.is_image and len(shape) in (1, 2) and 0 < np.prod(shape, dtype=float) <= LARGEST):
        raise SpectrumError(f"{path}: extension {extension!r} is no image of orders × pixels (its axes: {shape})")
    return np.atleast_2d(np.asarray(hdu.data, dtype=np.float64))


def errors_from(values: Floats, kind: Uncertainty) -> Floats:
    """Standard deviations from what a file has; NaN for a variance below zero, which is no variance."""
    if kind == "errors":
        return values
    return np.sqrt(np.where(values >= 0, values, np.nan))


@dataclass(frozen=True, eq=False)
class Orders:
    """What an echelle file holds, each `[orders, N]`."""

    path: Path
    wavelength: Floats  # in `wavelength_unit`
    flux: Floats
    error: Floats | None
    uncertainty: Uncertainty | None  # what the file had
    frame: Frame
    unit: str
    wavelength_unit: str = "AA"
    meta: Mapping[str, Any] = field(default_factory=dict)
    pointing: Pointing | None = None
    empty: bool = False  # whether pixels without flux or error are left out here: this kind of file marks gaps so

    def spectra(self) -> list[Spectrum]:
        """One spectrum an order, by wavelength, named by its number in the file."""
        for what in ("wavelength", "error"):
            values = getattr(self, what)
            if values is not None and values.shape != self.flux.shape:
                raise SpectrumError(f"{self.path}: {what} has {_shape(values)} (orders × pixels), flux has "
                                    f"{_shape(self.flux)}; they must be the same")  # fmt: skip
        return sorted(self._each(), key=lambda spectrum: spectrum.band[0])

    def _each(self) -> Iterator[Spectrum]:
        meta = {**self.meta, "uncertainty": self.uncertainty} if self.uncertainty else self.meta
        for row in range(len(self.flux)):
            turn = slice(None, None, -1 if self.wavelength[row, 0] > self.wavelength[row, -1] else 1)
            error = None if self.error is None else self.error[row, turn]
            spectrum = enter(
                self.path, self.wavelength[row, turn], self.wavelength_unit, self.flux[row, turn], error=error,
                unit=self.unit, frame=self.frame, name=f"{self.path.name} order {row}", meta={**meta, "order": row},
                pointing=self.pointing,
            )  # fmt: skip
            yield _without_gaps(spectrum) if self.empty else spectrum


def _without_gaps(order: Spectrum) -> Spectrum:
    order = order.hide(~np.isfinite(order.flux), "no signal")
    if order.error is None:
        return order
    nothing = (order.flux == 0) & (order.error == 0)
    useless = ~(np.isfinite(order.error) & (order.error > 0))
    return order.hide(nothing, "no signal").hide(useless, "error or variance not above zero")


def _shape(values: Floats) -> str:
    return " × ".join(map(str, values.shape))
