"""A grid of spectra that are known at any label: `GridSource` and `TruthGrid`."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hml import Axis, GridSource, Node, Space, Spectrum

if TYPE_CHECKING:
    from hml_example import GaussiansConfig

SIGMA, STEP = 0.15, 0.02  # Å


class Gaussians(GridSource):
    """flux = exp(-Σ depth·Gaussian); ln depth is linear in the labels, scaled to -1…1."""

    def __init__(self, config: GaussiansConfig) -> None:
        low, high = config.wavelength or (8500.0, 8520.0)
        rng = np.random.default_rng(config.seed)
        self._space = Space(tuple(Axis.of(name, nodes) for name, nodes in config.labels.items()))
        self._fingerprint = hashlib.sha256(config.model_dump_json().encode()).hexdigest()
        self._wavelength = np.arange(low, high, STEP)
        self._centre = np.linspace(low, high, config.lines + 2)[1:-1] + rng.uniform(-0.1, 0.1, config.lines)
        self._depth = rng.uniform(0.2, 0.8, config.lines)
        self._slope = rng.uniform(-0.5, 0.5, (config.lines, len(self._space)))

    @property
    def space(self) -> Space:
        return self._space

    @property
    def resolving_power(self) -> float | None:
        return None

    def nodes(self) -> Sequence[Node]:
        return list(itertools.product(*[axis.nodes for axis in self._space.axes]))

    def load(self, node: Node) -> Spectrum:
        return self.truth(self._space.to_dict(node))

    def fingerprint(self) -> str:
        return self._fingerprint

    def truth(self, labels: Mapping[str, float]) -> Spectrum:
        """The spectrum at any labels inside the space."""
        point = self._space.require(self._space.to_array(labels))
        width = np.maximum(self._space.upper - self._space.lower, 1e-12)
        scaled = 2 * (point - self._space.lower) / width - 1
        depth = self._depth * np.exp(self._slope @ scaled)
        gauss = np.exp(-0.5 * ((self._wavelength[:, None] - self._centre) / SIGMA) ** 2)
        return Spectrum(self._wavelength, np.exp(-gauss @ depth), name=f"gaussians {dict(labels)}")
