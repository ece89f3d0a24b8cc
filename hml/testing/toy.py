"""A grid whose spectra and line parameters are known at any label: any axes, with holes, or ragged."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from hml import Axis, GridError, GridSource, Node, Space, Spectrum, Table

Floats = NDArray[np.float64]

BAND = (8500.0, 8520.0)
STEP = 0.02  # Å
NAMES = ("shift", "ln_amplitude", "ln_sigma")
LOW, HIGH = np.array([0.0, -3.0, -2.2]), np.array([0.0, -1.5, -1.7])  # at the middle of the space
SLOPE, BEND = np.array([0.01, 0.3, 0.05]), np.array([0.002, 0.05, 0.01])
AXES = {"teff": (4800.0, 5000.0, 5200.0, 5400.0), "logg": (4.0, 4.5, 5.0)}


class ToyGrid(GridSource):
    """Gaussian lines, flux = exp(-Σ a·G): shift, ln a and ln σ are quadratic in the labels, scaled to -1…1.

    `axes` {label: its nodes}; `nodes` are those that are there, all of the product unless given.
    """

    def __init__(
        self, axes: Mapping[str, Sequence[float]] | None = None, nodes: Sequence[Node] | None = None, *,
        lines: int = 10, seed: int = 0, band: tuple[float, float] = BAND,
    ) -> None:  # fmt: skip
        axes = AXES if axes is None else axes
        self._nodes = [tuple(map(float, n)) for n in (product(*axes.values()) if nodes is None else nodes)]
        self._space = Space(tuple(Axis.of(name, values) for name, values in axes.items()))
        self._wavelength = np.arange(*band, STEP)
        rng = np.random.default_rng(seed)
        self._reference = np.linspace(*band, lines + 2)[1:-1] + rng.uniform(-0.2, 0.2, lines)
        self._base = rng.uniform(LOW, HIGH, (lines, 3))
        self._slope = rng.normal(size=(len(axes), lines, 3)) * SLOPE
        self._bend = rng.normal(size=(len(axes), lines, 3)) * BEND
        self._digest = hashlib.sha256(repr((dict(axes), self._nodes, lines, seed, band)).encode()).hexdigest()

    @classmethod
    def ragged(cls, axes: Mapping[str, Sequence[float]] | None = None, keep: float = 0.7, seed: int = 0) -> ToyGrid:
        """The same grid with some of its nodes: every corner and a random part of the others."""
        axes = AXES if axes is None else axes
        ends = [{min(values), max(values)} for values in axes.values()]
        rng = np.random.default_rng(seed)
        nodes = [
            node
            for node in product(*axes.values())
            if all(v in end for v, end in zip(node, ends, strict=True)) or rng.random() < keep
        ]
        return cls(axes, nodes, seed=seed)

    @property
    def space(self) -> Space:
        return self._space

    @property
    def resolving_power(self) -> float | None:
        return None

    def nodes(self) -> Sequence[Node]:
        return list(self._nodes)

    def load(self, node: Node) -> Spectrum:
        if tuple(node) not in self._nodes:
            raise GridError(f"toy grid: there is no node {node}")
        return self.truth(self._space.to_dict(node))

    def fingerprint(self) -> str:
        return self._digest

    def truth(self, labels: Mapping[str, float]) -> Spectrum:
        """The spectrum at any labels inside the space."""
        point = self._space.require(self._space.to_array(labels))
        shift, ln_amplitude, ln_sigma = np.moveaxis(self.parameters(point[None])[0], -1, 0)
        offset = (self._wavelength[:, None] - self._reference - shift) / np.exp(ln_sigma)
        opacity = np.exp(-0.5 * offset**2) @ np.exp(ln_amplitude)
        return Spectrum(self._wavelength, np.exp(-opacity), name=f"toy {dict(labels)}")

    def parameters(self, points: Floats) -> Floats:
        """The true line parameters `[B, L, 3]` (shift in Å, ln a, ln σ in Å) at `[B, P]`."""
        width = self._space.upper - self._space.lower
        x = 2 * (points - self._space.lower) / np.where(width > 0, width, 1.0) - 1
        linear = np.einsum("bp,plk->blk", x, self._slope)
        return np.asarray(self._base + linear + np.einsum("bp,plk->blk", x**2, self._bend))

    def table(self) -> Table:
        """The line parameters at the nodes, as an interpolator gets them."""
        nodes = np.array(self._nodes)
        return Table(self._space, nodes, self.parameters(nodes), NAMES)
