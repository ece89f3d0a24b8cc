"""The recipe of Shankar, Gully-Santiago & Morley written plainly: the reference of `engine.py`.

torch eager in float64. Every line keeps the indices and the wavelengths of a window of the same number of pixels, two
matrices `[L, W]`; its pseudo-Voigt profile (widths as blase has them: a Lorentzian of gamma and a Gaussian of sigma) is
evaluated there; the lines combine as a product of (1 - a·V), summed as logarithms by a sparse tensor; Adam with amsgrad
at a learning rate of 0.05 moves centres, ln a, ln sigma, ln gamma and one radial velocity against the mean squared
error. A label is turned into line parameters by one scipy interpolator a line.

Nothing of it uses hml, and none of it is to be made faster.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import pi, sqrt
from statistics import median

import numpy as np
import torch
from measure import Took, repeated
from numpy.typing import NDArray
from scipy.interpolate import RegularGridInterpolator
from scipy.signal import find_peaks, peak_prominences, peak_widths
from torch import Tensor

Floats = NDArray[np.float64]

LIGHT = 299_792.458  # km/s
CLAMP = 0.999999999  # no line alone takes more
LEARNING_RATE = 0.05
PROMINENCE, DISTANCE = 0.005, 4  # of a line, in flux and in pixels
LINE_EDGE, PIXEL_EDGE = 30.0, 60.0  # Å from the ends within which lines are dropped, and pixels not fitted
UNIQUE_LINES = 128_723  # of the paper's 1,314 nodes, each with an interpolator of its own
ABSENT = -100.0  # ln a below this: not rendered


@dataclass(frozen=True)
class PaperLines:
    """centre `[L]` Å; params `[L, 3]`: ln a (an area, Å), ln sigma, ln gamma (Å)."""

    centre: Floats
    params: Floats

    def __len__(self) -> int:
        return len(self.centre)


def find(wavelength: Floats, flux: Floats, edge: float) -> PaperLines:
    """The minima of a normalised spectrum with the paper's start: 0.14 × prominence, and 1.28 and 1.52 × width/√2."""
    peaks, _ = find_peaks(-flux, distance=DISTANCE, prominence=PROMINENCE)
    seen = peak_prominences(-flux, peaks)
    width = peak_widths(-flux, peaks, prominence_data=seen)[0] * np.diff(wavelength)[peaks] / 2.355 / sqrt(2.0)
    params = np.log(np.stack([0.14 * seen[0], 1.28 * width, 1.52 * width], axis=-1))
    inside = (wavelength[peaks] > wavelength[0] + edge) & (wavelength[peaks] < wavelength[-1] - edge)
    return PaperLines(wavelength[peaks][inside], params[inside])


# --- the model of a spectrum -----------------------------------------------------------------------------------


class PaperModel(torch.nn.Module):
    """Flux `[N]` of lines, each on `window` pixels around its centre (shifted inwards at the ends)."""

    def __init__(self, wavelength: Floats, lines: PaperLines, window: int):
        super().__init__()
        native = torch.as_tensor(wavelength)
        first = (torch.searchsorted(native, torch.as_tensor(lines.centre)) - window // 2).clamp(0, len(native) - window)
        self.size = len(native)
        self.pixels = first[:, None] + torch.arange(window)
        self.near = native[self.pixels]
        self.centre = torch.nn.Parameter(torch.tensor(lines.centre))
        self.ln_a, self.ln_sigma, self.ln_gamma = map(torch.nn.Parameter, torch.tensor(lines.params.T).unbind())
        self.velocity = torch.nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self) -> Tensor:
        centre = (self.centre * (1 + self.velocity / LIGHT))[:, None]
        sigma, gamma = torch.exp(self.ln_sigma)[:, None], torch.exp(self.ln_gamma)[:, None]
        eta = mixing(sigma, gamma)
        profile = eta * lorentzian(self.near, centre, gamma) + (1 - eta) * gaussian(self.near, centre, sigma)
        line = torch.clamp(torch.exp(self.ln_a)[:, None] * profile, min=0.0, max=CLAMP)
        logs = torch.log(1 - line).reshape(-1)
        where = self.pixels.reshape(1, -1)
        return torch.exp(torch.sparse_coo_tensor(where, logs, (self.size,), check_invariants=False).to_dense())


