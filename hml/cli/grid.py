"""`hml grid`: which grids there are, what is in them, and how to get them."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hml.cli.options import ConfigFile, Device, Interpolator, Json, Sets, make_config, progress
from hml.core.errors import ConfigError

if TYPE_CHECKING:
    from hml.core.components import Applies
    from hml.core.config import RunConfig
    from hml.core.parts import Parts

app = typer.Typer(help="Grids of model spectra.", no_args_is_help=True)

Name = Annotated[str | None, typer.Argument(help="Name of the grid; else that of the config.")]
Teff = Annotated[str | None, typer.Option("--teff", help="low:high or one value, K.")]
Logg = Annotated[str | None, typer.Option("--logg", help="low:high or one value.")]
Feh = Annotated[str | None, typer.Option("--feh", help="low:high or one value.")]
Alpha = Annotated[str | None, typer.Option("--alpha", help="low:high or one value.")]
Band = Annotated[str | None, typer.Option("--wavelength", help="low:high, vacuum Å.")]


@app.command("list")
def list_grids(
    spectrum: Annotated[
        Path | None, typer.Option("--for", help="A spectrum: which of them apply to it, without a fit.")
    ] = None,
    config: ConfigFile = None,
    sets: Sets = None,
    json: Json = False,
) -> None:
    """Grids that can be named in a config; with --for, those that apply to a spectrum, and why others do not."""
    from hml.cli.show import print_json, table
    from hml.core.registry import installed

    if spectrum is not None:
        _list_for(make_config(config, sets=sets, spectrum=[spectrum]), json)
        return
    if config is not None or sets:
        raise ConfigError("grid list: a config is of use with --for FILE only, which judges grids by it")
    entries = installed().family("grids")
    rows = [
        {
            "name": e.component.name,
            "summary": e.component.summary,
            "distribution": e.distribution,
            "applies": _where(e.component.applies),
            "reference": e.component.reference,
        }
        for e in entries
    ]
    if json:
        print_json(rows)
        return
    table(
        "",
        ["grid", "summary", "applies to", "from", "reference"],
        [[r["name"], r["summary"], r["applies"], r["distribution"], r["reference"]] for r in rows],
    )


def _list_for(config: RunConfig, json: bool) -> None:
    """The grids of a config (all, where it has no list of them) in the order of how much they cover."""
    from hml.cli.show import print_json, table
    from hml.core.applicable import judge_grids
    from hml.core.components import BuildContext
    from hml.core.observe import read_target

    context, wanted = BuildContext(), config.model_copy(update={"grids": config.grids or "auto"})
    judged = judge_grids(wanted, read_target(config, context).orders, context)
    if json:
        print_json([{"grid": one.name, "applies": not one.reason, "share": one.share, "reason": one.reason,
                     "labels": one.told} for one in judged])  # fmt: skip
        return
    rows = [[one.name, f"{one.share:.0%}" if one.told else "–", one.reason or "applies", one.told] for one in judged]
    table("", ["grid", "pixels covered", "verdict", "labels"], rows, (1,))


def _where(applies: Applies | None) -> str:
    """Label and wavelength ranges of a component, in words."""
    if applies is None:
        return ""
    ranges = [f"{name} {low:g}–{high:g}" for name, (low, high) in applies.labels.items()]
    if applies.wavelength is not None:
        ranges.append("{:g}–{:g} Å".format(*applies.wavelength))
    return ", ".join(ranges)


@app.command()
def info(
    name: Annotated[str | None, typer.Argument(help="Name of the grid, or file of a generator.")] = None,
    teff: Teff = None,
    logg: Logg = None,
    feh: Feh = None,
    alpha: Alpha = None,
    wavelength: Band = None,
    config: ConfigFile = None,
    sets: Sets = None,
    json: Json = False,
) -> None:
    """Axes, nodes, holes, band and files of a grid, as selected; or what is in the file of a generator."""
    from hml.cli.show import show_facts

    if name is not None and (Path(name).suffix or Path(name).is_file()):
        if any(option is not None for option in (teff, logg, feh, alpha, wavelength, config, sets)):
            raise ConfigError(f"{name}: what is in a file cannot be selected; leave the options out")
        _show_packed(Path(name), json)
        return
    parts = parts_of(name, {"teff": teff, "logg": logg, "feh": feh, "alpha": alpha}, wavelength, config, sets)
    show_facts(f"grid {parts.config.grid.name}", _facts(parts), json)


@app.command()
def fetch(
    name: Name = None,
    teff: Teff = None,
    logg: Logg = None,
    feh: Feh = None,
    alpha: Alpha = None,
    wavelength: Band = None,
    config: ConfigFile = None,
    sets: Sets = None,
) -> None:
    """Download what is missing of a grid. The size is told first; it resumes where it stopped."""
    from hml.core.interfaces import FetchableGrid

    parts = parts_of(name, {"teff": teff, "logg": logg, "feh": feh, "alpha": alpha}, wavelength, config, sets)
    grid = parts.grid
    if not isinstance(grid, FetchableGrid):
        print(f"grid {parts.config.grid.name}: needs no download")
        return
    missing = grid.missing()
    if missing is None:
        print(f"grid {parts.config.grid.name}: everything selected is here")
        return
    print(f"{missing.size} from {' or '.join(missing.sources)}", flush=True)
    grid.fetch(parts.context.progress)
    print(f"grid {parts.config.grid.name}: {len(grid.nodes()):,} nodes are here")


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Folder to write to.")],
    name: Name = None,
    config: ConfigFile = None,
    sets: Sets = None,
) -> None:
    """Write a grid out as a PHOENIX-format tree of FITS files (grids that can, such as synthetic)."""
    parts = parts_of(name, {}, None, config, sets)
    write: Any = getattr(parts.grid, "write_phoenix_tree", None)
    if write is None:
        raise ConfigError(f"grid {parts.config.grid.name!r} cannot write itself out; synthetic can")
    files = write(folder, progress=parts.context.progress)
    print(f"{len(files):,} files written under {folder}")


@app.command()
def pack(
    output: Annotated[Path, typer.Option("--output", help="File to write, such as synthetic.hml.")],
    name: Name = None,
    config: ConfigFile = None,
    interpolator: Interpolator = None,
    sets: Sets = None,
    device: Device = None,
    json: Json = False,
) -> None:
    """Write the generator of a grid to one file that can be given away (built first if it is not there yet). The file
    holds no code and no paths; `hml run --generator FILE` uses it without the grid."""
    from hml.core import pipeline

    chosen = make_config(config, name, interpolator, sets=sets, device=device)
    pipeline.build(chosen, progress=progress()).save(output)
    _show_packed(output, json)
    if not json:
        print(f"{output} written; `hml run --generator {output} --spectrum FILE` measures with it")


def _show_packed(path: Path, json: bool) -> None:
    """What is in a generator's file, and by what it can be recognised. ArtefactError if it is damaged."""
    from hml.cli.show import show_facts
    from hml.core.pack import describe, sha256
    from hml.core.store import verify

    facts = {**describe(path), "size": f"{path.stat().st_size / 1e6:,.2f} MB"}
    verify(path)
    digest = sha256(path)
    show_facts(f"generator {path.name}", {**facts, "sha256": digest} if json else facts, json)
    if not json:
        print(f"sha256 {digest}")  # a table would break it into two lines


