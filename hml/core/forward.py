"""The forward model: labels → generator → velocity → rotation, macroturbulence, instrument → the data's own pixels.

The velocity moves the lines themselves. All else is done on points even in ln λ, which are as few as the spectrum
needs: where orders overlap or touch they share points, and the generator is called once for all. Every order is then
transformed (FFT), multiplied by the product of the transfer functions (see `broaden`), brought back on points twice as
dense as coefficients of a spline, and averaged over its pixels (see `pixels`). Where nothing is to be broadened, the
generator is rendered on the pixels as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hml.core.broaden import FWHM, instrument, macroturbulence, rotation
from hml.core.config import ObjectiveConfig
from hml.core.errors import ConfigError
from hml.core.generator import Generator, doppler
from hml.core.pixels import DEGREE, Pixels, Sampler, prefilter
from hml.core.raster import Raster
from hml.core.space import LIGHT, Floats

EXTRINSICS = ("rv", "vsini", "macroturbulence", "resolving_power")
BROADENING = EXTRINSICS[1:]
Extrinsics = Mapping[str, Tensor]  # [B] each, those that are applied

SIGMAS = 5.2  # of the instrument's Gaussian on either side
SPEEDS = 4.0  # ζ on either side; beyond, 1e-8 of the macroturbulence's profile
DENSER = 2  # points of the spline to a point that is rendered
TAPER = 16  # points beyond all kernels, on which an order fades into its continuum: Fourier's circle closes
APART = 100.0  # Å without a pixel: worth a call of its own, since few lines reach across
TOLERANCE = 3e-5  # of the continuum: what points too far apart may cost where it is measured
PIECE = 7200  # points of such a measurement; has many divisors
PIECES = 32


@dataclass(frozen=True, eq=False)
class ForwardModel:
    """`model(labels [B, P], extrinsics)` → normalised flux `[B, N]` on the pixels of all orders, one after the other;
    differentiable in everything, in reverse and in forward mode. `extrinsics`: `[B]` by name (km/s, λ/Δλ), for all of
    `EXTRINSICS` that the config has."""

    rendering: Rendering
    optics: Optics | None
    index: Tensor  # [N] where pixels are among the points rendered, if there are no optics
    counts: tuple[int, ...]  # pixels of each order
    nan_as_one: bool

    @classmethod
    def of(
        cls, generator: Generator, orders: Sequence[Pixels], config: ObjectiveConfig, probes: Floats
    ) -> ForwardModel:
        """`probes` `[n, P]`: labels at which it is measured how many points are needed. ConfigError if spectra would
        have to be sharpened."""
        counts, device = tuple(map(len, orders)), generator.reference.device
        if all(getattr(config, name) is None for name in BROADENING):
            points, index = np.unique(np.concatenate([o.wavelength for o in orders]), return_inverse=True)
            rendering = Rendering.of(generator, points, config)
            return cls(rendering, None, torch.as_tensor(index, device=device), counts, config.nan_as_one)
        require_no_sharpening(generator, config)
        step = needed_step(generator, orders, config, probes)
        points, optics = Optics.of(generator, orders, config, step)
        none = torch.zeros(0, dtype=torch.int64)
        return cls(Rendering.of(generator, points, config), optics, none, counts, config.nan_as_one)

    def __call__(self, labels: Tensor, extrinsics: Extrinsics) -> Tensor:
        flux = self.rendering(labels, extrinsics.get("rv")).double()
        flux = torch.nan_to_num(flux, nan=1.0) if self.nan_as_one else flux
        return flux[:, self.index] if self.optics is None else self.optics(flux, extrinsics)

    def split(self, flux: Tensor) -> tuple[Tensor, ...]:
        """`[B, N]` by order."""
        return torch.split(flux, list(self.counts), -1)


@dataclass(frozen=True, eq=False)
class Rendering:
    """A generator at increasing wavelengths, by stretches without large gaps: what each costs is the lines near it."""

    parts: tuple[tuple[Generator, Raster], ...]

    @classmethod
    def of(cls, generator: Generator, wavelength: Floats, config: ObjectiveConfig) -> Rendering:
        slow, fast = velocity_factors(config)
        cuts = np.flatnonzero(np.diff(wavelength) > APART) + 1
        parts = []
        for part in np.split(wavelength, cuts):
            near = generator.window_on(part[0] / fast, part[-1] / slow)
            parts.append((near, Raster.of(torch.as_tensor(part, device=generator.reference.device))))
        return cls(tuple(parts))

    def __call__(self, labels: Tensor, velocity: Tensor | None) -> Tensor:
        flux = [generator(labels, raster, velocity) for generator, raster in self.parts]
        return flux[0] if len(flux) == 1 else torch.cat(flux, -1)

    @property
    def points(self) -> int:
        return sum(len(raster) for _, raster in self.parts)

    @property
    def lines(self) -> int:
        return max(len(generator) for generator, _ in self.parts)


def velocity_factors(config: ObjectiveConfig) -> tuple[float, float]:
    """The smallest and the largest λ_observed / λ_rest."""
    slow, fast = config.rv.bounds if config.rv is not None else (0.0, 0.0)
    low, high = doppler(torch.tensor([slow, fast], dtype=torch.float64)).tolist()
    return low, high


def reach(config: ObjectiveConfig) -> float:
    """How far, in ln λ, light comes from that a pixel sees."""
    fastest = [0.0 if wish is None else wish.bounds[1] for wish in (config.vsini, config.macroturbulence)]
    sigma = 0.0 if config.resolving_power is None else 1 / _powers(config)[0] / FWHM
    return fastest[0] / LIGHT + SPEEDS * fastest[1] / LIGHT + SIGMAS * sigma


def _powers(config: ObjectiveConfig) -> tuple[float, float]:
    """The lowest and the highest resolving power of any order."""
    assert config.resolving_power is not None
    low, high = config.resolving_power.bounds
    factors = config.resolving_power_factors or (1.0,)
    return low * min(factors), high * max(factors)


def require_no_sharpening(generator: Generator, config: ObjectiveConfig) -> None:
    """ConfigError if an order may have a higher resolving power than the grid."""
    own = generator.resolving_power
    if config.resolving_power is None or own is None or _powers(config)[1] <= own * (1 + 1e-9):
        return
    raise ConfigError(
        f"objective.resolving_power: {_powers(config)[1]:g} is more than the grid's own {own:g}; a spectrum cannot be "
        f"sharpened: give {own:g} or less"
    )


@dataclass(frozen=True, eq=False)
class Optics:
    """From even points to pixels. The point number j is at λ = exp(j · step)."""

    take: Tensor  # [O, M] which of the points rendered each order has
    window: Tensor  # [O, M] 1, falling to 0 at the ends
    frequency: Tensor  # [K] cycles per unit of ln λ
    spline: Tensor  # [K] the spectrum of samples → of coefficients
    factors: Tensor | None  # [O] resolving power of each order over that of the first
    already: float  # 1/R² of the grid's spectra
    darkening: float
    sampler: Sampler

    @classmethod
    def of(
        cls, generator: Generator, orders: Sequence[Pixels], config: ObjectiveConfig, step: float
    ) -> tuple[Floats, Optics]:
        """The points (Å) to be rendered, and what is made of them."""
        device = generator.reference.device
        width = [o.width / 2 if config.pixel_integration else 0 * o.width for o in orders]
        ends = [(np.log(o.wavelength - w), np.log(o.wavelength + w)) for o, w in zip(orders, width, strict=True)]
        margin = reach(config) + (DEGREE + TAPER) * step
        spans = [(int((low[0] - margin) / step), int((high[-1] + margin) / step) + 2) for low, high in ends]
        size = fast_size(max(last - first for first, last in spans))
        points, take, window = lay_out(spans, size)
        frequency = torch.fft.rfftfreq(size, d=step, device=device, dtype=torch.float64)
        dense = DENSER / step
        places = [
            (low * dense - DENSER * first, high * dense - DENSER * first)
            for (low, high), (first, _) in zip(ends, spans, strict=True)
        ]
        factors = config.resolving_power_factors
        return np.exp(step * points), cls(
            torch.as_tensor(take, device=device),
            torch.as_tensor(window, device=device),
            frequency,
            DENSER * prefilter(2 * torch.pi * frequency / dense),
            None if factors is None else torch.tensor(factors, dtype=torch.float64, device=device),
            _already(generator),
            config.limb_darkening,
            Sampler.of(places, DENSER * size, device),
        )

    def __call__(self, fine: Tensor, extrinsics: Extrinsics) -> Tensor:
        """Flux `[B, U]` at the points → `[B, N]` on the pixels."""
        orders, size = self.take.shape
        depth = (fine - 1).index_select(1, self.take.reshape(-1)).view(-1, orders, size) * self.window
        spectrum = torch.fft.rfft(depth) * self.transfer(extrinsics)
        return 1 + self.sampler(torch.fft.irfft(spectrum, n=DENSER * size).flatten(1))

    def transfer(self, extrinsics: Extrinsics) -> Tensor:
        """The product of all transfer functions and the spline's, `[B, O or 1, K]`."""
        return self.spline * transfer(self.frequency, extrinsics, self.factors, self.already, self.darkening)


