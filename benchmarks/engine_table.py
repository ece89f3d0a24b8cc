"""The results of `engine.py` for a reader."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from figures import amount
from rich.console import Console
from rich.table import Table

Row = Mapping[str, Any]


def show(result: Row) -> None:
    """Print tables of the figures, the reference, real spectra and exactness."""
    console = Console(width=None if Console().is_terminal else 150)
    where = result["machine"]
    console.print(f"{where['processor']}, {where['cores']} cores, {where['threads']} threads, torch {where['torch']}, "
                  f"numba {where['numba']}, load {where['load']:.1f}; size {result['size']}, {result['seconds']:.0f} s")
    if result["size"] == "small":
        console.print("The targets are those of the full size; here they only show that everything works.")
    console.print(_figures(result["figures"]))
    for key, table in (("reference", _reference), ("native", _native), ("accuracy", _accuracy)):
        if result[key]:
            console.print(table(result[key]))


def _figures(rows: Mapping[str, Row | None]) -> Table:
    table = _table("Figures", "figure", "value", "reference", "ratio", "target", "met", "more")
    for name, row in rows.items():
        if row is not None:
            goals = "\n".join(f"{'✓' if met else '✗'} {goal}" for goal, met in row["goals"].items())
            value, reference = (amount(row[key], row["unit"]) for key in ("value", "reference"))
            table.add_row(name, value, reference, _ratios(row), goals, "yes" if row["met"] else "no", row["note"])
    return table


def _ratios(row: Row) -> str:
    """The ratio, and those that belong to it."""
    more = {key.removeprefix("ratio_").replace("_", " "): row[key] for key in row if key.startswith("ratio_")}
    return "\n".join([_ratio(row["ratio"]), *(f"{_ratio(value)} ({what})" for what, value in more.items())])


def _reference(rows: list[Row]) -> Table:
    table = _table("The paper's recipe here, and as published", "what", "here", "published", "here/published",
                   "scaled", "memory", "here/published", "remark")
    for row in rows:
        memory = amount(row.get("memory"), "B")
        table.add_row(row["what"], amount(row["here"], "s"), amount(row["published"], "s"), _ratio(row["ratio"]),
                      _ratio(row["ratio_scaled"]), memory, _ratio(row.get("memory_ratio")), row["remark"])
    return table


def _native(rows: list[Row]) -> Table:
    table = _table("Real pieces of PHOENIX, cloned", "piece", "pixels", "lines", "hml", "rms", "paper", "rms", "ratio")
    for row in rows:
        own, paper = row["hml"], row["paper"]
        table.add_row(row["piece"], f"{row['pixels']:,}", f"{own['lines']:,}", amount(own["seconds"], "s"),
                      f"{own['rms']:.2e}", amount(paper["seconds"], "s"), f"{paper['rms']:.2e}", _ratio(row["ratio"]))
    return table


def _accuracy(found: Row) -> Table:
    table = _table(f"Against float64 with nothing cut (tolerance {found['tolerance']:g})", "what", "rms", "largest")
    for name, what in (("cut", "rendering alone, between nodes"), ("stored", "rendering and storage, at a node")):
        table.add_row(what, f"{found[name]['rms']:.1e}", f"{found[name]['max']:.1e}")
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"

