"""From even points in ln λ to pixels: FFT, the product of all transfer functions, a spline, its means over pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import forward_ad

from hml.core.broaden import FWHM, instrument, macroturbulence, rotation
from hml.core.config import ObjectiveConfig
from hml.core.errors import ConfigError
from hml.core.generator import Generator
from hml.core.pixels import DEGREE, Pixels, Sampler, prefilter
from hml.core.space import LIGHT, Floats

Extrinsics = Mapping[str, Tensor]  # [B] each, those that are applied

SIGMAS = 5.2  # of the instrument's Gaussian on either side
SPEEDS = 4.0  # ζ on either side; beyond, 1e-8 of the macroturbulence's profile
TAPER = 16  # points beyond all kernels, on which an order fades into its continuum: the circle of an FFT closes


def reach(config: ObjectiveConfig) -> float:
    """How far, in ln λ, light comes from that a pixel sees."""
    fastest = [0.0 if wish is None else wish.bounds[1] for wish in (config.vsini, config.macroturbulence)]
    sigma = 0.0 if config.resolving_power is None else 1 / powers(config)[0] / FWHM
    return fastest[0] / LIGHT + SPEEDS * fastest[1] / LIGHT + SIGMAS * sigma


def powers(config: ObjectiveConfig) -> tuple[float, float]:
    """The lowest and the highest resolving power of any order."""
    assert config.resolving_power is not None
    low, high = config.resolving_power.bounds
    factors = config.resolving_power_factors or (1.0,)
    return low * min(factors), high * max(factors)


def require_no_sharpening(generator: Generator, config: ObjectiveConfig) -> None:
    """ConfigError if an order may have a higher resolving power than the grid."""
    own = generator.resolving_power
    if config.resolving_power is None or own is None or powers(config)[1] <= own * (1 + 1e-9):
        return
    raise ConfigError(
        f"objective.resolving_power: {powers(config)[1]:g} is more than the grid's own {own:g}; a spectrum cannot be "
        f"sharpened: give {own:g} or less"
    )


@dataclass(frozen=True, eq=False)
class Optics:
    """From at most M even points an order, number j at λ = exp(j · step), to the pixels."""

    first: tuple[int, ...]  # of each order, among the points rendered
    window: Tensor  # [O, M] 1, falling to 0 at the ends of an order
    frequency: Tensor  # [K] cycles per unit of ln λ, those that are kept
    spline: Tensor  # [K] the spectrum of samples → of coefficients
    size: int  # coefficients of the spline, of each order
    factors: Tensor | None  # [O] each order's resolving power over the config's
    already: float  # 1/R² of the grid's spectra
    darkening: float
    sampler: Sampler

    @classmethod
    def of(
        cls, generator: Generator, orders: Sequence[Pixels], config: ObjectiveConfig, step: float, knots: float
    ) -> tuple[Floats, Optics]:
        """The points (Å) to be rendered, `step` in ln λ apart, and what is made of them: a spline whose knots are at
        most `knots` apart."""
        device = generator.reference.device
        width = [o.width / 2 if config.pixel_integration else 0 * o.width for o in orders]
        ends = [(np.log(o.wavelength - w), np.log(o.wavelength + w)) for o, w in zip(orders, width, strict=True)]
        margin = reach(config) + DEGREE * knots + TAPER * step
        spans = [(int((low[0] - margin) / step), int((high[-1] + margin) / step) + 2) for low, high in ends]
        many = fast_size(max(last - first for first, last in spans))
        few = fast_size(int(np.ceil(many * step / knots)))
        points, start, window = lay_out(spans, many)
        frequency = torch.fft.rfftfreq(many, d=step, dtype=torch.float64)[: few // 2 + 1]
        knots = step * many / few
        places = [
            (low / knots - first * few / many, high / knots - first * few / many)
            for (low, high), (first, _) in zip(ends, spans, strict=True)
        ]
        factors = config.resolving_power_factors
        return np.exp(step * points), cls(
            start,
            torch.as_tensor(window, dtype=torch.float32, device=device),
            frequency.to(device),
            (few / many * prefilter(2 * torch.pi * frequency * knots)).to(device),
            few,
            None if factors is None else torch.tensor(factors, dtype=torch.float64, device=device),
            0.0 if generator.resolving_power is None else generator.resolving_power**-2.0,
            config.limb_darkening,
            Sampler.of(places, few, device),
        )

    def __call__(self, fine: Tensor, extrinsics: Extrinsics) -> Tensor:
        """Flux `[B, U]` at the points → `[B, N]` on the pixels."""
        return 1 + self._on_pixels(self._waves(fine - 1) * (self.spline * self._transfer(extrinsics)).to(fine.dtype))

    def linear(
        self, fine: Tensor, change: Tensor, extrinsics: Extrinsics, names: Sequence[str]
    ) -> tuple[Tensor, Tensor]:
        """Flux `[1, U]` and its changes `[C, U]` → flux `[1, N]` on the pixels, its changes and then those with what of
        the extrinsics (`[1]` each) is named: `[C + len(names), N]`."""
        waves = self._waves(torch.cat([fine - 1, change])) * self.spline.to(fine.dtype)
        smooth = [waves * self._transfer(extrinsics).to(fine.dtype)]
        smooth += [waves[:1] * self._slope(extrinsics, name).to(waves.dtype) for name in names]
        pixels = self._on_pixels(torch.cat(smooth))
        return 1 + pixels[:1], pixels[1:]

    def _slope(self, extrinsics: Extrinsics, name: str) -> Tensor:
        """How the transfer function changes with an extrinsic parameter; a velocity shifts all in ln λ."""
        if name == "rv":
            beta = extrinsics["rv"][0] / LIGHT
            shift = -2j * torch.pi / LIGHT / (1 - beta**2) * self.frequency
            return self._transfer(extrinsics) * shift.to(torch.complex128)
        value = extrinsics[name]
        slope: Tensor
        with forward_ad.dual_level():
            dual = forward_ad.make_dual(value, torch.ones_like(value))  # type: ignore[no-untyped-call]
            slope = forward_ad.unpack_dual(self._transfer({**extrinsics, name: dual})).tangent  # type: ignore[no-untyped-call]
        return slope

    def _waves(self, depth: Tensor) -> Tensor:
        """The spectrum of each order `[B, O, K]`."""
        many = self.window.shape[-1]
        depth = torch.nn.functional.pad(depth, (0, many))
        pieces = torch.stack([depth[:, first : first + many] for first in self.first], 1)
        waves: Tensor = torch.fft.rfft(pieces * self.window)[..., : len(self.frequency)]
        return waves

    def _on_pixels(self, waves: Tensor) -> Tensor:
        flux: Tensor = self.sampler(torch.fft.irfft(waves, n=self.size).flatten(1))
        return flux

    def _transfer(self, extrinsics: Extrinsics) -> Tensor:
        return transfer(self.frequency, extrinsics, self.factors, self.already, self.darkening)


def transfer(
    frequency: Tensor, extrinsics: Extrinsics, factors: Tensor | None, already: float, darkening: float
) -> Tensor:
    """What rotation, macroturbulence and instrument leave of frequencies `[K]`: `[B, O or 1, K]`."""
    total = torch.ones(1, 1, 1, dtype=torch.float64, device=frequency.device)
    if "vsini" in extrinsics:
        total = total * rotation(frequency, extrinsics["vsini"], darkening)[:, None]
    if "macroturbulence" in extrinsics:
        total = total * macroturbulence(frequency, extrinsics["macroturbulence"])[:, None]
    if "resolving_power" in extrinsics:
        power = extrinsics["resolving_power"][:, None]
        total = total * instrument(frequency, power if factors is None else power * factors, already)
    return total


def fast_size(least: int) -> int:
    """An even length that FFTs are fast at."""
    from scipy.fft import next_fast_len

    return 2 * int(next_fast_len((least + 1) // 2, real=True))


def lay_out(spans: Sequence[tuple[int, int]], size: int) -> tuple[NDArray[np.int64], tuple[int, ...], Floats]:
    """The numbers of all points first … last - 1 of the spans, without repetition; where each span begins among them;
    and its window `[O, size]`, zero beyond its end."""
    joined: list[list[int]] = []
    for first, last in sorted(spans):
        if joined and first <= joined[-1][1]:
            joined[-1][1] = max(last, joined[-1][1])
        else:
            joined.append([first, last])
    points = np.concatenate([np.arange(*span) for span in joined])
    return points, tuple(np.searchsorted(points, [first for first, _ in spans]).tolist()), _windows(spans, size)


def _windows(spans: Sequence[tuple[int, int]], size: int) -> Floats:
    window = np.zeros((len(spans), size))
    edge = np.sin(np.pi / 2 * (np.arange(TAPER) + 0.5) / TAPER) ** 2
    for row, (first, last) in zip(window, spans, strict=True):
        row[: last - first] = 1
        row[:TAPER] = edge
        row[last - first - TAPER : last - first] = edge[::-1]
    return window
