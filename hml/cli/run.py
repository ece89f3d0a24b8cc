"""`hml run` and its stages one by one: clone, build, reconstruct, infer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hml.cli.options import (
    ConfigFile,
    Device,
    GeneratorFile,
    Grid,
    Interpolator,
    Json,
    Optimizer,
    Sampler,
    Seed,
    Sets,
    make_config,
    progress,
    read_labels,
    read_range,
)
from hml.core.errors import ConfigError

SpectrumFiles = Annotated[
    list[Path] | None,
    typer.Option("--spectrum", help="File to measure; else a truth from the grid. Repeatable: exposures of one star."),
]
Output = Annotated[Path | None, typer.Option("--output", help="Folder of the results.")]


def add_to(app: typer.Typer) -> None:
    """Put the commands on the app, in the order of the help page."""
    for command in (run, clone, build, reconstruct, infer):
        app.command()(command)


def run(  # one argument per option
    config: ConfigFile = None,
    grid: Grid = None,
    generator: GeneratorFile = None,
    interpolator: Interpolator = None,
    optimizer: Optimizer = None,
    spectrum: SpectrumFiles = None,
    sets: Sets = None,
    output: Output = None,
    seed: Seed = None,
    device: Device = None,
    json: Json = False,
    test: Annotated[
        bool, typer.Option("--test", help="The paper's own protocol: node spectra, ± 500 K boxes.")
    ] = False,
    sampler: Sampler = None,
) -> None:
    """Everything: a grid becomes a generator, a spectrum is measured with it. Without --spectrum the target is a
    spectrum of known labels, and truth and result are shown side by side."""
    from hml.cli.show import show_protocol, show_result

    chosen = make_config(config, grid, interpolator, optimizer, sets, seed, device, spectrum, generator, sampler)
    if test and chosen.sampler is not None:
        raise ConfigError("sampler: the paper's protocol (--test) takes no posterior; leave one of the two out")
    if test:
        from hml.core.protocol import run_protocol

        show_protocol(run_protocol(chosen, output=output, progress=progress()), json)
        return
    from hml.core import pipeline

    show_result(pipeline.run(chosen, output=output, progress=progress()), json)


def clone(
    config: ConfigFile = None,
    grid: Grid = None,
    sets: Sets = None,
    device: Device = None,
    json: Json = False,
    blase: Annotated[Path | None, typer.Option("--blase", help="Folder to write them to as blase's .pt files.")] = None,
) -> None:
    """Clone every node of the grid: find its lines and fit them. Resumes where it stopped."""
    from hml.cli.show import show_facts
    from hml.core.blase import blase_name, write_blase
    from hml.core.compat import check_sharpness
    from hml.core.fitting import clone_nodes
    from hml.core.parts import Parts, ensure_grid, plan_nodes
    from hml.core.shelf import Shelf

    parts = Parts.of(make_config(config, grid, sets=sets, device=device), progress())
    if not parts.config.generator.lines:
        raise ConfigError("generator.lines: false: there are no lines to clone; `hml build` makes the generator")
    ensure_grid(parts)
    plan = plan_nodes(parts)
    check_sharpness(parts.config, parts.grid.load(plan.used[0]), parts.grid.resolving_power)
    shelf = Shelf.of(parts, plan)
    with shelf.alone():
        cloned = [c.clone for c in clone_nodes(parts, plan, shelf)]
    if blase is not None:
        for node, made in zip(plan.used, cloned, strict=True):
            write_blase(made, blase / blase_name(plan.space.to_dict(node)))
    rms = sorted(c.rms for c in cloned)
    show_facts(
        "clones",
        {
            "nodes": len(cloned),
            "lines": sum(map(len, cloned)),
            "median rms": rms[len(rms) // 2],
            "worst rms": rms[-1],
            "folder": str(shelf.clones),
        },
        json,
    )


def build(
    config: ConfigFile = None,
    grid: Grid = None,
    interpolator: Interpolator = None,
    sets: Sets = None,
    device: Device = None,
    json: Json = False,
) -> None:
    """Build the generator: clone, associate, refit, fit the manifold. Found at once if it was built before."""
    from hml.cli.show import show_facts
    from hml.core import pipeline
    from hml.core.pack import describe
    from hml.core.parts import Parts, plan_nodes
    from hml.core.shelf import Shelf

    chosen = make_config(config, grid, interpolator, sets=sets, device=device)
    if chosen.generator.path is not None:
        raise ConfigError(f"generator.path: {chosen.generator.path} is built already; leave it out to build another")
    pipeline.build(chosen, progress=progress())
    parts = Parts.of(chosen)
    path = Shelf.of(parts, plan_nodes(parts)).generator
    show_facts("generator", {**describe(path), "file": str(path)}, json)


def reconstruct(
    labels: Annotated[str, typer.Option("--labels", help="teff=5772,logg=4.44,feh=0")],
    output: Annotated[Path, typer.Option("--output", help="ECSV file to write.")],
    wavelength: Annotated[str | None, typer.Option("--wavelength", help="low:high in vacuum Å; else all.")] = None,
    flux: Annotated[str, typer.Option("--flux", help="normalised, or absolute (the grid's unit).")] = "normalised",
    config: ConfigFile = None,
    grid: Grid = None,
    generator: GeneratorFile = None,
    interpolator: Interpolator = None,
    sets: Sets = None,
    device: Device = None,
) -> None:
    """Make the spectrum of any labels inside the grid."""
    from hml.cli.show import show_facts
    from hml.core import pipeline
    from hml.core.export import write_spectrum

    if flux not in ("normalised", "absolute"):
        raise ConfigError(f"--flux {flux}: expected normalised or absolute")
    point = read_labels(labels)
    low, high = read_range(wavelength)
    chosen = make_config(config, grid, interpolator, sets=sets, device=device, generator=generator)
    made = pipeline.build(chosen, progress=progress())
    spectrum = made.spectrum(point, low=low, high=high, absolute=flux == "absolute")
    write_spectrum(spectrum, output)
    show_facts("spectrum", {"file": str(output), "pixels": len(spectrum), **spectrum.meta["labels"]}, False)


def infer(
    files: Annotated[list[Path] | None, typer.Argument(help="Files to measure, a star each.")] = None,
    spectrum: SpectrumFiles = None,
    config: ConfigFile = None,
    grid: Grid = None,
    generator: GeneratorFile = None,
    interpolator: Interpolator = None,
    optimizer: Optimizer = None,
    sets: Sets = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Folder of the results; of many files, an ECSV table.")
    ] = None,
    seed: Seed = None,
    device: Device = None,
    json: Json = False,
    sampler: Sampler = None,
) -> None:
    """Measure a spectrum with a generator (built first if it is not there yet), or many: a row each in the table
    --output results.ecsv, which goes on where it stopped."""
    one = _one_spectrum(files or [], spectrum, output)
    if one is not None:
        run(config, grid, generator, interpolator, optimizer, one, sets, output, seed, device, json, False, sampler)
        return
    assert files and output
    from hml.cli.show import show_batch
    from hml.core.batch import infer_many

    chosen = make_config(
        config, grid, interpolator, optimizer, sets, seed, device, generator=generator, sampler=sampler
    )
    show_batch(infer_many(chosen, files, output, progress=progress()), json)


def _one_spectrum(files: list[Path], spectrum: list[Path] | None, output: Path | None) -> list[Path] | None:
    """The exposures of the one star that is measured into a folder; None if a table is wanted."""
    if bool(files) == bool(spectrum):
        raise ConfigError("name the files to measure, or those of one star with --spectrum, and not both")
    if not files:
        return spectrum
    if output is not None and output.suffix == ".ecsv":
        return None
    if len(files) > 1:
        raise ConfigError(f"{len(files)} files: say with --output results.ecsv where their table is to be")
    return files
