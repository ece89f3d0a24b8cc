"""From what `profiles.py` measured to its figures and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from profiles_run import DEFAULT, SKEW, STAGES
from rich.console import Console
from rich.table import Table

Row = Mapping[str, Any]
Which = tuple[str, str, str, str]
"""Shape, composition, solver, stage."""

FOUND, HIDDEN = STAGES
UNIT = 1e4


def _pairs() -> dict[str, tuple[Which, Which]]:
    """What is compared with what."""
    plain, skew = (DEFAULT, "opacity", "adam"), (SKEW, "opacity", "adam")
    made: dict[str, tuple[Which, Which]] = {}
    for stage, end in ((FOUND, ""), (HIDDEN, "_hidden")):
        made[f"asymmetric_equal_lines{end}"] = (*skew, stage), (*plain, stage)
        made[f"asymmetric_equal_numbers{end}"] = (*skew, stage), (*plain, f"{stage} + quarter")
    return made | {"asymmetric_own_hidden": ((*skew, "own hidden"), (*plain, HIDDEN))} | _others(HIDDEN)


def _others(stage: str) -> dict[str, tuple[Which, Which]]:
    plain: Which = (DEFAULT, "opacity", "adam", stage)
    return {
        "voigt": (("voigt", "opacity", "adam", stage), plain),
        "blase": (("blase", "opacity", "adam", stage), plain),
        "product": ((DEFAULT, "product", "adam", stage), plain),
        "default": ((DEFAULT, "opacity", "auto", stage), plain),
    }


def figures(pieces: Sequence[Row], nodes: Sequence[Row]) -> dict[str, Row | None]:
    """By name; None if it was not asked for."""
    asymmetric = {"asymmetric": ((SKEW, "opacity", "adam", ""), (DEFAULT, "opacity", "adam", ""))}
    between = {f"{name}_between": pair for name, pair in (asymmetric | _others("")).items()}
    made: dict[str, Row | None] = {name: _figure(pieces, pair) for name, pair in _pairs().items()}
    return made | {name: _figure(nodes, pair) for name, pair in between.items()}


def _figure(rows: Sequence[Row], pair: tuple[Which, Which]) -> Row | None:
    if not rows:
        return None
    (value, count), (reference, count_there) = (_mean(rows, which) for which in pair)
    return {"value": value, "reference": reference, "ratio": value / reference, "ratio_numbers": count / count_there}


def _mean(rows: Sequence[Row], which: Which) -> tuple[float, int]:
    """Geometric mean of the rms, and how many numbers there are in all."""
    chosen = [row for row in rows if _which(row) == which]
    return float(np.exp(np.mean([np.log(row["rms"]) for row in chosen]))), sum(row["numbers"] for row in chosen)


def _which(row: Row) -> Which:
    return row["shape"], row["composition"], row["solver"], row.get("stage", "")


# --- tables --------------------------------------------------------------------------------------------------------


def show(result: Row) -> None:
    """Print the tables."""
    console = Console(width=None if Console().is_terminal else 200)
    where = result["machine"]
    console.print(f"{where['processor']}, {where['threads']} thread, torch {where['torch']}, load {where['load']:.1f}; "
                  f"{result['seconds']:.0f} s")  # fmt: skip
    if result["pieces"]:
        console.print(_pieces(result["pieces"]))
    if result["nodes"]:
        console.print(_nodes(result["nodes"]))
    console.print(_figures(result["figures"]))


def _pieces(rows: Sequence[Row]) -> Table:
    names = list(dict.fromkeys(row["piece"] for row in rows))
    table = _table("rms of clones in 1e-4 (lines)", "shape", "composition", "solver", "lines", *names, "numbers",
                   "seconds")  # fmt: skip
    for which in sorted(dict.fromkeys(map(_which, rows)), key=lambda which: (FOUND not in which[3], which[2])):
        chosen = {row["piece"]: row for row in rows if _which(row) == which}
        each = [f"{UNIT * chosen[name]['rms']:.1f} ({chosen[name]['lines']:,})" for name in names]
        total = (sum(row[key] for row in chosen.values()) for key in ("numbers", "seconds"))
        table.add_row(*which, *each, *(f"{value:,.0f}" for value in total))
    return table


def _nodes(rows: Sequence[Row]) -> Table:
    table = _table("Generators of lines alone: rms in 1e-4 at nodes left out, their median, and of the clones (median)",
                   "shape", "composition", "solver", "rms", "median node", "clones", "tracks", "numbers a node",
                   "seconds")  # fmt: skip
    for row in rows:
        each = [f"{UNIT * row[key]:.1f}" for key in ("rms", "median_node", "at_nodes")]
        table.add_row(*_which(row)[:3], *each, f"{row['lines']:,}", f"{row['numbers']:,}", f"{row['seconds']:.0f}")
    return table


def _figures(rows: Mapping[str, Row | None]) -> Table:
    table = _table("Figures (rms in 1e-4; ratio: value to reference, less is better)", "figure", "value", "reference",
                   "ratio", "of numbers")  # fmt: skip
    for name, row in rows.items():
        if row is not None:
            each = [f"{UNIT * row[key]:.1f}" for key in ("value", "reference")]
            table.add_row(name, *each, f"{row['ratio']:.3f}", f"{row['ratio_numbers']:.2f}")
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
