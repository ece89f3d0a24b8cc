"""What a plugin hands over: small frozen records that name a part and say how to build it. Light to import."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from hml.core.paths import cache_home


class ComponentConfig(BaseModel):
    """Base of every component's config: unknown fields are refused, values are frozen, every field has a default
    that works (or is required on purpose) and a description."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, value: Any) -> Any:
        for key in value if isinstance(value, Mapping) else ():
            if key not in cls.model_fields:
                close = difflib.get_close_matches(str(key), cls.model_fields, n=1)
                hint = f"did you mean {close[0]!r}? " if close else ""
                known = ", ".join(cls.model_fields) or "none"
                raise PydanticCustomError(
                    "unknown_field", "{text}", {"text": f"unknown field {key!r}; {hint}Known here: {known}"}
                )
        return value


class Progress(Protocol):
    """How long work reports: `with progress("cloning", total=20, unit="nodes") as advance: advance(1)`."""

    def __call__(
        self, task: str, total: float | None = None, unit: str = ""
    ) -> AbstractContextManager[Callable[[float], None]]: ...


@contextmanager
def quiet(task: str, total: float | None = None, unit: str = "") -> Iterator[Callable[[float], None]]:
    """The progress of a library: says nothing."""
    yield _nothing


def _nothing(amount: float = 1.0) -> None:
    pass


@dataclass(frozen=True)
class BuildContext:
    """What a component may need from its surroundings when it is built."""

    cache: Path = field(default_factory=cache_home)  # files that can be fetched or made again
    device: str = "cpu"
    seed: int = 0
    progress: Progress = quiet


@dataclass(frozen=True)
class Applies:
    """Where a component makes sense: label ranges and a wavelength range (vacuum Å). None means anywhere."""

    labels: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    wavelength: tuple[float, float] | None = None


@dataclass(frozen=True)
class Component:
    """One part that a user can name in a config.

    `build(config, context)` does the heavy imports and returns an object of the family's interface
    (`hml.core.interfaces`). `traits` say what the part needs or can do and are read without building it:

    | family | traits |
    |---|---|
    | grids | `truth` (spectra between nodes too), `fetches` (downloads what is missing), `ragged` |
    | preprocessors | `needs_labels` |
    | profiles | – |
    | interpolators | `requires_rectilinear`, `differentiable` |
    | optimizers | `needs_gradient` |
    | samplers | `evidence` (knows the integral of the probability) |
    | readers | `suffixes` (a tuple of file endings tried first), `instrument` (its one instrument; asked before all) |
    """

    name: str
    summary: str
    config: type[ComponentConfig]
    build: Callable[[Any, BuildContext], Any]
    reference: str = ""
    traits: Mapping[str, Any] = field(default_factory=dict)
    applies: Applies | None = None
