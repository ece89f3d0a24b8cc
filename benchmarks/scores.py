"""How far predicted spectra are from the true ones, over the same pixels for every method."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from cases import Case
from measure import typical
from methods import Method, Predictor
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

BIN = 500.0  # K
WARM = 3700.0  # K; below, single nodes of PHOENIX are bad
TIMED = 7  # labels, one by one

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Score:
    """squares `[T, O]` mean squared differences at every point, of every order; shown `[N]` flux at the point that
    pictures show; seconds a spectrum and of the fit."""

    squares: Floats
    shown: Floats
    bytes: int
    seconds: float
    fit_seconds: float
    lines: int | None


def measured(case: Case, method: Method) -> tuple[Score, Predictor]:
    """Fit a method and predict every point of its case."""
    start = time.perf_counter()
    made = method.fit(case)
    took = time.perf_counter() - start
    off = made.predict(case.points) - case.test
    squares = np.stack([np.mean(off[:, part] ** 2, axis=1) for part in case.scored], axis=1)
    shown = (off + case.test)[shown_point(case)]
    each = typical([partial(made.predict, point[None]) for point in case.points[:TIMED]], budget=5.0)
    return Score(squares, shown, made.bytes_on_disk(), each, took, made.lines), made


def shown_point(case: Case) -> int:
    """The point nearest to the middle of the space."""
    middle, width = (case.space.lower + case.space.upper) / 2, np.maximum(case.space.upper - case.space.lower, 1e-9)
    return int(np.argmin((((case.points - middle) / width) ** 2).sum(1)))


def pixel_counts(case: Case) -> Floats:
    """Scored pixels `[O]` of every order."""
    return np.array([part.stop - part.start for part in case.scored], dtype=np.float64)


def per_point(case: Case, score: Score) -> Floats:
    """rms `[T]` over all orders together."""
    return np.asarray(np.sqrt(score.squares @ pixel_counts(case) / pixel_counts(case).sum()))


def summary(case: Case, score: Score) -> Row:
    """What tables and figures tell; rms in normalised flux."""
    each, worst = per_point(case, score), int(np.argmax(per_point(case, score)))
    smooth = case.smooth
    return {
        "rms": _rms(each), "median_node": float(np.median(each)), "worst_node": float(each[worst]),
        "worst_at": case.space.to_dict(case.points[worst]),
        "rms_smooth": _rms(each[smooth]), **_by_teff(case, each),
        "by_order": [{"rms": _rms(one), "median_node": float(np.median(one))} for one in np.sqrt(score.squares).T],
        "bytes": score.bytes, "seconds": score.seconds, "fit_seconds": score.fit_seconds, "lines": score.lines,
    }


def _by_teff(case: Case, each: Floats) -> Row:
    """rms from `WARM` on, and in ranges of `BIN`."""
    if "teff" not in case.space.names:
        return {"rms_warm": None, "by_teff": {}}
    teff = case.points[:, case.space.names.index("teff")]
    bins = np.floor(teff / BIN) * BIN
    return {
        "rms_warm": _rms(each[teff >= WARM]),
        "by_teff": {f"{low:.0f}–{low + BIN:.0f}": _rms(each[bins == low]) for low in np.unique(bins)},
    }


def _rms(values: Floats) -> float | None:
    return float(np.sqrt(np.mean(values**2))) if len(values) else None


def facts(case: Case) -> Row:
    """What there is to know of a case beside its methods."""
    two = [axis.name for axis in case.space.axes if len(axis.nodes) == 2]
    return {
        "nodes": len(case.plan.used), "points": len(case.points), "smooth_points": int(case.smooth.sum()),
        "pixels": int(pixel_counts(case).sum()), "edge": case.edge, "linear_for_all": two,
        "orders": [[float(case.wavelength[part][0]), float(case.wavelength[part][-1])] for part in case.scored],
        "breaks": [vars(found) for found in case.breaks], "training_bytes": 4 * case.train.size,
    }
