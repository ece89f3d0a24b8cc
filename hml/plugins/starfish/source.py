"""A grid of Starfish libraries: one file, or several orders side by side."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np

from hml import Frame, GridError, GridSource, Node, Space, Spectrum
from hml.plugins.starfish import StarfishConfig
from hml.plugins.starfish.library import Floats, Library

ENDINGS = (".hdf5", ".h5")


class StarfishGrid(GridSource):
    """The nodes that all orders hold; a spectrum is all orders one after the other."""

    def __init__(self, config: StarfishConfig) -> None:
        self.config = config
        files = _chosen(config.path, config.orders)
        orders = [Library.read(path, config.medium, config.key_name) for path in files]
        if len({order.names for order in orders}) > 1:
            told = "; ".join(f"{order.path.name}: {', '.join(order.names)}" for order in orders)
            raise GridError(f"{config.path}: the orders have different labels ({told}); choose with grid.orders")
        self.parts = _side_by_side(orders, config.wavelength, config.path)
        self._nodes = self._common()
        self._space = Space.from_nodes(orders[0].names, self._nodes)

    @property
    def space(self) -> Space:
        return self._space

    @property
    def resolving_power(self) -> float | None:
        return self.config.resolving_power

    def nodes(self) -> Sequence[Node]:
        return self._nodes

    def holes(self) -> list[Node]:
        """Points of the full product of the axes that not every order holds."""
        return self._space.holes(self._nodes)

    def load(self, node: Node) -> Spectrum:
        if node not in set(self._nodes):
            raise GridError(f"{self.config.path}: there is no node {self._called(node)}")
        fluxes = [order.flux(node) for order, _ in self.parts]
        lengths = [pixels.stop - pixels.start for _, pixels in self.parts]
        return Spectrum(
            self._wavelength,
            np.concatenate([flux[pixels] for (flux, _), (_, pixels) in zip(fluxes, self.parts, strict=True)]),
            unit=fluxes[0][1],
            starts=tuple(np.cumsum([0, *lengths[:-1]]).tolist()),
            frame=Frame(medium=self.parts[0][0].medium),
            name=f"{self.config.path.name} {self._called(node)}",
        )

    def fingerprint(self) -> str:
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        what = {
            "nodes": self._nodes, "labels": self._space.names,
            "orders": [(order.digest(), order.medium, pixels.start, pixels.stop) for order, pixels in self.parts],
        }
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()

    @cached_property
    def _wavelength(self) -> Floats:
        return np.concatenate([order.wavelength[pixels] for order, pixels in self.parts])

    def _called(self, node: Node) -> str:
        return " ".join(f"{name}={value:g}" for name, value in zip(self._space.names, node, strict=False))

    def _common(self) -> list[Node]:
        """The selected nodes that every order holds, sorted."""
        libraries = [order for order, _ in self.parts]
        nodes = sorted(set.intersection(*(set(order.keys) for order in libraries)))
        if not nodes:
            raise GridError(f"{self.config.path}: the orders have no node in common; choose with grid.orders")
        for label, selection in self.config.selections().items():
            if selection is None:
                continue
            if label not in libraries[0].names:
                raise GridError(f"grid.{label}: {self.config.path} has no such label; it has "
                                f"{', '.join(libraries[0].names)}")
            axis = libraries[0].names.index(label)
            try:
                keep = selection.pick(sorted({node[axis] for node in nodes}), label)
            except ValueError as error:
                raise GridError(f"grid.{label}: {error}") from None
            nodes = [node for node in nodes if node[axis] in keep]
        return nodes


def _chosen(path: Path, orders: Sequence[str] | None) -> list[Path]:
    """The files to read."""
    if not path.exists():
        raise GridError(f"{path}: no such file or folder; set grid.path to a library (.hdf5) or a folder of them")
    files = sorted(f for f in path.iterdir() if f.suffix.lower() in ENDINGS) if path.is_dir() else [path]
    if not files:
        raise GridError(f"{path}: holds no {' or '.join(ENDINGS)} file")
    return files if orders is None else [_named(files, order, path) for order in dict.fromkeys(orders)]


def _named(files: Sequence[Path], order: str, path: Path) -> Path:
    found = [f for f in files if f.stem == order] or [f for f in files if f.stem.endswith(order)]
    if len(found) != 1:
        what = "no file" if not found else "more than one file"
        raise GridError(f"grid.orders: {what} of {path} ends in {order!r}; there are "
                        f"{', '.join(f.stem for f in found or files)}")
    return found[0]


def _side_by_side(
    orders: Sequence[Library], band: tuple[float, float] | None, path: Path
) -> list[tuple[Library, slice]]:
    """Orders by wavelength with the pixels to use: overlaps are shared out at their middle, the band is cut."""
    low, high = band or (0.0, np.inf)
    orders = sorted(orders, key=lambda order: float(order.wavelength[0]))
    edges = [0.0, *((a.wavelength[-1] + b.wavelength[0]) / 2 for a, b in pairwise(orders)), np.inf]
    parts = []
    for order, first, last in zip(orders, edges, edges[1:], strict=False):
        own = slice(*np.searchsorted(order.wavelength, [first, last]).tolist())
        if own.start >= own.stop:
            raise GridError(f"{order.path}: lies wholly within another order; leave one of them out (grid.orders)")
        cut = order.wavelength[own]
        start, stop = own.start + int(np.searchsorted(cut, low)), own.start + int(np.searchsorted(cut, high, "right"))
        parts += [(order, slice(start, stop))] if stop > start else []
    if not parts:
        raise GridError(f"grid.wavelength: {path} has no pixel from {low:g} to {high:g} Å; it covers "
                        f"{orders[0].wavelength[0]:.1f}–{max(o.wavelength[-1] for o in orders):.1f} Å")
    return parts
