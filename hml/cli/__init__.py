"""The command line. Only this package prints; an HmlError becomes one line and exit code 1."""

from __future__ import annotations

import logging
import sys

import typer

from hml.cli import check, config, grid, lines, plot, plugin, run, runs, show, spectrum
from hml.core.errors import HmlError
from hml.core.untrusted import printable

INTERRUPTED = 130  # what the shell calls a program that was stopped with Ctrl-C

app = typer.Typer(
    name="hml",
    help="Grids of model spectra as generators made of spectral lines, and stars measured with them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
run.add_to(app)
lines.add_to(app)
plot.add_to(app)
check.add_to(grid.app)
app.add_typer(grid.app, name="grid")
app.add_typer(spectrum.app, name="spectrum")
app.add_typer(config.app, name="config")
app.add_typer(runs.app, name="runs")
show.add_to(app)
plugin.add_to(app)


def main() -> None:
    """Entry point of the command `hml`."""
    logger = logging.getLogger("hml")
    logger.setLevel(logging.INFO)
    logger.addHandler(_Lines())
    try:
        app()
    except HmlError as error:
        _say(f"error: {error}")
        sys.exit(1)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            _say("interrupted; what was finished is kept, the same command goes on from there")
        raise


class _Lines(logging.Handler):
    """What the library has to say to a person, a line each on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        _say(record.getMessage())


def _say(text: str) -> None:
    print(f"hml: {printable(text)}", file=sys.stderr, flush=True)
