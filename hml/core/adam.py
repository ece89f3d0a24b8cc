"""Fit all lines of a spectrum by Adam (amsgrad), through torch: the paper's way, and the one for any profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hml.core.generic import Generic, Layout
from hml.core.interfaces import LineProfile
from hml.core.pseudo import Bends
from hml.core.raster import Raster
from hml.core.render import has_loops, render
from hml.core.space import LIGHT, Floats
from hml.core.spectrum import Spectrum

if TYPE_CHECKING:
    from hml.core.clone import Start
    from hml.core.config import CloneConfig

RATE = 0.1  # learning rate, where the config has none
EVERY = 5  # steps after which the pseudo-continuum moves
RELAY = 20  # steps after which windows are laid out anew: lines grow while they are fitted


class AdamFit:
    """See `clone.Fit`. Adam steps logarithms as they are; centres in units of the width, or in Å (the paper's way)."""

    schedule = "cosine"

    def __init__(
        self,
        raster: Raster,
        spectrum: Spectrum,
        used: NDArray[np.bool_],
        start: Start,
        profile: LineProfile,
        config: CloneConfig,
    ) -> None:
        device = raster.wavelength.device
        self.raster, self.profile, self.config = raster, profile, config
        self.flux = torch.as_tensor(spectrum.flux, dtype=torch.float32, device=device)
        self.used = torch.as_tensor(used, device=device)
        self.found = torch.as_tensor(start.centre, device=device)
        self.width = torch.as_tensor(start.width, device=device)
        self.params = torch.tensor(start.params, dtype=torch.float32, device=device, requires_grad=True)
        self.moves = torch.zeros(len(self.found), device=device, requires_grad=True)
        self.drift = torch.zeros((), device=device, requires_grad=config.radial_velocity)  # km/s
        self.rate = config.learning_rate or RATE
        free = [self.params, self.moves, *([self.drift] if config.radial_velocity else [])]
        self.adam = torch.optim.Adam(free, lr=self.rate, amsgrad=True)
        self.pixels = used
        self.bends = Bends(raster.numbers, config.continuum, start.bends)
        self.steps = 0
        self.layout: Layout | None = None

    @property
    def velocity(self) -> float:
        return float(self.drift.detach())

    def step(self, rate: float) -> float:
        self.adam.param_groups[0]["lr"] = self.rate * rate
        self.adam.zero_grad(set_to_none=True)
        residual = self._model() * torch.as_tensor(self.bends.flux(), device=self.flux.device) - self.flux
        loss = (residual[self.used] ** 2).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        self.adam.step()
        if self.steps % EVERY == 0:
            missed = residual.detach()
            self.bends.update((missed + self.flux).cpu().numpy(), missed.cpu().numpy(), self.pixels)
        self.steps += 1
        return float(loss.detach())

    def lines(self) -> tuple[Floats, Floats]:
        with torch.no_grad():
            return self._centre().cpu().numpy(), self.params.detach().cpu().double().numpy()

    def information(self) -> NDArray[np.float32] | None:
        return None

    def _centre(self) -> Tensor:
        return self.found + (self.width * torch.tanh(self.moves) if self.config.centres == "bounded" else self.moves)

    def _model(self) -> Tensor:
        config, centre, params = self.config, self._centre()[None], self.params[None]
        factor = 1 / (1 - self.drift.double() / LIGHT)[None] if config.radial_velocity else None
        if config.window is None and has_loops(self.profile, config.composition, centre.device, torch.float32):
            return render(self.raster, centre, params, self.profile, config.composition, tolerance=config.tolerance)[0]
        engine = Generic(self.raster, self.profile, config.composition, config.tolerance, config.window)
        if self.layout is None or (config.window is None and self.steps % RELAY == 0):
            self.layout = engine.lay_out(centre, params, factor)
        return engine.render(self.layout, centre, params, factor)[0]
