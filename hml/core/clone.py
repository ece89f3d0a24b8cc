"""Clone a spectrum: fit every line of one node at once, by gradient descent through the renderer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hml.core.config import CloneConfig
from hml.core.errors import GridError
from hml.core.interfaces import LineProfile
from hml.core.lines import Clone, FoundLines
from hml.core.render import Layout, lay_out, reach, render
from hml.core.space import LIGHT, Floats
from hml.core.spectrum import Spectrum

OnStep = Callable[[int, float], None]

RELAY = 20  # steps after which windows are laid out anew: lines grow while they are fitted


@dataclass(frozen=True, eq=False)
class Start:
    """Where a fit begins: centre `[L]` Å, params `[L, K]`, and the width `[L]` Å that bounds how far centres move."""

    centre: Floats
    params: Floats
    width: Floats

    @classmethod
    def from_found(cls, found: FoundLines, profile: LineProfile) -> Start:
        return cls(found.centre, profile.initial(found), np.maximum(found.fwhm, 1e-3))


def clone_spectrum(
    spectrum: Spectrum,
    start: Start,
    profile: LineProfile,
    config: CloneConfig,
    device: str = "cpu",
    on_step: OnStep = lambda step, loss: None,
) -> Clone:
    """The lines that reproduce a normalised spectrum (mean squared error, Adam with amsgrad). `on_step` is told every
    step and its loss; what it raises ends the fit."""
    fit = _Fit(spectrum, start, profile, config, device)
    for step in range(config.steps):
        on_step(step, fit.step())
    return fit.result()


def clone_rms(spectrum: Spectrum, clone: Clone, profile: LineProfile, config: CloneConfig) -> float:
    """Root mean square difference of a clone, rendered, from a normalised spectrum, over the pixels that are fitted."""
    start = Start(clone.centre, clone.params, np.ones(len(clone)))
    return _Fit(spectrum, start, profile, config, "cpu").result().rms


class _Fit:
    """The state of one fit; all tensors on one device."""

    def __init__(self, spectrum: Spectrum, start: Start, profile: LineProfile, config: CloneConfig, device: str):
        self.config, self.profile, self.name, self.device = config, profile, spectrum.name, device
        self.wavelength = torch.as_tensor(spectrum.wavelength, device=device)
        self.flux = torch.as_tensor(spectrum.flux, dtype=torch.float32, device=device)
        low, high = spectrum.band
        used = (spectrum.wavelength >= low + config.edge) & (spectrum.wavelength <= high - config.edge)
        used &= np.isfinite(spectrum.flux)
        if not used.any():
            raise GridError(f"{spectrum.name}: clone.edge = {config.edge:g} Å leaves no pixel to fit; make it smaller")
        self.used = torch.as_tensor(used, device=device)
        self.found = torch.as_tensor(start.centre, device=device)
        self.width = torch.as_tensor(start.width, dtype=torch.float32, device=device)
        # Adam steps the logarithms as they are; centres in units of the width, or in Å for the paper's recipe
        self.params = torch.tensor(start.params, dtype=torch.float32, device=device, requires_grad=True)
        self.moves = torch.zeros(len(self.found), device=device, requires_grad=True)
        self.velocity = torch.zeros((), device=device, requires_grad=config.radial_velocity)
        free = [self.params, self.moves, *([self.velocity] if config.radial_velocity else [])]
        self.adam = torch.optim.Adam(free, lr=config.learning_rate, amsgrad=True)
        self.steps = 0
        self.layout: Layout | None = None

    def step(self) -> float:
        if self.config.schedule == "cosine":
            self.adam.param_groups[0]["lr"] = (
                self.config.learning_rate * 0.5 * (1 + np.cos(np.pi * self.steps / self.config.steps))
            )
        self.adam.zero_grad(set_to_none=True)
        loss = self._loss()
        loss.backward()  # type: ignore[no-untyped-call]
        self.adam.step()
        self.steps += 1
        return float(loss.detach())

    def _loss(self) -> Tensor:
        if self.layout is None or (self.config.window is None and self.steps % RELAY == 0):
            self.layout = self._laid_out()
        moved = self._moved() - self.laid_at
        stretch = None
        if self.config.radial_velocity:
            # a Doppler shift of all lines: offset·s - centre·(1 - s) with s = λ_rest / λ, and 1 - s written out, since
            # the difference loses its digits in float32
            shift = self.velocity / LIGHT
            stretch = (1 - shift)[None]
            moved = moved + self.found.to(moved.dtype) * shift
        model = render(self.layout, moved[None], self.params[None], self.profile, self.config.composition, stretch)[0]
        return ((model - self.flux)[self.used] ** 2).mean()

    def _moved(self) -> Tensor:
        return self.width * torch.tanh(self.moves) if self.config.centres == "bounded" else self.moves

    def _laid_out(self) -> Layout:
        span = self.config.window or 1.3 * reach(self.profile, self.params.detach(), self.config.tolerance)
        self.laid_at = self._moved().detach().clone()  # Adam changes tensors in place
        return lay_out(self.wavelength, (self.found + self.laid_at)[None], span)

    def result(self) -> Clone:
        with torch.no_grad():
            self.layout = None
            rms = float(self._loss().sqrt())
            if not np.isfinite(rms):
                raise GridError(f"{self.name}: the fit diverged; lower clone.learning_rate")
            centre = (self.found + self._moved()).cpu().numpy()
        params = self.params.detach().cpu().numpy().astype(np.float64)
        meta = {"steps": self.steps, "radial_velocity": float(self.velocity.detach())}
        return Clone(centre, params, self.profile.params, self.found.cpu().numpy(), rms, meta)
