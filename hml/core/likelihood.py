"""The objective: how far a generated spectrum is from the data, as a function of labels and extrinsic parameters."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hml.core.config import ObjectiveConfig
from hml.core.errors import ConfigError, SpectrumError
from hml.core.forward import EXTRINSICS, ForwardModel
from hml.core.generator import Generator
from hml.core.interfaces import Objective
from hml.core.noise import Shared, rooted, spread_of_estimate
from hml.core.order import Order, usable_part
from hml.core.selection import Selection
from hml.core.space import Axis, Floats, Space
from hml.core.spectrum import Bools, Spectrum

AT_ONCE = 1e8  # numbers of a batch in memory at one time
MEDIAN = 0.6745  # of the size of a normal deviate
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
    inside every evaluation, so that they cost no search. Beside those of N pixels there is a residual for each prior;
    with `student_t` residuals are such that their squares are as that distribution has it.
    """

    shared: Shared | None = None
    """The generator's own error, once it is known where: see `with_model_error`."""
    scale: float = 1.0
    """By what the squares of errors are multiplied in `log_probability`: see `with_scale`."""

    def __init__(self, generator: Generator, orders: Sequence[Spectrum], search: Parameters, config: ObjectiveConfig):
        self.search, self.space, self.config = search, search.space, config
        self.differentiable = generator.manifold.differentiable
        self.labels, self.device = generator.space.names, generator.reference.device
        self.hull = generator.hull
        self.notes: list[str] = []
        weighted = config.metric == "chi2" and all(order.error is not None for order in orders)
        if config.metric == "chi2" and not weighted:
            self.notes.append("no errors given: the rms of residuals is minimised")
        for name in EXTRINSICS:
            if not search.has(name):
                self.notes.append(f"{name} not applied")
        self.metric = "chi2" if weighted else "rms"
        self.robust = weighted and config.outliers == "student_t"
        self.priors = _priors(search, config)
        kept = [usable_part(generator, order, config) for order in orders]
        self.kept = tuple(found is not None for found in kept)  # which orders could be used
        used = [found for found in kept if found is not None]
        self.orders = [Order.of(spectrum, config, weighted, self.device) for spectrum, _ in used]
        if not self.orders:
            low, high = generator.band
            raise SpectrumError(
                f"{orders[0].name or 'spectrum'}: no usable pixel between {low:.1f} and {high:.1f} Å (vacuum), where "
                "the generator has its lines; check wavelengths, medium, mask and the velocity range"
            )
        config = _of_those_used(config, self.kept)
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
        return float(np.median([float((1 / o.weight[o.weight > 0]).median()) for o in self.orders]))

    def _normalised(self, points: Tensor) -> tuple[Tensor, ...]:
        """The model of each order, without continuum, at points `[B, P]`."""
        labels = self.search.columns(points, self.labels)
        return self.forward.split(self.forward(labels, self._extrinsics(points)))

    def _extrinsics(self, points: Tensor) -> dict[str, Tensor]:
        return {name: self.search.columns(points, [name])[:, 0] for name in EXTRINSICS if self.search.has(name)}

    def _of_pixels(self, points: Tensor) -> Tensor:
        """Residuals `[B, N]` at points `[B, P]`, in units of all errors and independent of one another."""
        model = self._normalised(points)
        plain = torch.cat([order.residuals(flux) for order, flux in zip(self.orders, model, strict=True)], -1)
        return plain if self.shared is None else self.shared(plain)

    def _residuals(self, points: Tensor) -> Tensor:
        """`[B, N + priors]`."""
        pixels = self._of_pixels(points)
        pixels = rooted(pixels)[0] if self.robust else pixels
        return torch.cat([pixels, (points[:, self.priors.index] - self.priors.mean) / self.priors.sigma], -1)

    def _tensor(self, points: Floats) -> Tensor:
        return torch.as_tensor(points, dtype=torch.float64, device=self.device)

    def _value(self, residuals: Tensor) -> Tensor:
        mean = (residuals**2).sum(-1) / self.pixels
        return mean if self.metric == "chi2" else mean.sqrt()

    def values(self, points: Floats) -> Floats:
        tensor = self._tensor(np.atleast_2d(points))
        with torch.no_grad():
            parts = torch.split(tensor, self.at_once)
            return np.asarray(torch.cat([self._value(self._residuals(part)) for part in parts]).cpu())

    def log_probability(self, points: Floats) -> Floats:
        """ln of the posterior density `[B]` at `[B, P]`, up to a constant; parameters without a prior are uniform in
        the box. -χ²/2 with errors (times `scale`, once that is known); where their size is not known, -N ln(rms), which
        has it marginalised (prior 1/σ: Gelman et al. 2013, Bayesian Data Analysis, section 14.2). The continuum is the
        one that fits best at each point. Beyond the nodes of a ragged grid it is -inf."""
        found, count = [], len(self.priors.index)
        with torch.no_grad():
            for part in torch.split(self._tensor(np.atleast_2d(points)), self.at_once):
                squares = self._residuals(part) ** 2
                priors = squares[:, squares.shape[1] - count :].sum(-1)
                total = squares.sum(-1) - priors
                unknown = self.metric != "chi2" or self.config.noise == "free"
                chi2 = self.pixels * torch.log(total) if unknown else total / self.scale
                found.append(torch.where(self._enclosed(part), -0.5 * (chi2 + priors), -torch.inf))
        return np.asarray(torch.cat(found).cpu())

    def _enclosed(self, points: Tensor) -> Tensor:
        """Which of points `[B, P]` have labels that the grid's nodes enclose."""
        labels = self.search.columns(points, self.labels).cpu().numpy()
        inside = np.ones(len(labels), dtype=bool) if self.hull is None else self.hull.inside(labels)
        return torch.as_tensor(inside, device=self.device)

    def missed(self, point: Floats) -> list[Floats]:
        """Residuals `[N]` of each order's pixels that count, in units of all errors (of the flux, where errors are not
        used), without what robust fits make of them."""
        with torch.no_grad():
            parts = self.forward.split(self._of_pixels(self._tensor(point)[None]))
            return [
                np.asarray(part[0, order.weight > 0].cpu()) for order, part in zip(self.orders, parts, strict=True)
            ]

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
        with torch.no_grad():
            pixels = self._change_of_pixels(at)
            pixels = pixels * rooted(self._of_pixels(at))[1] if self.robust else pixels
            priors = torch.eye(len(point)).to(pixels)[:, self.priors.index] / self.priors.sigma
            return np.asarray(torch.cat([pixels, priors], -1).T.cpu())

    def _change_of_pixels(self, at: Tensor) -> Tensor:
        """Of their residuals with each parameter, `[P, N]`, at one point `[1, P]`."""
        labels = {name: self.search.columns(at, [name])[:, 0] for name in self.labels}
        flux, change = self.forward.linear(labels, self._extrinsics(at), self.space.names)
        parts = zip(self.orders, self.forward.split(flux), self.forward.split(change), strict=True)
        plain = torch.cat([order.change(*part) for order, *part in parts], -1)
        return plain if self.shared is None else self.shared(plain)

    # --- what is known once a point has been found ---

    def with_best_continuum(self, point: Floats) -> SpectrumObjective:
        """The same objective with continua of the degrees that go best with the model at `point`, where the config
        leaves that open; this one if they are as they were."""
        if self.config.continuum_degree != "auto":
            return self
        with torch.no_grad():
            model = [flux[0].cpu().numpy() for flux in self._normalised(self._tensor(point)[None])]
        degrees = [order.best_degree(flux) for order, flux in zip(self.orders, model, strict=True)]
        if degrees == [order.degree for order in self.orders]:
            return self
        orders = [order.with_degree(degree) for order, degree in zip(self.orders, degrees, strict=True)]
        return self._changed(orders=orders, shared=None)

    def with_model_error(self, point: Floats) -> SpectrumObjective:
        """The same objective with what the generator may miss at `point` as errors that pixels share. Where nothing is
        known of that, or no errors are used, it is this one."""
        if self.metric != "chi2" or not self.config.model_error:
            return self
        at = self._tensor(point)[None]
        with torch.no_grad():
            missed = self.forward.errors(self.search.columns(at, self.labels), self._extrinsics(at))
            model = self.forward.split(self.forward(self.search.columns(at, self.labels), self._extrinsics(at)))
            parts = zip(self.orders, model, self.forward.split(missed), strict=True)
            shared = Shared.of(torch.cat([order.seen(*part) for order, *part in parts], -1).T)
        return self if shared is None else self._changed(shared=shared)

    def without_outliers(self, point: Floats) -> SpectrumObjective:
        """The same objective less the pixels that miss by more than `clip` typical residuals at `point`; this one if
        there are none."""
        with torch.no_grad():
            missed = self._of_pixels(self._tensor(point)[None])[0].abs()
        typical = float(missed[missed > 0].median()) / MEDIAN
        limit = self.config.clip * (max(1.0, typical) if self.metric == "chi2" else typical)
        kept = self.forward.split((missed <= limit)[None])
        if all(bool(keep.all()) for keep in kept):
            return self
        return self.on([keep[0].cpu().numpy() for keep in kept])

    def on(self, pixels: Sequence[Bools]) -> SpectrumObjective:
        """The same objective on some pixels `[N]` of each of its orders only, without errors that pixels share."""
        parts = zip(self.orders, pixels, strict=True)
        orders = [order.without(torch.as_tensor(~keep, device=self.device)) for order, keep in parts]
        return self._changed(orders=orders, pixels=sum(order.used for order in orders), shared=None)

    def _changed(self, **parts: Any) -> SpectrumObjective:
        other = copy.copy(self)
        other.__dict__.update(parts)
        return other

    def with_scale(self, point: Floats) -> SpectrumObjective:
        """The same objective with errors as large as the residuals at `point` say, as far as the config allows it."""
        if self.robust or self.metric != "chi2" or self.config.noise != "inflate":
            return self
        with torch.no_grad():
            pixels = self._of_pixels(self._tensor(point)[None])[0]
        return self._changed(scale=self._scale(pixels, len(point)))

    def covariance(self, point: Floats) -> Floats | None:
        """Of the parameters, `[P, P]`, as the curvature at `point` tells it (Laplace's approximation); None if the data
        leave one undetermined."""
        with torch.no_grad():
            at = self._tensor(point)[None]
            pixels, plain = self._of_pixels(at)[0], self._changed(robust=False)
        jacobian = plain.jacobian(point)
        if not (np.isfinite(jacobian).all() and torch.isfinite(pixels).all()):
            return None
        width = self.space.upper - self.space.lower
        scaled = jacobian * width  # parameters in units of the box: the condition number then means something
        scaled[: len(pixels)] /= np.sqrt(self._scale(pixels, len(point)))
        normal = scaled.T @ scaled
        if np.linalg.cond(normal) > 1e12:
            return None
        inverse: Floats = np.linalg.inv(normal) * np.outer(width, width)
        return inverse

    def _scale(self, pixels: Tensor, parameters: int) -> float:
        """By what squares of errors are multiplied, judged by the residuals of pixels `[N]`."""
        if self.robust:
            found = spread_of_estimate(pixels)
        else:
            found = float((pixels**2).sum()) / max(self.pixels - parameters, 1)
        if self.metric != "chi2" or self.config.noise == "free":
            return found
        return max(1.0, found) if self.config.noise == "inflate" or self.robust else 1.0

    def _differences(self, point: Floats) -> Floats:
        """Central differences over a thousandth of the box, one-sided at its edges."""
        columns = []
        for p, axis in enumerate(self.space.axes):
            ends = np.clip(point[p] + np.array([-1, 1]) * 1e-3 * axis.width, axis.lower, axis.upper)
            low, high = (np.where(np.arange(len(point)) == p, end, point) for end in ends)
            columns.append((self.residuals(high) - self.residuals(low)) / (ends[1] - ends[0]))
        return np.stack(columns, -1)

    def normalised(self, point: Floats) -> list[Floats]:
        """For each order the best model without its continuum, on the pixels that were used."""
        with torch.no_grad():
            return [flux[0].cpu().numpy() for flux in self._normalised(self._tensor(point)[None])]

    def model(self, point: Floats) -> list[tuple[Spectrum, Floats]]:
        """For each order the pixels that were used and the best model (continuum included) on them."""
        with torch.no_grad():
            model = self._normalised(self._tensor(point)[None])
            return [
                (o.spectrum, o.fitted(flux)[0].cpu().numpy() * o.level)
                for o, flux in zip(self.orders, model, strict=True)
            ]


@dataclass(frozen=True, eq=False)
class _Priors:
    """Normal priors of free parameters."""

    index: list[int]
    mean: Tensor
    sigma: Tensor


def _priors(search: Parameters, config: ObjectiveConfig) -> _Priors:
    known = config.priors
    if unknown := sorted(set(known) - set(search.names)):
        there = ", ".join(search.names)
        raise ConfigError(f"objective.priors: there is no parameter {unknown[0]!r}; the parameters are {there}")
    names = [name for name in search.space.names if name in known]  # of what is fixed nothing is to be learnt
    values = torch.tensor([[known[n].mean, known[n].sigma] for n in names], dtype=torch.float64).reshape(-1, 2)
    return _Priors([search.space.names.index(name) for name in names], values[:, 0], values[:, 1])


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
