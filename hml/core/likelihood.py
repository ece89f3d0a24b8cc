"""The objective: how far a generated spectrum is from the data, as a function of labels and extrinsic parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.polynomial import chebyshev
from torch import Tensor

from hml.core.config import ObjectiveConfig
from hml.core.errors import ConfigError, SpectrumError
from hml.core.forward import EXTRINSICS, ForwardModel, velocity_factors
from hml.core.generator import Generator
from hml.core.interfaces import Objective
from hml.core.optics import reach
from hml.core.pixels import Pixels
from hml.core.selection import Selection
from hml.core.space import Axis, Floats, Space
from hml.core.spectrum import Spectrum

AT_ONCE = 1e8  # numbers of a batch in memory at one time
PER_PIXEL, PER_LINE = 10, 1000  # numbers that one spectrum takes


@dataclass(frozen=True)
class Parameters:
    """What is searched and what is fixed: free axes, and the values of all others."""

    space: Space
    fixed: Mapping[str, float]
    names: tuple[str, ...]

    def columns(self, points: Tensor, names: Sequence[str]) -> Tensor:
        """points `[B, P]` → the named parameters `[B, len(names)]`, free or fixed."""
        free = self.space.names
        parts = [
            points[:, free.index(name)] if name in free else torch.full_like(points[:, 0], self.fixed[name])
            for name in names
        ]
        return torch.stack(parts, -1)

    def has(self, name: str) -> bool:
        return name in self.fixed or name in self.space.names

    def complete(self, point: Floats) -> dict[str, float]:
        """Every parameter by name, the grid's labels first."""
        values = {**self.fixed, **self.space.to_dict(point)}
        return {name: values[name] for name in self.names}


def parameters(grid: Space, box: Mapping[str, Selection], config: ObjectiveConfig) -> Parameters:
    """The search space: the grid's labels cut to the box, and the extrinsic parameters that are free."""
    unknown = set(box) - set(grid.names)
    if unknown:
        raise ConfigError(f"box.{sorted(unknown)[0]}: the grid has no such label; it has {', '.join(grid.names)}")
    axes, fixed = [], {}
    ranges = {axis.name: _in_box(axis, box.get(axis.name)) for axis in grid.axes}
    ranges |= {name: wish.bounds for name in EXTRINSICS if (wish := getattr(config, name)) is not None}
    for name, (low, high) in ranges.items():
        if not np.isfinite([low, high]).all():
            raise ConfigError(f"objective.{name}: both ends of the range must be given")
        if high > low:
            axes.append(Axis(name, low, high))
        else:
            fixed[name] = low
    if not axes:
        raise ConfigError("box: every label is fixed, so there is nothing to search; widen one of them")
    return Parameters(Space(tuple(axes)), fixed, tuple(ranges))


def _in_box(axis: Axis, wish: Selection | None) -> tuple[float, float]:
    if wish is None:
        return axis.lower, axis.upper
    low, high = wish.bounds
    if high < axis.lower or low > axis.upper:
        raise ConfigError(
            f"box.{axis.name}: {low:g} to {high:g} lies outside the grid, which holds {axis.lower:g} to {axis.upper:g}"
        )
    return max(low, axis.lower), min(high, axis.upper)


