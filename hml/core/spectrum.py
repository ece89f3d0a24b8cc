"""A spectrum: wavelengths, flux, what was divided out of it. Frozen; no files, no devices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from hml.core.barycentre import LIGHT, Pointing
from hml.core.errors import SpectrumError

if TYPE_CHECKING:
    from specutils import Spectrum as SpecutilsSpectrum

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Frame:
    """Where wavelengths were measured. They are kept in vacuum Å; `medium` records what the file had."""

    medium: Literal["vacuum", "air"] = "vacuum"
    rest: Literal["rest", "barycentric", "observed"] = "rest"


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Flux on strictly increasing vacuum wavelengths.

    Shapes: every array is `[N]`. A spectrum may hold several orders one after the other: `starts` are the
    indices of their first pixels. Gaps between pixels are allowed, overlaps are not.
    Invariant: `flux * divided` is the flux as it was read, in `unit`.
    """

    wavelength: Floats  # vacuum Å
    flux: Floats
    error: Floats | None = None  # one standard deviation, in the unit of flux
    mask: Bools | None = None  # True where the pixel is used
    unit: str = ""  # astropy unit string of flux * divided; "" is dimensionless
    divided: Floats | None = None  # the product of all that was divided out; None means 1
    starts: tuple[int, ...] = (0,)
    frame: Frame = Frame()
    name: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)
    pointing: Pointing | None = None  # of an exposure whose frame is known to be the observatory's

    def __post_init__(self) -> None:
        object.__setattr__(self, "wavelength", np.ascontiguousarray(self.wavelength, dtype=np.float64))
        object.__setattr__(self, "flux", np.ascontiguousarray(self.flux, dtype=np.float64))
        self._check()

    def _check(self) -> None:
        who = self.name or "spectrum"
        if self.wavelength.ndim != 1 or len(self.wavelength) == 0:
            raise SpectrumError(f"{who}: wavelengths must be one row of pixels, got shape {self.wavelength.shape}")
        for what in ("flux", "error", "mask", "divided"):
            values = getattr(self, what)
            if values is not None and np.shape(values) != self.wavelength.shape:
                raise SpectrumError(
                    f"{who}: {what} has shape {np.shape(values)}, wavelengths have {self.wavelength.shape}"
                )
        if not np.isfinite(self.wavelength).all():
            bad = int(np.argmin(np.isfinite(self.wavelength)))
            raise SpectrumError(f"{who}: wavelength {bad} is not finite; remove that row")
        steps = np.diff(self.wavelength)
        if (steps <= 0).any():
            bad = int(np.argmax(steps <= 0))
            kind = "is repeated" if steps[bad] == 0 else "is not in increasing order"
            raise SpectrumError(
                f"{who}: wavelength {self.wavelength[bad + 1]:.6g} Å (row {bad + 1}) {kind}; sort the rows and "
                "keep one of each wavelength, or give each order its own table"
            )

    def __len__(self) -> int:
        return len(self.wavelength)

    @property
    def band(self) -> tuple[float, float]:
        """First and last wavelength, vacuum Å."""
        return float(self.wavelength[0]), float(self.wavelength[-1])

    def divide(self, by: Floats | float) -> Spectrum:
        """The same spectrum over `by` (scalar or `[N]`), which is remembered in `divided`."""
        by = np.broadcast_to(np.asarray(by, dtype=np.float64), self.flux.shape)
        return replace(
            self,
            flux=self.flux / by,
            error=None if self.error is None else self.error / by,
            divided=by.copy() if self.divided is None else self.divided * by,
        )

    def restore(self) -> Spectrum:
        """Undo every `divide`."""
        if self.divided is None:
            return self
        return replace(self.divide(1.0 / self.divided), divided=None)

    @property
    def used(self) -> Bools:
        """Which pixels are used, `[N]`."""
        return np.ones(len(self), dtype=bool) if self.mask is None else self.mask

    def hide(self, pixels: Bools, cause: str) -> Spectrum:
        """The same without these pixels `[N]`. `meta["masked"]` counts, for each cause, those that were used before."""
        taken = int((pixels & self.used).sum())
        if not taken:
            return self
        counts = dict(self.meta.get("masked", {}))
        counts[cause] = counts.get(cause, 0) + taken
        return replace(self, mask=self.used & ~pixels, meta={**self.meta, "masked": counts})

    def shifted(self, velocity: float) -> Spectrum:
        """Wavelengths times 1 + `velocity` (km/s) over the speed of light, the frame then being the barycentre."""
        factor = 1.0 + velocity / LIGHT
        frame = replace(self.frame, rest="barycentric")
        return replace(self, wavelength=self.wavelength * factor, frame=frame)

    def order_slices(self) -> Iterator[slice]:
        """The pixels of each order, in turn."""
        edges = (*self.starts, len(self))
        for first, last in pairwise(edges):
            yield slice(first, last)

    def cut(self, low: float, high: float) -> Spectrum:
        """The pixels with low ≤ wavelength ≤ high (vacuum Å)."""
        first, last = np.searchsorted(self.wavelength, [low, high + 1e-9])
        return self.take(slice(int(first), int(last)))

    def take(self, pixels: slice) -> Spectrum:
        """A contiguous run of pixels, orders kept."""
        first, last, _ = pixels.indices(len(self))
        if last <= first:
            raise SpectrumError(
                f"{self.name or 'spectrum'}: no pixels between the given wavelengths; it covers "
                f"{self.band[0]:.1f}–{self.band[1]:.1f} Å"
            )
        keep = [max(start - first, 0) for start in self.starts if start < last]
        starts = tuple(sorted(set(keep[np.searchsorted(keep, 0, side="right") - 1 :])))
        cut: dict[str, Any] = {
            k: None if getattr(self, k) is None else getattr(self, k)[pixels] for k in ("error", "mask", "divided")
        }
        return replace(self, wavelength=self.wavelength[pixels], flux=self.flux[pixels], starts=starts, **cut)

    def to_specutils(self) -> SpecutilsSpectrum:
        """As a specutils spectrum, for the rest of the astropy world (needs the extra `hml[specutils]`)."""
        try:
            from specutils import Spectrum as Out
        except ImportError as error:
            raise SpectrumError("specutils is not installed; `pip install 'hml[specutils]'`") from error
        from astropy import units as u
        from astropy.nddata import StdDevUncertainty

        unit = u.Unit(self.unit) if self.divided is None else u.dimensionless_unscaled
        return Out(
            spectral_axis=self.wavelength * u.AA,
            flux=self.flux * unit,
            uncertainty=None if self.error is None else StdDevUncertainty(self.error),
            mask=None if self.mask is None else ~self.mask,
            meta=dict(self.meta),
        )
