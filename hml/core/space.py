"""Labels and the space they live in. The same class describes a grid's axes and an optimizer's search box."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hml.core.errors import LabelError

Floats = NDArray[np.float64]

Node = tuple[float, ...]
"""A point of the grid: label values in the order of the space's axes."""

LIGHT = 299_792.458
"""Speed of light, km/s."""

UNITS = {"teff": "K", "logg": "dex", "feh": "dex", "alpha": "dex", "rv": "km/s", "vsini": "km/s",
         "macroturbulence": "km/s"}


@dataclass(frozen=True)
class Axis:
    """One label: its range and, for a grid, its node values (increasing)."""

    name: str
    lower: float
    upper: float
    nodes: tuple[float, ...] = ()

    @classmethod
    def of(cls, name: str, nodes: Sequence[float]) -> Axis:
        """The axis through these node values."""
        values = tuple(sorted({float(v) for v in nodes}))
        if not values:
            raise LabelError(f"axis {name!r} has no nodes")
        return cls(name, values[0], values[-1], values)

    @property
    def unit(self) -> str:
        return UNITS.get(self.name, "")

    @property
    def width(self) -> float:
        return self.upper - self.lower


@dataclass(frozen=True)
class Space:
    """Named axes in a fixed order; P is their number."""

    axes: tuple[Axis, ...]

    @classmethod
    def from_nodes(cls, names: Sequence[str], nodes: Sequence[Node]) -> Space:
        """The smallest space that holds all nodes."""
        return cls(tuple(Axis.of(name, [node[i] for node in nodes]) for i, name in enumerate(names)))

    def __len__(self) -> int:
        return len(self.axes)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(axis.name for axis in self.axes)

    @property
    def lower(self) -> Floats:
        return np.array([axis.lower for axis in self.axes])

    @property
    def upper(self) -> Floats:
        return np.array([axis.upper for axis in self.axes])

    @property
    def shape(self) -> tuple[int, ...]:
        """Nodes along each axis."""
        return tuple(len(axis.nodes) for axis in self.axes)

    def __getitem__(self, name: str) -> Axis:
        for axis in self.axes:
            if axis.name == name:
                return axis
        raise LabelError(f"there is no label {name!r}; the labels are {', '.join(self.names)}")

    def to_dict(self, point: ArrayLike) -> dict[str, float]:
        """A point `[P]` as {label: value}."""
        return {name: float(value) for name, value in zip(self.names, np.asarray(point), strict=True)}

    def to_array(self, labels: Mapping[str, float]) -> Floats:
        """{label: value} as a point `[P]`; every label must be there, and no other. An axis of one value may be
        left out."""
        unknown = set(labels) - set(self.names)
        if unknown:
            raise LabelError(f"unknown label {', '.join(sorted(unknown))}; the labels are {', '.join(self.names)}")
        missing = [a.name for a in self.axes if a.name not in labels and a.width > 0]
        if missing:
            raise LabelError(f"label {', '.join(missing)} is missing; the labels are {', '.join(self.names)}")
        return np.array([float(labels.get(axis.name, axis.lower)) for axis in self.axes])

    def require(self, points: ArrayLike) -> Floats:
        """`points` `[P]` or `[B, P]` as float64 if all lie inside the space, else LabelError. Rounding at the edge
        is forgiven (1e-9 of the axis)."""
        array = np.asarray(points, dtype=np.float64)
        if array.shape[-1:] != (len(self),):
            raise LabelError(f"points of shape {array.shape} given; the last axis must be {len(self)}: {self.names}")
        slack = 1e-9 * np.maximum(np.abs(self.upper), np.abs(self.lower))
        inside = (array >= self.lower - slack) & (array <= self.upper + slack)  # NaN compares false: outside
        if not inside.all():
            where = tuple(np.argwhere(~inside)[0])
            axis = self.axes[where[-1]]
            raise LabelError(
                f"{axis.name} = {array[where]:g} {axis.unit} is outside the grid, which holds "
                f"{axis.lower:g} to {axis.upper:g}; nothing is extrapolated"
            )
        return np.clip(array, self.lower, self.upper)

    def holes(self, nodes: Sequence[Node]) -> list[Node]:
        """Points of the full product of the axes that are not among `nodes`."""
        return list(self.each_hole(nodes))

    def each_hole(self, nodes: Sequence[Node]) -> Iterator[Node]:
        """The same, one after the other: of scattered nodes there are more than memory holds."""
        there = {tuple(map(float, node)) for node in nodes}
        return (node for node in product(*(axis.nodes for axis in self.axes)) if node not in there)

    def count_holes(self, nodes: Sequence[Node]) -> int:
        """How many there are, for nodes of this space."""
        return prod(self.shape) - len({tuple(map(float, node)) for node in nodes})

    def to_json(self) -> list[dict[str, Any]]:
        return [{"name": a.name, "lower": a.lower, "upper": a.upper, "nodes": list(a.nodes)} for a in self.axes]

    @classmethod
    def from_json(cls, data: Sequence[Mapping[str, Any]]) -> Space:
        return cls(tuple(Axis(d["name"], d["lower"], d["upper"], tuple(d["nodes"])) for d in data))
