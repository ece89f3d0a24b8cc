"""What a run leaves behind, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Measured:
    """One parameter of the result."""

    name: str
    unit: str
    value: float  # of the best fit; the median where the posterior was sampled
    error: float | None  # one standard deviation; None if fixed or undetermined
    truth: float | None  # where it is known
    free: bool
    interval: tuple[float, float] | None = None  # 16 and 84 per cent of the posterior, where it was sampled


@dataclass(frozen=True)
class RunResult:
    """`result.json`: everything a program may want to read."""

    parameters: tuple[Measured, ...]
    objective: float
    metric: str
    status: str
    message: str
    notes: tuple[str, ...]
    target: str
    counts: Mapping[str, int]
    seconds: Mapping[str, float]
    versions: Mapping[str, str]
    fingerprints: Mapping[str, str]
    folder: str
    machine: Mapping[str, str] = field(default_factory=dict)  # what of it decides the last digits
    config: Mapping[str, Any] = field(default_factory=dict)
    posterior: Mapping[str, Any] | None = None  # how it was sampled, and quantiles and diagnostics of each parameter
    ranking: Mapping[str, Any] | None = None  # where several grids were tried: their order, and why others were not
    flags: tuple[str, ...] = ()  # what is wrong, a word each (see `verdict`); the notes explain them

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def __getitem__(self, name: str) -> Measured:
        """The parameter of that name."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        raise KeyError(name)
