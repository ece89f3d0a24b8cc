"""What methods are compared on: nodes to learn from, spectra to predict, and the same preprocessed pixels for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from synthetic_hardness import anywhere

from hml import GridError, RunConfig, Space, Spectrum, Table, parse_config
from hml.core.breaks import find_breaks
from hml.core.parts import Parts, Plan, plan_nodes
from hml.core.space import Node
from hml.core.store import digest

Floats = NDArray[np.float64]

PAPER_H_BAND = {"find.edge": 5.0, "clone.edge": 10.0, "clone.window": 1000, "generator.window": 1000}
"""Where the paper's recipe differs on short orders; as published its edges are 30 and 60 Å, its windows 6000 pixels."""
SYNTHETIC: dict[str, Any] = {
    "name": "synthetic", "preset": "full", "wavelength": [8628.0, 8772.0], "teff": [3200, 4800], "logg": [3.5, 4.5],
    "feh": [-0.5, 0.5],
}
"""Native sampling, 14,401 pixels, 81 nodes; 24 Å remain between the paper's edges of 60 Å."""


@dataclass(frozen=True)
class Break:
    """Two neighbouring nodes of an axis between which spectra jump."""

    label: str
    low: float
    high: float


class Library:
    """The preprocessed spectra of a grid, each made once."""

    def __init__(self, grid: Mapping[str, Any]) -> None:
        self.parts = Parts.of(parse_config({"grid": dict(grid)}))
        self._known: dict[Node, Spectrum] = {}

    def spectrum(self, node: Node) -> Spectrum:
        if node not in self._known:
            self._known[node] = self.parts.prepared(node)
        return self._known[node]

    def flux(self, nodes: Sequence[Node]) -> Floats:
        """`[M, N]`."""
        return np.stack([self.spectrum(node).flux for node in nodes])


@dataclass(frozen=True, eq=False)
class Case:
    """One split of a grid. `edge`: Å from both ends of every order in which nothing is scored; `paper`: fields of the
    paper's config that are other than published; `truths`: what is predicted, else the nodes held out."""

    name: str
    library: Library
    hold_out: Mapping[str, Any]
    edge: float
    paper: Mapping[str, Any] = field(default_factory=dict)
    truths: tuple[Node, ...] = ()

    @cached_property
    def config(self) -> RunConfig:
        """Of hml with its defaults."""
        return parse_config(self.fields())

    def fields(self) -> dict[str, Any]:
        """The grid and what is held out of it, as a config says it."""
        return {"grid": self.library.parts.config.grid.to_data(), "hold_out": dict(self.hold_out)}

    def by_order(self) -> list[dict[str, Any]]:
        """The same fields for every order alone."""
        fields = self.fields()
        orders = fields["grid"].get("orders") or [None]
        return [fields | {"grid": fields["grid"] | ({"orders": [o]} if o else {})} for o in orders]

    @cached_property
    def plan(self) -> Plan:
        return plan_nodes(Parts.of(self.config))

    @property
    def space(self) -> Space:
        """Of the training nodes."""
        return self.plan.space

    @cached_property
    def points(self) -> Floats:
        """The labels `[T, P]` that are predicted, all inside the space."""
        points = np.array(self.truths or self.plan.held, dtype=np.float64).reshape(-1, len(self.space))
        return points[((points >= self.space.lower) & (points <= self.space.upper)).all(1)]

    # --- pixels ---

    @cached_property
    def pixels(self) -> Spectrum:
        """A spectrum of the grid, for its wavelengths and orders."""
        return self.library.spectrum(self.plan.used[0])

    @property
    def wavelength(self) -> Floats:
        return self.pixels.wavelength

    @cached_property
    def train(self) -> Floats:
        """Flux `[M, N]` of the training nodes."""
        return self.library.flux(self.plan.used)

    @cached_property
    def test(self) -> Floats:
        """Flux `[T, N]` that is to be predicted."""
        return self.library.flux([tuple(point) for point in self.points.tolist()])

    def table(self) -> Table:
        """The training pixels as an interpolator takes them."""
        return Table(self.space, np.array(self.plan.used), self.train[..., None], ("flux",))

    @cached_property
    def scored(self) -> list[slice]:
        """The scored pixels of each order; GridError if an order has none."""
        found = []
        for order in self.pixels.order_slices():
            wavelength = self.wavelength[order]
            first, last = np.searchsorted(wavelength, [wavelength[0] + self.edge, wavelength[-1] - self.edge + 1e-9])
            if last <= first:
                raise GridError(f"{self.pixels.name}: an order at {wavelength[0]:.0f} Å is shorter than two edges of "
                                f"{self.edge:g} Å; leave it out with --orders")
            found.append(slice(order.start + int(first), order.start + int(last)))
        return found

    # --- what is found in the training nodes ---

    @cached_property
    def breaks(self) -> list[Break]:
        inner = np.concatenate([self.train[:, part] for part in self.scored], axis=1)
        found = find_breaks(self.space, np.array(self.plan.used), inner)
        nodes = {axis.name: axis.nodes for axis in self.space.axes}
        return [Break(name, *nodes[name][i : i + 2]) for name, intervals in found.items() for i in intervals]

    @cached_property
    def smooth(self) -> NDArray[np.bool_]:
        """Which points `[T]` do not lie beside a break."""
        beside = np.zeros(len(self.points), dtype=bool)
        for found in self.breaks:
            values = self.points[:, self.space.names.index(found.label)]
            beside |= (values >= found.low) & (values <= found.high)
        return ~beside

    @cached_property
    def key(self) -> str:
        """A digest of all that the case is made of."""
        return digest(self.library.parts.grid.fingerprint(), self.fields()["grid"]["preprocess"], self.hold_out,
                      self.points.tolist(), self.edge)


# --- the cases of the benchmark --------------------------------------------------------------------------------


def splits(grid: Mapping[str, Any], edge: float, paper: Mapping[str, Any]) -> list[Case]:
    """Leave out every second node of the first axis; then the middle node of each other axis that has one."""
    library = Library(grid)
    first, *others = library.parts.grid.space.axes
    held: list[tuple[str, Any]] = [(first.name, "alternate")]
    held += [(axis.name, {"nodes": [axis.nodes[len(axis.nodes) // 2]]}) for axis in others if len(axis.nodes) > 2]
    return [Case(name, library, {name: what}, edge, paper) for name, what in held]


def off_nodes(grid: Mapping[str, Any], edge: float, paper: Mapping[str, Any], count: int) -> Case:
    """A grid that knows its truths between nodes: all nodes are learnt from, `count` random labels predicted."""
    library = Library(grid)
    axes = {axis.name: np.array(axis.nodes) for axis in library.parts.grid.space.axes}
    truths = tuple(tuple(point.values()) for point in anywhere(axes, count, np.random.default_rng(0)))
    return Case("synthetic", library, {}, edge, paper, truths)


def h_band(folder: Path, orders: Sequence[str]) -> list[Case]:
    """The real grid."""
    return splits({"name": "starfish_hdf5", "path": str(folder), "orders": list(orders)}, 10.0, PAPER_H_BAND)


def native_synthetic(count: int = 60) -> Case:
    """At native sampling, where the paper's recipe is as published; scored is what it fits."""
    return off_nodes(SYNTHETIC, 60.0, {}, count)
