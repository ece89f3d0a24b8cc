"""Pixels that are left out: where the sky shines, where the air absorbs, where a person says so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hml.core.barycentre import LIGHT
from hml.core.config import MaskConfig
from hml.core.errors import SpectrumError
from hml.core.space import Floats
from hml.core.spectrum import Bools, Spectrum

LARGEST_FILE = 60_000_000  # bytes


class Mask(NamedTuple):
    """A mask with its file read."""

    name: str
    config: MaskConfig
    wavelength: Floats  # [T] vacuum Å, in the mask's frame; empty without a file
    value: Floats  # [T]

    @classmethod
    def of(cls, name: str, config: MaskConfig) -> Mask:
        """SpectrumError naming file and line where it cannot be used."""
        if config.file is None:
            return cls(name, config, np.empty(0), np.empty(0))
        wavelength, value = read_table(config.file)
        if config.above is None and config.below is None and not np.isin(value, (0, 1)).all():
            raise SpectrumError(
                f"spectrum.masks.{name}: {config.file.name} has values from {value.min():g} to {value.max():g}, not 0 "
                "and 1; say with above or below which are left out"
            )
        return cls(name, config, wavelength, value)

    def hides(self, wavelength: Floats) -> Bools:
        """Which of these pixels `[N]` (vacuum Å, in the mask's frame) are left out. Between its rows a file is
        interpolated; outside of them it hides nothing."""
        if self.config.file is None:
            inside = np.zeros(len(wavelength), dtype=bool)
            for low, high in self.config.drop or self.config.keep:
                inside |= (wavelength >= low) & (wavelength <= high)
            return inside if self.config.drop else ~inside
        value = np.interp(wavelength, self.wavelength, self.value, left=np.nan, right=np.nan)
        above, below = self.config.above, self.config.below
        if above is None and below is None:
            above = 0.5
        hidden = np.zeros(len(wavelength), dtype=bool)
        if above is not None:
            hidden |= value > above
        return hidden if below is None else hidden | (value < below)


def read_masks(configs: Mapping[str, MaskConfig]) -> list[Mask]:
    """The masks of a config, in its order."""
    return [Mask.of(name, config) for name, config in configs.items()]


def masked(order: Spectrum, masks: list[Mask], velocity: float | None) -> Spectrum:
    """The order without what the masks hide; `velocity` (km/s) would take it from the observatory to the barycentre."""
    for mask in masks:
        factor = _factor(order, mask, velocity)
        order = order.hide(mask.hides(order.wavelength * factor), mask.name)
    return order


def _factor(order: Spectrum, mask: Mask, velocity: float | None) -> float:
    """From the order's wavelengths to those of the mask's frame."""
    here, there = order.frame.rest, mask.config.frame
    if here == there:
        return 1.0
    who = f"{order.name or 'spectrum'}: spectrum.masks.{mask.name} has frame {there}"
    if here == "rest":
        raise SpectrumError(f"{who}, the spectrum that of the star at rest; a mask of another frame cannot be placed")
    to_rest = 1.0 / (1.0 + mask.config.rv / LIGHT)
    if here == "barycentric" and there == "rest":
        return to_rest
    if velocity is None:
        raise SpectrumError(f"{who}, the spectrum {here}, and its velocity to the barycentre is not known; "
                            "give it with spectrum.barycentric")  # fmt: skip
    to_centre = 1.0 + velocity / LIGHT
    return {"observed": 1.0 / to_centre, "barycentric": to_centre, "rest": to_centre * to_rest}[there]


def read_table(path: Path) -> tuple[Floats, Floats]:
    """Wavelength and value `[T]`: two columns of numbers, with or without a heading, separated by commas or blanks.
    SpectrumError naming the file where that is not what it holds."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise SpectrumError(f"{path}: is larger than {LARGEST_FILE / 1e6:.0f} MB, hardly such a table")
        lines = path.read_text(encoding="utf-8").replace(",", " ").splitlines()
        if lines and lines[0].strip() and not lines[0].lstrip(" #+-.")[:1].isdigit():
            lines = lines[1:]
        rows = np.loadtxt(lines, comments="#", ndmin=2) if lines else np.empty((0, 2))
    except OSError as error:
        raise SpectrumError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        reason = " ".join(str(error).split())[:100]
        raise SpectrumError(f"{path}: is no table of wavelength and value ({reason})") from None
    if rows.shape[0] < 2 or rows.shape[1] < 2:
        raise SpectrumError(f"{path}: needs two columns, wavelength (vacuum Å) and value, and two rows at least")
    wavelength, value = rows[:, 0], rows[:, 1]
    if not (np.isfinite(rows[:, :2]).all() and (np.diff(wavelength) > 0).all()):
        raise SpectrumError(f"{path}: wavelengths and values must be finite and wavelengths rise from row to row")
    return wavelength, value
