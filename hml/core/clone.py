"""Clone a spectrum: fit every line of one node at once, through the renderer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from hml.core.config import CloneConfig
from hml.core.errors import ConfigError, GridError
from hml.core.interfaces import LineProfile
from hml.core.lines import Clone, FoundLines
from hml.core.raster import Raster
from hml.core.render import has_loops, render
from hml.core.space import LIGHT, Floats
from hml.core.spectrum import Spectrum

OnStep = Callable[[int, float], None]

LOOK = 10  # steps over which a fit must get better to go on


@dataclass(frozen=True, eq=False)
class Start:
    """Where a fit begins: centre `[L]` Å, params `[L, K]`, and the width `[L]` Å that bounds how far centres move."""

    centre: Floats
    params: Floats
    width: Floats

    @classmethod
    def from_found(cls, found: FoundLines, profile: LineProfile) -> Start:
        return cls(found.centre, profile.initial(found), np.maximum(found.fwhm, 1e-3))


class Fit(Protocol):
    """A solver in the middle of its work."""

    schedule: str  # what it does best with

    @property
    def velocity(self) -> float:
        """Radial velocity of the whole spectrum, km/s."""

    def step(self, rate: float) -> float:
        """One step, `rate` times the solver's own length; the loss (mean squared error) before it."""

    def lines(self) -> tuple[Floats, Floats]:
        """centre `[L]` Å and params `[L, K]` as they are now."""


def clone_spectrum(
    spectrum: Spectrum,
    start: Start,
    profile: LineProfile,
    config: CloneConfig,
    device: str = "cpu",
    on_step: OnStep = lambda step, loss: None,
) -> Clone:
    """The lines that reproduce a normalised spectrum (least squares). `on_step` is told every step and its loss; what
    it raises ends the fit."""
    raster = Raster.of(torch.as_tensor(spectrum.wavelength, device=device))
    used = fitted_pixels(spectrum, config)
    fit = _solver(profile, config, device)(raster, spectrum, used, start, profile, config)
    schedule = config.schedule or fit.schedule
    losses: list[float] = []
    for step in range(config.steps):
        rate = 0.5 * (1 + np.cos(np.pi * step / config.steps)) if schedule == "cosine" else 1.0
        losses.append(fit.step(rate))
        on_step(step, losses[-1])
        if config.stop and len(losses) > LOOK and losses[-1 - LOOK] - losses[-1] < config.stop * losses[-1]:
            break
    centre, params = fit.lines()
    rms = _rms(raster, spectrum, used, centre, params, profile, config, fit.velocity)
    if not np.isfinite(rms):
        raise GridError(f"{spectrum.name}: the fit diverged; lower clone.learning_rate")
    meta = {"steps": len(losses), "radial_velocity": fit.velocity}
    return Clone(centre, params, profile.params, start.centre, rms, meta)


def clone_rms(spectrum: Spectrum, clone: Clone, profile: LineProfile, config: CloneConfig) -> float:
    """Root mean square difference of a clone, rendered, from a normalised spectrum, over the pixels that are fitted."""
    raster, used = Raster.of(torch.as_tensor(spectrum.wavelength)), fitted_pixels(spectrum, config)
    return _rms(raster, spectrum, used, clone.centre, clone.params, profile, config, 0.0)


def fitted_pixels(spectrum: Spectrum, config: CloneConfig) -> NDArray[np.bool_]:
    """Which pixels `[N]` count; GridError if none does."""
    low, high = spectrum.band
    used = (spectrum.wavelength >= low + config.edge) & (spectrum.wavelength <= high - config.edge)
    used &= np.isfinite(spectrum.flux)
    if not used.any():
        raise GridError(f"{spectrum.name}: clone.edge = {config.edge:g} Å leaves no pixel to fit; make it smaller")
    return used


def _solver(profile: LineProfile, config: CloneConfig, device: str) -> Callable[..., Fit]:
    """`auto` is Gauss–Newton wherever it can be had."""
    paper = config.window is not None or config.radial_velocity or config.centres == "free"
    able = not paper and has_loops(profile, config.composition, torch.device(device), torch.float32)
    if config.solver == "gauss_newton" and not able:
        raise ConfigError(
            "clone.solver: gauss_newton needs the CPU, a profile with compiled loops (pseudo_voigt), composition "
            "opacity or sum, bounded centres, and neither a window nor a radial velocity; choose auto or adam"
        )
    if able and config.solver != "adam":
        from hml.core.gauss_newton import BlockGaussNewton

        return BlockGaussNewton
    from hml.core.adam import AdamFit

    return AdamFit


def _rms(
    raster: Raster,
    spectrum: Spectrum,
    used: NDArray[np.bool_],
    centre: Floats,
    params: Floats,
    profile: LineProfile,
    config: CloneConfig,
    velocity: float,
) -> float:
    device = raster.wavelength.device
    lines = torch.as_tensor(centre, device=device)[None], torch.as_tensor(params, device=device)[None]
    factor = torch.tensor([1 / (1 - velocity / LIGHT)], dtype=torch.float64, device=device) if velocity else None
    with torch.no_grad():
        flux = render(
            raster, *lines, profile, config.composition, tolerance=config.tolerance, window=config.window, factor=factor
        )  # fmt: skip
    return float(np.sqrt(np.mean((flux[0].double().cpu().numpy() - spectrum.flux)[used] ** 2)))
