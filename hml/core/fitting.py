"""Every node of a grid, fitted: each by itself (clones), or all with one list of tracks. What is done stays done."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from hml.core.associate import identical
from hml.core.check import GridCheck, checked, look
from hml.core.clone import Start
from hml.core.errors import GridError
from hml.core.executor import run_all
from hml.core.lines import FoundLines, LineTable
from hml.core.nodes import ADVICE, Cloning, Job, NodeClone, read_clone, unfitted, write_clone
from hml.core.parts import Parts, Plan
from hml.core.rounds import agreed, fitted, no_tracks, spreads, typical_width, with_more
from hml.core.shelf import Shelf
from hml.core.space import Floats
from hml.core.store import digest

log = logging.getLogger(__name__)

def clone_nodes(parts: Parts, plan: Plan, shelf: Shelf) -> list[NodeClone]:
    """A clone of every used node: read where it was stored before, else fitted and stored at once."""
    return _each_node(parts, "cloning", [Job(node, shelf.clone(node, plan.space.names)) for node in plan.used])


def line_table(parts: Parts, plan: Plan, shelf: Shelf) -> tuple[LineTable, list[NodeClone]]:
    """The line table, and the fits at its nodes that it is made of; without a line, where none are wished."""
    if parts.config.associate.method == "paper":
        cloned = clone_nodes(parts, plan, shelf)
        return identical(plan.space, np.array(plan.used), [c.clone for c in cloned]), cloned
    found, grid = _survey(parts, plan)
    if not parts.config.generator.lines:
        nodes = [tuple(node) for node in grid.nodes.tolist()]
        return no_tracks(grid, parts.profile), [unfitted(parts, node) for node in nodes]
    return _tracked(parts, replace(plan, used=tuple(map(tuple, grid.nodes.tolist()))), shelf, found, grid)


def _survey(parts: Parts, plan: Plan) -> tuple[list[FoundLines], GridCheck]:
    """The lines that stand out at each node, if any are wished, and how smooth the grid is; without its bad nodes, if
    that is wished."""
    wished = parts.config.generator.lines
    seen = look(parts, plan.used, "finding lines" if wished else "loading", lines=wished)
    found = [one.found for one in seen]
    bare = [node for node, lines in zip(plan.used, found, strict=True) if len(lines) == 0]
    if wished and bare:
        raise GridError(f"{parts.grid.space.to_dict(bare[0])}: no lines found; {ADVICE}")
    nodes, flux = np.array(plan.used), np.stack([one.sample for one in seen])
    grid = checked(plan.space, nodes, flux)
    if grid.bad and parts.config.generator.bad_nodes == "exclude":
        log.info("left out, since they do not fit their neighbours: %s", "; ".join(map(str, grid.bad)))
        good = [m for m, node in enumerate(plan.used) if node not in grid.bad]
        found, grid = [found[m] for m in good], checked(plan.space, nodes[good], flux[good])
    _tell_breaks(grid)
    return found, grid


def _tell_breaks(grid: GridCheck) -> None:
    for name, intervals in grid.breaks.items():
        axis = grid.space[name].nodes
        places = ", ".join(f"{axis[i]:g} and {axis[i + 1]:g}" for i in intervals)
        log.info("the grid breaks along %s between %s: each side is interpolated on its own", name, places)


def _tracked(
    parts: Parts, plan: Plan, shelf: Shelf, found: list[FoundLines], grid: GridCheck
) -> tuple[LineTable, list[NodeClone]]:
    """One list of tracks, fitted at every node in rounds: each begins at what neighbours agree on, and has the tracks
    that still show in the residuals of the last one."""
    width, lines = typical_width(found), no_tracks(grid, parts.profile)
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

        def keep(job: Job, clone: NodeClone) -> None:
            write_clone(job.path, clone, job.made_from)
            made[job.path] = clone
            advance(1)

        advance(len(made))
        run_all(parts.executor, Cloning(parts), todo, keep, len(jobs))
    return [made[job.path] for job in jobs]