def parts_of(
    name: str | None, labels: dict[str, str | None], wavelength: str | None, config: Path | None, sets: list[str] | None
) -> Parts:
    """The parts of a config whose grid is selected by options."""
    from hml.core.parts import Parts

    edits = [f"grid.{label}={_range(wish)}" for label, wish in labels.items() if wish is not None]
    if wavelength is not None:
        edits.append(f"grid.wavelength={_range(wavelength)}")
    return Parts.of(make_config(config, name, sets=[*edits, *(sets or [])]), progress())


def _range(text: str) -> str:
    """`5000:6000` → `[5000, 6000]`; `5000` stays."""
    return f"[{text.replace(':', ', ')}]" if ":" in text else text


def _facts(parts: Parts) -> dict[str, Any]:
    from hml.core.interfaces import FetchableGrid

    grid = parts.grid
    nodes = list(grid.nodes())
    holes = grid.space.count_holes(nodes)
    facts: dict[str, Any] = {"nodes": len(nodes), "holes": holes}
    for axis in grid.space.axes:
        shown = [f"{v:g}" for v in axis.nodes]
        text = ", ".join(shown if len(shown) <= 10 else [*shown[:4], "…", *shown[-3:]])
        facts[axis.name] = f"{text} {axis.unit} ({len(shown)})"
    if holes:
        first = islice(grid.space.each_hole(nodes), 3)
        facts["first holes"] = "; ".join(str(grid.space.to_dict(hole)) for hole in first)
    missing = grid.missing() if isinstance(grid, FetchableGrid) else None
    if missing is not None:
        facts["missing"] = f"{missing.size}; hml grid fetch {parts.config.grid.name}"
    elif nodes:
        spectrum = grid.load(nodes[0])
        facts["band"] = f"{spectrum.band[0]:.2f}–{spectrum.band[1]:.2f} Å (vacuum)"
        facts["pixels"] = f"{len(spectrum):,} in {len(spectrum.starts)} order(s)"
    facts["resolving power"] = grid.resolving_power or "native sampling"
    describe = getattr(grid, "describe", None)
    return facts | (describe() if describe else {})
