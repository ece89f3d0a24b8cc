"""`hml lines`: the tracks of a generator, what they are, what they do over the grid, and what some of them do alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hml.cli.line_table import show_catalogue
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
    read_range,
)
from hml.core.errors import ConfigError

if TYPE_CHECKING:
    from hml.core.catalogue import Catalogue
    from hml.core.generator import Generator

ORDERS = ("centre", "strength", "presence")


def add_to(app: typer.Typer) -> None:
    app.command()(lines)


def lines(  # one argument per option
    wavelength: Annotated[str | None, typer.Option("--wavelength", help="low:high in vacuum Å; else all.")] = None,
    strongest: Annotated[int | None, typer.Option("--strongest", min=1, help="Only so many, the strongest.")] = None,
    sort: Annotated[str, typer.Option("--sort", help="centre, strength or presence.")] = "centre",
    threshold: Annotated[
        float, typer.Option("--threshold", min=0, max=1, help="Central depth from which a line counts as present.")
    ] = 0.005,
    line_list: Annotated[
        Path | None, typer.Option("--line-list", help="File of known lines to match: MOOG, VALD extract or ECSV.")
    ] = None,
    medium: Annotated[
        str | None, typer.Option("--medium", help="Of its wavelengths, air or vacuum; else what the file says.")
    ] = None,
    tolerance: Annotated[float, typer.Option("--tolerance", min=0, help="Largest distance of a match, km/s.")] = 2.0,
    teff: Annotated[
        float | None, typer.Option("--teff", min=1, help="K, at which listed lines compete; else that of --labels.")
    ] = None,
    species: Annotated[str | None, typer.Option("--species", help="Only tracks matched to it, such as 'Fe I'.")] = None,
    labels: Labels = None,
    track: Track = None,
    over: Over = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="ECSV file of the tracks; with --labels, of their spectrum.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="PNG file: with --track its manifold, with --labels the spectrum.")
    ] = None,
    config: ConfigFile = None,
    grid: Grid = None,
    generator: GeneratorFile = None,
    interpolator: Interpolator = None,
    sets: Sets = None,
    device: Device = None,
    json: Json = False,
) -> None:
    """List the lines of a generator: where they are, how strong, at how many nodes, and what they are (--line-list).
    With --labels the listed lines are rendered alone; with --track one line's parameters are drawn over the grid."""
    _check(track, labels, plot, output)
    at, band = read_labels(labels), read_range(wavelength)
    one_of("--sort", sort, ORDERS)
    known = _line_list(line_list, medium)
    made = _generator(config, grid, interpolator, sets, device, generator)
    if track is not None:
        assert plot is not None
        _draw(made, track, over, at, plot, json)
        return
    from hml.core.catalogue import Wanted, choose

    temperature = teff or at.get("teff")
    wanted = Wanted(band, strongest, threshold, known, tolerance, temperature, species)
    found = choose(made, wanted, sort)  # type: ignore[arg-type] # one of ORDERS
    if labels is None:
        show_catalogue(found, strongest, output, json)
    else:
        _render(made, found, at, band, output, plot, json)


def _check(track: str | None, labels: str | None, plot: Path | None, output: Path | None) -> None:
    """ConfigError for options that mean nothing without others."""
    if track is not None and plot is None:
        raise ConfigError("--track draws a line's parameters over the grid; say where to with --plot FILE.png")
    if plot is not None and track is None and labels is None:
        raise ConfigError("--plot draws one line over the grid (--track) or lines alone (--labels); give one of them")
    if labels is not None and track is None and plot is None and output is None:
        raise ConfigError("--labels renders lines alone; say where to with --output FILE.ecsv or --plot FILE.png")


def _line_list(path: Path | None, medium: str | None) -> Any:
    one_of("--medium", medium, ("air", "vacuum"))
    if path is None:
        return None
    from hml.core.linelist.read import read_line_list

    return read_line_list(path, medium)  # type: ignore[arg-type] # air, vacuum or None


def _generator(
    config: Path | None, grid: str | None, interpolator: str | None, sets: list[str] | None, device: str | None,
    generator: Path | None,
) -> Generator:  # fmt: skip
    """That of a config, built or found, or that of a file."""
    from hml.core import pipeline

    chosen = make_config(config, grid, interpolator, sets=sets, device=device, generator=generator)
    made = pipeline.build(chosen, progress=progress())
    if not len(made):
        raise ConfigError("this generator has no lines (generator.lines: false): it interpolates the grid's spectra")
    return made


# --- one line, and lines alone ----------------------------------------------------------------------------------------


def _draw(generator: Generator, track: str, over: str | None, at: Mapping[str, float], plot: Path, json: bool) -> None:
    from hml.cli.show import show_facts
    from hml.core import figures
    from hml.core.store import write_bytes
    from hml.core.tracks import find_track

    number = find_track(generator, track)
    axes = None if over is None else over.split(",")
    write_bytes(plot, figures.manifold(generator, number, over=axes, labels=at))
    centre = f"{float(generator.reference[number]):.4f} Å"
    show_facts("track", {"number": number, "centre": centre, "picture": str(plot)}, json)


def _render(
    generator: Generator, found: Catalogue, at: Mapping[str, float], band: tuple[float | None, float | None],
    output: Path | None, plot: Path | None, json: bool,
) -> None:  # fmt: skip
    """The spectrum of the chosen tracks alone."""
    from hml.cli.show import show_facts
    from hml.core import figures
    from hml.core.export import write_spectrum
    from hml.core.store import write_bytes

    low, high = band
    part = generator.only(found.tracks.number).spectrum(at, low=low, high=high)
    what = f"{found.species or 'these lines'} alone ({len(found.tracks):,} tracks)"
    facts: dict[str, Any] = {"lines": what, **part.meta["labels"]}
    facts |= {"line list": found.matches.lines.story} if found.matches is not None else {}
    if output is not None:
        write_spectrum(part, output)
        facts["file"] = str(output)
    if plot is not None:
        write_bytes(plot, figures.alone(generator.spectrum(at, low=low, high=high), part, what))
        facts["picture"] = str(plot)
    show_facts("spectrum", facts, json)
