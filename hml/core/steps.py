"""How many points a spectrum needs to be seen as sharply as it may be: measured, not guessed.

Spectra at a few labels are rendered in pieces on points twice as dense as the grid's own, and broadened as little as
the config allows. Then ever fewer of these points are taken: what they cannot tell from slower waves grows as
exp(-c/step). The same of the knots of the spline through what is broadened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hml.core.config import ObjectiveConfig
from hml.core.generator import Generator
from hml.core.optics import TAPER, lay_out, powers, transfer
from hml.core.pixels import Pixels
from hml.core.space import Floats

RENDERED, SPLINED = 2e-5, 1e-5  # of the continuum, where it is measured; elsewhere the worst line has three times that
PIECE = 7200  # points of one piece; has many divisors
PIECES = 6
COARSEST = 100  # points of the finest grid to one
WIDER = 1.15  # each next distance of knots that is tried


def needed_steps(
    render: Callable[[Floats], Tensor], generator: Generator, orders: Sequence[Pixels], config: ObjectiveConfig
) -> tuple[float, float]:
    """The longest steps in ln λ, of points to render and of knots, that cost no more than `RENDERED` and `SPLINED`.
    `render` gives spectra `[n, U]` at wavelengths `[U]` (Å)."""
    finest = _finest(generator, orders, config)
    spans = _pieces(generator, orders, finest)
    points, start, window = lay_out(spans, PIECE)
    flux = torch.nan_to_num(render(np.exp(finest * points)), nan=1.0).double().cpu()
    padded = torch.nn.functional.pad(flux - 1, (0, PIECE))
    depth = torch.stack([padded[:, first : first + PIECE] for first in start]) * torch.as_tensor(window)[:, None]
    frequency = torch.fft.rfftfreq(PIECE, d=finest, dtype=torch.float64)
    already = 0.0 if generator.resolving_power is None else generator.resolving_power**-2.0
    sharp = transfer(frequency, _sharpest(config), None, already, config.limb_darkening)[0, 0]
    probe = _Probe(depth, _inner(spans), sharp, frequency * finest)
    return finest * probe.points(), finest * probe.knots()


def _finest(generator: Generator, orders: Sequence[Pixels], config: ObjectiveConfig) -> float:
    low, high = min(o.wavelength[0] for o in orders), max(o.wavelength[-1] for o in orders)
    own = generator.wavelength[(generator.wavelength >= low) & (generator.wavelength <= high)]
    steps = [float(own.log().diff().median())] if len(own) > 1 else [1e-6]
    if config.resolving_power is not None:
        steps.append(1 / powers(config)[1] / 6)
    return min(steps) / 2


def _pieces(generator: Generator, orders: Sequence[Pixels], finest: float) -> list[tuple[int, int]]:
    """Numbers of points from … to in the middle of some orders, no farther than the generator goes."""
    low, high = np.log(generator.band) / finest
    chosen = [orders[i] for i in np.unique(np.linspace(0, len(orders) - 1, PIECES).astype(int))]
    middle = [int(np.log(o.wavelength[len(o) // 2]) / finest) for o in chosen]
    half, least = PIECE // 2, 2 * TAPER
    return [(min(max(int(low) + 1, m - half), m - least), max(min(int(high), m + half), m + least)) for m in middle]


def _inner(spans: Sequence[tuple[int, int]]) -> Tensor:
    """1 away from the ends of the spans, where spectra are made to fade: `[n, 1, PIECE]`."""
    inner = torch.zeros(len(spans), 1, PIECE, dtype=torch.float64)
    for row, (first, last) in zip(inner, spans, strict=True):
        row[:, (last - first) // 8 : (last - first) * 7 // 8] = 1
    return inner


def _sharpest(config: ObjectiveConfig) -> dict[str, Tensor]:
    wishes = {"vsini": config.vsini, "macroturbulence": config.macroturbulence}
    values = {name: wish.bounds[0] for name, wish in wishes.items() if wish is not None}
    if config.resolving_power is not None:
        values["resolving_power"] = powers(config)[1]
    return {name: torch.tensor([value], dtype=torch.float64) for name, value in values.items()}


@dataclass(frozen=True, eq=False)
class _Probe:
    """Pieces of spectra `[n, B, PIECE]` less their continuum, where they count `[n, 1, PIECE]`, what is left of their
    waves `[K]`, and the frequencies of these in cycles a point `[K]`."""

    depth: Tensor
    inner: Tensor
    sharp: Tensor
    cycles: Tensor

    def points(self) -> float:
        """How many points may be one."""
        whole, last = self._seen(1), (1, 0.0)
        for every in (m for m in range(2, COARSEST + 1) if PIECE % m == 0):
            lost = float((self._seen(every) - whole).abs().max())
            if lost > RENDERED:
                return _between(last, (every, lost))
            last = every, lost
        return COARSEST

    def _seen(self, every: int) -> Tensor:
        few = self.depth[..., ::every]
        waves = torch.fft.rfft(few)
        flux: Tensor = self.inner * every * torch.fft.irfft(waves * self.sharp[: waves.shape[-1]], n=PIECE)
        return flux

    def knots(self) -> float:
        """How many points may be from knot to knot."""
        waves, knots = torch.fft.rfft(self.depth) * self.sharp, 1.0
        while knots * WIDER < COARSEST and self._splined(waves, knots * WIDER) < SPLINED:
            knots *= WIDER
        return knots

    def _splined(self, waves: Tensor, knots: float) -> float:
        """What a spline of fifth degree takes of a wave of x cycles a knot, and puts beside it: (x/(1 - x))⁶."""
        x = (self.cycles * knots).clamp(max=0.5)
        return float((self.inner * torch.fft.irfft(waves * (x / (1 - x)) ** 6, n=PIECE)).abs().max())


def _between(good: tuple[float, float], bad: tuple[float, float]) -> float:
    """Where an error that goes as exp(-c/step) reaches `RENDERED`, between (step, error) below and above it."""
    if good[1] == 0.0:
        return good[0]
    part = np.log(RENDERED / good[1]) / np.log(bad[1] / good[1])
    return float(1 / (1 / good[0] + part * (1 / bad[0] - 1 / good[0])))
