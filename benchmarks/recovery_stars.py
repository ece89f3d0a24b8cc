"""Mock stars seen by HPF: truths off the nodes of the synthetic grid, brought on its pixels by brute force.

Nothing of the forward model is used: the grid's own truth at any labels goes through `hml.core.mock`. Labels are
uniform, one step of the grid or more from every bound; the radial velocity is uniform within ± 100 km/s, v sin i
within 0 to 30 km/s; the resolving power is normal about 55,000 by 5 % and at most 10 % off, as its prior says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from forward import layout
from numpy.random import Generator as Random
from numpy.typing import NDArray

from hml import RunConfig, Space, Spectrum, load_config
from hml.core.mock import Sight, seen
from hml.core.parts import Parts
from hml.core.pixels import Pixels

Floats = NDArray[np.float64]

HPF = (8079.0, 12786.0)  # Å
POWER, SPREAD, MOST = 55_000.0, 0.05, 0.10
SPEED, ROTATION = 100.0, 30.0  # km/s
TILTS = 0.3, 0.1  # of the continuum: slope and curvature, from one end of an order to its middle
HIDDEN, LEAST, LONGEST = 3, 5, 60  # stretches that an order's mask hides, and their pixels
SEARCH = {
    "objective.rv": [-150, 150], "objective.vsini": [0, 50], "objective.resolving_power": [40_000, 70_000],
    "objective.priors": {"resolving_power": {"mean": POWER, "sigma": SPREAD * POWER}},
}  # fmt: skip
FULL_GRID = {"name": "synthetic", "preset": "full"}


@dataclass(frozen=True)
class Size:
    """A grid, and the orders it is seen in. `paper`: where the paper's recipe cannot be as published."""

    name: str
    grid: Mapping[str, Any] = field(default_factory=lambda: FULL_GRID)
    build: Mapping[str, Any] = field(default_factory=dict)
    paper: Mapping[str, Any] = field(default_factory=dict)
    band: tuple[float, float] = HPF
    orders: int = 28
    pixels: int = 2048

    def fields(self) -> dict[str, Any]:
        """Of the config of hml's own fit."""
        return {"grid": dict(self.grid), **self.build, **SEARCH}


TWO_ORDERS = {"teff": [4000, 6000], "logg": [3.5, 5.0], "wavelength": [10105.0, 10225.0]}
ENVELOPE = {"grid.preprocess": ["blackbody", "continuum"], "spectrum.preprocess": ["continuum"]}
SIZES = {
    "small": Size(
        "small",
        {**FULL_GRID, "teff": [4800, 5400], "logg": [3.5, 5.0], "feh": 0.0, "wavelength": [8700, 8720], "lines": 10000},
        {"associate.rounds": 1, "clone.rounds": 1},
        {**ENVELOPE, "find.edge": 0.25, "clone.edge": 0.5, "clone.window": 200, "generator.window": 200,
         "clone.steps": 3},
        (8690.0, 8730.0), 2, 400,
    ),
    "orders": Size(
        "orders", {**FULL_GRID, **TWO_ORDERS}, {},
        {**ENVELOPE, "find.edge": 5.0, "clone.edge": 10.0, "clone.window": 1000, "generator.window": 1000},
    ),
    "full": Size("full"),
}  # fmt: skip


@dataclass(frozen=True)
class Star:
    """What is true of a mock, and how it was seen."""

    number: int
    snr: float
    labels: Mapping[str, float]
    sight: Sight

    @property
    def name(self) -> str:
        return f"{self.number} at S/N {self.snr:g}"

    @property
    def truth(self) -> dict[str, float]:
        """Of every parameter that is fitted."""
        assert self.sight.resolving_power is not None
        seen = {"rv": self.sight.rv, "vsini": self.sight.vsini, "resolving_power": self.sight.resolving_power}
        return {**self.labels, **seen}


@dataclass(frozen=True)
class Sky:
    """Where mocks come from; a star is decided by its number and S/N alone."""

    size: Size

    @cached_property
    def config(self) -> RunConfig:
        return load_config(fields=self.size.fields())

    @cached_property
    def parts(self) -> Parts:
        return Parts.of(self.config)

    @property
    def space(self) -> Space:
        return self.parts.grid.space

    @cached_property
    def orders(self) -> list[Pixels]:
        return layout(self.size.band, self.size.orders, self.size.pixels)

    def star(self, number: int, snr: float) -> Star:
        rng = np.random.default_rng([number, round(snr), 0])
        steps = [np.diff(axis.nodes) if len(axis.nodes) > 1 else np.zeros(1) for axis in self.space.axes]
        inner = [(axis.lower + s[0], axis.upper - s[-1]) for axis, s in zip(self.space.axes, steps, strict=True)]
        labels = {name: float(rng.uniform(*ends)) for name, ends in zip(self.space.names, inner, strict=True)}
        return Star(number, snr, labels, Sight(
            rv=float(rng.uniform(-SPEED, SPEED)), vsini=float(rng.uniform(0, ROTATION)),
            resolving_power=POWER * (1 + _within(rng, SPREAD, MOST)),
        ))  # fmt: skip

    def observed(self, star: Star) -> list[Spectrum]:
        """The orders of which the grid has pixels, tilted, masked, with constant noise: the continuum over S/N."""
        truth = self.parts.grid.truth(star.labels)  # type: ignore[attr-defined]
        rng = np.random.default_rng([star.number, round(star.snr), 1])
        return [order for pixels in self.orders if (order := _order(truth, pixels, star, rng)) is not None]


def _within(rng: Random, spread: float, most: float) -> float:
    """Normal, cut at ± `most`."""
    drawn = rng.normal(0, spread, 100)
    return float(drawn[np.abs(drawn) < most][0])


def _order(truth: Spectrum, pixels: Pixels, star: Star, rng: Random) -> Spectrum | None:
    margin = np.expm1(star.sight.margin) + 1e-4
    low, high = truth.band[0] * (1 + margin), truth.band[1] * (1 - margin)
    inside = pixels[(pixels.wavelength > low) & (pixels.wavelength < high)]
    if len(inside) == 0:
        return None
    near = truth.cut(inside.wavelength[0] * (1 - margin), inside.wavelength[-1] * (1 + margin))
    flux = seen(near.wavelength, near.flux / np.median(near.flux), inside, star.sight)
    x = (2 * inside.wavelength - pixels.wavelength[0] - pixels.wavelength[-1]) / np.ptp(pixels.wavelength)
    flux = flux * (1 + sum(rng.uniform(-tilt, tilt) * x**power for power, tilt in enumerate(TILTS, 1)))
    error = np.full(len(flux), np.percentile(flux, 95) / star.snr)
    mask = _mask(len(flux), rng)
    noisy = np.where(mask, flux + error * rng.standard_normal(len(flux)), 0.0)
    return Spectrum(inside.wavelength, noisy, error, mask=mask, name=f"mock {star.name}")


def _mask(count: int, rng: Random) -> NDArray[np.bool_]:
    """False in a few stretches of an order's pixels, for a tenth of them at most."""
    mask = np.ones(count, dtype=bool)
    for length in rng.integers(LEAST, LONGEST, HIDDEN):
        first = int(rng.integers(0, count))
        mask[first : first + min(int(length), count // (10 * HIDDEN))] = False
    return mask


def stars(sky: Sky, count: int, snrs: Sequence[float]) -> list[Star]:
    """`count` at each S/N, all of them different."""
    return [sky.star(number, snr) for number in range(count) for snr in snrs]
