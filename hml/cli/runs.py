"""`hml runs`: those of before, and what makes two of them differ."""

from __future__ import annotations

from typing import Annotated

import typer

from hml.cli.options import Json

app = typer.Typer(help="Runs of before, and what makes two of them differ.", no_args_is_help=True)

Named = Annotated[str, typer.Argument(help="Folder of a run, or its name in `hml runs list`.")]


@app.command("list")
def list_(json: Json = False) -> None:
    """The runs in hml's own store, the oldest first."""
    from hml.cli.show import print_json, say, table
    from hml.core.runs import list_runs

    runs = list_runs()
    if json:
        print_json([{"name": name, "result": run and run.model_dump()} for name, run in runs])
        return
    if not runs:
        say("no runs are in the store; those with --output lie where they were put")
        return
    rows = []
    for name, run in runs:
        found = "cannot be read" if run is None else ", ".join(
            f"{p.name} {p.value:.5g}" for p in run.parameters if p.value is not None and p.error is not None
        )  # fmt: skip
        rows.append([name, run.target if run else "", found, run.status if run else ""])
    table("", ["run", "target", "result", "status"], rows)


@app.command()
def diff(first: Named, second: Named, json: Json = False) -> None:
    """Which ingredients (config, versions, machine, grid, spectrum) two runs do not share, and how their results
    differ."""
    from hml.cli.show import print_json, say, table
    from hml.core.runs import compare, find_run, read_run

    found = compare(read_run(find_run(first)), read_run(find_run(second)))
    if json:
        print_json(found.to_json())
        return
    if found.ingredients:
        rows = [[d.what, _short(d.first), _short(d.second)] for d in found.ingredients]
        table("Ingredients", ["", "first", "second"], rows)
    if found.results:
        rows = [[d.what, d.first, d.second, "" if d.errors is None else f"{d.errors:.2g} σ"] for d in found.results]
        table("Results", ["", "first", "second", "apart"], rows, (1, 2, 3))
    say(found.verdict)


def _short(text: str, most: int = 60) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
