"""`hml config`: make, check and show config files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hml.cli.options import ConfigFile, Grid, Interpolator, Optimizer, Sampler, Sets, make_config
from hml.core.errors import ConfigError

app = typer.Typer(help="Make, check and show config files.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="YAML file.")]


@app.command()
def init(
    path: File,
    grid: Grid = None,
    interpolator: Interpolator = None,
    optimizer: Optimizer = None,
    sampler: Sampler = None,
    sets: Sets = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a config with every field at its default, to be edited."""
    from hml.core.config import dump_config
    from hml.core.store import write_text

    if path.exists() and not force:
        raise ConfigError(f"{path}: is there already; choose another name or add --force")
    write_text(path, dump_config(make_config(None, grid, interpolator, optimizer, sets, sampler=sampler)))
    print(f"{path} written; `hml run --config {path}` runs it")


@app.command()
def check(path: File) -> None:
    """Say whether a config is valid and its parts fit together."""
    from hml.core.compat import check_config
    from hml.core.config import load_config

    check_config(load_config(path))
    print(f"{path}: valid, and its parts fit together")


@app.command()
def show(
    path: Annotated[Path | None, typer.Argument(help="YAML file; else the defaults.")] = None,
    config: ConfigFile = None,
    grid: Grid = None,
    interpolator: Interpolator = None,
    optimizer: Optimizer = None,
    sampler: Sampler = None,
    sets: Sets = None,
) -> None:
    """Print the resolved config: every field with the value that would be used."""
    from hml.core.config import dump_config

    print(dump_config(make_config(path or config, grid, interpolator, optimizer, sets, sampler=sampler)), end="")


@app.command()
def schema() -> None:
    """Print the JSON schema of the config, installed plugins included (editors complete and check with it)."""
    from hml.cli.show import print_json
    from hml.core.config import RunConfig

    print_json(RunConfig.model_json_schema())
