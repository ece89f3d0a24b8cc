"""Ranges as users write them: in YAML, in `--set`, in `--teff 5000:6000`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, model_serializer, model_validator


class Selection(BaseModel):
    """Which values of an axis: `5800`, `[3000, 4000]` (a range, always), `{nodes: [3000, 3200, 3400]}`,
    `{around: 5800, half_width: 500}`; on the command line also `3000:4000`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    lower: float | None = None
    upper: float | None = None
    nodes: tuple[float, ...] | None = None
    around: float | None = None
    half_width: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _written(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("expected a number, [low, high], {nodes: [...]} or {around: x, half_width: y}")
        if isinstance(value, int | float):
            return {"nodes": [value]}
        if isinstance(value, str):
            value = value.split(":") if ":" in value else value
            if isinstance(value, str):
                return {"nodes": [value]}
        if isinstance(value, Sequence):
            if len(value) != 2:
                raise ValueError(f"two numbers are a range, {len(value)} were given; write {{nodes: [...]}} for a list")
            return {"lower": value[0], "upper": value[1]}
        return value

    @model_validator(mode="after")
    def _meant(self) -> Selection:
        ways = [self.nodes is not None, self.lower is not None or self.upper is not None, self.around is not None]
        if sum(ways) != 1 or (self.around is None) != (self.half_width is None):
            raise ValueError("give one of: a number, [low, high], {nodes: [...]}, {around: x, half_width: y}")
        low, high = self.bounds
        if low > high:
            raise ValueError(f"the range [{low:g}, {high:g}] is empty; write the smaller number first")
        if self.nodes is not None and not self.nodes:
            raise ValueError("{nodes: []} selects nothing")
        return self

    @model_serializer
    def _as_written(self) -> Any:
        if self.lower is not None or self.upper is not None:
            return [self.lower, self.upper]
        if self.nodes is not None:
            return {"nodes": list(self.nodes)}
        return {"around": self.around, "half_width": self.half_width}

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest value meant (±inf where open)."""
        if self.nodes is not None:
            return (min(self.nodes), max(self.nodes)) if self.nodes else (0.0, 0.0)
        if self.around is not None and self.half_width is not None:
            return self.around - self.half_width, self.around + self.half_width
        return (float("-inf") if self.lower is None else self.lower, float("inf") if self.upper is None else self.upper)

    def pick(self, values: Sequence[float], what: str = "axis") -> tuple[float, ...]:
        """Those of `values` that are selected; ValueError (with what there is) if a named node is not among them or
        nothing is left."""
        if self.nodes is not None:
            unknown = [node for node in self.nodes if node not in values]
            if unknown:
                raise ValueError(f"{what} has no node {unknown[0]:g}; it has {_listed(values)}")
            return tuple(sorted(set(self.nodes)))
        low, high = self.bounds
        picked = tuple(v for v in values if low <= v <= high)
        if not picked:
            raise ValueError(f"{what} has no node from {low:g} to {high:g}; it has {_listed(values)}")
        return picked


def _listed(values: Sequence[float]) -> str:
    shown = [f"{v:g}" for v in values]
    return ", ".join(shown if len(shown) <= 12 else [*shown[:4], "…", *shown[-4:]])
