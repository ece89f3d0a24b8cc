"""For grids of any shape: smooth through nodes that lie anywhere, in any number of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hml import GridError, Interpolator, Table
from hml.plugins.interpolators.fit import stored
from hml.plugins.interpolators.polyharmonic import POWERS, Label, Scatter
from hml.plugins.interpolators.rows import weighed
from hml.plugins.interpolators.sums import Rows
from hml.plugins.interpolators.weighted import Weighted, outline

Floats = NDArray[np.float64]

SOME = 256  # values of a node, by which a power is chosen


class Scattered(Interpolator):
    """Polyharmonic splines; exact for cubics in the coordinates, as far as the nodes tell them."""

    def __init__(
        self, coordinates: Mapping[str, str] | None, power: int | None = None, storage: str = "float64"
    ) -> None:
        """`coordinates` per label; None: those that the table names. `power`: see `POWERS`; None: that which tells
        values best that are left out."""
        self.coordinates, self.power = coordinates, power
        self.storage = storage

    def fit(self, table: Table) -> ScatteredSpline:
        """The manifold through all nodes. GridError if there are too many, if two are the same, or if a label is not
        positive where its coordinate needs it."""
        coordinates = table.coordinates if self.coordinates is None else self.coordinates
        labels = [
            Label(axis.name, coordinates.get(axis.name, "identity"),
                  tuple((axis.nodes[i], axis.nodes[i + 1]) for i in table.breaks.get(axis.name, ())))
            for axis in table.space.axes
        ]  # fmt: skip
        for label, axis in zip(labels, table.space.axes, strict=True):
            label.require(axis.lower)
        order = np.lexsort(table.nodes.T[::-1])
        nodes = table.nodes[order]
        if len(np.unique(nodes, axis=0)) < len(nodes):
            twice = nodes[:-1][(np.diff(nodes, axis=0) == 0).all(1)][0]
            raise GridError(f"two nodes at {table.space.to_dict(twice)}; a grid has one spectrum for each")
        power = self.power or best_power(tuple(labels), nodes, table.values.reshape(len(nodes), -1)[order])
        known = scatter(tuple(labels), nodes.tobytes(), power)
        state = stored(table, order, self.storage, known.pairs())
        return ScatteredSpline(labels, power, known, torch.from_numpy(nodes.copy()), *state)

    def empty(self, header: Mapping[str, Any]) -> ScatteredSpline:
        """A manifold to be filled by `load_state_dict`."""
        return ScatteredSpline.empty(header)


@lru_cache(maxsize=4)
def scatter(labels: tuple[Label, ...], nodes: bytes, power: int) -> Scatter:
    """The weights of nodes `[M, P]` float64: found once for all that is interpolated between them."""
    return Scatter(labels, torch.from_numpy(np.frombuffer(nodes).reshape(-1, len(labels)).copy()), power)


def best_power(labels: tuple[Label, ...], nodes: Floats, values: Floats) -> int:
    """That which misses least of values `[M, N]` that are left out, by the mean logarithm over a part of them."""
    some = values[:, :: max(1, values.shape[1] // SOME)].astype(np.float64)
    some = some[:, np.ptp(some, axis=0) > 0]
    found: dict[int, float] = {}
    for power in POWERS:
        missed = scatter(labels, nodes.tobytes(), power).left_out(some)
        if missed is not None and np.isfinite(missed).any():
            found[power] = float(np.log(np.nanmean(missed**2, axis=0) + 1e-300).mean())
    return min(found, key=lambda power: found[power]) if found else POWERS[0]


class ScatteredSpline(Weighted):
    """labels `[B, P]` → `[B, L, K]` as Σ over nodes of (weights by the distances from all of them) × values."""

    nodes: torch.Tensor

    def __init__(
        self, labels: Sequence[Label], power: int, known: Scatter | None, nodes: torch.Tensor, *state: torch.Tensor
    ) -> None:
        """nodes `[M, P]` float64, and the weights that belong to them, if these are there already; `state` as
        `Weighted` has it."""
        super().__init__(len(labels), *state)
        self.axes, self.power, self.known = tuple(labels), power, known
        self.register_buffer("nodes", nodes)

    @classmethod
    def empty(cls, header: Mapping[str, Any]) -> ScatteredSpline:
        """A module of the shape that `header` tells, without memory of its own until `load_state_dict`."""
        labels, count = [Label.of(label) for label in header["labels"]], int(header["nodes"])
        nodes = torch.empty((count, len(labels)), dtype=torch.float64, device="meta")
        return cls(labels, int(header["power"]), None, nodes, *outline(count, header))

    def header(self) -> dict[str, Any]:
        """What `empty` needs."""
        labels = [asdict(label) for label in self.axes]
        return {"labels": labels, "power": self.power, "nodes": len(self.nodes), **self.shapes()}

    def having(self, *state: torch.Tensor) -> ScatteredSpline:
        return ScatteredSpline(self.axes, self.power, self.known, self.nodes, *state)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = True) -> Any:
        """As `Weighted` does; the weights are found again from the nodes."""
        result = super().load_state_dict(state_dict, strict, assign)
        self.known = scatter(self.axes, self.nodes.cpu().numpy().tobytes(), self.power)
        return result

    def summed(self, labels: torch.Tensor, table: Rows) -> torch.Tensor:
        assert self.known is not None
        return weighed(self.known.weights(labels), table)
