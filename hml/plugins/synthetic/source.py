"""The synthetic grid: a truth at any label, nodes where the config puts them."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline
from scipy.ndimage import gaussian_filter1d

from hml import Axis, GridSource, Node, Progress, Space, Spectrum, quiet
from hml.plugins.synthetic import SyntheticConfig
from hml.plugins.synthetic.atmosphere import Atmosphere, continuum, core_flux, surface_blackbody
from hml.plugins.synthetic.departures import Departures
from hml.plugins.synthetic.linelist import SPECIES, draw_lines
from hml.plugins.synthetic.opacity import Opacity
from hml.plugins.synthetic.sampling import phoenix_wavelengths

Floats = NDArray[np.float64]

PHYSICS = 1
"""Counts up whenever the same config gives other spectra."""
UNIT = "erg / (s cm3)"
"""Surface flux per wavelength, as PHOENIX has it."""


class SyntheticGrid(GridSource):
    """See `SyntheticConfig`. Drawing the lines takes a moment; a spectrum about 5 µs a pixel on one core."""

    def __init__(self, config: SyntheticConfig) -> None:
        self._config = config
        self._space = Space(tuple(Axis.of(name, nodes) for name, nodes in config.axes().items()))
        low, high = config.band
        margin = 5 * high / config.resolving_power if config.resolving_power else 0.0
        self._pixels = phoenix_wavelengths(low - margin, high + margin)
        first, last = np.searchsorted(self._pixels, [low - 1e-9, high + 1e-9])
        self._band = slice(int(first), int(last))
        departures = Departures.draw(len(SPECIES), config.seed)
        self._opacity = Opacity.of(draw_lines(config.line_count, config.seed), departures, self._pixels)

    @property
    def space(self) -> Space:
        return self._space

    @property
    def resolving_power(self) -> float | None:
        return self._config.resolving_power

    def nodes(self) -> Sequence[Node]:
        return list(itertools.product(*(axis.nodes for axis in self._space.axes)))

    def load(self, node: Node) -> Spectrum:
        return self.truth(self._space.to_dict(node))

    def truth(self, labels: Mapping[str, float]) -> Spectrum:
        """The spectrum at any labels between the first and the last node of each axis; LabelError elsewhere."""
        inside = self._space.to_dict(self._space.require(self._space.to_array(labels)))
        flux = self._flux(inside)[self._band]
        name = "synthetic " + " ".join(f"{key}={value:g}" for key, value in inside.items())
        return Spectrum(self._pixels[self._band], flux, unit=UNIT, name=name, meta=dict(inside))

    def fingerprint(self) -> str:
        content = {
            "physics": PHYSICS, "axes": self._config.axes(), "band": self._config.band, "seed": self._config.seed,
            "lines": self._config.line_count, "resolving_power": self._config.resolving_power,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def write_phoenix_tree(
        self, folder: Path, *, nodes: Sequence[Node] | None = None, wavelength: Floats | None = None,
        progress: Progress = quiet,
    ) -> list[Path]:
        """The grid as PHOENIX's own files below `folder`, see `tree.write_tree`."""
        from hml.plugins.synthetic.tree import write_tree

        return write_tree(self, folder, nodes=nodes, wavelength=wavelength, progress=progress)

    def _flux(self, labels: Mapping[str, float]) -> Floats:
        """Surface flux `[N]`, erg/s/cm²/cm: blackbody × continuum × what a line's opacity leaves of it when the source
        function falls linearly towards the surface (Milne–Eddington; Mihalas 1978, Stellar Atmospheres, ch. 10)."""
        atmosphere = Atmosphere.of(labels)
        core = core_flux(self._pixels, atmosphere.teff)
        lines = core + (1 - core) / (1 + self._opacity.ratio(atmosphere))
        bright = surface_blackbody(self._pixels, atmosphere.teff) * continuum(self._pixels, atmosphere)
        return self._resolve(lines) * bright

    def _resolve(self, flux: Floats) -> Floats:
        if self._config.resolving_power is None:
            return flux
        return convolve(self._pixels, flux, self._config.resolving_power)


def convolve(wavelength: Floats, flux: Floats, resolving_power: float) -> Floats:
    """`flux` `[N]` seen with a Gaussian of full width λ/R at half maximum, on the same pixels."""
    log = np.log(wavelength)
    even = np.linspace(log[0], log[-1], int(np.ceil((log[-1] - log[0]) / np.diff(log).min())) + 1)
    sigma = 1 / (resolving_power * 2 * np.sqrt(2 * np.log(2))) / (even[1] - even[0])
    smooth = gaussian_filter1d(make_interp_spline(log, flux, k=3)(even), sigma, mode="nearest", truncate=5.0)
    return np.asarray(make_interp_spline(even, smooth, k=3)(log))
