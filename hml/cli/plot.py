"""`hml plot`: what a generator is like, in pictures (figures 2 to 8 of the paper)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hml.cli.options import (
    ConfigFile,
    Device,
    GeneratorFile,
    Grid,
    Interpolator,
    Json,
    Labels,
    Over,
    Sets,
    Track,
    make_config,
    one_of,
    progress,
    read_labels,
)
from hml.core.errors import ConfigError

if TYPE_CHECKING:
    from hml.core.generator import Generator

KINDS = ("counts", "manifold", "profile", "time")
PAPER = ("ln_amplitude", "ln_sigma")  # the parameters that the paper shows


def add_to(app: typer.Typer) -> None:
    app.command()(plot)


def plot(  # one argument per option
    kind: Annotated[str, typer.Argument(help="counts, manifold, profile, time, or all.")],
    output: Annotated[Path, typer.Option("--output", help="PNG file; of all, a folder.")],
    track: Track = None,
    over: Over = None,
    labels: Labels = None,
    config: ConfigFile = None,
    grid: Grid = None,
    generator: GeneratorFile = None,
    interpolator: Interpolator = None,
    sets: Sets = None,
    device: Device = None,
    json: Json = False,
) -> None:
    """Draw a generator: line counts over the grid; a line's ln a and σ at the nodes and between them; the line at two
    neighbouring nodes and between them; the time that a spectrum takes. Without --track: the line that is strongest
    over most of the grid."""
    from hml.cli.show import show_facts
    from hml.core import pipeline
    from hml.core.store import write_bytes

    one_of("KIND", kind, (*KINDS, "all"))
    at, axes = read_labels(labels), None if over is None else over.split(",")
    chosen = make_config(config, grid, interpolator, sets=sets, device=device, generator=generator)
    made = pipeline.build(chosen, progress=progress())
    if kind != "time" and not len(made):
        raise ConfigError("this generator has no lines to draw (generator.lines: false); `time` can be drawn")
    number = _track(made, track) if kind in ("manifold", "profile", "all") else 0
    pictures = _pictures(made, number, axes, at)
    paths = {name: output / f"{name}.png" for name in KINDS} if kind == "all" else {kind: output}
    for name, path in paths.items():
        write_bytes(path, pictures[name]())
    show_facts("picture", {name: str(path) for name, path in paths.items()}, json)


def _pictures(
    generator: Generator, track: int, over: list[str] | None, at: Mapping[str, float]
) -> dict[str, Callable[[], bytes]]:
    """How to make each of the KINDS."""
    from hml.core import figures
    from hml.core.speed import BATCHES, measure_speed

    return {
        "counts": lambda: figures.line_counts(generator),
        "manifold": lambda: figures.manifold(generator, track, over=over, labels=at, params=PAPER),
        "profile": lambda: figures.neighbours(generator, track, along=over[0] if over else None, labels=at),
        "time": lambda: figures.timing(measure_speed(generator, BATCHES)),
    }


def _track(generator: Generator, text: str | None) -> int:
    """The number of the track that is meant; if none is named, the one that is strongest over most of the grid."""
    from hml.core.tracks import find_track, survey

    if text is not None:
        return find_track(generator, text)
    return int(survey(generator).median.argmax())
