"""Lines as values: what was found, what was fitted at one node, and the table over all nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hml.core.space import Floats, Space


@dataclass(frozen=True, eq=False)
class FoundLines:
    """Lines detected in one preprocessed spectrum, before any fit. Every array is `[L]`, sorted by centre."""

    centre: Floats  # vacuum Å, at a pixel
    prominence: Floats  # of the minimum, in normalised flux
    depth: Floats  # 1 - flux at the minimum
    fwhm: Floats  # full width at half prominence, Å

    @classmethod
    def none(cls) -> FoundLines:
        return cls(*np.zeros((4, 0)))

    def __len__(self) -> int:
        return len(self.centre)


@dataclass(frozen=True, eq=False)
class Clone:
    """The fitted line set of one node.

    centre `[L]` vacuum Å; params `[L, K]` as the profile names them (`names`, the first is `ln_amplitude`);
    found `[L]` the centre before the fit, sorted. `rms` is over the fitted pixels. `bends` `[K]` are the coefficients
    of the pseudo-continuum, none where there is none; `hidden` are the lines that still show in what is left.
    `information` `[L, 1 + K, 1 + K]` is what the spectrum tells of each line, see `hml.core.clone.Fit`.
    """

    centre: Floats
    params: Floats
    names: tuple[str, ...]
    found: Floats
    rms: float
    meta: Mapping[str, Any] = field(default_factory=dict)
    bends: Floats = field(default_factory=lambda: np.zeros(0))
    hidden: FoundLines = field(default_factory=FoundLines.none)
    information: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.centre)


Breaks = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class Table:
    """Numbers at every node that an interpolator carries in between.

    nodes `[M, P]` in the order of `space`; values `[M, L, K]`. A line table holds one track a row of L. `breaks` are
    the intervals (their numbers, per label) over which spectra jump from one node to the next; `coordinates` are the
    names, per label, of those in which spectra are smoothest, see `hml.coordinate`.
    """

    space: Space
    nodes: Floats
    values: Floats
    names: tuple[str, ...] = ()  # of the K columns
    breaks: Breaks = field(default_factory=dict)
    coordinates: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.nodes.shape != (len(self.values), len(self.space)) or self.values.ndim != 3:
            raise ValueError(f"nodes {self.nodes.shape} and values {self.values.shape} do not fit {self.space.names}")

    def on_grid(self) -> Floats:
        """Values `[n1, …, nP, L, K]` of a rectilinear table, nodes in any order; KeyError if a node is missing."""
        index = [{v: i for i, v in enumerate(axis.nodes)} for axis in self.space.axes]
        out = np.full((*self.space.shape, *self.values.shape[1:]), np.nan)
        for node, values in zip(self.nodes.tolist(), self.values, strict=True):
            out[tuple(index[p][v] for p, v in enumerate(node))] = values
        if len(self.nodes) != np.prod(self.space.shape):
            raise KeyError(f"{self.space.holes([tuple(n) for n in self.nodes.tolist()])[0]}")
        return out


@dataclass(frozen=True, eq=False)
class LineTable:
    """All tracks over all nodes.

    reference `[L]` vacuum Å, sorted; `table.values[m, l]` is (shift of the centre from the reference in Å, *profile
    parameters); present `[M, L]` says where the line was fitted rather than filled in. Lines whose interpolated
    ln_amplitude lies below `cut` are not rendered.
    """

    reference: Floats
    table: Table
    present: NDArray[np.bool_]
    cut: float = -np.inf

    def __len__(self) -> int:
        return len(self.reference)
