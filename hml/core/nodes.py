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
from hml.core.find import find_lines
from hml.core.lines import Clone, FoundLines
from hml.core.parts import Parts
from hml.core.space import Floats, Node
from hml.core.spectrum import Spectrum
from hml.core.store import read_arrays, write_arrays

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
    """What is to be made of one node. Beside the config it is all that another process needs to know."""

    node: Node
    path: Path  # where the clone is kept
    made_from: Mapping[str, str] = field(default_factory=dict)  # what it depends on beside the grid and the config
    start: Callable[[], Start] | None = None  # of a second fit; None: a first one, of the lines found
    found: int = 0  # how many lines the first fit had

    def to_data(self) -> dict[str, Any]:
        """JSON values, floats exactly as they are."""
        start = self.start and {
            name: values.tolist() for name, values in vars(self.start()).items() if values is not None
        }
        made_from = dict(self.made_from)
        return {"node": self.node, "path": str(self.path), "made_from": made_from, "start": start, "found": self.found}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Job:
        """The job that `to_data` told."""
        start = data["start"] and partial(_start, data["start"])
        return cls(tuple(data["node"]), Path(data["path"]), data["made_from"], start, data["found"])


def _start(data: Mapping[str, Any]) -> Start:
    """From lists or arrays. Always of one type and layout: else sums differ in their last digit."""
    given = {name: values for name, values in data.items() if values is not None}
    return Start(**{name: np.array(values, dtype=np.float64, order="C") for name, values in given.items()})


def do_job(parts: Parts, job: Job, on_step: OnStep) -> NodeClone:
    """The node's clone, kept at once, so that nothing done is lost. What `on_step` raises ends the fit."""
    made = _made(parts, job, on_step)
    write_clone(job.path, made, job.made_from)
    return made


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
    clone = made.clone
    arrays: dict[str, NDArray[Any]] = {"centre": clone.centre, "params": clone.params, "found": clone.found}
    arrays |= {"continuum": made.continuum, "bends": clone.bends}
    arrays["hidden"] = np.stack(list(vars(clone.hidden).values()))
    if clone.information is not None:
        arrays["information"] = clone.information
    facts = {"names": clone.names, "rms": clone.rms, "meta": clone.meta, "error": made.error}
    write_arrays(path, "clone", arrays, {**facts, "made_from": dict(made_from)})


def read_clone(path: Path, made_from: Mapping[str, str]) -> NodeClone | None:
    """The stored clone, or None if it is not there, was made from something else or is damaged (then it is made
    again)."""
    if not path.exists():
        return None
    try:
        arrays, header = read_arrays(path, "clone")
        if header["made_from"] != made_from:
            return None
        clone = Clone(
            arrays["centre"], arrays["params"], tuple(header["names"]), arrays["found"], header["rms"], header["meta"],
            arrays["bends"], FoundLines(*arrays["hidden"]), arrays.get("information"),
        )  # fmt: skip
        return NodeClone(clone, arrays["continuum"], header["error"])
    except (ArtefactError, KeyError) as error:
        log.debug("%s", error)
        return None
