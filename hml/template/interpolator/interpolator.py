"""Inverse distance weighting: a `Manifold`, and the `Interpolator` that makes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hml import Interpolator, Manifold, Table


class ExampleManifold(Manifold):
    """labels `[B, P]` → Σ w·values / Σ w with w = distance^-power; at a node its own values."""

    differentiable = True
    nodes: torch.Tensor  # [M, P]
    scale: torch.Tensor  # [P], what the distances are measured in
    values: torch.Tensor  # [M, L, K]

    def __init__(self, nodes: torch.Tensor, scale: torch.Tensor, values: torch.Tensor, power: float) -> None:
        super().__init__()
        self.power = power
        self.register_buffer("nodes", nodes)
        self.register_buffer("scale", scale)
        self.register_buffer("values", values)

    def forward(self, labels: torch.Tensor) -> torch.Tensor:
        if labels.ndim != 2 or labels.shape[1] != self.nodes.shape[1]:
            raise ValueError(f"labels of shape {tuple(labels.shape)}, expected [B, {self.nodes.shape[1]}]")
        distance2 = (((labels[:, None] - self.nodes) / self.scale) ** 2).sum(-1)  # [B, M]
        # the smallest number that keeps the weight of a node itself finite, and its gradient too
        weight = (distance2 + 1e-12) ** (-0.5 * self.power)
        return torch.einsum("bm,mlk->blk", weight / weight.sum(1, keepdim=True), self.values)

    def subset(self, lines: Sequence[int] | slice | NDArray[np.int64]) -> ExampleManifold:
        index = lines if isinstance(lines, slice) else torch.as_tensor(np.asarray(lines), dtype=torch.long)
        return ExampleManifold(self.nodes, self.scale, self.values[:, index], self.power)

    def header(self) -> dict[str, Any]:
        return {"nodes": list(self.nodes.shape), "values": list(self.values.shape), "power": self.power}


class ExampleInterpolator(Interpolator):
    """Fits nothing: the table is the manifold."""

    def __init__(self, power: float) -> None:
        self.power = power

    def fit(self, table: Table) -> Manifold:
        width = table.space.upper - table.space.lower
        arrays = (table.nodes, np.where(width > 0, width, 1.0), table.values)
        nodes, scale, values = (torch.as_tensor(array, dtype=torch.float64) for array in arrays)
        return ExampleManifold(nodes, scale, values, self.power)

    def empty(self, header: Mapping[str, Any]) -> Manifold:
        shapes = (header["nodes"], header["nodes"][1:], header["values"])
        nodes, scale, values = (torch.ones(*shape, dtype=torch.float64) for shape in shapes)
        return ExampleManifold(nodes, scale, values, float(header["power"]))
