"""Where the artefacts of a grid and recipe lie: named by what they are made of, so that a stale one is never found."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hml.core.lock import alone
from hml.core.parts import Parts, Plan
from hml.core.paths import data_home
from hml.core.registry import origins
from hml.core.space import Node
from hml.core.store import SCHEMA, digest, sweep

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shelf:
    """Where the artefacts of one grid and recipe lie."""

    folder: Path  # of the grid
    clones: Path
    generator: Path
    key: str

    @classmethod
    def of(cls, parts: Parts, plan: Plan) -> Shelf:
        config = parts.config
        grid = parts.grid.fingerprint()
        folder = data_home() / "grids" / f"{config.grid.name}-{grid[:12]}"
        data = config.model_dump(mode="json", exclude={"generator": {"path"}})
        steps = [step.name for step in config.grid.config.preprocess]
        used = [("grids", config.grid.name), ("profiles", config.profile.name)]
        foreign = origins(used + [("preprocessors", name) for name in steps])
        recipe = [SCHEMA, grid, data["grid"]["preprocess"], data["find"], data["clone"], data["profile"], foreign]
        cloned = digest(recipe, _blase_files(config.clone.from_blase))
        manifold = [data["interpolator"], origins([("interpolators", config.interpolator.name)])]
        key = digest(cloned, data["associate"], manifold, data["generator"], plan.used)
        return cls(folder, folder / f"clones-{cloned[:12]}", folder / f"generator-{key[:12]}.safetensors", key)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other run makes these clones, tracks or generators meanwhile. What killed ones left unfinished is swept
        up."""
        with alone(self.folder / f"{self.clones.name}.lock", str(self.folder)):
            rounds = self.folder.glob(f"{self.clones.name.replace('clones', 'tracks')}-*")
            swept = sum(map(sweep, (self.clones, *rounds))) + sweep(self.folder, self.generator.name)
            if swept:
                log.info("%s: %d unfinished files of a run that was killed were removed", self.folder, swept)
            yield

    def clone(self, node: Node, space_names: Sequence[str]) -> Path:
        return self.clones / ("_".join(f"{n}{v:+g}" for n, v in zip(space_names, node, strict=True)) + ".safetensors")


def _blase_files(folder: Path | None) -> list[tuple[str, int, int]]:
    """Name, size and time of the clones that are imported."""
    files = sorted(folder.glob("*.pt")) if folder is not None else []
    return [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
