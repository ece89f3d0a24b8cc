"""Tables for people, JSON for programs; `hml plugins` and `hml doctor`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from hml.cli.options import Json
from hml.core.untrusted import printable

if TYPE_CHECKING:
    from rich.console import Console

    from hml.core.batch import Batch
    from hml.core.batch_table import Row
    from hml.core.protocol import Protocol
    from hml.core.result import Measured, RunResult


def add_to(app: typer.Typer) -> None:
    app.command()(plugins)
    app.command()(doctor)


def console() -> Console:
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Lines for a person; whatever file their words are from, a terminal shows them and obeys none."""
    console().print(printable(text), markup=False)


def print_json(data: Any) -> None:
    from hml.core.store import to_json

    print(to_json(data))


def table(title: str, columns: list[str], rows: list[list[str]], right: tuple[int, ...] = ()) -> None:
    """One table; columns numbered in `right` are set flush right."""
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    title = escape(printable(title))
    made = Table(title=title or None, title_justify="left", box=SIMPLE_HEAD, title_style="bold", pad_edge=False)
    for i, column in enumerate(columns):
        made.add_column(column, justify="right" if i in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(escape(printable(cell)) for cell in row))
    console().print(made)


def show_facts(title: str, facts: Mapping[str, Any], json: bool) -> None:
    """A short list of name and value."""
    if json:
        print_json(facts)
        return
    table("", [title, ""], [[k, f"{v:.4g}" if isinstance(v, float) else str(v)] for k, v in facts.items()])


def show_result(result: RunResult, json: bool) -> None:
    """What was measured, beside the truth where it is known."""
    if json:
        print_json(result.to_json())
        return
    if result.ranking:
        show_ranking(result.ranking)
    known = any(p.truth is not None for p in result.parameters)
    drawn = any(p.interval is not None for p in result.parameters)
    more = (["16 – 84 %"] if drawn else []) + (["truth", "difference"] if known else [])
    columns = ["", "result", "error", *more, "unit"]
    table(
        f"\nTarget: {result.target}",
        columns,
        [_row(p, known, drawn) for p in result.parameters],
        tuple(range(1, len(columns) - 1)),
    )
    seconds = ", ".join(f"{k} {v:.1f} s" for k, v in result.seconds.items())
    lines = [
        f"{'χ² per pixel' if result.metric == 'chi2' else 'rms'} {result.objective:.4g} over "
        f"{result.counts['pixels']:,} pixels; "
        f"{result.counts['tracks']:,} lines from {result.counts['nodes']:,} nodes; "
        f"{result.counts['evaluations']:,} spectra rendered",
        f"status: {result.status.replace('_', ' ')}" + (f" ({result.message})" if result.message else ""),
        *([f"flags: {', '.join(result.flags)}"] if result.flags else []),
        *(f"note: {note}" for note in result.notes),
        f"time: {seconds}",
        f"results: {result.folder}",
        f"report: {result.folder}/report.html",
    ]
    say("\n".join(lines))


def show_ranking(ranking: Mapping[str, Any]) -> None:
    """The grids that were tried, from the best to the worst, and why others were not."""
    rows = [
        [str(i), place["grid"], f"{place['score']:.4g}",
         f"{place['behind']:.3g} ± {place['error']:.2g}" if i > 1 else "",
         ", ".join(f"{name} {value:.5g}" for name, value in place["values"].items())]
        for i, place in enumerate(ranking["places"], 1)
    ]  # fmt: skip
    title = f"\nGrids, by mean squared residual of left-out blocks of {ranking['pixels']:,} pixels that all can use"
    table(title, ["", "grid", "score", "behind", "result"], rows, (0, 2, 3))
    for name, reason in ranking["left_out"].items():
        say(f"left out: {name}: {reason}")


def _row(p: Measured, known: bool, drawn: bool) -> list[str]:
    digits = 1 if p.unit == "K" or p.name == "resolving_power" else 3
    text = [
        p.name,
        f"{p.value:.{digits}f}",
        "fixed" if not p.free else "–" if p.error is None else f"± {p.error:.{digits}f}",
    ]
    if drawn:
        text.append("" if p.interval is None else f"{p.interval[0]:.{digits}f} – {p.interval[1]:.{digits}f}")
    if known:
        there = p.truth is not None
        text += [
            f"{p.truth:.{digits}f}" if there else "–",
            f"{p.value - p.truth:+.{digits}f}" if p.truth is not None else "–",
        ]
    return [*text, p.unit]


