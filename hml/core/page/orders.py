"""The orders of a fit as a page shows them: which pixels were used, how well they fit, a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hml.core.infer import Inference
from hml.core.observe import Target
from hml.core.spectrum import Floats, Spectrum

MOST_PICTURES = 60  # of the orders that fit worst, where there are more
OUTSIDE = "outside of what the generator covers at every velocity allowed"
MASKED = "masked, or without a usable value"


@dataclass(frozen=True, eq=False)
class Fitted:
    """The pixels `[N]` of an order that were used."""

    wavelength: Floats  # vacuum Å
    flux: Floats  # over the continuum, as `model` and `error`
    model: Floats
    error: Floats | None

    @property
    def residual(self) -> Floats:
        return self.flux - self.model

    @cached_property
    def noise(self) -> Floats:
        """Errors; where there are none, the robust spread of the residuals."""
        if self.error is not None:
            return self.error
        spread = 1.4826 * float(np.median(np.abs(self.residual - np.median(self.residual))))
        return np.full(len(self.flux), max(spread, 1e-12))

    @property
    def chi2(self) -> float | None:
        """Mean squared residual in errors."""
        return None if self.error is None else float(((self.residual / self.error) ** 2).mean())

    @property
    def rms(self) -> float:
        return float(np.sqrt((self.residual**2).mean()))


@dataclass(frozen=True, eq=False)
class OrderView:
    """An order that was given."""

    number: int  # from 1 on
    name: str
    spectrum: Spectrum
    fitted: Fitted | None  # None: it was not used

    @property
    def band(self) -> str:
        low, high = self.spectrum.band
        return f"{low:.1f}–{high:.1f} Å"

    @property
    def pixels(self) -> int:
        return len(self.spectrum)

    @property
    def used(self) -> int:
        return 0 if self.fitted is None else len(self.fitted.wavelength)

    @property
    def badness(self) -> float:
        """By which orders are compared."""
        if self.fitted is None:
            return -np.inf
        return self.fitted.rms if self.fitted.chi2 is None else self.fitted.chi2

    @property
    def dropped(self) -> Floats:
        """Wavelengths of pixels that were not used."""
        kept = np.zeros(0) if self.fitted is None else self.fitted.wavelength
        return np.setdiff1d(self.spectrum.wavelength, kept)

    @property
    def reasons(self) -> dict[str, int]:
        """Why pixels were not used, and how many: as told by what read and masked them, else by comparison."""
        told: Mapping[str, int] = self.spectrum.meta.get("masked", {})
        masked = 0 if self.spectrum.mask is None else int((~self.spectrum.mask).sum())
        causes = {str(cause): int(count) for cause, count in told.items()}
        untold = max(masked - sum(causes.values()), 0)
        outside = self.pixels - self.used - masked
        return {k: n for k, n in {**causes, MASKED: untold, OUTSIDE: outside}.items() if n > 0}


def views(found: Inference, target: Target) -> list[OrderView]:
    """All orders that were given, in turn; behind them those of which no pixel was left when they were read."""
    fitted = _fitted(found)
    parts = [next(fitted) if used else None for used in found.objective.used]
    dropped = [order for exposure in target.exposures for order in exposure.dropped]
    orders = [*zip(target.orders, parts, strict=True), *((order, None) for order in dropped)]
    return [OrderView(i, order.name, order, part) for i, (order, part) in enumerate(orders, start=1)]


def _fitted(found: Inference) -> Iterator[Fitted]:
    objective, point = found.objective, found.search.point
    for (spectrum, model), flux in zip(objective.model(point), objective.normalised(point), strict=True):
        deep = np.abs(flux) < 1e-6  # nothing is left there to tell the continuum from
        continuum = np.where(deep, np.median(model), model / np.where(deep, 1.0, flux))
        error = None if objective.metric != "chi2" or spectrum.error is None else spectrum.error / np.abs(continuum)
        yield Fitted(spectrum.wavelength, spectrum.flux / continuum, flux.astype(np.float64), error)


def pictured(orders: list[OrderView]) -> set[int]:
    """Numbers of the orders that have a picture."""
    fitted = [order for order in orders if order.fitted is not None]
    worst = sorted(fitted, key=lambda order: -order.badness)[:MOST_PICTURES]
    return {order.number for order in worst}
