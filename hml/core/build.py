"""From a grid to a generator: clone every node (resumable), associate, refit, fit the manifold. All of it cached."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from hml.core.associate import associate
from hml.core.clone import Start
from hml.core.compat import check_nodes
from hml.core.continuum import bands_of
from hml.core.errors import ArtefactError
from hml.core.generator import Generator, build_generator
from hml.core.lines import LineTable, Table
from hml.core.nodes import Job, NodeClone, read_clone
from hml.core.parts import Parts, Plan
from hml.core.paths import data_home
from hml.core.registry import origins
from hml.core.render import half_width
from hml.core.space import Node
from hml.core.store import SCHEMA, digest
from hml.core.workers import run_jobs

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
    cloned = clone_nodes(parts, plan, shelf)
    lines, cloned = _line_table(parts, plan, shelf, cloned)
    sample = parts.prepared(plan.used[0])
    nodes = np.array(plan.used)
    continuum = Table(plan.space, nodes, np.stack([c.continuum for c in cloned])[..., None], ("ln_continuum",))
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
    generator = build_generator(
        lines, continuum, parts.profile, parts.config, header, sample.wavelength, sample.starts, parts.context
    )
    generator.save(shelf.generator)
    return generator


# --- clones ----------------------------------------------------------------------------------------------------


def clone_nodes(parts: Parts, plan: Plan, shelf: Shelf) -> list[NodeClone]:
    """A clone of every used node: read where it was stored before, else fitted and stored at once."""
    return _each_node(parts, "cloning", [Job(node, shelf.clone(node, plan.space.names)) for node in plan.used])


def _line_table(parts: Parts, plan: Plan, shelf: Shelf, cloned: list[NodeClone]) -> tuple[LineTable, list[NodeClone]]:
    """The line table; with `associate.refit` every node is fitted once more with the tracks of all."""
    config, nodes = parts.config.associate, np.array(plan.used)
    lines = associate(plan.space, nodes, [c.clone for c in cloned], config)
    if config.method == "paper" or config.refit == 0:
        return lines, cloned
    key = digest(config.model_dump(mode="json"), plan.used)[:12]
    folder = shelf.clones.with_name(f"{shelf.clones.name.replace('clones', 'refits')}-{key}")
    made_from = {"table": hashlib.sha256(lines.table.values.tobytes()).hexdigest()}
    jobs = [
        Job(node, folder / shelf.clone(node, plan.space.names).name, made_from, partial(_start, parts, lines, i), found)
        for i, (node, found) in enumerate(zip(plan.used, (len(c.clone) for c in cloned), strict=True))
    ]
    refitted = _each_node(parts, "refitting", jobs)
    centre = np.stack([c.clone.centre for c in refitted])
    params = np.stack([c.clone.params for c in refitted])
    values = np.concatenate([(centre - lines.reference)[..., None], params], -1)
    fitted = np.ones_like(lines.present)  # every track at every node now
    return replace(lines, table=replace(lines.table, values=values), present=fitted), refitted


def _start(parts: Parts, lines: LineTable, index: int) -> Start:
    """All tracks as they are at one node."""
    values = lines.table.values[index]
    width = 2 * half_width(parts.profile, torch.as_tensor(values[:, 1:])).numpy()
    return Start(lines.reference + values[:, 0], values[:, 1:], width)


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
