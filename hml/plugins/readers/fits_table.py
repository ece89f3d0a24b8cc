"""Tables in FITS files: a pixel a row, or a whole order a row."""

from __future__ import annotations

import bz2
import gzip
import io
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from hml import Reader, Spectrum, SpectrumError
from hml.plugins.readers import FitsTableConfig
from hml.plugins.readers.columns import Columns, looks_right

BROKEN = (
    OSError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError, MemoryError,
    OverflowError, ArithmeticError, NotImplementedError, zlib.error, fits.VerifyError, AstropyWarning,
)  # fmt: skip
"""What astropy raises where a file is damaged."""


class FitsTableReader(Reader):
    """The first table of a FITS file with a wavelength and a flux, and as further orders those of the same columns."""

    def __init__(self, config: FitsTableConfig) -> None:
        self.config = config

    def sniff(self, path: Path) -> bool:
        try:
            with opened(path) as hdus:
                return any(looks_right(hdu.columns.names) for hdu in hdus if hasattr(hdu, "columns"))
        except SpectrumError:
            return False

    def read(self, path: Path) -> list[Spectrum]:
        with opened(path) as hdus:
            chosen = self._chosen(hdus, path)
            parts = [_columns(hdu, cards(hdus[0]), path).spectra(self.config) for hdu in chosen]
        if len(parts) > 1:
            labels = [hdu.name or str(place) for place, hdu in enumerate(chosen)]
            parts = [
                [replace(order, name=f"{order.name} {label}") for order in part]
                for label, part in zip(labels, parts, strict=True)
            ]
        orders = sorted((order for part in parts for order in part), key=lambda order: order.band[0])
        same = [two for two in pairwise(orders) if len(parts) > 1 and two[0].band == two[1].band]
        if same:
            raise SpectrumError(f"{path}: {same[0][0].name} and {same[0][1].name} cover the same wavelengths, so they "
                                "are no orders of one spectrum; choose one with spectrum.reader.extension")  # fmt: skip
        return orders

    def _chosen(self, hdus: fits.HDUList, path: Path) -> list[Any]:
        """The tables to read: the one that was asked for, or the first that fits and all of the same columns."""
        tables = [hdu for hdu in hdus if hasattr(hdu, "columns")]
        asked = self.config.extension
        if asked is not None:
            try:
                hdu = hdus[asked]
            except (KeyError, IndexError):
                hdu = None
            if not hasattr(hdu, "columns"):
                there = ", ".join(f"{hdus.index(t)} {t.name}".strip() for t in tables) or "none"
                raise SpectrumError(f"{path}: spectrum.reader.extension {asked!r} is no table; its tables: {there}")
            return [hdu]
        if not tables:
            raise SpectrumError(f"{path}: holds no table; its flux may be an image, choose another spectrum.reader")
        first = next((hdu for hdu in tables if looks_right(hdu.columns.names)), tables[0])
        return [hdu for hdu in tables if hdu.columns.names == first.columns.names]


def _columns(hdu: Any, meta: dict[str, Any], path: Path) -> Columns:
    columns = {name: np.array(hdu.data[name]) for name in hdu.columns.names}
    units = {column.name: column.unit for column in hdu.columns if column.unit}
    return Columns(path, columns, units, meta | cards(hdu))


@contextmanager
def opened(path: Path) -> Iterator[fits.HDUList]:
    """The file, whole or not at all: a truncated one is refused."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", message="(?s).*(truncated|corrupted)", category=AstropyWarning)
            with fits.open(_unpacked(path), memmap=False) as hdus:
                _require_modest(hdus, path)
                yield hdus
    except BROKEN as error:
        reason = " ".join(str(error).split())
        raise SpectrumError(f"{path}: cannot be read as FITS ({reason}); it may be truncated, get it again") from None


LARGEST = 2**30  # bytes of the data of a file, and of a packed one unpacked
MOST = 1000  # extensions
# by their first bytes; others are refused
PACKED: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open}


def _unpacked(path: Path) -> Path | io.BytesIO:
    """The file, or what is packed in it, if that is no more than can be meant."""
    with path.open("rb") as file:
        start = file.read(2)
    if start not in PACKED:
        if start != b"SI":
            raise OSError("it does not begin with SIMPLE: it is truncated, or no FITS file at all")
        return path
    with PACKED[start](path, "rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise SpectrumError(f"{path}: unpacks to more than {LARGEST / 1e6:,.0f} MB, as no spectrum does")
    return io.BytesIO(content)


def _require_modest(hdus: fits.HDUList, path: Path) -> None:
    """SpectrumError where headers claim more than a spectrum can have; nothing of the data is read before."""
    size = 0
    for place, hdu in enumerate(hdus):
        size += hdu.size
        columns = hdu.header.get("TFIELDS", 0) if hasattr(hdu, "columns") else 0
        if place >= MOST or not 0 <= hdu.size <= LARGEST or size > LARGEST or columns > MOST:
            raise SpectrumError(f"{path}: extension {place}: with it, headers claim {size / 1e6:,.0f} MB of data "
                                f"({columns} columns), as no spectrum has")  # fmt: skip


def cards(hdu: Any) -> dict[str, Any]:
    """Header values a spectrum carries along."""
    skip = ("", "COMMENT", "HISTORY")
    return {key: value for key, value in hdu.header.items() if key not in skip and isinstance(value, str | int | float)}
