"""What is measured: a file read by a reader, or a spectrum of known labels drawn from the grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hml.core.components import BuildContext
from hml.core.config import RunConfig, TruthConfig
from hml.core.errors import GridError, LabelError
from hml.core.exposures import Exposure, read_exposures
from hml.core.hull import Hull, hull_of
from hml.core.interfaces import GridSource, Preprocessor, TruthGrid
from hml.core.mock import Sight, seen
from hml.core.parts import Plan
from hml.core.pixels import Pixels
from hml.core.space import Floats, Node, Space
from hml.core.spectrum import Spectrum

TRIES = 10_000  # draws of labels inside a ragged grid


@dataclass(frozen=True, eq=False)
class Target:
    """The orders to be measured; `truth` holds every parameter that is known, None for a star."""

    orders: list[Spectrum]
    story: str
    truth: Mapping[str, float] | None = None
    exposures: tuple[Exposure, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the files."""
        return tuple(dict.fromkeys(note for exposure in self.exposures for note in exposure.notes))


# --- from files ------------------------------------------------------------------------------------------------


def read_target(config: RunConfig, context: BuildContext) -> Target:
    """The observed spectrum of one or several files: every order of every exposure."""
    exposures = read_exposures(config, context)
    names = [exposure.path.name for exposure in exposures]
    story = f"read from {names[0]}" + (f" and {len(names) - 1} more exposures" if len(names) > 1 else "")
    orders = [order for exposure in exposures for order in exposure.orders]
    return Target(orders, story, exposures=tuple(exposures))


# --- from the grid ---------------------------------------------------------------------------------------------


def draw_target(
    grid: GridSource, plan: Plan, steps: Sequence[Preprocessor], config: TruthConfig, rng: np.random.Generator
) -> Target:
    """A spectrum of known labels: anywhere in a grid that knows the truth, else one of the nodes held out."""
    if isinstance(grid, TruthGrid) and not (plan.held and config.labels is None):
        labels = config.labels or _off_node(plan, rng)
        spectrum = grid.truth(labels)
        story = "truth between the nodes of the grid" + ("" if config.labels else ", drawn by seed")
    else:
        node = _held_node(plan, config.labels, rng)
        labels, spectrum = grid.space.to_dict(node), grid.load(node)
        story = "spectrum of a node that was left out of the generator"
    for step in steps if config.preprocess else ():
        spectrum = step(spectrum, labels)
    spectrum = _seen(spectrum, grid.resolving_power, config)
    orders = [_noisy(spectrum.take(pixels), config.snr, rng) for pixels in spectrum.order_slices()]
    story += f", S/N {config.snr:g} per pixel" if config.snr else ", without noise"
    known = {name: getattr(config, name) for name in ("rv", "vsini", "macroturbulence")}
    return Target(orders, story, {**labels, **known, "resolving_power": config.resolving_power or np.nan})


def _off_node(plan: Plan, rng: np.random.Generator) -> dict[str, float]:
    """Labels drawn uniformly, away from every edge by half a grid step (a quarter where an axis has only two nodes), on
    a ragged grid among those that have its nodes on all sides."""
    hull = hull_of(plan.used)
    for _ in range(TRIES):
        labels = _in_box(plan.space, rng)
        if hull is None or _enclosed(hull, plan.space.to_array(labels)):
            return labels
    raise GridError(f"no labels were found that the nodes of the grid enclose, {TRIES} times; give truth.labels")


def _enclosed(hull: Hull, point: Floats) -> bool:
    return bool(hull.inside(point[None])[0]) and hull.surrounds(point)


def _in_box(space: Space, rng: np.random.Generator) -> dict[str, float]:
    labels = {}
    for axis in space.axes:
        steps = np.diff(axis.nodes) if len(axis.nodes) > 1 else np.zeros(1)
        share = 0.5 if len(steps) > 1 else 0.25
        labels[axis.name] = float(rng.uniform(axis.lower + share * steps[0], axis.upper - share * steps[-1]))
    return labels


def _held_node(plan: Plan, labels: Mapping[str, float] | None, rng: np.random.Generator) -> Node:
    """The node of these labels, or one drawn from those inside the generator's space if there are any."""
    if labels is not None:
        node = tuple(plan.space.to_array(labels).tolist())
        if node not in plan.held:
            raise LabelError(
                f"truth.labels: {dict(labels)} is not a node left out of the generator, and this grid has no spectra "
                "between nodes; choose a node and name it in hold_out too"
            )
        return node
    hull = hull_of(plan.used)
    inside = [node for node in plan.held if _inside(plan.space, node)]
    choice = [node for node in inside if hull is None or _enclosed(hull, np.array(node))] or inside or list(plan.held)
    return choice[int(rng.integers(len(choice)))]


def _inside(space: Space, node: Node) -> bool:
    return all(axis.lower < x < axis.upper or axis.width == 0 for x, axis in zip(node, space.axes, strict=True))


def _seen(spectrum: Spectrum, grid_power: float | None, config: TruthConfig) -> Spectrum:
    """The spectrum as a spectrograph would see it: shifted and broadened, on the same pixels less the ends."""
    sight = Sight(config.rv, config.vsini, config.limb_darkening, config.macroturbulence, config.resolving_power)
    if sight.sharp and config.rv == 0:
        return spectrum
    parts = [_seen_order(spectrum.take(pixels), sight, grid_power) for pixels in spectrum.order_slices()]
    starts = np.cumsum([0, *map(len, parts)])[:-1]
    return replace(
        parts[0],
        wavelength=np.concatenate([p.wavelength for p in parts]),
        flux=np.concatenate([p.flux for p in parts]),
        starts=tuple(starts.tolist()),
        mask=None,
    )


def _seen_order(order: Spectrum, sight: Sight, grid_power: float | None) -> Spectrum:
    level = float(np.median(order.flux))
    margin = np.expm1(sight.margin)
    part = order.cut(order.band[0] * (1 + margin), order.band[1] * (1 - margin))
    flux = seen(order.wavelength, order.flux / level, Pixels.of(part.wavelength), sight, grid_power)
    return replace(part, flux=flux * level, divided=None)


def _noisy(order: Spectrum, snr: float | None, rng: np.random.Generator) -> Spectrum:
    """With constant noise: the continuum's level (95th percentile) over `snr`."""
    if snr is None:
        return order
    error = np.full(len(order), np.percentile(order.flux, 95) / snr)
    return replace(order, flux=order.flux + error * rng.standard_normal(len(order)), error=error)
