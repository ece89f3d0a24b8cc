"""The forward model: labels → generator → velocity → rotation, macroturbulence, instrument → the data's own pixels.

The velocity moves the lines themselves. All else is done on points even in ln λ, which are as few as the spectrum
needs: where orders overlap or touch they share points, and the generator is called once for all. Every order is then
transformed (FFT), multiplied by the product of the transfer functions (see `broaden`), brought back on fewer points as
coefficients of a spline, and averaged over its pixels (see `pixels`). Where nothing is to be broadened, the
generator is rendered on the pixels as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from hml.core.config import ObjectiveConfig
from hml.core.generator import Generator, doppler
from hml.core.optics import Extrinsics, Optics, require_no_sharpening
from hml.core.pixels import Pixels
from hml.core.raster import Raster
from hml.core.residual import resampled
from hml.core.space import Floats
from hml.core.steps import needed_steps

EXTRINSICS = ("rv", "vsini", "macroturbulence", "resolving_power")
BROADENING = EXTRINSICS[1:]
SIDE = 3  # pixels of the generator beyond what is rendered: its residual is interpolated between four
APART = 100.0  # Å without a pixel: worth a call of its own, since few lines reach across


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
        steps = needed_steps(lambda at: _still(generator, at, probes), generator, orders, config)
        points, optics = Optics.of(generator, orders, config, *steps)
        none = torch.zeros(0, dtype=torch.int64)
        return cls(Rendering.of(generator, points, config), optics, none, counts, config.nan_as_one)

    def __call__(self, labels: Tensor, extrinsics: Extrinsics) -> Tensor:
        flux = self.rendering(labels, extrinsics.get("rv"))
        flux = torch.nan_to_num(flux, nan=1.0) if self.nan_as_one else flux
        return (flux[:, self.index] if self.optics is None else self.optics(flux, extrinsics)).double()

    def linear(
        self, labels: Mapping[str, Tensor], extrinsics: Extrinsics, names: Sequence[str]
    ) -> tuple[Tensor, Tensor]:
        """The flux `[1, N]` of one model (labels and extrinsics `[1]`), and how it changes with each of `names`:
        `[len(names), N]`. The same as derivatives in forward mode, with less work: only for labels is more rendered
        than the flux, what all else does is known from its waves."""
        later = () if self.optics is None else EXTRINSICS
        first, rest = [n for n in names if n not in later], [n for n in names if n in later]
        fine, change = self.rendering.linear(labels, extrinsics.get("rv"), first)
        if self.nan_as_one:
            change = torch.where(torch.isnan(fine), torch.zeros_like(change), change)
            fine = torch.nan_to_num(fine, nan=1.0)
        if self.optics is None:
            return fine[:, self.index].double(), change[:, self.index].double()
        flux, changes = self.optics.linear(fine, change, extrinsics, rest)
        order = [[*first, *rest].index(name) for name in names]
        return flux.double(), changes[order].double()

    def errors(self, labels: Tensor, extrinsics: Extrinsics) -> Tensor:
        """The generator's own error near labels `[1, P]`, seen through all of this: patterns `[E, N]`, see
        `Generator.errors`."""
        fine = self.rendering.errors(labels, extrinsics.get("rv"))
        if self.optics is None or len(fine) == 0:
            return fine[:, self.index].double() if self.optics is None else fine.new_zeros(0, sum(self.counts)).double()
        every = {name: value.expand(len(fine)) for name, value in extrinsics.items()}
        return self.optics(1 + fine, every).double() - 1  # optics let orders fade into a continuum of one

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
        own = generator.wavelength
        beyond = SIDE * float(own.diff().median()) if len(own) > 1 else 0.0
        parts = []
        for part in np.split(wavelength, cuts):
            near = generator.window_on(part[0] / fast - beyond, part[-1] / slow + beyond)
            parts.append((near, Raster.of(torch.as_tensor(part, device=generator.reference.device))))
        return cls(tuple(parts))

    def __call__(self, labels: Tensor, velocity: Tensor | None) -> Tensor:
        flux = [generator(labels, raster, velocity) for generator, raster in self.parts]
        return flux[0] if len(flux) == 1 else torch.cat(flux, -1)

    def linear(
        self, labels: Mapping[str, Tensor], velocity: Tensor | None, names: Sequence[str]
    ) -> tuple[Tensor, Tensor]:
        """The flux `[1, U]`, and its change with labels and `rv` of these names `[len(names), U]`."""
        row = torch.stack([value[0] for value in labels.values()])[None]
        if not names:
            flux = self(row, velocity)
            return flux, flux[:0]
        turn = torch.eye(len(names)).to(row)
        still = torch.zeros_like(turn[:, 0])
        directions = {name: turn[:, i] for i, name in enumerate(names)}
        with forward_ad.dual_level():
            ways = torch.stack([directions.get(name, still) for name in labels], -1)
            dual = forward_ad.make_dual(row.expand(len(names), -1).clone(), ways)  # type: ignore[no-untyped-call]
            speed = None if velocity is None else velocity.expand(len(names)).clone()
            if speed is not None and "rv" in directions:
                speed = forward_ad.make_dual(speed, directions["rv"])  # type: ignore[no-untyped-call]
            flux, change = forward_ad.unpack_dual(self(dual, speed))  # type: ignore[no-untyped-call]
        return flux[:1], torch.zeros_like(flux) if change is None else change

    def errors(self, labels: Tensor, velocity: Tensor | None) -> Tensor:
        """Patterns `[E, U]`."""
        factor = 1.0 if velocity is None else doppler(velocity)
        at = labels[0].cpu().numpy()
        return torch.cat([
            resampled(generator.errors(at), generator.wavelength, raster.wavelength / factor)
            for generator, raster in self.parts
        ], -1)  # fmt: skip

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


def _still(generator: Generator, wavelength: Floats, labels: Floats) -> Tensor:
    """Spectra `[B, N]` at labels `[B, P]`, not moving."""
    with torch.no_grad():
        rendering = Rendering.of(generator, wavelength, ObjectiveConfig())
        return rendering(torch.as_tensor(labels, device=generator.reference.device), None)