MOST_ROWS = 40  # that are shown of a batch


def show_batch(batch: Batch, json: bool) -> None:
    """A row each, those that failed with the reason, and how many there are of each status."""
    if json:
        print_json(batch.to_json())
        return
    rows = batch.rows[: batch.asked]
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    shown = [_batch_row(row, names) for row in rows[:MOST_ROWS]]
    table("", ["file", *names, "status"], shown, tuple(range(1, len(names) + 1)))
    if len(rows) > MOST_ROWS:
        say(f"… and {len(rows) - MOST_ROWS:,} more")
    new = batch.asked - batch.kept
    rate = f", {new / batch.seconds:.2f} a second" if new and batch.seconds > 0 else ""
    lines = [
        f"{batch.asked:,} spectra: "
        + ", ".join(f"{n:,} {status.replace('_', ' ')}" for status, n in batch.counts.items()),
        f"measured now: {new:,} in {batch.seconds:.1f} s{rate}; kept from before: {batch.kept:,}",
        f"results: {batch.path}",
    ]
    say("\n".join(lines))


def _batch_row(row: Row, names: list[str]) -> list[str]:
    status = row.status.replace("_", " ")
    if not row.measured:
        return [row.file, *[""] * len(names), f"{status}: {row.message}"]
    return [row.file, *(_with_error(name, row.values.get(name), row.errors.get(name)) for name in names), status]


def _with_error(name: str, value: float | None, error: float | None) -> str:
    if value is None:
        return "–"
    digits = 1 if name in ("teff", "resolving_power") else 3
    return f"{value:.{digits}f}" + ("" if error is None else f" ± {error:.{digits}f}")


def show_protocol(outcome: Protocol, json: bool) -> None:
    """The paper's test: one row a spectrum, then the summary beside the published one."""
    if json:
        print_json(outcome.to_json())
        return
    names = outcome.names
    table(
        "\nNode spectra" + (", search box ± 500 K (truths lie in the middle of the box)" if "teff" in names else ""),
        ["truth", "result", "seconds"],
        [[_point(s.truth), _point(s.result), f"{s.seconds:.1f}"] for s in outcome.stars],
        (2,),
    )
    rows = [
        [who, *(f"{errors[n]:.3g}" if n in errors else "–" for n in names)] for who, errors in outcome.summary.items()
    ]
    table("Mean absolute error", ["", *names], rows, tuple(range(1, len(names) + 1)))
    say(f"{len(outcome.stars)} spectra; results: {outcome.folder}")


def _point(values: Mapping[str, float]) -> str:
    return "  ".join(f"{k} {v:.1f}" if k == "teff" else f"{k} {v:+.2f}" for k, v in values.items())


def plugins(json: Json = False) -> None:
    """Every part that can be named in a config, and every plugin that failed to load."""
    from dataclasses import asdict

    from hml.core.hookspecs import FAMILIES
    from hml.core.registry import installed

    registry = installed()
    entries = [e for family in FAMILIES for e in registry.family(family)]
    if json:
        rows = [
            {
                "family": e.family,
                "name": e.component.name,
                "distribution": e.distribution,
                "version": e.version,
                "summary": e.component.summary,
                "reference": e.component.reference,
                "traits": dict(e.component.traits),
            }
            for e in entries
        ]
        print_json({"components": rows, "failures": [asdict(f) for f in registry.failures]})
        return
    table(
        "",
        ["name", "family", "from", "version", "summary"],
        [[e.component.name, e.family, e.distribution, e.version, e.component.summary] for e in entries],
    )
    if registry.failures:
        table(
            "Failed to load",
            ["plugin", "from", "version", "error"],
            [[f.plugin, f.distribution, f.version, f.error] for f in registry.failures],
        )


def doctor(json: Json = False) -> None:
    """Versions, devices, places, free space, and which grids are here."""
    from hml.core.doctor import examine

    facts = examine()
    if json:
        print_json(facts)
        return
    for title, values in facts.items():
        show_facts(title, values, False)
