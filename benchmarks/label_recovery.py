"""Labels from noisy spectra of points that no method has seen: the same least-squares fitter for every method.

Noise is constant, the continuum's level (1) over S/N, and the same for every method. The box is the training space in
its first axis and one grid step beyond it in the others, since with three nodes an axis most truths lie on an edge, and
clipping must not pass for skill. Beyond the space every method is continued alike, along its tangent at the edge.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from cases import Case
from methods import Predictor
from numpy.typing import NDArray
from scipy.optimize import least_squares

from hml import Space
from hml.core.components import Progress

Floats = NDArray[np.float64]
Row = dict[str, Any]
Predict = Callable[[Floats], Floats]

REACH = 0.05  # of a grid step: over which the tangent at an edge is taken
STEP = 1e-3  # of the box: of finite differences
STARTS = ((1 / 6, 1 / 4, 3 / 4), (1 / 2, 1 / 2, 1 / 2), (5 / 6, 3 / 4, 1 / 4))
"""Of the box, along the first, the second and all further axes."""
EVALUATIONS = 60  # of one start, at most
GOAL = {"xtol": 1e-5, "ftol": 1e-6, "gtol": 1e-9}


@dataclass(frozen=True, eq=False)
class Recovered:
    """labels `[T, P]` where the best of the starts ended, and whether it converged `[T]`; seconds of all fits."""

    labels: Floats
    converged: NDArray[np.bool_]
    seconds: float


def recover(case: Case, made: Predictor, snr: float, progress: Progress) -> Recovered:
    """Fit every point of the case; the noise is decided by S/N and point alone."""
    pixels = np.concatenate([np.arange(part.start, part.stop) for part in case.scored])
    box = Box.around(case.space)
    model = Model(lambda labels: continued(made.predict, case.space, labels)[:, pixels] * snr, box)
    found, start = [], time.perf_counter()
    with progress("recovering labels", total=len(case.points), unit="spectra") as advance:
        for i, truth in enumerate(case.test[:, pixels]):
            noise = np.random.default_rng([i, round(snr)]).standard_normal(len(pixels))
            found.append(model.fit(truth * snr + noise))
            advance(1)
    labels, converged = zip(*found, strict=True)
    return Recovered(np.array(labels), np.array(converged), time.perf_counter() - start)


@dataclass(frozen=True, eq=False)
class Box:
    """Where labels are searched: lower and upper `[P]`."""

    lower: Floats
    upper: Floats

    @classmethod
    def around(cls, space: Space) -> Box:
        steps = [np.diff(axis.nodes) if len(axis.nodes) > 1 else np.zeros(1) for axis in space.axes]
        below = np.array([0.0, *(step[0] for step in steps[1:])])
        above = np.array([0.0, *(step[-1] for step in steps[1:])])
        return cls(space.lower - below, space.upper + above)

    def labels(self, unit: Floats) -> Floats:
        """Of points `[..., P]` in units of the box."""
        return self.lower + np.clip(unit, 0.0, 1.0) * (self.upper - self.lower)


def continued(predict: Predict, space: Space, labels: Floats) -> Floats:
    """Flux `[B, N]` at labels `[B, P]`; beyond the space along the tangent at its edge."""
    inside = np.clip(labels, space.lower, space.upper)
    flux = predict(inside)
    for p, axis in enumerate(space.axes):
        beyond = labels[:, p] - inside[:, p]
        if (rows := np.flatnonzero(beyond)).size:
            step = REACH * np.diff(axis.nodes)[np.where(beyond[rows] > 0, -1, 0)] * np.sign(beyond[rows])
            back = inside[rows].copy()
            back[:, p] -= step
            flux[rows] += (beyond[rows] / step)[:, None] * (predict(inside[rows]) - predict(back))
    return flux


@dataclass(frozen=True, eq=False)
class Model:
    """`flux` renders labels `[B, P]` as `[B, N]` in standard deviations."""

    flux: Predict
    box: Box

    def fit(self, data: Floats) -> tuple[Floats, bool]:
        """The labels of the best of all starts, and whether it converged."""
        many = len(self.box.lower)
        starts = [np.array([*start[:2], *[start[2]] * many])[:many] for start in STARTS]
        ends = [
            least_squares(lambda u: self._at(u)[0] - data, start, self._jacobian, bounds=(0.0, 1.0),
                          max_nfev=EVALUATIONS, **GOAL)
            for start in starts
        ]
        best = min(ends, key=lambda end: end.cost)
        return self.box.labels(best.x), bool(best.status > 0)

    def _at(self, unit: Floats) -> Floats:
        return self.flux(self.box.labels(np.atleast_2d(unit)))

    def _jacobian(self, unit: Floats) -> Floats:
        """`[N, P]` by differences away from the nearer edge of the box."""
        step = np.where(unit > 0.5, -STEP, STEP)
        flux = self._at(np.vstack([unit, unit + np.diag(step)]))
        return np.asarray(((flux[1:] - flux[0]) / step[:, None]).T)


# --- what came of it -------------------------------------------------------------------------------------------


def summary(case: Case, found: Recovered) -> Row:
    """Errors of all points and of those inside of all axes; a fit fails if it has not converged or if a label is off by
    more than half a (least) step of the training nodes. Axes of one node are no matter."""
    free = case.space.upper > case.space.lower
    axes = [axis for axis in case.space.axes if axis.width > 0]
    names = [axis.name for axis in axes]
    half = [float(np.diff(axis.nodes).min()) / 2 for axis in axes]
    off = np.abs(found.labels - case.points)[:, free]
    failed = ~found.converged | (off > half).any(1)
    inner = ((case.points > case.space.lower) & (case.points < case.space.upper))[:, free].all(1)
    return {
        "all": _errors(names, off), "interior": _errors(names, off[inner]), "interior_points": int(inner.sum()),
        "failures": int(failed.sum()), "failures_smooth": int((failed & case.smooth).sum()),
        "not_converged": int((~found.converged).sum()), "failed_beyond": dict(zip(names, half, strict=True)),
        "seconds_a_fit": found.seconds / len(off),
    }


def _errors(names: Sequence[str], off: Floats) -> Row | None:
    """Median and mean absolute error of every label."""
    if not len(off):
        return None
    kinds = {"median": np.median(off, axis=0), "mean": off.mean(0)}
    return {kind: dict(zip(names, values.tolist(), strict=True)) for kind, values in kinds.items()}
