"""What is measured: a file read by a reader, or a spectrum of known labels drawn from the grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hml.core.components import BuildContext
from hml.core.config import RunConfig, TruthConfig
from hml.core.errors import LabelError, SpectrumError
from hml.core.interfaces import GridSource, Preprocessor, Reader, TruthGrid
from hml.core.mock import Sight, seen
from hml.core.parts import Plan
from hml.core.pixels import Pixels
from hml.core.registry import installed
from hml.core.space import Node, Space
from hml.core.spectrum import Spectrum

LARGEST = 1e100  # flux beyond this is no measurement in any unit


@dataclass(frozen=True, eq=False)
class Target:
    """The orders to be measured; `truth` holds every parameter that is known, None for a star."""

    orders: list[Spectrum]
    story: str
    truth: Mapping[str, float] | None = None


# --- from a file -----------------------------------------------------------------------------------------------


def read_target(path: Path, config: RunConfig, context: BuildContext) -> Target:
    """The observed spectrum of a file, checked and preprocessed."""
    if not path.is_file():
        raise SpectrumError(f"{path}: there is no such file")
    orders = _reader(path, config, context).read(path)
    limits = config.spectrum.wavelength
    if limits is not None:
        orders = [o.cut(*limits) for o in orders if o.band[1] >= limits[0] and o.band[0] <= limits[1]]
    if not orders:
        raise SpectrumError(f"{path}: no pixels inside spectrum.wavelength = {limits}")
    orders = [_usable(order, config.spectrum.bad_pixels, path) for order in orders]
    for step in config.spectrum.preprocess:
        work: Preprocessor = step.build(context)
        orders = [work(order, None) for order in orders]
    return Target(orders, f"read from {path.name}")


def _reader(path: Path, config: RunConfig, context: BuildContext) -> Reader:
    if config.spectrum.reader is not None:
        chosen: Reader = config.spectrum.reader.build(context)
        return chosen
    entries = installed().family("readers")
    # readers that name this file's ending are asked first, those that read many kinds last
    entries.sort(key=lambda e: (path.suffix.lower() not in e.component.traits.get("suffixes", ()), e.component.name))
    for component in (entry.component for entry in entries):
        reader: Reader = component.build(component.config(), context)
        if reader.sniff(path):
            return reader
    known = ", ".join(entry.component.name for entry in entries)
    raise SpectrumError(f"{path}: no reader knows this file ({known}); name one with --set spectrum.reader=NAME")


def _usable(order: Spectrum, bad: str, path: Path) -> Spectrum:
    """The order with its bad pixels refused or masked."""
    wrong = ~(np.abs(order.flux) < LARGEST)  # NaN compares false
    what = "flux is not finite"
    if not (order.flux[~wrong] > 0).any():
        raise SpectrumError(f"{path}: the order at {order.band[0]:.1f} Å has no positive flux")
    if order.error is not None:
        useless = ~(np.isfinite(order.error) & (order.error > 0))
        if not wrong.any() and useless.any():
            what = "error is zero, negative or not finite"
        wrong |= useless
    if order.mask is not None:
        wrong &= order.mask
    if not wrong.any():
        return order
    if bad == "refuse":
        first = int(np.argmax(wrong))
        raise SpectrumError(
            f"{path}: {what} at {order.wavelength[first]:.4f} Å, {int(wrong.sum())} of {len(order)} pixels unusable; "
            "remove them, or leave them out with --set spectrum.bad_pixels=mask"
        )
    mask = ~wrong if order.mask is None else order.mask & ~wrong
    if not mask.any():
        raise SpectrumError(f"{path}: every pixel of the order at {order.band[0]:.1f} Å is unusable")
    return replace(order, mask=mask)


# --- from the grid ---------------------------------------------------------------------------------------------


def draw_target(
    grid: GridSource, plan: Plan, steps: Sequence[Preprocessor], config: TruthConfig, rng: np.random.Generator
) -> Target:
    """A spectrum of known labels: anywhere in a grid that knows the truth, else one of the nodes held out."""
    if isinstance(grid, TruthGrid) and not (plan.held and config.labels is None):
        labels = config.labels or _off_node(plan.space, rng)
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


def _off_node(space: Space, rng: np.random.Generator) -> dict[str, float]:
    """Labels drawn uniformly, away from every edge by half a grid step (a quarter where an axis has only two nodes)."""
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
    choice = [node for node in plan.held if _inside(plan.space, node)] or list(plan.held)
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