def lorentzian(wavelength: Tensor, centre: Tensor, gamma: Tensor) -> Tensor:
    return gamma / pi / (gamma**2 + (wavelength - centre) ** 2)


def gaussian(wavelength: Tensor, centre: Tensor, sigma: Tensor) -> Tensor:
    return torch.exp(-0.5 * ((wavelength - centre) / sigma) ** 2) / (sigma * sqrt(2 * pi))


def mixing(sigma: Tensor, gamma: Tensor) -> Tensor:
    """The Lorentzian's share (Thompson, Cox & Hastings 1987, J. Appl. Cryst. 20, 79)."""
    g, v = 2.0 * sqrt(2.0 * np.log(2.0)) * sigma, 2.0 * gamma
    fifth = g**5 + 2.69269 * g**4 * v + 2.42843 * g**3 * v**2 + 4.47163 * g**2 * v**3 + 0.07842 * g * v**4 + v**5
    ratio = v / fifth**0.2
    return 1.36603 * ratio - 0.47719 * ratio**2 + 0.11116 * ratio**3


# --- clone -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PaperFit:
    """rms over the fitted pixels after the last epoch, seconds of each epoch."""

    model: PaperModel
    rms: float
    epochs: list[float]


def clone(wavelength: Floats, flux: Floats, lines: PaperLines, window: int, epochs: int, edge: float) -> PaperFit:
    """Fit the lines to a normalised spectrum; pixels within `edge` Å of the ends are not in the loss."""
    model = PaperModel(wavelength, lines, window)
    used = torch.as_tensor((wavelength > wavelength[0] + edge) & (wavelength < wavelength[-1] - edge))
    target = torch.as_tensor(flux)[used]
    adam = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, amsgrad=True)
    taken = []
    for _ in range(epochs):
        start = time.perf_counter()
        loss = torch.nn.functional.mse_loss(model()[used], target)
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        adam.zero_grad()
        taken.append(time.perf_counter() - start)
    with torch.no_grad():
        rms = float((model()[used] - target).square().mean().sqrt())
    return PaperFit(model, rms, taken)


# --- labels → spectrum -----------------------------------------------------------------------------------------


def interpolators(axes: Sequence[Floats], count: int, rng: np.random.Generator) -> list[RegularGridInterpolator]:
    """`count` linear interpolators of ln a, ln sigma, ln gamma and centre, one a line."""
    shape = tuple(len(axis) for axis in axes)
    return [RegularGridInterpolator(tuple(axes), rng.normal(size=(*shape, 4))) for _ in range(count)]


def look_up(lines: Sequence[RegularGridInterpolator], label: Floats) -> Floats:
    """Parameters `[L, 4]` at a label `[P]` of the lines that are there."""
    return np.vstack([row for line in lines if (row := line(label).squeeze())[0] > ABSENT])


def one_look_up(count: int = 300) -> Took:
    """What one interpolator's evaluation takes on 73 × 9 × 2 nodes: the unit in which machines are compared."""
    lines = interpolators([np.arange(float(n)) for n in (73, 9, 2)], count, np.random.default_rng(0))
    taken = repeated([lambda: look_up(lines, np.array([20.3, 4.2, 0.4]))] * 5, least=5)
    return Took(median(t.wall for t in taken) / count, median(t.cpu for t in taken) / count)


def render(wavelength: Floats, lines: PaperLines, window: int) -> Floats:
    """Flux `[N]`: the model is made anew for every spectrum."""
    flux: Floats = PaperModel(wavelength, lines, window)().detach().numpy()
    return np.nan_to_num(flux, nan=1.0)
