"""The honest competitor: interpolation of preprocessed pixels, behind the same face as hml's generator."""

from __future__ import annotations

import numpy as np
import torch

from hml import Table
from hml.core.parts import Parts, Plan
from hml.core.raster import Raster


class PixelGenerator:
    """Cubic (not-a-knot tensor-product spline, in the labels as they are) or linear interpolation of every pixel of the
    preprocessed node spectra. It renders only pixels of the grid itself: no velocity, no other sampling."""

    hull = None  # every label of the box has nodes around it

    def __init__(self, parts: Parts, plan: Plan, method: str = "cubic"):
        from hml.plugins.interpolators.cubic import Cubic
        from hml.plugins.interpolators.linear import Linear

        spectra = [parts.prepared(node) for node in plan.used]
        flux = np.stack([s.flux for s in spectra])
        table = Table(plan.space, np.array(plan.used), flux[..., None], ("flux",))
        self.manifold = (Cubic({}, "float64") if method == "cubic" else Linear("float64")).fit(table)
        self.space = plan.space
        self.wavelength = torch.as_tensor(spectra[0].wavelength)
        self.reference = self.wavelength
        self.resolving_power = parts.grid.resolving_power
        self.band = spectra[0].band
        slices = spectra[0].order_slices()
        self.orders = [(float(spectra[0].wavelength[s][0]), float(spectra[0].wavelength[s][-1])) for s in slices]

    def window_on(self, low: float, high: float) -> PixelGenerator:
        inside = ((self.wavelength >= low) & (self.wavelength <= high)).nonzero()[:, 0].numpy()
        part = object.__new__(PixelGenerator)
        part.__dict__ = {
            **self.__dict__,
            "manifold": self.manifold.subset(inside),
            "wavelength": self.wavelength[inside],
        }
        return part

    def __len__(self) -> int:
        return 0  # lines

    def __call__(
        self, labels: torch.Tensor, raster: Raster, velocity: torch.Tensor | None = None
    ) -> torch.Tensor:
        wavelength = raster.wavelength
        if velocity is not None or not torch.isin(wavelength, self.wavelength).all():
            raise ValueError("pixel interpolation knows only the grid's own pixels")
        inside = torch.as_tensor(self.space.require(labels.detach().numpy()))
        flux = self.manifold(labels + (inside - labels).detach())[..., 0]
        return flux[:, torch.searchsorted(self.wavelength, wavelength)]
