"""One order of an observed spectrum, as the objective sees it: its pixels, and a continuum that is solved for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.polynomial import chebyshev
from torch import Tensor

from hml.core.config import ObjectiveConfig
from hml.core.degree import choose_degree
from hml.core.forward import velocity_factors
from hml.core.generator import Generator
from hml.core.optics import reach
from hml.core.pixels import Pixels
from hml.core.space import Floats
from hml.core.spectrum import Spectrum

FEWEST = 8  # pixels of an order whose continuum is chosen


@dataclass(frozen=True, eq=False)
class Order:
    """One order: its usable pixels, and the continuum that is solved for."""

    spectrum: Spectrum
    data: Tensor  # [N] flux over its level
    weight: Tensor  # [N] level over error, or level: residuals are in errors, or in the unit of the flux
    level: float  # mean flux
    basis: Tensor | None  # [N, D+1]

    @property
    def pixels(self) -> int:
        return len(self.data)

    @classmethod
    def of(cls, spectrum: Spectrum, config: ObjectiveConfig, weighted: bool, device: torch.device) -> Order:
        error = spectrum.error if weighted and spectrum.error is not None else np.ones(len(spectrum))
        # without a free continuum the model has a level of its own
        level = 1.0 if config.continuum_degree is None else float(np.abs(spectrum.flux).mean())
        return cls(
            spectrum,
            torch.as_tensor(spectrum.flux / level, device=device),
            torch.as_tensor(level / error, device=device),
            level,
            None,
        ).with_degree(_first_degree(spectrum, config))

    def with_degree(self, degree: int | None) -> Order:
        """The order with a continuum of another degree, or with none."""
        if degree is None:
            return replace(self, basis=None)
        low, high = self.spectrum.band
        x = (2 * self.spectrum.wavelength - low - high) / max(high - low, 1e-9)
        return replace(self, basis=torch.as_tensor(chebyshev.chebvander(x, degree), device=self.data.device))

    @property
    def degree(self) -> int | None:
        """Of the continuum."""
        return None if self.basis is None else self.basis.shape[1] - 1

    def best_degree(self, flux: Floats) -> int:
        """Of the continuum beside a normalised model `[N]`, see `choose_degree`."""
        used = (self.weight > 0).cpu().numpy()
        spectrum = self.spectrum
        return choose_degree(spectrum.wavelength, spectrum.flux, error=spectrum.error, model=flux, used=used).degree

    def fitted(self, flux: Tensor) -> Tensor:
        """Normalised flux `[B, N]` times the continuum that fits best."""
        if self.basis is None:
            return flux
        curve: Tensor = (self.basis @ self._solved(flux)[2])[..., 0]
        return flux * curve

    def _solved(self, flux: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The design `[B, N, D+1]`, the normal matrix and the coefficients `[B, D+1, 1]` of the continuum."""
        assert self.basis is not None
        design = flux[:, :, None] * self.basis * self.weight[:, None]
        normal = design.transpose(1, 2) @ design
        right = design.transpose(1, 2) @ (self.data * self.weight)[:, None]
        # a ridge at rounding level, for pixels too few or too clustered to tell all coefficients
        ridge = 1e-13 * normal.diagonal(dim1=1, dim2=2).amax(-1)[:, None, None] * torch.eye(normal.shape[-1]).to(normal)
        normal = normal + ridge
        return design, normal, torch.linalg.solve(normal, right)

    def residuals(self, flux: Tensor) -> Tensor:
        return (self.fitted(flux) - self.data) * self.weight

    def seen(self, flux: Tensor, missed: Tensor) -> Tensor:
        """Patterns `[E, N]` of normalised flux as they are seen beside a model `[1, N]`: in units of the errors, and
        less what the continuum takes up of them."""
        if self.basis is None:
            return missed * self.weight
        design, normal, coefficients = (part[0] for part in self._solved(flux))
        patterns = missed * (self.basis @ coefficients)[:, 0] * self.weight
        taken = torch.linalg.solve(normal, design.T @ patterns.T)
        less: Tensor = patterns - (design @ taken).T
        return less

    @property
    def used(self) -> int:
        """Pixels that count."""
        return int((self.weight > 0).sum())

    def without(self, pixels: Tensor) -> Order:
        """The order in which some pixels `[N]` do not count."""
        return replace(self, weight=torch.where(pixels, torch.zeros_like(self.weight), self.weight))

    def change(self, flux: Tensor, change: Tensor) -> Tensor:
        """Of the residuals, `[P, N]`, where the flux `[1, N]` changes by `[P, N]`; the coefficients change with it
        (variable projection: Golub & Pereyra 2003, Inverse Problems 19, R1)."""
        if self.basis is None:
            return change * self.weight
        design, normal, coefficients = (part[0] for part in self._solved(flux))
        curve = (self.basis @ coefficients)[:, 0]
        direct = change * (curve * self.weight)
        left = (self.data - flux[0] * curve) * self.weight**2
        turned = torch.linalg.solve(normal, ((change * left) @ self.basis - direct @ design).T)
        total: Tensor = direct + (design @ turned).T
        return total


def usable_part(generator: Generator, order: Spectrum, config: ObjectiveConfig) -> tuple[Spectrum, Pixels] | None:
    """The pixels the generator can speak of at every velocity allowed; None if there are none."""
    (slow, fast), wing = velocity_factors(config), reach(config)
    keep = np.zeros(len(order), dtype=bool)
    for low, high in generator.orders:
        keep |= (order.wavelength >= low * fast * np.exp(wing) - 1e-9) & (
            order.wavelength <= high * slow * np.exp(-wing) + 1e-9
        )
    if order.mask is not None:
        keep &= order.mask
    degree = FEWEST if config.continuum_degree == "auto" else config.continuum_degree or 0
    if keep.sum() <= degree + 1:
        return None
    usable = Spectrum(
        order.wavelength[keep],
        order.flux[keep],
        None if order.error is None else order.error[keep],
        unit=order.unit,
        frame=order.frame,
        name=order.name,
        meta=order.meta,
    )
    return usable, Pixels.of(order.wavelength)[keep]


def _first_degree(spectrum: Spectrum, config: ObjectiveConfig) -> int | None:
    """Of the continuum, while there is no model yet."""
    if config.continuum_degree != "auto":
        return config.continuum_degree
    return choose_degree(spectrum.wavelength, spectrum.flux, error=spectrum.error).degree
