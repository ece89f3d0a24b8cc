"""The command line. Only this package prints; an HmlError becomes one line and exit code 1."""

from __future__ import annotations

import sys

import click
import typer

from hml.cli import config, grid, run, show
from hml.core.errors import HmlError

app = typer.Typer(
    name="hml",
    help="Grids of model spectra as generators made of spectral lines, and stars measured with them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
run.add_to(app)
app.add_typer(grid.app, name="grid")
app.add_typer(config.app, name="config")
show.add_to(app)


def main() -> None:
    """Entry point of the command `hml`."""
    try:
        code = app(standalone_mode=False)
    except HmlError as error:
        sys.exit(_fail(f"error: {error}"))
    except click.exceptions.Abort:
        sys.exit(_fail("interrupted; what was finished is kept, the same command goes on from there", 130))
    except KeyboardInterrupt:
        sys.exit(_fail("interrupted; what was finished is kept, the same command goes on from there", 130))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(text: str, code: int = 1) -> int:
    # control characters from file headers must not reach the terminal
    clean = "".join(c for c in text if c.isprintable() or c == "\n")
    print(f"hml: {clean}", file=sys.stderr)
    return code
