"""What every sampler needs: the free parameters as a unit box, and a probability that is never asked outside it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hml import Posterior, Space, SpectrumError

Floats = NDArray[np.float64]
NOWHERE = "no point of the search box has a finite probability; check the spectrum, its errors and the box"


class Box:
    """F free parameters (axes that are wider than zero) run from 0 to 1, the others stay fixed."""

    def __init__(
        self, log_probability: Callable[[Floats], Floats], space: Space, on_step: Callable[[int], None]
    ) -> None:
        self.log_probability, self.space, self.on_step = log_probability, space, on_step
        self.lower, self.upper = space.lower.astype(np.float64), space.upper.astype(np.float64)
        self.free = self.upper > self.lower
        self.width = (self.upper - self.lower)[self.free]
        self.evaluations = 0

    @property
    def size(self) -> int:
        """F."""
        return int(self.free.sum())

    def point(self, unit: Floats) -> Floats:
        """Unit coordinates `[..., F]` → points `[..., P]`, never outside the box."""
        points = np.broadcast_to(self.lower, (*unit.shape[:-1], len(self.space))).copy()
        points[..., self.free] += unit * self.width
        return np.clip(points, self.lower, self.upper)

    def unit(self, point: Floats) -> Floats:
        """A point `[P]` → unit coordinates `[F]`."""
        return np.asarray((point - self.lower)[self.free] / self.width)

    def ask(self, unit: Floats) -> Floats:
        """ln probability `[B]` at `[B, F]` in one batch: -inf outside the box and where it is not finite."""
        unit = np.asarray(unit, dtype=np.float64)
        values = np.full(len(unit), -np.inf)
        inside = ((unit >= 0) & (unit <= 1)).all(-1)
        if inside.any():
            found = np.asarray(self.log_probability(self.point(unit[inside])), dtype=np.float64)
            values[inside] = np.where(np.isfinite(found), found, -np.inf)
            self.evaluations += int(inside.sum())
            self.on_step(self.evaluations)
        return values

    def only_point(self) -> Posterior:
        """The posterior where every parameter is fixed. SpectrumError if it has no probability."""
        value = self.ask(np.zeros((1, 0)))
        if not np.isfinite(value[0]):
            raise SpectrumError(NOWHERE)
        return Posterior(self.point(np.zeros((1, 0))), value, 1, True, "every parameter is fixed")
