"""Runs of before: which there are, and what makes two of them differ."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from hml.core.errors import ArtefactError
from hml.core.paths import data_home

LARGEST = 100_000_000  # bytes of a result
FILE = "result.json"
NOTHING = "–"


class _Known(BaseModel):
    """What is looked at; there is more."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Value(_Known):
    """One parameter of a result; None where it is not a number."""

    name: str
    unit: str = ""
    value: float | None = None
    error: float | None = None


class Run(_Known):
    """A result as its file tells it."""

    parameters: tuple[Value, ...]
    objective: float | None
    status: str
    target: str
    flags: tuple[str, ...] = ()
    config: dict[str, Any]
    versions: dict[str, str]
    fingerprints: dict[str, str]
    machine: dict[str, str] = {}


@dataclass(frozen=True)
class Difference:
    """One ingredient, or one part of the result, that is not the same."""

    what: str
    first: str
    second: str
    errors: float | None = None  # of a parameter: the difference, in standard deviations of the second run


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side."""

    ingredients: tuple[Difference, ...]
    results: tuple[Difference, ...]

    @property
    def verdict(self) -> str:
        """In a sentence."""
        if not self.ingredients and not self.results:
            return "the same ingredients and, bit for bit, the same result"
        if not self.ingredients:
            return "the results differ although nothing does that a run records: is hml's own code the same?"
        if not self.results:
            return "the same result, bit for bit, from other ingredients"
        return "other ingredients, and another result"

    def to_json(self) -> dict[str, Any]:
        return {"verdict": self.verdict, **asdict(self)}


def list_runs(folder: Path | None = None) -> list[tuple[str, Run | None]]:
    """The runs of a folder (the store's own) by name, in that order; None for one that cannot be read."""
    runs = folder or data_home() / "runs"
    places = sorted(path.parent for path in runs.glob(f"*/{FILE}"))
    return [(place.name, _tried(place)) for place in places]


def _tried(place: Path) -> Run | None:
    try:
        return read_run(place)
    except ArtefactError:
        return None


def find_run(name: str) -> Path:
    """The folder of a run: a path, or the name of one in the store. ArtefactError if there is none."""
    own = data_home() / "runs"
    for place in (Path(name), own / name if Path(name).name == name else own):
        path = place.parent if place.name == FILE else place
        if (path / FILE).is_file():
            return path
    raise ArtefactError(f"{name}: no run is there; name its folder, or one of those that `hml runs list` shows")


def read_run(folder: Path) -> Run:
    """ArtefactError if the folder holds no result that can be read."""
    path = folder / FILE
    try:
        if path.stat().st_size > LARGEST:
            raise ArtefactError(f"{path}: is larger than any result")
        return Run.model_validate(json.loads(path.read_bytes()))
    except OSError as error:
        raise ArtefactError(f"{path}: cannot be read ({error.strerror})") from None
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) or "top level"
        raise ArtefactError(f"{path}: {where}: is not what a result has there; run it again") from None
    except (ValueError, RecursionError):
        raise ArtefactError(f"{path}: is damaged (it is not JSON); run it again") from None


def compare(first: Run, second: Run) -> Comparison:
    """What the two were made of and is not the same, and what of their results is not."""
    ingredients = [
        *_differ("config", _flat(first.config), _flat(second.config)),
        *_differ("versions", first.versions, second.versions),
        *_differ("machine", first.machine, second.machine),
        *_differ("fingerprints", {k: v for k, v in first.fingerprints.items() if k != "config"},
                 {k: v for k, v in second.fingerprints.items() if k != "config"}),
    ]  # fmt: skip
    return Comparison(tuple(ingredients), tuple(_results(first, second)))


def _flat(data: Any, place: str = "") -> dict[str, Any]:
    """Fields by their place, as `--set` names them."""
    if not isinstance(data, Mapping) or not data:
        return {place: data}
    parts = (_flat(value, f"{place}.{key}" if place else str(key)) for key, value in data.items())
    return {name: value for part in parts for name, value in part.items()}


def _differ(kind: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Difference]:
    for name in dict.fromkeys((*first, *second)):
        one, other = (json.dumps(run[name]) if name in run else NOTHING for run in (first, second))
        if one != other:
            yield Difference(name if kind == "config" else f"{kind}.{name}", one, other)


def _results(first: Run, second: Run) -> Iterator[Difference]:
    one, other = ({p.name: p for p in run.parameters} for run in (first, second))
    for name in dict.fromkeys((*one, *other)):
        a, b = one.get(name), other.get(name)
        if a != b:
            yield Difference(name, _number(a.value if a else None), _number(b.value if b else None), _errors(a, b))
    if first.objective != second.objective:
        yield Difference("objective", _number(first.objective), _number(second.objective))
    for name in ("status", "flags"):
        if (told := [str(getattr(run, name) or NOTHING) for run in (first, second)])[0] != told[1]:
            yield Difference(name, told[0], told[1])


def _number(value: float | None) -> str:
    return NOTHING if value is None else repr(value)


def _errors(first: Value | None, second: Value | None) -> float | None:
    if first is None or second is None or first.value is None or second.value is None or not second.error:
        return None
    return abs(second.value - first.value) / second.error if math.isfinite(second.error) else None
