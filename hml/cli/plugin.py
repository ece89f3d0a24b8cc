"""`hml check-plugin` and `hml plugin new`: for those who write plugins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hml.cli.options import Json
from hml.core.edits import read_edits
from hml.core.errors import ConfigError

if TYPE_CHECKING:
    from hml.testing.run import Checked, Status

app = typer.Typer(help="Write a plugin package.", no_args_is_help=True)
STATUSES: tuple[Status, ...] = ("passed", "failed", "left out", "n/a")


def add_to(main: typer.Typer) -> None:
    """`check-plugin` on the app itself, the others under `plugin`."""
    main.command("check-plugin")(check_plugin)
    app.command("new")(new)
    main.add_typer(app, name="plugin")


@app.callback()
def _group() -> None:
    """Write a plugin package."""


def check_plugin(
    package: Annotated[str, typer.Argument(help="Installed distribution, or a package that can be imported.")],
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", help="Field of a part, such as bobcat.path=/data/sonora. Repeatable."),
    ] = None,
    json: Json = False,
) -> None:
    """Run the conformance kit over every part that a package brings; exit code 1 if a check fails, or none ran."""
    from hml.cli.show import print_json
    from hml.testing.run import check_package

    found = []
    for checked in check_package(package, _fields(sets or [])):
        found.append(checked)
        if not json:
            _tell(checked)
    if json:
        print_json([_facts(checked) for checked in found])
    else:
        _sum_up(found)
    if not all(checked.passed for checked in found):
        raise typer.Exit(1)


def _fields(sets: list[str]) -> Mapping[str, Mapping[str, Any]]:
    fields = read_edits(sets)
    for name, value in fields.items():
        if not isinstance(value, Mapping):
            raise ConfigError(f"--set {name}={value}: expected part.field=value, such as bobcat.path=/data/sonora")
    return fields


def _tell(checked: Checked) -> None:
    """One part: what failed, and what did not run, with the reason."""
    counts = ((checked.count(status), status) for status in STATUSES)
    print(f"{checked.what} {checked.name}: {', '.join(f'{n} {status}' for n, status in counts if n)}")
    for outcome in checked.outcomes:
        if outcome.status in ("failed", "left out"):
            text = "".join(c if c.isprintable() else " " for c in outcome.text)
            print(f"  {outcome.status}: {outcome.check}: {text}")


def _sum_up(found: list[Checked]) -> None:
    from hml.cli.show import table

    rows = [[c.name, c.what, *(str(c.count(status)) for status in STATUSES)] for c in found]
    table("\nChecks", ["name", "family", *STATUSES], rows, (2, 3, 4, 5))


def _facts(checked: Checked) -> dict[str, Any]:
    outcomes = [{"check": o.check, "status": o.status, "text": o.text} for o in checked.outcomes]
    return {"family": checked.what, "name": checked.name, "by": checked.suite, "passed": checked.passed,
            "checks": outcomes}  # fmt: skip


def new(
    name: Annotated[str, typer.Argument(help="Of the part, such as sonora; the package is then hml-sonora.")],
    family: Annotated[
        str,
        typer.Option("--family", "-f", help="grid, preprocessor, profile, interpolator, optimizer, sampler or reader."),
    ] = "grid",
    folder: Annotated[Path, typer.Option("--folder", help="Where the package's folder is made.")] = Path(),
) -> None:
    """Write a package with one working part, its checks and its tests, to change into your own."""
    from hml.template import write_package

    written = write_package(name, family, folder)
    root = folder / written[0].relative_to(folder).parts[0]
    for path in written:
        print(path)
    print(f"next: pip install -e {root} && hml check-plugin {root.name}")
