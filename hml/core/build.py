"""From a grid to a generator: clone every node (resumable), associate, refit, fit the manifold. All of it cached."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hml.core.associate import associate
from hml.core.blase import blase_name, read_blase
from hml.core.clone import OnStep, Start, clone_rms, clone_spectrum
from hml.core.compat import check_nodes
from hml.core.config import CloneConfig
from hml.core.continuum import bands_of, compress
from hml.core.errors import ArtefactError, GridError
from hml.core.find import find_lines
from hml.core.generator import Generator, build_generator
from hml.core.lines import Clone, LineTable, Table
from hml.core.parts import Parts, Plan
from hml.core.paths import data_home
from hml.core.registry import origins
from hml.core.render import half_width
from hml.core.space import Floats, Node
from hml.core.spectrum import Spectrum
from hml.core.store import SCHEMA, digest, read_arrays, write_arrays

log = logging.getLogger(__name__)

ADVICE = "find.prominence may be too high, or the grid too coarse to have lines"


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
        data = config.model_dump(mode="json")
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


@dataclass(frozen=True, eq=False)
class NodeClone:
    """A clone with what was divided out of its spectrum."""

    clone: Clone
    continuum: Floats  # Chebyshev coefficients, see hml.core.continuum
    error: float  # largest relative error of that series


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

    def work(node: Node, on_step: OnStep) -> NodeClone:
        spectrum = parts.prepared(node)
        if parts.config.clone.from_blase is not None:
            return _imported(parts, spectrum, node, parts.config.clone.from_blase)
        found = find_lines(spectrum, parts.config.find)
        if len(found) == 0:
            raise GridError(f"{spectrum.name}: no lines found; {ADVICE}")
        start = Start.from_found(found, parts.profile)
        return _cloned(parts, spectrum, start, parts.config.clone, len(found), on_step)

    paths = [shelf.clone(node, plan.space.names) for node in plan.used]
    return _each_node(parts, "cloning", plan.used, paths, work, {})


def _imported(parts: Parts, spectrum: Spectrum, node: Node, folder: Path) -> NodeClone:
    """A clone that blase made, with its rms on this node's spectrum."""
    clone = read_blase(folder / blase_name(parts.grid.space.to_dict(node)))
    rms = clone_rms(spectrum, clone, parts.profile, parts.config.clone)
    continuum, error = compress(spectrum)
    return NodeClone(replace(clone, rms=rms, meta={**clone.meta, "found": len(clone)}), continuum, error)


def _line_table(parts: Parts, plan: Plan, shelf: Shelf, cloned: list[NodeClone]) -> tuple[LineTable, list[NodeClone]]:
    """The line table; with `associate.refit` every node is fitted once more with the tracks of all."""
    config, nodes = parts.config.associate, np.array(plan.used)
    lines = associate(plan.space, nodes, [c.clone for c in cloned], config)
    if config.method == "paper" or config.refit == 0:
        return lines, cloned
    recipe = parts.config.clone.model_copy(update={"steps": config.refit})

    def work(index_node: tuple[int, Node], on_step: OnStep) -> NodeClone:
        index, node = index_node
        values = lines.table.values[index]
        width = 2 * half_width(parts.profile, torch.as_tensor(values[:, 1:])).numpy()
        start = Start(lines.reference + values[:, 0], values[:, 1:], width)
        return _cloned(parts, parts.prepared(node), start, recipe, len(cloned[index].clone), on_step)

    key = digest(config.model_dump(mode="json"), plan.used)[:12]
    folder = shelf.clones.with_name(f"{shelf.clones.name.replace('clones', 'refits')}-{key}")
    paths = [folder / shelf.clone(node, plan.space.names).name for node in plan.used]
    made_from = {"table": hashlib.sha256(lines.table.values.tobytes()).hexdigest()}
    refitted = _each_node(parts, "refitting", list(enumerate(plan.used)), paths, work, made_from)
    centre = np.stack([c.clone.centre for c in refitted])
    params = np.stack([c.clone.params for c in refitted])
    values = np.concatenate([(centre - lines.reference)[..., None], params], -1)
    fitted = np.ones_like(lines.present)  # every track at every node now
    return replace(lines, table=replace(lines.table, values=values), present=fitted), refitted


def _cloned(
    parts: Parts, spectrum: Spectrum, start: Start, recipe: CloneConfig, found: int, on_step: OnStep
) -> NodeClone:
    clone = clone_spectrum(spectrum, start, parts.profile, recipe, parts.context.device, on_step)
    continuum, error = compress(spectrum)
    return NodeClone(replace(clone, meta={**clone.meta, "found": found}), continuum, error)


def _each_node(
    parts: Parts,
    task: str,
    items: Sequence[Any],
    paths: Sequence[Path],
    work: Callable[[Any, OnStep], NodeClone],
    made_from: Mapping[str, str],
) -> list[NodeClone]:
    """`work(item, on_step)` for every item whose file is not there yet, several at a time; each result is stored when
    it is made, so that nothing done is lost. `made_from` tells what all of them are made from."""
    done = {i: stored for i, path in enumerate(paths) if (stored := _read_clone(path, made_from)) is not None}
    todo = [i for i in range(len(items)) if i not in done]
    if spoilt := [paths[i] for i in todo if paths[i].exists()]:
        log.warning("%d stored clones cannot be used and are made again, such as %s", len(spoilt), spoilt[0])
    stopped = threading.Event()

    def on_step(step: int, loss: float) -> None:
        if stopped.is_set():  # a fit may take minutes; nobody waits that long after Ctrl-C
            raise CancelledError

    def one(i: int) -> tuple[int, NodeClone]:
        made = work(items[i], on_step)
        _write_clone(paths[i], made, made_from)
        return i, made

    with parts.context.progress(task, total=len(items), unit="nodes") as advance, _workers(parts, len(todo)) as pool:
        advance(len(done))
        futures = [pool.submit(one, i) for i in todo]
        try:
            for future in as_completed(futures):
                i, made = future.result()
                done[i] = made
                advance(1)
        except BaseException:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [done[i] for i in range(len(items))]


@contextmanager
def _workers(parts: Parts, jobs: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that share the cores: torch itself then works on one core in each (its operations release the GIL)."""
    count = parts.config.runtime.workers or (1 if parts.context.device != "cpu" else os.cpu_count() or 1)
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, before // max(1, min(count, jobs))))
    try:
        with ThreadPoolExecutor(max(1, min(count, jobs))) as pool:
            yield pool
    finally:
        torch.set_num_threads(before)


def _write_clone(path: Path, made: NodeClone, made_from: Mapping[str, str]) -> None:
    clone = made.clone
    arrays = {"centre": clone.centre, "params": clone.params, "found": clone.found, "continuum": made.continuum}
    facts = {"names": clone.names, "rms": clone.rms, "meta": clone.meta, "error": made.error, "made_from": made_from}
    write_arrays(path, "clone", arrays, facts)


def _read_clone(path: Path, made_from: Mapping[str, str]) -> NodeClone | None:
    """The stored clone, or None if it is not there, was made from something else or is damaged (then it is made
    again)."""
    if not path.exists():
        return None
    try:
        arrays, header = read_arrays(path, "clone")
        if header["made_from"] != made_from:
            return None
        clone = Clone(
            arrays["centre"], arrays["params"], tuple(header["names"]), arrays["found"], header["rms"], header["meta"]
        )
        return NodeClone(clone, arrays["continuum"], header["error"])
    except (ArtefactError, KeyError) as error:
        log.debug("%s", error)
        return None
