"""The blaze: the smooth upper envelope of a star without lines, or of a lamp, seen by the same spectrograph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.polynomial import chebyshev

from hml.core.components import BuildContext
from hml.core.config import BlazeConfig, Chosen
from hml.core.degree import choose_degree
from hml.core.errors import SpectrumError
from hml.core.reading import read_orders
from hml.core.space import Floats
from hml.core.spectrum import Bools, Spectrum

RYDBERG = 109_677.5834  # 1/cm, of hydrogen
LOWER = (2, 3, 4)  # levels: Balmer, Paschen, Brackett
HIGHEST = 20
WIDE = 3.0e-3  # half width of a line over its wavelength, of an A0V star
CROWDED = 0.4  # of the distance to the next line, where lines crowd: something is left between them
INSIDE, ENDS = 0.3, 0.1  # parts of an order that a series may bridge: between pixels, beyond the last of them
FEWEST = 50  # pixels with light
ENOUGH = 0.3  # part of those outside of hydrogen lines that must make the envelope
TIGHT = 0.03  # of the flux: how far they may scatter about it
NEIGHBOURS = 4
ROUNDS = 30
DIM = 0.05  # of the order's brightest place: below, a blaze is no measure of anything
FLAT = 0.05  # orders which vary by less have no blaze in them
DEGREES = tuple(range(2, 9))
BEYOND = 0.04  # of half an order, that a series reaches beyond its last pixels
GRID = np.linspace(-1.0, 1.0, 401)

_Ends = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Envelope:
    """The blaze of one order, over its largest value."""

    band: tuple[float, float]  # vacuum Å, where it is known
    values: Floats  # [401] at even steps over the band; NaN where it is not known

    def __call__(self, wavelength: Floats) -> Floats:
        """The blaze `[N]`; NaN outside of the band."""
        return np.interp(_scaled(wavelength, self.band), GRID, self.values, left=np.nan, right=np.nan)

    @property
    def depth(self) -> float:
        """How much of its largest value the blaze loses somewhere."""
        return 1.0 - float(np.nanmin(self.values))

    def between(self, low: float, high: float) -> Envelope:
        """The same, unknown outside of these places (-1 to 1 over the band) and a little beyond."""
        outside = (low - BEYOND > GRID) | (high + BEYOND < GRID)
        return Envelope(self.band, np.where(outside, np.nan, self.values))


@dataclass(frozen=True)
class Blaze:
    """The blaze of a spectrograph, order by order."""

    envelopes: tuple[Envelope, ...]
    name: str

    @classmethod
    def read(cls, config: BlazeConfig, reader: Chosen | None, context: BuildContext) -> Blaze:
        """From the file of a standard; `reader` is that of the star. SpectrumError where no order has light."""
        _, orders = read_orders(config.path, config.reader or reader, context)
        found = envelopes(orders, config.degree, star=config.hydrogen)
        if not found:
            raise SpectrumError(f"{config.path}: spectrum.blaze: no order of it has enough light to tell a blaze")
        return cls(tuple(found), config.path.name)

    @property
    def note(self) -> str:
        """A doubt, if there is one."""
        if np.median([e.depth for e in self.envelopes]) > FLAT:
            return ""
        return f"the blaze of {self.name} is flat: it seems to have been removed from it already"

    def remove(self, order: Spectrum) -> Spectrum:
        """The order over its blaze, which `divided` remembers; pixels without one are left out."""
        best = max(self.envelopes, key=lambda e: _overlap(e.band, order.band))
        blaze = best(order.wavelength) if _overlap(best.band, order.band) > 0 else np.full(len(order), np.nan)
        unknown = ~(blaze > DIM)
        return order.hide(unknown, "no blaze").divide(np.where(unknown, 1.0, blaze))


def envelopes(orders: Sequence[Spectrum], degree: int | None = None, *, star: bool = True) -> list[Envelope]:
    """The upper envelope of each order with light in it, of a star without its hydrogen lines: a Chebyshev series,
    fitted again and again without the pixels well below it (lines of the air) or far above it (rays). A series cannot
    bridge wide gaps: an order with those, or full of lines, has the shape of one of its four nearest among the others,
    that which is most like the other three, times a straight line."""
    lit = [order for order in orders if _lit(order).sum() >= FEWEST]
    flat = np.ones(len(GRID))
    fits = [_fit(order, flat, degree, star) for order in lit]
    centres = np.array([np.mean(order.band) for order in lit])
    whole = np.array([ends is not None for _, ends in fits], dtype=bool)
    if not whole.any():
        return [_fit(order, flat, degree, star=False)[0] for order in lit]
    shapes = np.stack([envelope.values for envelope, ends in fits if ends], 1)  # [401, whole]
    out = []
    for order, centre, (envelope, ends) in zip(lit, centres, fits, strict=True):
        near = shapes[:, np.argsort(np.abs(centres[whole] - centre))[:NEIGHBOURS]]
        apart = np.abs(near[:, :, None] - near[:, None, :]).sum((0, 1))
        shape = near[:, int(np.argmin(apart))]
        out.append(envelope.between(*ends) if ends else _fit(order, shape, 1, star)[0])
    return out


def hydrogen(wavelength: Floats) -> Bools:
    """Which pixels `[N]` (vacuum Å) lie in a line of hydrogen, Balmer to Brackett."""
    near = np.zeros(len(wavelength), dtype=bool)
    for lower in LOWER:
        upper = np.arange(lower + 1, HIGHEST + 2)
        centres = 1e8 / (RYDBERG * (1 / lower**2 - 1 / upper**2))
        for centre, following in pairwise(centres):
            near |= np.abs(wavelength - centre) < min(WIDE * centre, CROWDED * (centre - following))
    return near


def _fit(order: Spectrum, shape: Floats, degree: int | None, star: bool) -> tuple[Envelope, _Ends | None]:
    """The envelope of an order: `shape` `[401]` times a series; and where its first and last pixels are (-1 to 1), None
    if there are too few, or not everywhere."""
    lit = _lit(order)
    free = lit & ~hydrogen(order.wavelength) if star else lit
    start = free if free.sum() >= FEWEST else lit
    band = float(order.wavelength[lit][0]), float(order.wavelength[lit][-1])
    x = _scaled(order.wavelength, band)
    flux = order.flux / np.percentile(order.flux[lit], 95) / np.interp(x, GRID, shape)
    if degree is None:
        keep, _ = _clipped(x, flux, start, 4)
        degree = choose_degree(order.wavelength, flux, used=keep, degrees=DEGREES).degree
    keep, coefficients = _clipped(x, flux, start, degree)
    values = shape * chebyshev.chebval(GRID, coefficients)
    near = np.abs(flux[keep] - chebyshev.chebval(x[keep], coefficients)) < TIGHT * flux[keep]
    complete = free.sum() >= FEWEST and near.sum() > ENOUGH * start.sum() and _bridged(x[keep][near])
    ends = (float(x[keep][near][0]), float(x[keep][near][-1])) if complete else None
    return Envelope(band, values / max(values.max(), 1e-30)), ends


def _bridged(x: Floats) -> bool:
    """Whether the gaps between pixels at `x` (-1 to 1) are such that a series can be trusted in them."""
    ends = max(x[0] + 1, 1 - x[-1]) / 2
    return bool(ends < ENDS and np.diff(x).max() / 2 < INSIDE)


def _lit(order: Spectrum) -> Bools:
    return np.asarray(order.used & np.isfinite(order.flux) & (order.flux > 0))


def _scaled(wavelength: Floats, band: tuple[float, float]) -> Floats:
    return (2 * wavelength - band[0] - band[1]) / (band[1] - band[0])


def _clipped(x: Floats, flux: Floats, keep: Bools, degree: int) -> tuple[Bools, Floats]:
    """The pixels `[N]` that make the envelope, and its coefficients."""
    coefficients: Floats = np.zeros(degree + 1)
    start = keep
    for _ in range(ROUNDS):
        coefficients = np.asarray(chebyshev.chebfit(x[keep], flux[keep], degree))
        residual = flux - chebyshev.chebval(x, coefficients)
        above = residual[keep & (residual > 0)]
        spread = 1.4826 * float(np.median(above)) if len(above) else 0.0
        further = start & (residual > -2.0 * spread) & (residual < 5.0 * spread)
        if further.sum() <= max(2 * degree + 2, 0.05 * start.sum()) or (further == keep).all():
            break
        keep = further
    return keep, coefficients


def _overlap(one: tuple[float, float], other: tuple[float, float]) -> float:
    return min(one[1], other[1]) - max(one[0], other[0])
