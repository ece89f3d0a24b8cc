"""Fit all lines of a spectrum by block Gauss–Newton steps with momentum, on the compiled loops.

Lines are local: the matrix of second derivatives is nearly made of one small block a line, with its centre and profile
parameters. Each step takes the exact gradient, from all lines and wings, times the inverses of these blocks (damped,
Marquardt 1963, SIAM J. Appl. Math. 11, 431); momentum (Polyak 1964) makes up for the overlap of neighbours that the
blocks leave out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from hml.core.fused import Work
from hml.core.interfaces import LineProfile
from hml.core.pseudo import Bends
from hml.core.raster import Raster
from hml.core.space import Floats
from hml.core.spectrum import Spectrum

if TYPE_CHECKING:
    from hml.core.clone import Start
    from hml.core.config import CloneConfig

EVERY = 5  # steps after which the blocks are worked out anew
DAMPING = 0.5  # of the diagonal
MOMENTUM = 0.7
LONGEST = 0.5  # widths for centres, e-folds for parameters: no step is longer
ORDINARY = 1e-6  # of the continuum squared: no neighbour tells a spectrum better, and no node is held to know more
SPREAD = 1.0  # widths for centres, e-folds for parameters: how far the truth lies from the start, a standard deviation


class BlockGaussNewton:
    """See `clone.Fit`. Centres move in units of the width, by one at most."""

    velocity, schedule = 0.0, "constant"

    def __init__(
        self,
        raster: Raster,
        spectrum: Spectrum,
        used: NDArray[np.bool_],
        start: Start,
        profile: LineProfile,
        config: CloneConfig,
    ) -> None:
        self.raster, self.profile, self.config, self.used = raster, profile, config, used
        self.flux = spectrum.flux.astype(np.float32)
        self.centre, self.width = start.centre, start.width
        self.rate = config.learning_rate or 1.0
        self.begin = np.concatenate([np.zeros((len(start.centre), 1)), start.params], 1)
        self.state = self.begin.copy()  # [L, 1 + K]: moves of the centres in widths, params
        self.speed = np.zeros_like(self.state)
        self.bends = Bends(raster.numbers, config.continuum, start.bends)
        self.spread = np.asarray(SPREAD if start.spread is None else start.spread)
        self.least = 0.0 if start.spread is None else ORDINARY
        self.steps = 0

    def step(self, rate: float) -> float:
        params = torch.from_numpy(self.state[:, 1:]).requires_grad_()
        shape = self.profile.mixture(params)
        assert shape is not None
        shapes = shape.detach().numpy().astype(np.float32)
        work = Work.of(self.raster, self.lines()[0], shapes, self.config.tolerance)
        model, saturate = np.empty(len(self.raster), dtype=np.float32), self.config.composition == "opacity"
        work.flux(saturate, model, False)
        bends = self.bends.flux()
        model *= bends
        slope = model if saturate else np.ones_like(model) * bends
        residual = np.where(self.used, model - self.flux, np.float32(0))
        loss = float(np.mean(residual[self.used].astype(np.float64) ** 2))
        # residuals as noise: what a spectrum does not tell stays where it began
        stiffness = max(loss, self.least) / self.spread**2
        move, change = np.zeros(len(shapes), np.float32), np.zeros_like(shapes)
        work.gradient(-residual * slope, move, change, False)
        if self.steps % EVERY == 0:
            self.inverse = self._blocks(work, np.where(self.used, slope * slope, np.float32(0)), stiffness)
            self.bends.update(model, residual, self.used)
        (down,) = torch.autograd.grad(shape, params, torch.from_numpy(change).to(shape.dtype))
        gradient = np.concatenate([(move * self.width)[:, None], down.numpy()], 1)
        gradient += stiffness * (self.state - self.begin)
        full = np.clip(np.einsum("lij,lj->li", self.inverse, gradient), -LONGEST, LONGEST)
        self.speed = MOMENTUM * self.speed + (1 - MOMENTUM) * full
        self.state = self.state - self.rate * rate * self.speed
        self.state[:, 0] = np.clip(self.state[:, 0], -1, 1)
        self.steps += 1
        self.loss = loss
        return loss

    def lines(self) -> tuple[Floats, Floats]:
        return self.centre + self.width * self.state[:, 0], self.state[:, 1:]

    def information(self) -> NDArray[np.float32] | None:
        return (self.blocks / max(self.loss, ORDINARY)).astype(np.float32)  # as it is kept

    def _blocks(self, work: Work, weight: NDArray[np.float32], stiffness: Floats) -> Floats:
        """The damped inverses `[L, 1 + K, 1 + K]`."""
        turn = np.zeros((len(self.state), 5, self.state.shape[1]))
        turn[:, 0, 0] = self.width
        turn[:, 1:, 1:] = self._slopes()
        blocks = turn.transpose(0, 2, 1) @ work.curvature(weight).astype(np.float64) @ turn
        self.blocks = blocks.copy()
        diagonal = np.einsum("lii->li", blocks)  # a view
        diagonal *= 1 + DAMPING
        diagonal += stiffness + 1e-6 * diagonal.max(axis=1, keepdims=True)
        return np.asarray(np.linalg.inv(blocks))

    def _slopes(self) -> Floats:
        """Derivatives `[L, 4, K]` of the shapes: four copies of the lines, one for each number, and one way back."""
        params = torch.from_numpy(self.state[:, 1:]).expand(4, -1, -1).clone().requires_grad_()
        shape = self.profile.mixture(params)
        assert shape is not None
        (slopes,) = torch.autograd.grad(shape.diagonal(dim1=0, dim2=2).sum(), params)
        return np.asarray(slopes.transpose(0, 1))
