"""The blaze: the smooth upper envelope of a star without lines, or of a lamp, seen by the same spectrograph."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.polynomial import chebyshev

from hml.core.components import BuildContext
from hml.core.config import BlazeConfig, Chosen
from hml.core.degree import choose_degree
from hml.core.errors import SpectrumError
from hml.core.reading import read_orders
from hml.core.space import Floats
from hml.core.spectrum import Bools, Spectrum

RYDBERG = 109_677.5834  # 1/cm, of hydrogen (CODATA, reduced mass)
SERIES = {2: 3.0e-3, 3: 3.0e-3, 4: 3.0e-3}  # lower level: half width of a line over its wavelength, of an A0V star
HIGHEST = 16  # upper level
LEFT = 0.35  # part of an order that must be left when hydrogen lines are excluded
ROUNDS = 30
DIM = 0.05  # of the order's brightest place: below, a blaze is no measure of anything
FLAT = 0.05  # an order which varies by less has no blaze in it
DEGREES = tuple(range(2, 9))


@dataclass(frozen=True, eq=False)
class Envelope:
    """The blaze of one order, over its largest value."""

    band: tuple[float, float]  # vacuum Å, where it is known
    coefficients: Floats  # Chebyshev, over the band

    def __call__(self, wavelength: Floats) -> Floats:
        """The blaze `[N]`; NaN outside of the band."""
        low, high = self.band
        curve = chebyshev.chebval((2 * wavelength - low - high) / (high - low), self.coefficients)
        return np.where((wavelength >= low) & (wavelength <= high), curve, np.nan)

    @cached_property
    def depth(self) -> float:
        """How much of its largest value the blaze loses somewhere."""
        return 1.0 - float(np.min(self(np.linspace(*self.band, 200))))


@dataclass(frozen=True)
class Blaze:
    """The blaze of a spectrograph, order by order."""

    envelopes: tuple[Envelope, ...]
    name: str

    @classmethod
    def read(cls, config: BlazeConfig, reader: Chosen | None, context: BuildContext) -> Blaze:
        """From the file of a standard; `reader` is that of the star. SpectrumError where no order has light."""
        _, orders = read_orders(config.path, config.reader or reader, context)
        found = [envelope(order, config.degree) for order in orders]
        envelopes = tuple(e for e in found if e is not None)
        if not envelopes:
            raise SpectrumError(f"{config.path}: spectrum.blaze: no order of it has enough light to tell a blaze")
        return cls(envelopes, config.path.name)

    @property
    def note(self) -> str:
        """A doubt, if there is one."""
        if max(e.depth for e in self.envelopes) > FLAT:
            return ""
        return f"the blaze of {self.name} is flat in every order: it seems to have been removed from it already"

    def remove(self, order: Spectrum) -> Spectrum:
        """The order over its blaze, which `divided` remembers; pixels without one are left out."""
        best = max(self.envelopes, key=lambda e: _overlap(e.band, order.band))
        blaze = best(order.wavelength) if _overlap(best.band, order.band) > 0 else np.full(len(order), np.nan)
        unknown = ~(blaze > DIM)
        return order.hide(unknown, "no blaze").divide(np.where(unknown, 1.0, blaze))


def envelope(order: Spectrum, degree: int | None = None) -> Envelope | None:
    """The upper envelope of an order, hydrogen lines excluded: a Chebyshev series fitted again and again without the
    pixels well below it (lines of the air) or far above it (rays). None where too little is left of the order."""
    lit = order.used & np.isfinite(order.flux) & (order.flux > 0)
    if lit.sum() < 50:
        return None
    free = lit & ~hydrogen(order.wavelength)
    keep = free if free.sum() > LEFT * lit.sum() else lit
    ends = order.wavelength[lit]
    band = (float(ends[0]), float(ends[-1]))
    x = (2 * order.wavelength - band[0] - band[1]) / (band[1] - band[0])
    flux = order.flux / np.percentile(order.flux[lit], 95)
    if degree is None:
        keep, _ = _clipped(x, flux, keep, 4)
        degree = choose_degree(order.wavelength, flux, used=keep, degrees=DEGREES).degree
    _, coefficients = _clipped(x, flux, keep, degree)
    top = float(chebyshev.chebval(np.linspace(-1, 1, 400), coefficients).max())
    return Envelope(band, coefficients / top) if top > 0 else None


def hydrogen(wavelength: Floats) -> Bools:
    """Which pixels `[N]` (vacuum Å) lie in a line of hydrogen, Balmer to Brackett."""
    near = np.zeros(len(wavelength), dtype=bool)
    for lower, width in SERIES.items():
        for upper in range(lower + 1, HIGHEST + 1):
            centre = 1e8 / (RYDBERG * (1 / lower**2 - 1 / upper**2))
            near |= np.abs(wavelength / centre - 1) < width
    return near


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
