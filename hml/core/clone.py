"""Clone a spectrum: fit every line of one node at once, through the renderer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from hml.core.config import CloneConfig
from hml.core.errors import ConfigError, GridError
from hml.core.find import find_hidden, missing_opacity
from hml.core.interfaces import LineProfile
from hml.core.lines import Clone, FoundLines
from hml.core.pseudo import Bends
from hml.core.raster import Raster
from hml.core.render import has_loops, render
from hml.core.space import LIGHT, Floats
from hml.core.spectrum import Spectrum

OnStep = Callable[[int, float], None]

LOOK = 10  # steps over which a fit must get better to go on
EAGER = 0.7
ROUNDING = 1e-5
HASTE = 10.0  # times as much better, where lines are still missing


@dataclass(frozen=True, eq=False)
class Start:
    """Where a fit begins: centre `[L]` Å, params `[L, K]`, and the width `[L]` Å that bounds how far centres move; the
    pseudo-continuum's coefficients, None: zero; and how far the truth may lie from there (a standard deviation, of
    centres in widths, `[L, 1 + K]` or one number for all), None: the solver's own idea."""

    centre: Floats
    params: Floats
    width: Floats
    bends: Floats | None = None
    spread: Floats | None = None

    @classmethod
    def from_found(cls, found: FoundLines, profile: LineProfile) -> Start:
        return cls(found.centre, profile.initial(found), np.maximum(found.fwhm, 1e-3))


class Fit(Protocol):
    """A solver in the middle of its work."""

    schedule: str  # what it does best with
    bends: Bends  # the pseudo-continuum

    @property
    def velocity(self) -> float:
        """Radial velocity of the whole spectrum, km/s."""

    def step(self, rate: float) -> float:
        """One step, `rate` times the solver's own length; the loss (mean squared error) before it."""

    def lines(self) -> tuple[Floats, Floats]:
        """centre `[L]` Å and params `[L, K]` as they are now."""

    def information(self) -> NDArray[np.float32] | None:
        """What the spectrum tells of each line: second derivatives of half the squared residuals over their mean square
        `[L, 1 + K, 1 + K]`, centres in widths; None if the solver does not know."""


def clone_spectrum(
    spectrum: Spectrum,
    start: Start,
    profile: LineProfile,
    config: CloneConfig,
    device: str = "cpu",
    on_step: OnStep = lambda step, loss: None,
) -> Clone:
    """The lines that reproduce a normalised spectrum (least squares). After each of `config.rounds` fits the lines that
    show in its residual are added, and all are fitted again. `on_step` is told every step and its loss; what it raises
    ends the fit."""
    raster = Raster.of(torch.as_tensor(spectrum.wavelength, device=device))
    used = fitted_pixels(spectrum, config)
    steps, counts = 0, [len(start.centre)]
    for turn in range(config.rounds + 1):
        fit = _solver(profile, config, device)(raster, spectrum, used, start, profile, config)
        steps = _run(fit, config, steps, HASTE if turn < config.rounds else 1.0, on_step, spectrum.name)
        flux = _flux(raster, *fit.lines(), profile, config, fit)
        rms = float(np.sqrt(np.mean((flux - spectrum.flux)[used] ** 2)))
        if rms > np.sqrt(np.mean((1 - spectrum.flux[used]) ** 2)) + ROUNDING:
            raise GridError(f"{spectrum.name}: the fit is worse than none at all; lower clone.learning_rate")
        hidden = find_hidden(spectrum, flux, np.where(used, spectrum.flux, flux), max(config.hidden, rms / 2))
        if turn == config.rounds or len(hidden) == 0:
            break
        start = _grown(start, fit, hidden, profile)
        counts.append(len(start.centre))
    meta = {"steps": steps, "radial_velocity": fit.velocity, "counts": counts}
    return Clone(
        *fit.lines(), profile.params, start.centre, rms, meta, fit.bends.coefficients, hidden, fit.information()
    )