class SpectrumObjective(Objective):
    """Distance between a generator and the orders of one observed spectrum.

    `value` is the mean squared residual in units of the errors (`chi2`) or the root mean square residual (`rms`). The
    continuum of each order is a Chebyshev series times the model, its coefficients solved by linear least squares
    inside every evaluation, so that they cost no search.
    """

    def __init__(self, generator: Generator, orders: Sequence[Spectrum], search: Parameters, config: ObjectiveConfig):
        self.search, self.space, self.config = search, search.space, config
        self.differentiable = generator.manifold.differentiable
        self.labels, self.device = generator.space.names, generator.reference.device
        self.notes: list[str] = []
        weighted = config.metric == "chi2" and all(order.error is not None for order in orders)
        if config.metric == "chi2" and not weighted:
            self.notes.append("no errors given: the rms of residuals is minimised")
        for name in EXTRINSICS:
            if not search.has(name):
                self.notes.append(f"{name} not applied")
        self.metric = "chi2" if weighted else "rms"
        kept = [_usable(generator, order, config) for order in orders]
        used = [found for found in kept if found is not None]
        self.orders = [_Order.of(spectrum, config, weighted, self.device) for spectrum, _ in used]
        if not self.orders:
            low, high = generator.band
            raise SpectrumError(
                f"{orders[0].name or 'spectrum'}: no usable pixel between {low:.1f} and {high:.1f} Å (vacuum), where "
                "the generator has its lines; check wavelengths, medium, mask and the velocity range"
            )
        config = _of_those_used(config, [found is not None for found in kept])
        self.forward = ForwardModel.of(generator, [pixels for _, pixels in used], config, self._probes())
        self.pixels = sum(order.pixels for order in self.orders)
        points, lines = self.forward.rendering.points, self.forward.rendering.lines
        self.at_once = max(1, int(AT_ONCE / (PER_PIXEL * points + PER_LINE * lines)))

    def _probes(self) -> Floats:
        """Labels in the lower corner of the box, in the middle, and in the upper corner."""
        corners = torch.as_tensor(np.linspace(self.space.lower, self.space.upper, 3), device=self.device)
        return np.asarray(self.search.columns(corners, self.labels).cpu())

    @property
    def noise(self) -> float:
        """Median error of a pixel over the mean flux; 0 where no errors are used."""
        if self.metric != "chi2":
            return 0.0
        return float(np.median([float((1 / o.weight).median()) for o in self.orders]))

    def _normalised(self, points: Tensor) -> tuple[Tensor, ...]:
        """The model of each order, without continuum, at points `[B, P]`."""
        labels = self.search.columns(points, self.labels)
        return self.forward.split(self.forward(labels, self._extrinsics(points)))

    def _extrinsics(self, points: Tensor) -> dict[str, Tensor]:
        return {name: self.search.columns(points, [name])[:, 0] for name in EXTRINSICS if self.search.has(name)}

    def _residuals(self, points: Tensor) -> Tensor:
        """Weighted residuals `[B, N]` at points `[B, P]`."""
        model = self._normalised(points)
        return torch.cat([order.residuals(flux) for order, flux in zip(self.orders, model, strict=True)], -1)

    def _tensor(self, points: Floats) -> Tensor:
        return torch.as_tensor(points, dtype=torch.float64, device=self.device)

    def _value(self, residuals: Tensor) -> Tensor:
        mean = (residuals**2).mean(-1)
        return mean if self.metric == "chi2" else mean.sqrt()

    def values(self, points: Floats) -> Floats:
        tensor = self._tensor(np.atleast_2d(points))
        with torch.no_grad():
            parts = torch.split(tensor, self.at_once)
            return np.asarray(torch.cat([self._value(self._residuals(part)) for part in parts]).cpu())

    def log_probability(self, points: Floats) -> Floats:
        """ln of the posterior density `[B]` at `[B, P]`, up to a constant; every parameter is uniform in the box.
        -χ²/2 with errors; without them -N ln(rms), which has the noise marginalised (prior 1/σ: Gelman et al. 2013,
        Bayesian Data Analysis, section 14.2). The continuum is the one that fits best at each point."""
        values = self.values(points)
        with np.errstate(divide="ignore"):
            return np.asarray(-0.5 * self.pixels * values if self.metric == "chi2" else -self.pixels * np.log(values))

    def value_and_gradient(self, point: Floats) -> tuple[float, Floats]:
        tensor = self._tensor(point)[None].requires_grad_()
        value = self._value(self._residuals(tensor))[0]
        (gradient,) = torch.autograd.grad(value, tensor)
        return float(value.detach()), gradient[0].cpu().numpy()

    def residuals(self, point: Floats) -> Floats:
        with torch.no_grad():
            return np.asarray(self._residuals(self._tensor(point)[None])[0].cpu())

    def jacobian(self, point: Floats) -> Floats:
        if not self.differentiable:
            return self._differences(point)
        at = self._tensor(point)[None]
        labels = {name: self.search.columns(at, [name])[:, 0] for name in self.labels}
        with torch.no_grad():
            flux, change = self.forward.linear(labels, self._extrinsics(at), self.space.names)
            parts = zip(self.orders, self.forward.split(flux), self.forward.split(change), strict=True)
            return np.asarray(torch.cat([order.change(*part) for order, *part in parts], -1).T.cpu())

    def _differences(self, point: Floats) -> Floats:
        """Central differences over a thousandth of the box, one-sided at its edges."""
        columns = []
        for p, axis in enumerate(self.space.axes):
            ends = np.clip(point[p] + np.array([-1, 1]) * 1e-3 * axis.width, axis.lower, axis.upper)
            low, high = (np.where(np.arange(len(point)) == p, end, point) for end in ends)
            columns.append((self.residuals(high) - self.residuals(low)) / (ends[1] - ends[0]))
        return np.stack(columns, -1)

    def model(self, point: Floats) -> list[tuple[Spectrum, Floats]]:
        """For each order the pixels that were used and the best model (continuum included) on them."""
        with torch.no_grad():
            model = self._normalised(self._tensor(point)[None])
            return [
                (o.spectrum, o.fitted(flux)[0].cpu().numpy() * o.level)
                for o, flux in zip(self.orders, model, strict=True)
            ]


@dataclass(frozen=True, eq=False)
class _Order:
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
    def of(cls, spectrum: Spectrum, config: ObjectiveConfig, weighted: bool, device: torch.device) -> _Order:
        low, high = spectrum.band
        error = spectrum.error if weighted and spectrum.error is not None else np.ones(len(spectrum))
        # without a free continuum the model has a level of its own
        level = 1.0 if config.continuum_degree is None else float(np.abs(spectrum.flux).mean())
        x = (2 * spectrum.wavelength - low - high) / max(high - low, 1e-9)
        degree = config.continuum_degree
        return cls(
            spectrum,
            torch.as_tensor(spectrum.flux / level, device=device),
            torch.as_tensor(level / error, device=device),
            level,
            None if degree is None else torch.as_tensor(chebyshev.chebvander(x, degree), device=device),
        )

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


def _of_those_used(config: ObjectiveConfig, used: Sequence[bool]) -> ObjectiveConfig:
    """The config, its factors of resolving power for the orders that are used; ConfigError if they are not one an
    order."""
    factors = config.resolving_power_factors
    if factors is None:
        return config
    if len(factors) != len(used):
        raise ConfigError(
            f"objective.resolving_power_factors: {len(factors)} numbers for {len(used)} orders; give one for each order"
        )
    kept = tuple(factor for factor, use in zip(factors, used, strict=True) if use)
    return config.model_copy(update={"resolving_power_factors": kept})


def _usable(generator: Generator, order: Spectrum, config: ObjectiveConfig) -> tuple[Spectrum, Pixels] | None:
    """The pixels the generator can speak of at every velocity allowed; None if there are none."""
    (slow, fast), wing = velocity_factors(config), reach(config)
    keep = np.zeros(len(order), dtype=bool)
    for low, high in generator.orders:
        keep |= (order.wavelength >= low * fast * np.exp(wing) - 1e-9) & (
            order.wavelength <= high * slow * np.exp(-wing) + 1e-9
        )
    if order.mask is not None:
        keep &= order.mask
    if keep.sum() <= (config.continuum_degree or 0) + 1:
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
