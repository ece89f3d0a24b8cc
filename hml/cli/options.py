"""Options that several commands share, and how they become a config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hml.core.errors import ConfigError, LabelError

if TYPE_CHECKING:
    from hml.core.components import Progress
    from hml.core.config import RunConfig

ConfigFile = Annotated[Path | None, typer.Option("--config", "-c", help="YAML file of the run; else the defaults.")]
Grid = Annotated[str | None, typer.Option("--grid", "-g", help="Grid of model spectra (replaces the whole slot).")]
Interpolator = Annotated[str | None, typer.Option("--interpolator", help="Interpolator of line parameters.")]
Optimizer = Annotated[str | None, typer.Option("--optimizer", "-o", help="Optimizer.")]
Sampler = Annotated[str | None, typer.Option("--sampler", help="Draw from the posterior too: emcee, dynesty, …")]
Sets = Annotated[
    list[str] | None, typer.Option("--set", "-s", help="Edit one field, e.g. grid.teff=[3000,4000]. Repeatable.")
]
GeneratorFile = Annotated[
    Path | None, typer.Option("--generator", help="Use the generator of this file (see hml grid pack): no grid needed.")
]
Seed = Annotated[int | None, typer.Option("--seed", help="Of everything random.")]
Device = Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda, …")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Track = Annotated[
    str | None, typer.Option("--track", help="Number of a track, or a wavelength near its centre (8691.01, vacuum Å).")
]
Over = Annotated[str | None, typer.Option("--over", help="One or two labels to draw over, such as teff,logg.")]
Labels = Annotated[
    str | None, typer.Option("--labels", help="teff=5772,logg=4.44,feh=0; of a drawing, only what is not drawn over.")
]


def make_config(  # one argument per shared option
    config: Path | None,
    grid: str | None = None,
    interpolator: str | None = None,
    optimizer: str | None = None,
    sets: list[str] | None = None,
    seed: int | None = None,
    device: str | None = None,
    spectrum: Sequence[Path] | None = None,
    generator: Path | None = None,
    sampler: str | None = None,
) -> RunConfig:
    """The config that the options of a command mean."""
    from hml.core.config import load_config

    if generator is not None:
        _refuse_decided(generator, {"--grid": grid, "--interpolator": interpolator}, sets or ())
    slots = {"grid": grid, "interpolator": interpolator, "optimizer": optimizer, "sampler": sampler}
    files = None if not spectrum else spectrum[0] if len(spectrum) == 1 else list(spectrum)
    fields = {"runtime.seed": seed, "runtime.device": device, "spectrum.path": files, "generator.path": generator}
    return load_config(
        config,
        slots={k: v for k, v in slots.items() if v is not None},
        fields={k: v for k, v in fields.items() if v is not None},
        sets=sets or (),
    )


def _refuse_decided(generator: Path, slots: Mapping[str, str | None], sets: Sequence[str]) -> None:
    """ConfigError if other options say what the file of a generator decides."""
    from hml.core.pack import DECIDED

    said = [f"{option} {name}" for option, name in slots.items() if name is not None]
    said += [f"--set {item}" for item in sets if item.partition("=")[0].partition(".")[0] in DECIDED]
    if said:
        raise ConfigError(f"{said[0]}: --generator {generator} decides that; leave one of the two out")


def progress() -> Progress:
    """Bars with rate and time left on a terminal's stderr; silence elsewhere."""
    import sys

    if sys.stderr.isatty():
        return _bars
    from hml.core.components import quiet

    return quiet


@contextmanager
def _bars(task: str, total: float | None = None, unit: str = "") -> Iterator[Any]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    size: list[ProgressColumn | str]
    size = [DownloadColumn(), TransferSpeedColumn()] if unit == "B" else [MofNCompleteColumn(), unit, _Rate()]
    columns = [
        TextColumn("{task.description:>12}"),
        BarColumn(),
        *size,
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    ]
    with Progress(*columns, console=Console(stderr=True)) as bars:
        bar = bars.add_task(task, total=total)
        yield lambda amount=1.0: bars.advance(bar, amount)


def _Rate() -> Any:  # noqa: N802 (a column type, made here so that rich is only imported when bars are shown)
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.1f}/s" if task.speed else "")

    return Rate()


def one_of(option: str, value: str | None, choices: Sequence[str]) -> None:
    """ConfigError unless the value of an option is one of these, or not given."""
    if value is not None and value not in choices:
        raise ConfigError(f"{option} {value}: expected {', '.join(choices[:-1])} or {choices[-1]}")


def read_labels(text: str | None) -> dict[str, float]:
    """`teff=5772,logg=4.44` as {label: value}; None is no label."""
    if text is None:
        return {}
    try:
        pairs = [(name.strip(), float(value)) for name, value in (item.split("=") for item in text.split(","))]
        if len(dict(pairs)) < len(pairs):
            raise ValueError
        return dict(pairs)
    except ValueError:
        raise LabelError(
            f"--labels {text}: expected name=number pairs, each name once, such as teff=5772,logg=4.44,feh=0"
        ) from None


def read_range(text: str | None) -> tuple[float | None, float | None]:
    """`8500:8600` as two numbers; None is open at both ends."""
    if text is None:
        return None, None
    try:
        low, high = (float(part) for part in text.split(":"))
    except ValueError:
        raise ConfigError(f"--wavelength {text}: expected low:high in Å, such as 8500:8600") from None
    return low, high
