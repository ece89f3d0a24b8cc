"""From a file to orders that can be measured: what cannot be used is left out, and every step is recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hml.core.barycentre import LIGHT, correction
from hml.core.blaze import Blaze
from hml.core.components import BuildContext
from hml.core.config import RunConfig, SpectrumConfig
from hml.core.errors import SpectrumError
from hml.core.interfaces import Preprocessor
from hml.core.masks import Mask, masked, read_masks
from hml.core.reading import read_orders
from hml.core.rezero import Zero, air_velocity, moved
from hml.core.spectrum import Bools, Spectrum

LARGEST = 1e100  # flux beyond this is no measurement in any unit
LEFT = "left"  # how reasons end that masks have brought about
HIDDEN = "no pixel left"
SHOWN = 3  # orders that a note names


@dataclass(frozen=True, eq=False)
class Exposure:
    """One file as it was understood."""

    path: Path
    reader: str
    orders: list[Spectrum]
    velocity: float | None  # km/s that took its wavelengths to the barycentre; None where they are as in the file
    notes: tuple[str, ...] = ()
    dropped: tuple[Spectrum, ...] = ()  # orders of which nothing is left
    zero: Zero | None = None  # of its wavelengths, where it was asked for and removed


@dataclass(frozen=True)
class _Tools:
    """What all exposures of a star share."""

    config: SpectrumConfig
    context: BuildContext
    masks: list[Mask]
    blaze: Blaze | None
    steps: list[Preprocessor]


def read_exposures(config: RunConfig, context: BuildContext) -> list[Exposure]:
    """The exposures of `spectrum.path`, in turn. SpectrumError, one line, for one that cannot be used."""
    spectrum = config.spectrum
    blaze = Blaze.read(spectrum.blaze, spectrum.reader, context) if spectrum.blaze else None
    steps = [step.build(context) for step in spectrum.preprocess]
    tools = _Tools(spectrum, context, read_masks(spectrum.masks), blaze, steps)
    return [_exposure(path, tools) for path in spectrum.paths]


def _exposure(path: Path, tools: _Tools) -> Exposure:
    config, blaze = tools.config, tools.blaze
    reader, orders = read_orders(path, config.reader, tools.context)
    velocity, note = correction(orders[0], config.barycentric, path)
    orders, zero = _rezeroed(orders, config)
    orders = _cut(orders, config, velocity, path)
    stages: list[Callable[[Spectrum], Spectrum]] = [
        lambda order: order,
        lambda order: masked(order, tools.masks, velocity),
        lambda order: _usable(order, config.bad_pixels, path),
        *([blaze.remove] if blaze else []),
    ]
    gone: list[_Gone] = []
    for stage in stages:
        orders, dead = _alive([stage(order) for order in orders], config.least)
        gone += dead
        if not orders:
            raise SpectrumError(f"{path}: {_told(gone, len(gone))}")
    shift = velocity if orders[0].frame.rest == "observed" else None
    dropped = [order for order, _ in gone]
    if shift is not None:
        orders, dropped = ([order.shifted(shift) for order in part] for part in (orders, dropped))
    for step in tools.steps:
        orders = [step(order, None) for order in orders]
    total = len(orders) + len(gone)
    notes = [note, blaze.note if blaze else "", f"{path.name}: {_told(gone, total)}" if gone else ""]
    return Exposure(path, reader, orders, shift, tuple(filter(None, notes)), tuple(dropped), zero)


def _rezeroed(orders: list[Spectrum], config: SpectrumConfig) -> tuple[list[Spectrum], Zero | None]:
    if config.rezero is None:
        return orders, None
    if orders[0].frame.rest != "observed":
        raise SpectrumError(f"{orders[0].name}: spectrum.rezero: lines of the air do not stand still in the "
                            f"{orders[0].frame.rest} frame")  # fmt: skip
    zero = air_velocity(orders, config.rezero.file, config.rezero.limit)
    return [moved(order, zero) for order in orders], zero


def masked_pixels(orders: Iterable[Spectrum]) -> dict[str, int]:
    """How many pixels of all orders each cause took, in turn: none is counted twice."""
    counts: Counter[str] = Counter()
    for order in orders:
        counts.update(order.meta.get("masked", {}))
    return dict(counts)


def _cut(orders: list[Spectrum], config: SpectrumConfig, velocity: float | None, path: Path) -> list[Spectrum]:
    """The part to use: limits are those of the wavelengths after the correction."""
    if config.wavelength is None:
        return orders
    factor = 1.0 + (velocity or 0.0) / LIGHT if orders[0].frame.rest == "observed" else 1.0
    low, high = (limit / factor for limit in config.wavelength)
    cut = [order.cut(low, high) for order in orders if order.band[1] >= low and order.band[0] <= high]
    if not cut:
        raise SpectrumError(f"{path}: no pixels inside spectrum.wavelength = {config.wavelength}")
    return cut


_Gone = tuple[Spectrum, str]  # an order of which nothing is left, and why


def _alive(orders: list[Spectrum], least: float) -> tuple[list[Spectrum], list[_Gone]]:
    """The orders with something in them, and the others."""
    judged = [(order, _dead(order, least)) for order in orders]
    return [order for order, reason in judged if not reason], [(order, reason) for order, reason in judged if reason]


def _told(gone: list[_Gone], total: int) -> str:
    """Which orders are left out and why, in one line."""
    texts = []
    for reason in dict.fromkeys(reason for _, reason in gone):
        orders = [order for order, why in gone if why == reason]
        causes = masked_pixels(orders) if reason.endswith(LEFT) else {}
        counts = ", ".join(f"{cause} {count:,}" for cause, count in causes.items())
        places = ", ".join(f"{order.band[0]:.1f}" for order in orders[:SHOWN]) + (", …" if len(orders) > SHOWN else "")
        which = f"{len(orders)} of {total} orders ({places} Å)" if total > 1 else f"the order at {places} Å"
        texts.append(f"{which}: {reason}" + (f" ({counts})" if counts else ""))
    return "; ".join(texts) + ("" if len(gone) == total else "; left out")


def _dead(order: Spectrum, least: float) -> str:
    """Why nothing can be done with an order, or should be."""
    used = order.used
    if not used.any():
        return HIDDEN
    if used.mean() < least:
        return f"less than {least:.0%} of the pixels left"
    flux = order.flux[used]
    if not (np.abs(flux) < LARGEST).any():
        return "no finite flux"
    if not (flux > 0).any():
        return "no positive flux"
    if order.error is not None and not _sound(order)[used].any():
        return "no usable error, all are zero, negative or not finite"
    return ""


def _sound(order: Spectrum) -> Bools:
    """Where the error is a positive number, `[N]`."""
    assert order.error is not None
    return np.asarray(np.isfinite(order.error) & (order.error > 0))


def _usable(order: Spectrum, bad: str, path: Path) -> Spectrum:
    """The order with its bad pixels refused or left out."""
    wrong = ~(np.abs(order.flux) < LARGEST) & order.used  # NaN compares false
    useless = np.zeros(len(order), dtype=bool) if order.error is None else ~_sound(order) & order.used & ~wrong
    if bad == "refuse" and (wrong | useless).any():
        what = "flux is not finite" if wrong.any() else "error is zero, negative or not finite"
        first, count = int(np.argmax(wrong | useless)), int((wrong | useless).sum())
        raise SpectrumError(
            f"{path}: {what} at {order.wavelength[first]:.4f} Å, {count} of {len(order)} pixels unusable; "
            "remove them, or leave them out with --set spectrum.bad_pixels=mask"
        )
    return order.hide(wrong, "flux not finite").hide(useless, "useless error")