def transfer(
    frequency: Tensor, extrinsics: Extrinsics, factors: Tensor | None, already: float, darkening: float
) -> Tensor:
    """What rotation, macroturbulence and instrument leave of frequencies `[K]`: `[B, O or 1, K]`."""
    total = torch.ones((), dtype=torch.float64, device=frequency.device)
    if "vsini" in extrinsics:
        total = total * rotation(frequency, extrinsics["vsini"], darkening)[:, None]
    if "macroturbulence" in extrinsics:
        total = total * macroturbulence(frequency, extrinsics["macroturbulence"])[:, None]
    if "resolving_power" in extrinsics:
        power = extrinsics["resolving_power"][:, None]
        total = total * instrument(frequency, power if factors is None else power * factors, already)
    return total


def _already(generator: Generator) -> float:
    return 0.0 if generator.resolving_power is None else generator.resolving_power**-2.0


def fast_size(least: int) -> int:
    """An even length that FFTs are fast at."""
    from scipy.fft import next_fast_len

    return 2 * int(next_fast_len((least + 1) // 2, real=True))


def lay_out(
    spans: Sequence[tuple[int, int]], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """The numbers of all points first … last - 1 of the spans, without repetition; for each span where its points are
    among them `[O, size]`; and its window `[O, size]`, zero beyond its end."""
    points = np.unique(np.concatenate([np.arange(*span) for span in spans]))
    take, window = np.zeros((len(spans), size), dtype=np.int64), np.zeros((len(spans), size))
    edge = np.sin(np.pi / 2 * (np.arange(TAPER) + 0.5) / TAPER) ** 2
    for o, (first, last) in enumerate(spans):
        count = last - first
        take[o, :count] = np.searchsorted(points, first) + np.arange(count)
        window[o, :count] = 1
        window[o, :TAPER] = edge
        window[o, count - TAPER : count] = edge[::-1]
    return points, take, window


# --- how many points -------------------------------------------------------------------------------------------


def needed_step(
    generator: Generator, orders: Sequence[Pixels], config: ObjectiveConfig, probes: Floats
) -> float:
    """The longest step in ln λ that costs at most `TOLERANCE`: spectra at the probes are rendered on points twice as
    dense as the grid's own and seen as sharply as the config allows; of these points ever fewer are taken."""
    finest = _finest(generator, orders, config)
    chosen = [orders[i] for i in np.unique(np.linspace(0, len(orders) - 1, PIECES).astype(int))]
    starts = [int(np.log(o.wavelength[len(o) // 2]) / finest) - PIECE // 2 for o in chosen]
    points, take, window = lay_out([(first, first + PIECE) for first in starts], PIECE)
    rest = config.model_copy(update={"rv": None})
    device = generator.reference.device
    with torch.no_grad():
        rendering = Rendering.of(generator, np.exp(finest * points), rest)
        flux = torch.nan_to_num(rendering(torch.as_tensor(probes, device=device), None), nan=1.0).double() - 1
        depth = flux[:, torch.as_tensor(take)] * torch.as_tensor(window, device=device)
        frequency = torch.fft.rfftfreq(PIECE, d=finest, device=device, dtype=torch.float64)
        sharp = transfer(frequency, _sharpest(config, device), None, _already(generator), config.limb_darkening)
        sharp = sharp.expand(1, 1, len(frequency))
        divisors = [every for every in range(1, PIECE // 64) if PIECE % every == 0]
        return finest * max(every for every in divisors if _lost(depth, sharp, every) < TOLERANCE)


def _finest(generator: Generator, orders: Sequence[Pixels], config: ObjectiveConfig) -> float:
    low, high = min(o.wavelength[0] for o in orders), max(o.wavelength[-1] for o in orders)
    own = generator.wavelength[(generator.wavelength >= low) & (generator.wavelength <= high)]
    steps = [float(own.log().diff().median())] if len(own) > 1 else [1e-6]
    if config.resolving_power is not None:
        steps.append(1 / _powers(config)[1] / 6)
    return min(steps) / 2


def _sharpest(config: ObjectiveConfig, device: torch.device) -> dict[str, Tensor]:
    values = {}
    for name in ("vsini", "macroturbulence"):
        if (wish := getattr(config, name)) is not None:
            values[name] = wish.bounds[0]
    if config.resolving_power is not None:
        values["resolving_power"] = _powers(config)[1]
    return {name: torch.tensor([value], dtype=torch.float64, device=device) for name, value in values.items()}


def _lost(depth: Tensor, sharp: Tensor, every: int) -> float:
    """The largest difference that it makes to take only one of so many points, away from the ends."""
    few = PIECE // every
    whole = torch.fft.irfft(torch.fft.rfft(depth) * sharp, n=PIECE)
    thin = torch.fft.rfft(depth[..., ::every]) * sharp[..., : few // 2 + 1]
    difference = (every * torch.fft.irfft(thin, n=PIECE) - whole)[..., PIECE // 8 : -PIECE // 8]
    return float(difference.abs().max())
