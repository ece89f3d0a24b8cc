"""The work of one node: its spectrum cloned, or fitted again with the tracks of all nodes, and kept in a file."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hml.core.blase import blase_name, read_blase
from hml.core.clone import OnStep, Start, begun, clone_rms, clone_spectrum
from hml.core.config import CloneConfig
from hml.core.continuum import compress
from hml.core.errors import ArtefactError, GridError
from hml.core.executor import PartsWork
from hml.core.find import find_lines
from hml.core.lines import Clone, FoundLines
from hml.core.parts import Parts
from hml.core.space import Floats, Node
from hml.core.spectrum import Spectrum
from hml.core.store import read_arrays, write_arrays
from hml.core.work import Alive, Message

log = logging.getLogger(__name__)

FAINTER = 0.2  # times `clone.hidden`: what shows at many nodes need not stand out at one

ADVICE = "find.prominence may be too high, or the grid too coarse to have lines (then set generator.lines=false)"


@dataclass(frozen=True, eq=False)
class NodeClone:
    """A clone with what was divided out of its spectrum."""

    clone: Clone
    continuum: Floats  # Chebyshev coefficients, see hml.core.continuum
    error: float  # largest relative error of that series


@dataclass(frozen=True, eq=False)
class Job:
    """What is to be made of one node."""

    node: Node
    path: Path  # where the clone is kept
    made_from: Mapping[str, str] = field(default_factory=dict)  # what it depends on beside the grid and the config
    start: Callable[[], Start] | None = None  # of a second fit; None: a first one, of the lines found
    found: int = 0  # how many lines the first fit had


class Cloning(PartsWork[Job, NodeClone]):
    """To clone nodes. A worker reads the spectrum of its node, and is told that node's start and no other's."""

    title = "clone"
    threaded = True

    def do(self, job: Job, alive: Alive) -> NodeClone:
        return _made(self.parts, job, lambda step, loss: alive())

    def name(self, job: Job) -> str:
        return f"node {job.path.stem}"

    def task_told(self, job: Job) -> Message:
        start = {} if job.start is None else vars(job.start())
        arrays = {name: np.asarray(values, np.float64) for name, values in start.items() if values is not None}
        facts = {"node": job.node, "path": str(job.path), "made_from": dict(job.made_from), "found": job.found}
        return Message(facts, arrays)

    def task_heard(self, message: Message) -> Job:
        told = message.facts
        start = partial(_start, message.arrays) if message.arrays else None
        return Job(tuple(told["node"]), Path(told["path"]), told["made_from"], start, told["found"])

    def made_told(self, made: NodeClone) -> Message:
        return clone_told(made)

    def made_heard(self, message: Message) -> NodeClone:
        return clone_heard(message)


def _start(data: Mapping[str, Any]) -> Start:
    """From arrays of any kind. Always of one type and layout: else sums differ in their last digit."""
    given = {name: values for name, values in data.items() if values is not None}
    return Start(**{name: np.array(values, dtype=np.float64, order="C") for name, values in given.items()})


def _made(parts: Parts, job: Job, on_step: OnStep) -> NodeClone:
    spectrum, recipe = parts.prepared(job.node), parts.config.clone
    if job.start is not None:
        fainter = {"hidden": recipe.hidden * FAINTER}
        recipe = recipe.model_copy(update={"steps": parts.config.associate.steps, "rounds": 0, **fainter})
        start = begun(_start(vars(job.start())), spectrum, parts.profile, recipe)
        return _fitted(parts, spectrum, start, recipe, job.found, on_step)
    if recipe.from_blase is not None:
        return _imported(parts, spectrum, job.node, recipe.from_blase)
    found = find_lines(spectrum, parts.config.find)
    if len(found) == 0:
        raise GridError(f"{spectrum.name}: no lines found; {ADVICE}")
    return _fitted(parts, spectrum, Start.from_found(found, parts.profile), recipe, len(found), on_step)


def _fitted(
    parts: Parts, spectrum: Spectrum, start: Start, recipe: CloneConfig, found: int, on_step: OnStep
) -> NodeClone:
    clone = clone_spectrum(spectrum, start, parts.profile, recipe, parts.context.device, on_step)
    continuum, error = compress(spectrum)
    return NodeClone(replace(clone, meta={**clone.meta, "found": found}), continuum, error)


def unfitted(parts: Parts, node: Node) -> NodeClone:
    """A clone without lines."""
    params = parts.profile.params
    clone = Clone(np.zeros(0), np.zeros((0, len(params))), params, np.zeros(0), 0.0, {"found": 0})
    return NodeClone(clone, *compress(parts.prepared(node)))


def _imported(parts: Parts, spectrum: Spectrum, node: Node, folder: Path) -> NodeClone:
    """A clone that blase made, with its rms on this node's spectrum."""
    clone = read_blase(folder / blase_name(parts.grid.space.to_dict(node)))
    rms = clone_rms(spectrum, clone, parts.profile, parts.config.clone)
    continuum, error = compress(spectrum)
    return NodeClone(replace(clone, rms=rms, meta={**clone.meta, "found": len(clone)}), continuum, error)


def write_clone(path: Path, made: NodeClone, made_from: Mapping[str, str]) -> None:
    """Whole or not at all. `made_from` tells what it depends on, for `read_clone`."""
    told = clone_told(made)
    write_arrays(path, "clone", told.arrays, {**told.facts, "made_from": dict(made_from)})


def clone_told(made: NodeClone) -> Message:
    """All of it, for a file or another process."""
    clone = made.clone
    arrays: dict[str, NDArray[Any]] = {"centre": clone.centre, "params": clone.params, "found": clone.found}
    arrays |= {"continuum": made.continuum, "bends": clone.bends}
    arrays["hidden"] = np.stack(list(vars(clone.hidden).values()))
    if clone.information is not None:
        arrays["information"] = clone.information
    return Message({"names": clone.names, "rms": clone.rms, "meta": clone.meta, "error": made.error}, arrays)


def clone_heard(message: Message) -> NodeClone:
    """What `clone_told` told."""
    arrays, facts = message.arrays, message.facts
    clone = Clone(
        arrays["centre"], arrays["params"], tuple(facts["names"]), arrays["found"], facts["rms"], facts["meta"],
        arrays["bends"], FoundLines(*arrays["hidden"]), arrays.get("information"),
    )  # fmt: skip
    return NodeClone(clone, arrays["continuum"], facts["error"])


def read_clone(path: Path, made_from: Mapping[str, str]) -> NodeClone | None:
    """The stored clone, or None if it is not there, was made from something else or is damaged (then it is made
    again)."""
    if not path.exists():
        return None
    try:
        arrays, header = read_arrays(path, "clone")
        if header["made_from"] != made_from:
            return None
        return clone_heard(Message(header, arrays))
    except (ArtefactError, KeyError, TypeError, ValueError) as error:
        log.debug("%s", error)
        return None
