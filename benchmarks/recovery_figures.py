"""From rows of measured stars to figures: errors by range of Teff, failures, coverage of intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Row = dict[str, Any]
Rows = Sequence[Row]
Floats = NDArray[np.float64]

NAMES = ("teff", "logg", "feh", "rv", "seconds", "failures", "coverage68", "coverage95")
GOALS = {"teff": (10.0, "K"), "logg": (0.02, "dex"), "feh": (0.01, "dex"), "rv": (0.1, "km/s")}
RANGES = ((3000.0, 4000.0), (4000.0, 5000.0), (5000.0, 6000.0), (6000.0, 7000.0))  # K
AIMED = (4000.0, 7000.0)
AT = 100.0  # the S/N of figures
SECONDS = 2.0
OFF = {"teff": 100.0, "logg": 0.25, "feh": 0.25, "rv": 2.0}
"""Failures are farther from the truth: half a step of the full grid; km/s."""
SURE = 5.0  # of its own errors: a miss that is farther is not named by them
TURNING = 5.0  # km/s: v sin i below is not told from none
LEVELS = {"coverage68": (1.0, 0.6827, 0.05), "coverage95": (1.96, 0.95, 0.03)}
"""Errors to either side, the part of truths that these should hold, and how far off is allowed."""


def missed(rows: Rows, name: str) -> Floats:
    """Value less truth of all rows that have one."""
    found = [row["values"][name] - row["truth"][name] for row in rows if name in row["values"]]
    return np.array(found, dtype=np.float64)


def within(rows: Rows, low: float, high: float) -> list[Row]:
    return [row for row in rows if low <= row["truth"]["teff"] < high]


# --- one method ----------------------------------------------------------------------------------------------------


def failed(row: Row) -> bool:
    """Whether it was not measured, or something lies far from the truth."""
    if not row["values"]:
        return True
    return any(_distance(row, name) > off for name, off in OFF.items() if name in row["values"])


def _distance(row: Row, name: str) -> float:
    return float(abs(row["values"][name] - row["truth"][name]))


def unnamed(row: Row) -> bool:
    """A failure of which neither status nor errors tell."""
    if not failed(row) or row["status"] != "CONVERGED":
        return False
    return any(
        _distance(row, name) > max(off, SURE * row["errors"].get(name, np.inf))
        for name, off in OFF.items() if name in row["values"]
    )  # fmt: skip


def summary(rows: Rows) -> Row:
    """Median and mean absolute errors of every parameter, failures by status, seconds; rows must not be empty."""
    names = [name for name in GOALS if name in rows[0]["truth"] and len(missed(rows, name))]
    statuses = [row["status"] for row in rows]
    return {
        "stars": len(rows), "median": _each(rows, names, np.median), "mean": _each(rows, names, np.mean),
        "failures": sum(map(failed, rows)), "unnamed": sum(map(unnamed, rows)),
        "statuses": {status: statuses.count(status) for status in sorted(set(statuses))},
        "seconds": float(np.median([row["seconds"] for row in rows])),
    }  # fmt: skip


def _each(rows: Rows, names: Sequence[str], kind: Callable[[Floats], Any]) -> dict[str, float]:
    return {name: float(kind(np.abs(missed(rows, name)))) for name in names}


def by_range(rows: Rows) -> Row:
    """Summaries of each S/N and range of Teff that has stars, and of all."""
    tables: Row = {}
    for snr in sorted({row["snr"] for row in rows}):
        some = [row for row in rows if row["snr"] == snr]
        ranges = {f"{low:g}–{high:g} K": within(some, low, high) for low, high in RANGES}
        tables[f"{snr:g}"] = {name: summary(part) for name, part in {**ranges, "all": some}.items() if part}
    return tables


# --- intervals -----------------------------------------------------------------------------------------------------


def coverage(rows: Rows) -> Row:
    """Of each parameter: the parts of truths within the intervals of each level (by quantiles where there are draws,
    else ± 1 and ± 1.96 errors), and the median width of the first."""
    found: Row = {}
    for name in rows[0]["truth"] if rows else ():
        some = [r for r in rows if name in r["errors"] and (name != "vsini" or r["truth"][name] >= TURNING)]
        if not some:
            continue
        truth = np.array([row["truth"][name] for row in some])
        ends = {level: np.array([_interval(row, name, level) for row in some]).T for level in LEVELS}
        inside = {level: float(((low <= truth) & (truth <= high)).mean()) for level, (low, high) in ends.items()}
        pull = missed(some, name) / [row["errors"][name] for row in some]
        found[name] = {
            "mocks": len(some), **inside, "width": float(np.median(np.diff(ends["coverage68"], axis=0))),
            "scatter": float(pull.std()), "bias": float(pull.mean()),
        }  # fmt: skip
    return found


def _interval(row: Row, name: str, level: str) -> tuple[float, float]:
    if "intervals" in row:
        low, high = row["intervals"][name][level]
        return low, high
    value, half = row["values"][name], LEVELS[level][0] * row["errors"][name]
    return value - half, value + half


# --- figures -------------------------------------------------------------------------------------------------------


def figures(rows: Mapping[str, Rows], laplace: Rows, sampled: Rows = ()) -> dict[str, Row | None]:
    """`lm` at S/N 100, 4000–7000 K, beside `gp` on the stars that it measured; null where nothing was measured."""
    made: dict[str, Row | None] = dict.fromkeys(NAMES)
    ours, theirs = (_aimed(rows.get(name, [])) for name in ("lm", "gp"))
    for name, (goal, unit) in GOALS.items() if ours else ():
        if len(missed(ours, name)):
            value = float(np.median(np.abs(missed(ours, name))))
            reference = float(np.median(np.abs(missed(theirs, name)))) if theirs else None
            made[name] = figure(value, reference, unit, f"≤ {goal:g} {unit}", value <= goal, stars=len(ours))
    every = list(rows.get("lm", []))
    if ours:
        seconds, gp = summary(ours)["seconds"], summary(theirs)["seconds"] if theirs else None
        made["seconds"] = figure(seconds, gp, "s", f"≤ {SECONDS:g} s a star", seconds <= SECONDS)
    if every:
        silent = sum(map(unnamed, every))
        made["failures"] = figure(silent, sum(map(failed, every)), "stars", "none that no status names", silent == 0)
    known, drawn = coverage(laplace), coverage(sampled)
    for level in LEVELS if known else ():
        made[level] = _covered(level, known, drawn)
    return made


def _covered(level: str, known: Row, drawn: Row) -> Row:
    """The parameter that is farthest from what a level promises; draws are to be within three binomial standard
    errors of it."""
    _, nominal, slack = LEVELS[level]
    worst = max((row[level] for row in known.values()), key=lambda part: abs(part - nominal))
    met = abs(worst - nominal) <= slack
    for row in drawn.values():
        met &= abs(row[level] - nominal) <= 3 * np.sqrt(nominal * (1 - nominal) / row["mocks"])
    target = f"{100 * nominal:.0f} ± {100 * slack:.0f} % of every parameter"
    parts = {"parameters": _brief(known, level), "posterior": _brief(drawn, level)}
    return figure(worst, nominal, "", target, bool(met), **parts)


def _brief(known: Row, level: str) -> Row:
    return {n: {"value": row[level], "width": row["width"], "mocks": row["mocks"]} for n, row in known.items()}


def _aimed(rows: Rows) -> list[Row]:
    return within([row for row in rows if row["snr"] == AT], *AIMED)


def figure(value: float, reference: float | None, unit: str, target: str, met: bool, **more: Any) -> Row:
    """One figure; its ratio is value/reference."""
    ratio = value / reference if reference else None
    return {"value": value, "reference": reference, "ratio": ratio, "unit": unit, "target": target, "met": met, **more}
