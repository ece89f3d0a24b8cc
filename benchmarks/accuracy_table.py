"""The results of `accuracy.py` for a reader."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import figures
from rich.console import Console
from rich.table import Table

Row = Mapping[str, Any]

UNIT = 1e4
COLUMNS = {"rms": "rms", "median_node": "median node", "worst_node": "worst node", "rms_smooth": "no break",
           "rms_warm": "≥ 3700 K"}


def show(result: Row) -> None:
    """Print tables of the cases, of recovered labels, of native pieces, and of the figures."""
    console = Console(width=None if Console().is_terminal else 200)
    where = result["machine"]
    console.print(f"{where['processor']}, {where['cores']} cores, {where['threads']} threads, torch {where['torch']}, "
                  f"load {where['load']:.1f}; size {result['size']}, {result['seconds']:.0f} s. What was kept from "
                  "before takes no time, neither here nor, of generators, in the column `fit`.")
    for name, case in result["cases"].items():
        console.print(_case(name, case))
    for snr, rows in result["recovery"].items():
        console.print(_recovery(snr, rows))
    if result["native"]:
        console.print(_native(result["native"]))
    console.print(_figures(result["figures"]))


def _case(name: str, case: Row) -> Table:
    bins = list(next(iter(case["methods"].values()))["by_teff"])
    table = _table(_about(name, case), "method", *COLUMNS.values(), *bins, "size", "per spectrum", "fit", "lines")
    best = {key: min(row[key] for row in case["methods"].values()) for key in ("rms", "median_node")}
    for method, row in case["methods"].items():
        marked = [_rms(row[key], best.get(key)) for key in COLUMNS]
        marked[list(COLUMNS).index("worst_node")] += f" at {'/'.join(f'{x:.4g}' for x in row['worst_at'].values())}"
        table.add_row(method, *marked, *(_rms(row["by_teff"][low]) for low in bins), figures.amount(row["bytes"], "B"),
                      figures.amount(row["seconds"], "s"), figures.amount(row["fit_seconds"], "s"),
                      "" if row["lines"] is None else f"{row['lines']:,}")
    return table


def _about(name: str, case: Row) -> str:
    """What a table's numbers are about."""
    what = "truths between the nodes" if name == "synthetic" else f"nodes left out in {name}"
    orders = ", ".join(f"{low:.0f}–{high:.0f}" for low, high in case["orders"])
    breaks = "; ".join(f"{found['label']} {found['low']:g}–{found['high']:g}" for found in case["breaks"])
    linear = "; ".join(f"{label} has two nodes left: linear for every method" for label in case["linear_for_all"])
    return (f"{what}: rms of flux in 1e-4 over {case['pixels']:,} pixels ({orders} Å) of {case['points']} spectra, "
            f"learnt from {case['nodes']} nodes ({figures.amount(case['training_bytes'], 'B')} of pixels). "
            f"Breaks found: {breaks or 'none'} ({case['smooth_points']} spectra are not beside one). {linear}")


def _rms(value: float | None, best: float | None = None) -> str:
    text = "–" if value is None else f"{value * UNIT:.1f}"
    return f"[bold]{text}[/bold]" if value is not None and value == best else text


def _recovery(snr: str, rows: Row) -> Table:
    first = next(iter(rows.values()))
    limits = ", ".join(f"{label} {value:g}" for label, value in first["failed_beyond"].items())
    title = (f"Labels recovered at S/N {snr}: absolute errors, median and mean, of all nodes left out and of the "
             f"{first['interior_points']} inside all axes. The first label is bounded by the grid, the others by one "
             f"step beyond it, where every method is continued along its tangent. A fit fails if it does not converge "
             f"or is off by more than {limits}")
    labels = list(first["all"]["median"])
    columns = [f"{label} {kind}" for kind in ("median", "mean") for label in labels]
    inner = [f"interior {label}" for label in labels] if first["interior"] else []
    table = _table(title, "method", *columns, *inner, "failures", "not beside a break", "per fit")
    for method, row in rows.items():
        numbers = [row["all"][kind][label] for kind in ("median", "mean") for label in labels]
        numbers += [row["interior"]["median"][label] for label in labels] if inner else []
        table.add_row(method, *(f"{value:.3g}" for value in numbers), str(row["failures"]), str(row["failures_smooth"]),
                      figures.amount(row["seconds_a_fit"], "s"))
    return table


def _native(rows: list[Row]) -> Table:
    table = _table("Native pieces, cloned (residual off)", "piece", "Å", "hml rms", "lines", "time", "paper's rms",
                   "lines", "time", "rms / paper's")
    for row in rows:
        own, paper = row["hml"], row["paper"]
        both = [text for one in (own, paper) for text in (f"{one['rms']:.2e}", f"{one['lines']:,}",
                                                          figures.amount(one["seconds"], "s"))]
        low, high = row["band"]
        table.add_row(row["piece"], f"{low:.0f}–{high:.0f}", *both, f"{own['rms'] / paper['rms']:.3f}")
    return table


def _figures(rows: Mapping[str, Row | None]) -> Table:
    table = _table("Figures (ratio: value to reference, less is better)", "figure", "value", "reference", "ratio",
                   "target", "met", "more")
    for name, row in rows.items():
        if row is not None:
            goals = "\n".join(f"{'✓' if met else '✗'} {goal}" for goal, met in row["goals"].items())
            more = [f"{key.removeprefix('ratio_')}: {row[key]:.3g}" for key in row if key.startswith("ratio_")]
            table.add_row(name, f"{row['value']:.3g}", f"{row['reference']:.3g}", f"{row['ratio']:.3f}", goals,
                          "yes" if row["met"] else "no", "\n".join([*more, *filter(None, [row["note"]])]))
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
