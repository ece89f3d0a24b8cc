"""The chosen parts of a run, built; and which nodes of the grid go into the generator."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from hml.core.compat import check_config
from hml.core.components import BuildContext, Progress, quiet
from hml.core.config import RunConfig
from hml.core.errors import ConfigError, GridError, HmlError
from hml.core.interfaces import FetchableGrid, GridSource, LineProfile, Optimizer, Preprocessor, Sampler, TruthGrid
from hml.core.space import Node, Space
from hml.core.spectrum import Spectrum

if TYPE_CHECKING:
    from hml.core.executor import Executor

log = logging.getLogger(__name__)


def choose_device(wish: str) -> str:
    """`auto` is the GPU where there is one; anything else is checked and kept."""
    import torch

    if wish == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=wish)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"runtime.device: {wish!r} cannot be used here ({reason}); try auto or cpu") from None
    return wish


@dataclass(frozen=True)
class Parts:
    """Everything a config names, built once when first used."""

    config: RunConfig
    context: BuildContext

    @classmethod
    def of(cls, config: RunConfig, progress: Progress = quiet) -> Parts:
        """ConfigError if the parts do not fit together."""
        if config.grids:
            raise ConfigError("grids: several grids are ranked by `hml run` and `hml infer` only; name one with --grid")
        check_config(config)
        device = choose_device(config.runtime.device)
        parts = cls(config, BuildContext(device=device, seed=config.runtime.seed, progress=progress))
        _ = parts.sampler  # an extra that is missing is told before any work, not after it
        return parts

    @cached_property
    def grid(self) -> GridSource:
        source: GridSource = self.config.grid.build(self.context)
        return source

    @cached_property
    def profile(self) -> LineProfile:
        profile: LineProfile = self.config.profile.build(self.context)
        return profile

    @cached_property
    def optimizer(self) -> Optimizer:
        optimizer: Optimizer = self.config.optimizer.build(self.context)
        return optimizer

    @cached_property
    def sampler(self) -> Sampler | None:
        chosen = self.config.sampler
        sampler: Sampler | None = None if chosen is None else chosen.build(self.context)
        return sampler

    @cached_property
    def preprocess(self) -> list[Preprocessor]:
        return [step.build(self.context) for step in self.config.grid.config.preprocess]

    @cached_property
    def executor(self) -> Executor:
        from hml.core.executor import executor_of

        return executor_of(self.config.runtime, self.context.device)

    def prepared(self, node: Node) -> Spectrum:
        """The preprocessed spectrum of a node."""
        labels = self.grid.space.to_dict(node)
        spectrum = self.grid.load(node)
        for step in self.preprocess:
            spectrum = step(spectrum, labels)
        if not np.isfinite(spectrum.flux).all():
            bad = spectrum.wavelength[np.argmin(np.isfinite(spectrum.flux))]
            raise GridError(f"{spectrum.name or labels}: flux is not finite at {bad:.3f} Å after preprocessing")
        return spectrum


def ensure_grid(parts: Parts) -> None:
    """Fetch what the grid lacks; GridError with the ways on if that is impossible."""
    grid = parts.grid
    if not isinstance(grid, FetchableGrid):
        return
    missing = grid.missing()
    if missing is None:
        return
    log.info("grid %r: fetching %s from %s", parts.config.grid.name, missing.size, missing.sources[0])
    try:
        grid.fetch(parts.context.progress)
    except HmlError as error:
        name = parts.config.grid.name
        shown = "".join(f"\n  {file}" for file in missing.files[:4])
        more = f"\n  … and {len(missing.files) - 4:,} more" if len(missing.files) > 4 else ""
        raise GridError(
            f"grid {name!r}: {missing.size} are missing and could not be fetched:{shown}{more}\n"
            f"{error}\nWays on:\n"
            f"  hml grid fetch {name}            where there is a network, with the same --set options; it resumes\n"
            f"  --set grid.path=FOLDER           if the files are already on this machine\n"
            f"  --grid synthetic                 a built-in grid that needs no files"
        ) from None


@dataclass(frozen=True)
class Plan:
    """Which nodes the generator is made of, which were kept out of it, and the space of the former."""

    space: Space
    used: tuple[Node, ...]
    held: tuple[Node, ...]


def plan_nodes(parts: Parts, *, drawing: bool = False) -> Plan:
    """Split the grid's nodes by `hold_out`. When a truth is to be drawn (`drawing`) from a grid that has none between
    its nodes, one value of its longest axis is held out by seed."""
    space, nodes = parts.grid.space, tuple(parts.grid.nodes())
    if not nodes:
        raise GridError(
            f"grid {parts.config.grid.name!r}: no node is there; see `hml grid info {parts.config.grid.name}`"
        )
    values = _held_values(parts, space, drawing)
    held = tuple(n for n in nodes if any(n[space.names.index(name)] in out for name, out in values.items()))
    used = tuple(n for n in nodes if n not in set(held))
    if not used:
        raise ConfigError("hold_out: every node of the grid is held out; hold out fewer")
    return Plan(Space.from_nodes(space.names, used), used, held)


def _held_values(parts: Parts, space: Space, drawing: bool) -> dict[str, set[float]]:
    config = parts.config
    values: dict[str, set[float]] = {}
    for name, wish in config.hold_out.items():
        axis = space[name].nodes
        try:
            values[name] = set(axis[1::2] if wish == "alternate" else wish.pick(axis, name))
        except ValueError as error:
            raise ConfigError(f"hold_out.{name}: {error}") from None
    if values or not drawing or isinstance(parts.grid, TruthGrid):
        return values
    longest = max(space.axes, key=lambda axis: len(axis.nodes))
    if config.truth.labels is not None and longest.name in config.truth.labels:
        return {longest.name: {float(config.truth.labels[longest.name])} & set(longest.nodes)}
    if len(longest.nodes) < 3:
        raise ConfigError(
            "there is no spectrum to measure and the grid is too small to leave a node out; give --spectrum FILE"
        )
    inner: Sequence[float] = longest.nodes[1:-1]
    rng = np.random.default_rng([config.runtime.seed, 1])
    return {longest.name: {inner[int(rng.integers(len(inner)))]}}
