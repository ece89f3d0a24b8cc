"""The results of `recovery.py` for a reader."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recovery_figures import GOALS
from rich.console import Console
from rich.table import Table

Row = Mapping[str, Any]


def show(result: Row) -> None:
    """Print errors by S/N and range of Teff, coverage, and the figures."""
    console = Console(width=None if Console().is_terminal else 210)
    where = result["machine"]
    machine = f"{where['processor']}, {where['cores']} cores, {where['threads']} threads, load {where['load']:.1f}"
    console.print(f"{machine}; size {result['size']} ({result['nodes']} nodes), {result['seconds']:.0f} s")
    console.print(_errors(result["methods"]))
    for name, known in result["coverage"].items():
        console.print(_coverage(name, known))
    console.print(_figures(result["figures"]))


def _errors(methods: Row) -> Table:
    heads = [f"{name} {kind}" for kind in ("median", "mean") for name in GOALS]
    ends = "failures", "unnamed", "s", "status"
    table = _table("Absolute errors (K, dex, km/s)", "method", "S/N", "Teff", "stars", *heads, *ends)
    for method, tables in methods.items():
        for snr, ranges in tables.items():
            for low, row in ranges.items():
                errors = [_number(row[kind].get(name)) for kind in ("median", "mean") for name in GOALS]
                statuses = ", ".join(f"{name.lower()} {count}" for name, count in row["statuses"].items())
                table.add_row(method, snr, low, str(row["stars"]), *errors, str(row["failures"]), str(row["unnamed"]),
                              f"{row['seconds']:.1f}", statuses)  # fmt: skip
    return table


def _coverage(name: str, known: Row) -> Table:
    table = _table(f"Truths within intervals: {name}", "parameter", "mocks", "± 1 σ (68.3 %)", "± 1.96 σ (95 %)",
                   "median width of ± 1 σ", "scatter/σ", "bias/σ")  # fmt: skip
    for name, row in known.items():
        parts = [f"{100 * row[level]:.1f} %" for level in ("coverage68", "coverage95")]
        table.add_row(name, str(row["mocks"]), *parts, *(_number(row[key]) for key in ("width", "scatter", "bias")))
    return table


def _figures(figures: Mapping[str, Row | None]) -> Table:
    table = _table("Figures", "name", "value", "reference", "ratio", "target", "met")
    for name, row in figures.items():
        if row is None:
            table.add_row(name, "–", "–", "–", "", "")
            continue
        numbers = [_number(row[key]) for key in ("value", "reference", "ratio")]
        table.add_row(name, *numbers, row["target"], "yes" if row["met"] else "no")
    return table


def _table(title: str, *heads: str) -> Table:
    table = Table(title=title, title_justify="left")
    for head in heads:
        table.add_column(head, justify="left" if head in ("method", "parameter", "name", "target") else "right")
    return table


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
