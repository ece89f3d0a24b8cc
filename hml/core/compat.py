"""Do the chosen parts fit together? Asked before any work starts; every refusal names what would fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

from hml.core.components import Component
from hml.core.config import RunConfig
from hml.core.errors import ConfigError
from hml.core.registry import Registry, installed
from hml.core.space import Node, Space

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
    if config.grid.trait("ragged") and config.interpolator.trait("requires_rectilinear"):
        raise ConfigError(_ragged(config, registry, f"grid {config.grid.name!r} is ragged"))
    if config.optimizer.trait("needs_gradient") and not config.interpolator.trait("differentiable", True):
        raise ConfigError(
            f"optimizer {config.optimizer.name!r} needs gradients, which interpolator {config.interpolator.name!r} "
            f"does not have; optimizers that do without: "
            f"{_names(registry, 'optimizers', lambda c: not c.traits.get('needs_gradient'))}"
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
