"""From a grid to a generator: clone every node (resumable), associate, refit, fit the manifold. All of it cached."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from hml.core.associate import identical
from hml.core.breaks import find_breaks
from hml.core.clone import Start
from hml.core.compat import check_nodes
from hml.core.continuum import bands_of
from hml.core.errors import ArtefactError, GridError
from hml.core.find import find_lines
from hml.core.generator import Generator, build_generator, with_residual
from hml.core.lines import Breaks, FoundLines, LineTable, Table
from hml.core.nodes import ADVICE, Job, NodeClone, read_clone
from hml.core.parts import Parts, Plan
from hml.core.paths import data_home
from hml.core.pseudo import PseudoContinuum
from hml.core.registry import origins
from hml.core.residual import patterns
from hml.core.rounds import agreed, fitted, no_tracks, spreads, typical_width, with_more
from hml.core.space import Floats, Node
from hml.core.store import SCHEMA, digest
from hml.core.workers import run_jobs

SAMPLE = 4096  # pixels of a spectrum, about, that tell where a grid breaks

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shelf:
    """Where the artefacts of one grid and recipe lie."""

    folder: Path  # of the grid
    clones: Path
    generator: Path
    key: str

    @classmethod
    def of(cls, parts: Parts, plan: Plan) -> Shelf:
        """Names from what the artefacts are made of, so that a stale one is never found."""
        config = parts.config
        grid = parts.grid.fingerprint()
        folder = data_home() / "grids" / f"{config.grid.name}-{grid[:12]}"
        data = config.model_dump(mode="json", exclude={"generator": {"path"}})
        steps = [step.name for step in config.grid.config.preprocess]
        foreign = origins([("preprocessors", name) for name in steps] + [("profiles", config.profile.name)])
        recipe = [SCHEMA, grid, data["grid"]["preprocess"], data["find"], data["clone"], data["profile"], foreign]
        cloned = digest(recipe, _blase_files(config.clone.from_blase))
        manifold = [data["interpolator"], origins([("interpolators", config.interpolator.name)])]
        key = digest(cloned, data["associate"], manifold, data["generator"], plan.used)
        return cls(folder, folder / f"clones-{cloned[:12]}", folder / f"generator-{key[:12]}.safetensors", key)

    def clone(self, node: Node, space_names: Sequence[str]) -> Path:
        return self.clones / ("_".join(f"{n}{v:+g}" for n, v in zip(space_names, node, strict=True)) + ".safetensors")


def _blase_files(folder: Path | None) -> list[tuple[str, int, int]]:
    """Name, size and time of the clones that are imported."""
    files = sorted(folder.glob("*.pt")) if folder is not None else []
    return [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]


def obtain_generator(parts: Parts, plan: Plan) -> Generator:
    """The generator of this config: found if it was built before, else built (what is missing of it) and stored."""
    shelf = Shelf.of(parts, plan)
    found = _stored(shelf, parts.context.device)
    return _made(parts, plan, shelf) if found is None else found


def _stored(shelf: Shelf, device: str) -> Generator | None:
    """A damaged generator counts as absent."""
    try:
        return Generator.load(shelf.generator, device) if shelf.generator.exists() else None
    except ArtefactError as error:
        log.warning("stored generator not used, it is made again: %s", error)
        return None


def _made(parts: Parts, plan: Plan, shelf: Shelf) -> Generator:
    check_nodes(parts.config, plan.space, plan.used)
    lines, cloned = _line_table(parts, plan, shelf)
    sample = parts.prepared(plan.used[0])
    nodes = np.array(plan.used)
    breaks = lines.table.breaks
    series = np.stack([c.continuum for c in cloned])[..., None]
    continuum = Table(plan.space, nodes, series, ("ln_continuum",), breaks)
    header = {
        "grid": {"fingerprint": parts.grid.fingerprint(), **parts.config.grid.to_data()},
        "unit": sample.unit,
        "resolving_power": parts.grid.resolving_power,
        "continuum_bands": bands_of(sample),
        "continuum_error": max(c.error for c in cloned),
        "key": shelf.key,
        "nodes": nodes.tolist(),
        "counts": [c.clone.meta["found"] for c in cloned],
        "clone_rms": [c.clone.rms for c in cloned],
    }
    series = np.stack([c.clone.bends for c in cloned])[..., None]
    spacing = parts.config.clone.continuum if series.size else None  # imported clones have none
    bends = Table(plan.space, nodes, series, ("ln_bend",), breaks) if spacing else None
    knots = PseudoContinuum.of(sample.wavelength, spacing) if spacing else None
    generator = build_generator(
        lines, continuum, parts.profile, parts.config, header, sample.wavelength, sample.starts, parts.context,
        bends, knots,
    )  # fmt: skip
    if parts.config.generator.residual:
        generator = _completed(parts, plan, shelf, generator, breaks)
    generator.save(shelf.generator)
    return generator


def _completed(parts: Parts, plan: Plan, shelf: Shelf, generator: Generator, breaks: Breaks) -> Generator:
    """With the residual: what the generator as it is misses at the nodes."""
    nodes = np.array(plan.used)
    with TemporaryDirectory(dir=shelf.folder) as folder:
        shape = len(nodes), len(generator.wavelength)
        missed = np.memmap(Path(folder) / "missed", np.float32, "w+", shape=shape)  # may be larger than memory
        with parts.context.progress("residual", total=len(nodes), unit="nodes") as advance, torch.no_grad():
            for m, node in enumerate(plan.used):
                flux = generator(nodes[m : m + 1])[0].double().cpu().numpy()
                missed[m] = parts.prepared(node).flux - flux
                advance(1)
        shapes, strengths = patterns(missed, parts.config.generator.residual)
        del missed
    if len(shapes) == 0:
        return generator
    table = Table(plan.space, nodes, strengths[..., None], ("strength",), breaks)
    return with_residual(generator, shapes, table, parts.config.interpolator.build(parts.context))


# --- clones ----------------------------------------------------------------------------------------------------


def clone_nodes(parts: Parts, plan: Plan, shelf: Shelf) -> list[NodeClone]:
    """A clone of every used node: read where it was stored before, else fitted and stored at once."""
    return _each_node(parts, "cloning", [Job(node, shelf.clone(node, plan.space.names)) for node in plan.used])


def _line_table(parts: Parts, plan: Plan, shelf: Shelf) -> tuple[LineTable, list[NodeClone]]:
    """The line table and the fits that it is made of."""
    if parts.config.associate.method == "paper":
        cloned = clone_nodes(parts, plan, shelf)
        return identical(plan.space, np.array(plan.used), [c.clone for c in cloned]), cloned
    return _tracked(parts, plan, shelf)


def _tracked(parts: Parts, plan: Plan, shelf: Shelf) -> tuple[LineTable, list[NodeClone]]:
    """One list of tracks, fitted at every node in rounds: each begins at what neighbours agree on, and has the tracks
    that still show in the residuals of the last one."""
    found, breaks = _survey(parts, plan)
    width, lines = typical_width(found), no_tracks(plan.space, np.array(plan.used), parts.profile, breaks)
    seen, turns = found, parts.config.associate.rounds
    cloned: list[NodeClone] = []
    for turn in range(turns):
        lines = with_more(lines, seen, parts.profile, width)
        cloned = _refitted(parts, plan, shelf, lines, cloned, [len(f) for f in found], width, turn)
        clones = [c.clone for c in cloned]
        last = turn == turns - 1
        lines = fitted(lines, clones) if last else agreed(lines, clones, width)
        seen = [c.hidden for c in clones]
    return lines, cloned


def _survey(parts: Parts, plan: Plan) -> tuple[list[FoundLines], Breaks]:
    """The lines that stand out at each node, and where the grid breaks."""
    found, sample = [], []
    with parts.context.progress("finding lines", total=len(plan.used), unit="nodes") as advance:
        for node in plan.used:
            spectrum = parts.prepared(node)
            found.append(find_lines(spectrum, parts.config.find))
            sample.append(spectrum.flux[:: max(1, len(spectrum) // SAMPLE)])
            advance(1)
            if len(found[-1]) == 0:
                raise GridError(f"{parts.grid.space.to_dict(node)}: no lines found; {ADVICE}")
    breaks = find_breaks(plan.space, np.array(plan.used), np.stack(sample))
    for name, intervals in breaks.items():
        axis = plan.space[name].nodes
        places = ", ".join(f"{axis[i]:g} and {axis[i + 1]:g}" for i in intervals)
        log.info("the grid breaks along %s between %s: each side is interpolated on its own", name, places)
    return found, breaks


def _refitted(
    parts: Parts, plan: Plan, shelf: Shelf, lines: LineTable, before: list[NodeClone], found: list[int], width: float,
    turn: int,
) -> list[NodeClone]:  # fmt: skip
    """Every node, fitted with all tracks from where the table has them."""
    config = parts.config.associate
    key = digest(config.model_dump(mode="json"), plan.used)[:12]
    folder = shelf.clones.with_name(f"{shelf.clones.name.replace('clones', 'tracks')}-{key}-{turn + 1}")
    made_from = {"table": hashlib.sha256(lines.table.values.tobytes()).hexdigest()}
    spread = spreads(lines)
    jobs = [
        Job(node, folder / shelf.clone(node, plan.space.names).name, made_from,
            partial(_start, lines, i, width, before[i].clone.bends if before else None, spread), found[i])
        for i, node in enumerate(plan.used)
    ]  # fmt: skip
    return _each_node(parts, f"fitting, round {turn + 1} of {config.rounds}", jobs)


def _start(lines: LineTable, index: int, width: float, bends: Floats | None, spread: Floats) -> Start:
    """All tracks as they are at one node."""
    values = lines.table.values[index]
    return Start(lines.reference + values[:, 0], values[:, 1:], width * lines.reference, bends, spread)


def _each_node(parts: Parts, task: str, jobs: Sequence[Job]) -> list[NodeClone]:
    """The result of every job, in their order: those that are stored, and those done now."""
    made = {job.path: stored for job in jobs if (stored := read_clone(job.path, job.made_from)) is not None}
    todo = [job for job in jobs if job.path not in made]
    if spoilt := [job.path for job in todo if job.path.exists()]:
        log.warning("%d stored clones cannot be used and are made again, such as %s", len(spoilt), spoilt[0])
    with parts.context.progress(task, total=len(jobs), unit="nodes") as advance:

        def done(job: Job, clone: NodeClone) -> None:
            made[job.path] = clone
            advance(1)

        advance(len(made))
        run_jobs(parts, todo, len(jobs), done)
    return [made[job.path] for job in jobs]
