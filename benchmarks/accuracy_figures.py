"""From what was measured to the figures of the table of targets. All ratios are value/reference: less is better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from figures import figure

Row = dict[str, Any]
Rows = Mapping[str, Row]

NAMES = ("rms", "median_node", "rms_published", "rms_smooth", "lines_only", "paper", "recovery", "synthetic", "clone")
CUBIC = "pixel-cubic"


def of_split(rows: Rows) -> dict[str, Row]:
    """The figures of the left-out nodes of the first axis; rows by method, each with its `role` and summary."""
    pixels = [name for name, row in rows.items() if row["role"] in ("published", "pixel")]
    published = [name for name in pixels if rows[name]["role"] == "published"]
    found = {
        "rms": _against(rows, "rms", pixels, 0.95, cubic_too=True),
        "median_node": _against(rows, "median_node", pixels, 0.95, cubic_too=True),
        "rms_published": _against(rows, "rms", published, 0.80),
        "lines_only": _lines_only(rows),
    }
    if rows[CUBIC]["rms_smooth"] is not None:  # some node does not lie beside a break
        found["rms_smooth"] = _against(rows, "rms_smooth", pixels, 0.95)
    return found


def _one(rows: Rows, role: str) -> Row:
    return next(row for row in rows.values() if row["role"] == role)


def _against(rows: Rows, key: str, names: list[str], target: float, *, cubic_too: bool = False) -> Row:
    """hml against the best of some methods, and against pixel-cubic."""
    own, best = _one(rows, "hml")[key], min(names, key=lambda name: rows[name][key])
    ratio, cubic = own / rows[best][key], own / rows[CUBIC][key]
    goals = {f"≤ {target:.2f} × the best ({best})": ratio <= target}
    goals |= {f"≤ {target:.2f} × {CUBIC}": cubic <= target} if cubic_too and best != CUBIC else {}
    return figure(own, rows[best][key], ratio, "rms", goals, "", best=best, ratio_cubic=cubic)


def _lines_only(rows: Rows) -> Row:
    own, cubic = _one(rows, "lines"), rows[CUBIC]
    ratio, median = own["rms"] / cubic["rms"], own["median_node"] / cubic["median_node"]
    goals = {f"≤ 1.0 × {CUBIC} in rms": ratio <= 1.0, "≤ 1.2 × in the median node": median <= 1.2}
    return figure(own["rms"], cubic["rms"], ratio, "rms", goals, "", ratio_median_node=median)


def paper(rows: Rows, synthetic: Rows | None) -> Row:
    """hml against the paper's recipe, on the real grid and, where it was measured, on the synthetic one."""
    own, theirs = _one(rows, "hml")["rms"], _one(rows, "paper")["rms"]
    goals, more = {"≤ 1/5 of it": own / theirs <= 0.2}, {}
    if synthetic is not None:
        own_there, theirs_there = _one(synthetic, "hml")["rms"], _one(synthetic, "paper")["rms"]
        there = own_there / theirs_there
        goals |= {"≤ 1/5 of it on the synthetic grid": there <= 0.2}
        more = {"ratio_synthetic": there, "value_synthetic": own_there, "reference_synthetic": theirs_there}
    return figure(own, theirs, own / theirs, "rms", goals, "", **more)


def synthetic(rows: Rows) -> Row:
    own, cubic = _one(rows, "hml")["rms"], rows[CUBIC]["rms"]
    return figure(own, cubic, own / cubic, "rms", {f"≤ 0.8 × {CUBIC}": own / cubic <= 0.8}, "")


def recovery(rows: Rows) -> Row:
    """Median absolute errors of labels at the higher S/N; the figure's own numbers are those of the first label (Teff,
    K), the others' are beside them."""
    own, cubic = _one(rows, "hml"), rows[CUBIC]
    errors = {
        label: {"value": value, "reference": (other := cubic["all"]["median"][label]), "ratio": value / other}
        for label, value in own["all"]["median"].items()
    }
    goals = {f"{label} better": pair["ratio"] < 1 for label, pair in errors.items()}
    goals |= {"no failures outside the break": own["failures_smooth"] == 0}
    first, *others = errors
    said = [f"{label} {errors[label]['value']:.2g} to {errors[label]['reference']:.2g}" for label in others]
    more = {"labels": errors, "failures": own["failures"], "failures_smooth": own["failures_smooth"],
            "reference_failures": cubic["failures"], "reference_failures_smooth": cubic["failures_smooth"]}
    return figure(**errors[first], unit="label", goals=goals, note="; ".join(said), **more)


def clone(piece: Row) -> Row:
    """A native piece: rms of hml's clone and of the paper's."""
    own, theirs = piece["hml"], piece["paper"]
    lines = own["lines"] / theirs["lines"]
    goals = {"≤ 0.001": own["rms"] <= 1e-3, "≤ 2.5 × its lines": lines <= 2.5}
    note = f"{own['lines']:,} lines to {theirs['lines']:,}, {own['seconds']:.0f} s to {theirs['seconds']:.0f} s"
    return figure(own["rms"], theirs["rms"], own["rms"] / theirs["rms"], "rms", goals, note, ratio_lines=lines,
                  piece=piece["piece"])