def _run(fit: Fit, config: CloneConfig, before: int, haste: float, on_step: OnStep, name: str) -> int:
    """Fit until little is gained any more; the number of steps, `before` and now."""
    schedule, losses = config.schedule or fit.schedule, []
    for step in range(config.steps):
        rate = 0.5 * (1 + np.cos(np.pi * step / config.steps)) if schedule == "cosine" else 1.0
        losses.append(fit.step(rate))
        on_step(before + step, losses[-1])
        if not np.isfinite(losses[-1]):
            raise GridError(f"{name}: the fit diverges; lower clone.learning_rate")
        if config.stop and len(losses) > LOOK and losses[-1 - LOOK] - losses[-1] < haste * config.stop * losses[-1]:
            break
    return before + len(losses)


def _grown(start: Start, fit: Fit, hidden: FoundLines, profile: LineProfile) -> Start:
    """Where a fit goes on with the lines of the last one and those that it had missed."""
    centre, params = fit.lines()
    centre, width = np.append(centre, hidden.centre), np.append(start.width, hidden.fwhm)
    params = np.concatenate([params, profile.initial(hidden)])
    order = np.argsort(centre, kind="stable")
    return Start(centre[order], params[order], width[order], fit.bends.coefficients)


def begun(start: Start, spectrum: Spectrum, profile: LineProfile, config: CloneConfig) -> Start:
    """With amplitudes for the lines that have none yet (NaN): from what the others leave of the spectrum at their
    centres, but `EAGER`, since neighbours share it."""
    new = np.isnan(start.params[:, 0])
    if not new.any():
        return start
    raster = Raster.of(torch.as_tensor(spectrum.wavelength))
    bends = Bends(spectrum.wavelength, config.continuum, start.bends)
    model = _flux(raster, start.centre[~new], start.params[~new], profile, config) * bends.flux()
    missing = np.interp(start.centre[new], spectrum.wavelength, missing_opacity(spectrum, model, spectrum.flux))
    params = start.params.copy()
    params[new, 0] = 0.0  # unit area
    with torch.no_grad():
        peak = profile.evaluate(torch.zeros(int(new.sum()), 1), torch.from_numpy(params[new]))[:, 0].numpy()
    params[new, 0] = np.log(EAGER * np.maximum(missing, config.hidden / 2) / peak)
    return replace(start, params=params)


def clone_rms(spectrum: Spectrum, clone: Clone, profile: LineProfile, config: CloneConfig) -> float:
    """Root mean square difference of a clone, rendered, from a normalised spectrum, over the pixels that are fitted."""
    raster, used = Raster.of(torch.as_tensor(spectrum.wavelength)), fitted_pixels(spectrum, config)
    bends = Bends(spectrum.wavelength, config.continuum if len(clone.bends) else None, clone.bends)
    flux = _flux(raster, clone.centre, clone.params, profile, config) * bends.flux()
    return float(np.sqrt(np.mean((flux - spectrum.flux)[used] ** 2)))


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


def _flux(
    raster: Raster, centre: Floats, params: Floats, profile: LineProfile, config: CloneConfig, fit: Fit | None = None
) -> Floats:
    """The flux `[N]` of lines, with the velocity and the pseudo-continuum of a fit."""
    device = raster.wavelength.device
    lines = torch.as_tensor(centre, device=device)[None], torch.as_tensor(params, device=device)[None]
    velocity = 0.0 if fit is None else fit.velocity
    factor = torch.tensor([1 / (1 - velocity / LIGHT)], dtype=torch.float64, device=device) if velocity else None
    with torch.no_grad():
        flux = render(
            raster, *lines, profile, config.composition, tolerance=config.tolerance, window=config.window, factor=factor
        )[0].double().cpu().numpy()  # fmt: skip
    return np.asarray(flux if fit is None else flux * fit.bends.flux())
