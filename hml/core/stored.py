"""The file of a generator: what it says of itself, and what must hold before that is believed."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import Tensor

from hml.core.arrays import Arrays
from hml.core.config import RunConfig, parse_config
from hml.core.errors import ArtefactError, ConfigError
from hml.core.generic import Composition
from hml.core.interfaces import Interpolator, Manifold
from hml.core.registry import origins

KIND = "generator"
RECIPE = {"find", "profile", "clone", "associate", "interpolator", "generator"}
"""The sections of a config that a generator is made by (its grid has a place of its own in the header)."""
PLACES = {"path", "from_blase"}  # fields that hold them, however they look
AGAIN = "get the file or build it again"

Finite = Annotated[float, Field(allow_inf_nan=False)]
MOST_CELLS = 1_000_000  # of a pseudo-continuum
WIDEST = 20_000  # pixels of a line's window; more is no generator but an attack on memory


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("expected one line of printable text")
    return text


Text = Annotated[str, Field(max_length=200), AfterValidator(_printable)]
"""One line, without the characters that command a terminal."""


class _Facts(BaseModel):
    """Fields may be added without harm, not changed."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)


class GridFacts(_Facts):
    """The grid that a generator was made from; its config has more fields."""

    name: Text
    fingerprint: Text


class PartFacts(_Facts):
    """A part that makes spectra of the numbers; its config has more fields."""

    name: Text


class RecipeFacts(_Facts):
    """The config that a generator was made by; there are more sections."""

    profile: PartFacts
    interpolator: PartFacts


class AxisFacts(_Facts):
    """One label."""

    name: Text
    lower: Finite
    upper: Finite
    nodes: list[Finite] = Field(min_length=1)

    @model_validator(mode="after")
    def _increasing(self) -> AxisFacts:
        if not (np.diff(self.nodes) > 0).all() or not self.lower <= self.nodes[0] <= self.nodes[-1] <= self.upper:
            raise ValueError("expected nodes in increasing order between lower and upper")
        return self


class BendsKnots(_Facts):
    """Where the pseudo-continuum has its knots."""

    low: Finite
    step: Annotated[Finite, Field(gt=0)]
    cells: Annotated[int, Field(ge=1, le=MOST_CELLS)]


class BreakFacts(_Facts):
    """Two neighbouring nodes of a label between which spectra jump."""

    label: Text
    low: Finite
    high: Finite


class Header(_Facts):
    """The fields of a generator's header that code relies on."""

    versions: dict[Text, Text]
    grid: GridFacts
    space: list[AxisFacts] = Field(min_length=1, max_length=16)
    config: RecipeFacts
    plugins: list[Text]
    manifold: dict[str, Any]
    continuum: dict[str, Any] | None = None
    bends: dict[str, Any] | None = None
    bends_knots: BendsKnots | None = None
    breaks: list[BreakFacts] = Field(default=[], max_length=64)
    residual: dict[str, Any] | None = None
    continuum_bands: list[Annotated[list[Finite], Field(min_length=2, max_length=2)]] = Field(min_length=1)
    continuum_error: float
    unit: Text
    resolving_power: Annotated[Finite, Field(gt=0)] | None
    composition: Composition
    window: Annotated[int, Field(ge=3, le=WIDEST)] | None
    tolerance: Annotated[Finite, Field(gt=0, lt=1)]
    cut: Finite | None
    key: Text
    nodes: list[list[Finite]] = Field(min_length=1)
    counts: list[Annotated[int, Field(ge=0)]]
    clone_rms: list[float]
    left_out: list[float] = []
    ragged: bool = False

    @model_validator(mode="after")
    def _fitting(self) -> Header:
        if len({axis.name for axis in self.space}) < len(self.space):
            raise ValueError("expected labels of different names in space")
        for jump in self.breaks:
            known = next((axis.nodes for axis in self.space if axis.name == jump.label), [])
            if not any(pair == (jump.low, jump.high) for pair in pairwise(known)):
                raise ValueError("expected neighbouring nodes of a label in each of breaks")
        if any(len(node) != len(self.space) for node in self.nodes):
            raise ValueError(f"expected {len(self.space)} labels in each of nodes")
        if not len(self.nodes) == len(self.counts) == len(self.clone_rms):
            raise ValueError("expected as many nodes as counts and clone_rms")
        return self


