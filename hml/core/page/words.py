"""Results in words and figures that a person reads: as many digits as the error allows, and what a status means."""

from __future__ import annotations

from math import floor, isfinite, log10, sqrt

from hml.core.interfaces import Status
from hml.core.result import Measured, RunResult

GOOD, BAD = (0.7, 1.5), "bad"
PLAIN = {
    "teff": "effective temperature", "logg": "surface gravity", "feh": "metallicity [Fe/H]",
    "alpha": "alpha elements [α/Fe]", "rv": "radial velocity", "vsini": "projected rotation",
    "macroturbulence": "macroturbulence", "resolving_power": "resolving power",
}  # fmt: skip


def digits(error: float | None, value: float) -> int:
    """Decimals: two figures of the error, or five of the value where there is none."""
    scale, figures = (error, 2) if error and isfinite(error) else (abs(value), 5)
    return 0 if not scale or not isfinite(scale) else max(0, min(9, figures - 1 - floor(log10(scale))))


def number(value: float | None, decimals: int, sign: bool = False) -> str:
    if value is None or not isfinite(value):
        return "–"
    return f"{value:{'+' if sign else ''}.{decimals}f}".replace("-", "−")


def cells(p: Measured) -> dict[str, str]:
    """A parameter as a row of the table."""
    shown = digits(p.error, p.value)
    error = "fixed" if not p.free else "not determined" if p.error is None else f"± {number(p.error, shown)}"
    off = None if p.truth is None else p.value - p.truth
    return {
        "name": p.name, "plain": PLAIN.get(p.name, ""), "unit": p.unit, "value": number(p.value, shown), "error": error,
        "truth": number(p.truth, shown), "difference": number(off, shown, sign=True),
        "sigmas": "" if off is None or not p.error else number(off / p.error, 1, sign=True),
    }  # fmt: skip


def status(result: RunResult) -> dict[str, str]:
    """A word, whether it is good, and what it means."""
    try:
        means = Status[result.status.upper()].value
    except KeyError:
        means = result.status
    good = result.status == Status.CONVERGED.name.lower()
    text = "The search converged." if good else _sentence(means)
    return {"word": result.status.replace("_", " ").capitalize(), "kind": "good" if good else BAD, "text": text}


def fit_quality(result: RunResult) -> str:
    """How large residuals are, in a sentence."""
    pixels = f"over {result.counts['pixels']:,} pixels"
    if result.metric != "chi2":
        return (
            f"The rms of the residuals is {result.objective:.3g} {pixels}; the data have no errors to compare it with."
        )
    ratio = sqrt(max(result.objective, 0.0))
    low, high = GOOD
    if result.objective > high:
        told = f"the residuals are {ratio:.3g} times as large as the errors of the data: the fit is not good"
    elif result.objective < low:
        told = f"the residuals are {ratio:.2g} times the errors of the data, which then seem to be too large"
    else:
        told = "the residuals are about as large as the errors of the data"
    return f"χ² per pixel is {result.objective:.3g} {pixels}: {told}."


def _sentence(text: str) -> str:
    first = text[:1].upper() + text[1:]
    return first if first.endswith(".") else f"{first}."
