"""Do the chosen parts fit together? Asked before any work starts; every refusal names what would fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

import numpy as np

from hml.core.components import Component
from hml.core.config import RunConfig
from hml.core.errors import ConfigError
from hml.core.registry import Registry, installed
from hml.core.space import Node, Space
from hml.core.spectrum import Spectrum

LEAST = 1000.0  # λ/Δλ below which hundreds of lines share an element of resolution, two pixels: 300 km/s
MOST = 1.0  # holes that are made up, for each node that is there


def check_config(config: RunConfig, registry: Registry | None = None) -> None:
    """ConfigError if the parts cannot work together, judged by their traits alone."""
    registry = registry or installed()
    for step in config.spectrum.preprocess:
        if step.trait("needs_labels"):
            raise ConfigError(
                f"spectrum.preprocess: {step.name!r} needs labels, which an observed spectrum lacks; these do not: "
                f"{_names(registry, 'preprocessors', lambda c: not c.traits.get('needs_labels'))}. "
                "objective.continuum_degree fits the continuum with the labels"
            )
    if config.associate.method == "paper" and config.generator.bad_nodes == "exclude":
        raise ConfigError(
            "generator.bad_nodes: exclude needs associate.method=tracks; the paper's method keeps every node"
        )
    if config.clone.from_blase and (config.clone.composition != "product" or config.associate.method != "paper"):
        raise ConfigError(
            "clone.from_blase: blase's lines combine as a product and are matched by the paper's method; set "
            "clone.composition=product and associate.method=paper, as configs/paper.yaml does"
        )
    _check_lines(config)
    if config.grid.trait("ragged") and config.interpolator.trait("requires_rectilinear"):
        raise ConfigError(_ragged(config, registry, f"grid {config.grid.name!r} is ragged"))
    if config.optimizer.trait("needs_gradient") and not config.interpolator.trait("differentiable", True):
        raise ConfigError(
            f"optimizer {config.optimizer.name!r} needs gradients, which interpolator {config.interpolator.name!r} "
            f"does not have; optimizers that do without: "
            f"{_names(registry, 'optimizers', lambda c: not c.traits.get('needs_gradient'))}"
        )


def _check_lines(config: RunConfig) -> None:
    if config.generator.lines:
        return
    if config.generator.residual == 0:
        raise ConfigError("generator.lines: false with generator.residual: 0 leaves nothing of the spectra; leave "
                          "residual out to keep all of them")  # fmt: skip
    if config.associate.method == "paper" or config.clone.from_blase is not None:
        raise ConfigError("generator.lines: false has no lines to associate; set associate.method=tracks and leave "
                          "clone.from_blase out, or set generator.lines=true")  # fmt: skip


def check_sharpness(config: RunConfig, spectrum: Spectrum, own: float | None) -> None:
    """ConfigError if spectra of pixels like these, of resolving power `own` (None: their own), are too coarse to have
    lines."""
    if not config.generator.lines or len(spectrum) < 2:
        return
    pixel, middle = float(np.median(np.diff(spectrum.wavelength))), float(np.median(spectrum.wavelength))
    power = min(own or np.inf, middle / (2 * pixel))
    if power < LEAST:
        raise ConfigError(
            f"grid {config.grid.name!r} is too coarse to have lines: with pixels of {pixel:.3g} Å at {middle:.0f} Å "
            f"its λ/Δλ is {power:.0f}, and lines need {LEAST:.0f}, pixels of {middle / (2 * LEAST):.2g} Å; set "
            "generator.lines=false (--set generator.lines=false) for a generator that interpolates the spectra "
            "themselves, or take a grid of higher resolution"
        )


def check_nodes(config: RunConfig, space: Space, nodes: Sequence[Node], registry: Registry | None = None) -> None:
    """ConfigError if the nodes that are there cannot be interpolated by the chosen interpolator."""
    holes = space.count_holes(nodes)
    few = config.generator.holes == "fill" and config.associate.method == "tracks" and holes <= MOST * len(nodes)
    if holes and config.interpolator.trait("requires_rectilinear") and not few:
        shown = ", ".join(str(space.to_dict(hole)) for hole in islice(space.each_hole(nodes), 3))
        what = f"the grid has {holes} holes among {holes + len(nodes)} nodes (such as {shown})"
        raise ConfigError(_ragged(config, registry or installed(), what))


def _ragged(config: RunConfig, registry: Registry, what: str) -> str:
    fit = _names(registry, "interpolators", lambda c: not c.traits.get("requires_rectilinear"))
    return (
        f"{what}, and interpolator {config.interpolator.name!r} needs every node of a rectilinear grid; select labels "
        f"without holes (such as --set grid.teff=[low,high]) or use an interpolator for scattered nodes ({fit})"
    )


def _names(registry: Registry, family: str, fits: Callable[[Component], bool]) -> str:
    return ", ".join(e.component.name for e in registry.family(family) if fits(e.component)) or "none is installed"
