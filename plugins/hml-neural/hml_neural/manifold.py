"""The manifold: labels → a network → strengths of patterns → line parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hml import Manifold, coordinate


class Inputs(torch.nn.Module):
    """labels `[B, P]` → `[B, P + S]` from -1 to 1: each label in its coordinate, and on which side of every break."""

    low: Tensor  # [P] of the coordinates
    width: Tensor  # [P]
    edges: Tensor  # [S] labels, half-way between the nodes of a break

    def __init__(self, names: Sequence[str], axes: Sequence[int]) -> None:
        """Coordinates of all labels by name, and of which label each break is."""
        super().__init__()
        self.names, self.axes = tuple(names), tuple(axes)
        for name, size in (("low", len(names)), ("width", len(names)), ("edges", len(axes))):
            self.register_buffer(name, torch.ones(size, dtype=torch.float64))

    def forward(self, labels: Tensor) -> Tensor:
        """ValueError if there are not as many labels as axes."""
        if labels.ndim != 2 or labels.shape[1] != len(self.names):
            raise ValueError(f"labels of shape {tuple(labels.shape)}: expected [B, {len(self.names)}]")
        columns = [coordinate(name)(labels[:, p]) for p, name in enumerate(self.names)]
        inside = 2 * (torch.stack(columns, -1) - self.low) / self.width - 1
        sides = 2 * (labels[:, list(self.axes)] > self.edges).double() - 1
        return torch.cat([inside, sides], -1)


class Network(torch.nn.Module):
    """`[B, I]` → `[B, R]`: two hidden layers, and a straight way past them. Smooth, in float64."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.first = torch.nn.Linear(inputs, hidden, dtype=torch.float64)
        self.second = torch.nn.Linear(hidden, hidden, dtype=torch.float64)
        self.last = torch.nn.Linear(hidden, outputs, dtype=torch.float64)
        self.past = torch.nn.Linear(inputs, outputs, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        bent: Tensor = self.last(torch.tanh(self.second(torch.tanh(self.first(x)))))
        past: Tensor = self.past(x)
        return bent + past


class NeuralManifold(Manifold):
    """labels `[B, P]` → `[B, L, K]`: strengths `[B, R]` of patterns `[R, L, K]`, kept as integers, plus a mean."""

    differentiable = True
    mean: Tensor  # [L, K] float32
    scale: Tensor  # [L, K] float32, of all patterns
    fine: Tensor  # [F, L, K] int16, the patterns that vary most
    coarse: Tensor  # [R - F, L, K] int8
    steps: Tensor  # [R] float64, what an integer of each is

    def __init__(self, inputs: Inputs, network: Network, fine: int, count: int, shape: tuple[int, int]) -> None:
        super().__init__()
        self.inputs, self.network = inputs, network
        kinds = {"mean": torch.float32, "scale": torch.float32}
        for name, dtype in kinds.items():
            self.register_buffer(name, torch.zeros(shape, dtype=dtype))
        self.register_buffer("fine", torch.zeros((fine, *shape), dtype=torch.int16))
        self.register_buffer("coarse", torch.zeros((count - fine, *shape), dtype=torch.int8))
        self.register_buffer("steps", torch.ones(count, dtype=torch.float64))

    def forward(self, labels: Tensor) -> Tensor:
        strengths = (self.network(self.inputs(labels)) * self.steps).float()
        fine, coarse = strengths[:, : len(self.fine)], strengths[:, len(self.fine) :]
        total = _summed(fine, self.fine) + _summed(coarse, self.coarse)
        return (self.mean + self.scale * total).double()

    def subset(self, lines: Sequence[int] | slice | NDArray[np.int64]) -> NeuralManifold:
        index = lines if isinstance(lines, slice) else torch.as_tensor(np.asarray(lines), dtype=torch.long)
        mean = self.mean[index]
        part = NeuralManifold(self.inputs, self.network, len(self.fine), len(self.steps), (len(mean), mean.shape[1]))
        part.mean, part.scale, part.steps = mean, self.scale[index], self.steps
        part.fine, part.coarse = self.fine[:, index], self.coarse[:, index]
        return part

    def header(self) -> dict[str, Any]:
        return {
            "coordinates": list(self.inputs.names), "breaks": list(self.inputs.axes),
            "hidden": self.network.first.out_features, "fine": len(self.fine), "count": len(self.steps),
            "shape": list(self.mean.shape),
        }  # fmt: skip

    @classmethod
    def empty(cls, header: Mapping[str, Any]) -> NeuralManifold:
        """Of the shape that a header tells, with nothing in it."""
        inputs = Inputs(header["coordinates"], header["breaks"])
        network = Network(len(inputs.names) + len(inputs.axes), header["hidden"], header["count"])
        return cls(inputs, network, header["fine"], header["count"], tuple(header["shape"]))


def _summed(strengths: Tensor, patterns: Tensor) -> Tensor:
    """`[B, R]` times integers `[R, L, K]`: `[B, L, K]`."""
    total: Tensor = (strengths @ patterns.flatten(1).float()).reshape(len(strengths), *patterns.shape[1:])
    return total