def check(path: Path, header: Mapping[str, Any], arrays: Arrays) -> Header:
    """The header of a generator's file; ArtefactError naming the field or array that cannot be meant."""
    try:
        known = Header.model_validate(header)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "header"
        raise ArtefactError(f"{path}: {place}: {first['msg'].removeprefix('Value error, ')}; {AGAIN}") from None
    wavelength = _line(path, arrays, "wavelength", np.float64)
    if not (len(wavelength) and wavelength[0] > 0 and (np.diff(wavelength) > 0).all() and np.isfinite(wavelength[-1])):
        raise _wrong(path, "wavelength", "finite numbers above zero, each larger than the one before")
    starts = _line(path, arrays, "starts", np.int64)
    if not (len(starts) and starts[0] == 0 and (np.diff(starts) > 0).all() and starts[-1] < len(wavelength)):
        raise _wrong(path, "starts", f"increasing numbers from 0 on, below the {len(wavelength)} pixels")
    reference = _line(path, arrays, "reference", np.float64)
    if not (np.isfinite(reference).all() and (np.diff(reference) >= 0).all()):
        raise _wrong(path, "reference", "finite numbers, sorted")
    span = _line(path, arrays, "span", np.floating)
    if len(span) != len(reference) or not (np.isfinite(span).all() and (span >= 0).all()):
        raise _wrong(path, "span", f"one finite number from 0 on for each of {len(reference)} tracks")
    patterns = arrays.get("patterns")
    if patterns is None or patterns.ndim != 2 or patterns.shape[1] != len(wavelength):
        raise _wrong(path, "patterns", f"[any number, {len(wavelength)} pixels]")
    if len(reference) == 0 and len(patterns) == 0:
        raise _wrong(path, "reference", "at least one track, where there are no patterns")
    if patterns.dtype != np.int8 and not (patterns.dtype == np.float32 and np.isfinite(patterns).all()):
        raise _wrong(path, "patterns", "integers of eight bits, or finite numbers of 32")
    if (len(patterns) > 0) != (known.residual is not None) or (known.bends is None) != (known.bends_knots is None):
        raise ArtefactError(f"{path}: residual and bends: only half of what belongs to them is there; {AGAIN}")
    _check_error(path, arrays, len(wavelength), len(known.space))
    return known


def _check_error(path: Path, arrays: Arrays, pixels: int, labels: int) -> None:
    """What the generator says of its own error: patterns, and their strengths at nodes along axes."""
    axes = _line(path, arrays, "error_axes", np.int64)
    shapes = arrays.get("error_patterns", np.zeros(0))
    expected = {
        "error_patterns": ((len(shapes), pixels), np.int8), "error_nodes": ((len(axes), labels), np.float64),
        "error_strengths": ((len(axes), len(shapes)), np.float32),
    }  # fmt: skip
    for name, (shape, dtype) in expected.items():
        found = arrays.get(name)
        if found is None or found.shape != shape or found.dtype != dtype or not np.isfinite(found).all():
            raise _wrong(path, name, f"finite numbers {list(shape)} of type {dtype.__name__}")
    if not ((axes >= 0) & (axes < labels)).all():
        raise _wrong(path, "error_axes", f"numbers of {labels} labels")


def _line(path: Path, arrays: Arrays, name: str, dtype: type) -> NDArray[Any]:
    """An array `[n]` of the file."""
    if name not in arrays:
        raise ArtefactError(f"{path}: array {name!r} is missing; {AGAIN}")
    array = arrays[name]
    if array.ndim != 1 or not np.issubdtype(array.dtype, dtype):
        raise _wrong(path, name, f"one axis of {dtype.__name__}, found shape {array.shape} of {array.dtype}")
    return array


def _wrong(path: Path, name: str, expected: str) -> ArtefactError:
    return ArtefactError(f"{path}: array {name!r}: expected {expected}; {AGAIN}")


# --- what a generator is made of ------------------------------------------------------------------------------------


def recipe(path: Path, header: Mapping[str, Any]) -> RunConfig:
    """The config that a file tells, as far as a generator is made by it."""
    told = {name: value for name, value in without_places(header["config"]).items() if name in RECIPE}
    try:
        return parse_config(told, source=str(path))
    except ConfigError as error:
        made = f". It was made with {', '.join(header['plugins'])}" if header["plugins"] else ""
        raise ArtefactError(f"{error}{made}") from None


def needed(config: Mapping[str, Any]) -> list[str]:
    """Which plugins, other than those of hml itself, a generator of this config needs."""
    return origins((f"{slot}s", config[slot]["name"]) for slot in ("profile", "interpolator"))


def filled(
    interpolator: Interpolator, header: Mapping[str, Any], tensors: Mapping[str, Tensor], prefix: str
) -> Manifold:
    """The manifold that `header` outlines, made of the `tensors` themselves; ValueError if the two disagree."""
    state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    with torch.device("meta"):  # shapes without memory: the header may claim any, and the numbers are there already
        module = interpolator.empty(header)
    outline = module.state_dict()
    for name in sorted(outline.keys() | state.keys()):
        claimed, found = ((_kind(part[name]) if name in part else "nothing") for part in (outline, state))
        if claimed != found:
            raise ValueError(f"array {prefix + name!r} is {found}, and the header tells {claimed}")
    if any(name not in outline for name, _ in (*module.named_parameters(), *module.named_buffers())):
        module = interpolator.empty(header)  # it has buffers that are not stored
    module.load_state_dict(state, assign=True)
    return module


def _kind(tensor: Tensor) -> str:
    return f"{list(tensor.shape)} {tensor.dtype}".replace("torch.", "")


# --- what is nobody else's business --------------------------------------------------------------------------------


def without_places(data: Any) -> Any:
    """Plain data without fields that hold absolute paths or addresses: where things lie with whoever made a file means
    nothing to those who get it, and is theirs to tell. Nor does a file from elsewhere decide what is opened here."""
    if isinstance(data, Mapping):
        kept = {key: value for key, value in data.items() if key not in PLACES and not _is_place(value)}
        return {key: without_places(value) for key, value in kept.items()}
    return [without_places(item) for item in data] if isinstance(data, list | tuple) else data


def _is_place(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_is_place, value))
    if not isinstance(value, str):
        return False
    ways = PurePosixPath(value), PureWindowsPath(value)
    return any(way.is_absolute() or ".." in way.parts for way in ways) or value.startswith("~") or "://" in value
