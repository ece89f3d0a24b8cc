"""The work of `profiles.py`: one spectrum, or a short grid, with every shape of a line and every composition."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from asymmetric import with_asymmetric
from cases import Case
from measure import say
from methods import Rendered
from torch import Tensor

from hml import BuildContext, Chosen, Clone, FoundLines, LineProfile, RunConfig, Spectrum, load_config
from hml.core import pipeline
from hml.core.clone import Start, clone_spectrum
from hml.core.find import find_lines

Row = dict[str, Any]

SHAPES: dict[str, Any] = {
    "pseudo_voigt": "pseudo_voigt", "voigt": "voigt", "blase": {"name": "pseudo_voigt", "widths": "separate"},
    "asymmetric": "asymmetric",
}
COMPOSITIONS = ("opacity", "product")
DEFAULT = "pseudo_voigt"
SKEW = "asymmetric"
STAGES = ("found", "hidden")  # the lines found; with those that show in the residual


@dataclass(frozen=True)
class Contender:
    """A shape, a composition and a solver (`adam`, or `auto`: hml's default)."""

    shape: str
    composition: str
    solver: str = "adam"

    @property
    def name(self) -> str:
        return f"{self.shape}, {self.composition}, {self.solver}"

    def config(self, **fields: Any) -> RunConfig:
        """Adam takes all its steps, the same number for every shape, and torch evaluates all of them."""
        own = {"profile": SHAPES[self.shape], "clone.composition": self.composition, "clone.solver": self.solver}
        own |= {"clone.stop": 0.0} if self.solver == "adam" else {}
        config = load_config(fields=own | fields, registry=with_asymmetric())
        return config if self.solver == "auto" else config.model_copy(update={"profile": without_loops(config.profile)})

    def row(self, **measured: Any) -> Row:
        return {"shape": self.shape, "composition": self.composition, "solver": self.solver, **measured}


def contenders() -> list[Contender]:
    """Every shape and composition with Adam, then those that the default solver knows."""
    made = [Contender(shape, composition) for composition in COMPOSITIONS for shape in SHAPES]
    return [*made, *(Contender(shape, "opacity", "auto") for shape in ("pseudo_voigt", "blase"))]


def without_loops(profile: Chosen) -> Chosen:
    """A profile that has no compiled loops, so that all go through the same engine."""

    def build(config: Any, context: BuildContext) -> LineProfile:
        return Torch(profile.component.build(config, context))

    return Chosen(replace(profile.component, build=build), profile.config)


class Torch(LineProfile):
    """What `evaluate` makes of a profile, alone."""

    def __init__(self, profile: LineProfile) -> None:
        self.profile, self.params = profile, profile.params

    def initial(self, found: FoundLines) -> Any:
        return self.profile.initial(found)

    def evaluate(self, offset: Tensor, params: Tensor) -> Tensor:
        return self.profile.evaluate(offset, params)


# --- one spectrum ------------------------------------------------------------------------------------------------


def measure_piece(name: str, spectrum: Spectrum, steps: int) -> list[Row]:
    """Every contender at every stage; the default shape with a quarter more lines, too."""
    lists, rows = line_lists(spectrum), []
    for one in contenders():
        made = [one.row(piece=name, **row) for row in _stages(spectrum, one, lists, steps)]
        say(f"{name}: {one.name}: " + ", ".join(f"{row['stage']} {row['rms']:.2e}" for row in made))
        rows += made
    return rows


def line_lists(spectrum: Spectrum) -> list[FoundLines]:
    """The lines found, and, twice, those that hml's default clone with all before still lacks."""
    config = load_config(fields={"clone.rounds": 0})
    profile = config.profile.build(BuildContext())
    lists = [find_lines(spectrum, config.find)]
    start = Start.from_found(lists[0], profile)
    for _ in STAGES:
        clone = clone_spectrum(spectrum, start, profile, config.clone)
        lists.append(clone.hidden)
        start = more(fitted(clone, start), clone.hidden, profile)
    return lists


def _stages(spectrum: Spectrum, one: Contender, lists: list[FoundLines], steps: int) -> Iterator[Row]:
    config = one.config(**{"clone.rounds": 0, "clone.steps": steps})
    profile = config.profile.build(BuildContext())
    fit = partial(clone_spectrum, spectrum, profile=profile, config=config.clone)
    start = Start.from_found(lists[0], profile)
    for stage, hidden in zip(STAGES, lists[1:], strict=True):
        clone, row = _timed(fit, start)
        yield {"stage": stage, **row}
        if one.shape == DEFAULT:
            quarter = strongest(hidden, len(clone) // (1 + len(profile.params)))
            yield {"stage": f"{stage} + quarter", **_timed(fit, more(start, quarter, profile))[1]}
        if (one.shape, stage) == (SKEW, STAGES[0]):  # what is hidden to symmetric lines may not be so to these
            yield {"stage": "own hidden", **_timed(fit, more(fitted(clone, start), clone.hidden, profile))[1]}
        start = more(fitted(clone, start), hidden, profile)


def _timed(fit: Any, start: Start) -> tuple[Clone, Row]:
    before = time.perf_counter()
    clone = fit(start)
    took = time.perf_counter() - before
    return clone, {"lines": len(clone), "numbers": clone.centre.size + clone.params.size, "rms": clone.rms,
                   "seconds": took}


def fitted(clone: Clone, start: Start) -> Start:
    """Where a fit ended."""
    return Start(clone.centre, clone.params, start.width, clone.bends)


def more(start: Start, found: FoundLines, profile: LineProfile) -> Start:
    """With further lines."""
    new = Start.from_found(found, profile)
    order = np.argsort(np.append(start.centre, new.centre), kind="stable")
    centre, params, width = (np.concatenate([getattr(one, name) for one in (start, new)])[order]
                             for name in ("centre", "params", "width"))  # fmt: skip
    return Start(centre, params, width, start.bends)


def strongest(found: FoundLines, count: int) -> FoundLines:
    """So many of the lines, by centre."""
    keep = np.sort(np.argsort(-found.prominence, kind="stable")[:count])
    return FoundLines(found.centre[keep], found.prominence[keep], found.depth[keep], found.fwhm[keep])


# --- a short grid --------------------------------------------------------------------------------------------------


def measure_nodes(case: Case, fields: Row) -> list[Row]:
    """A generator of lines alone by every contender, compared at the nodes left out."""
    return [one.row(**_between(case, one, fields)) for one in contenders()]


def _between(case: Case, one: Contender, fields: Row) -> Row:
    say(f"nodes: {one.name}")
    config = one.config(**case.fields(), **{"generator.residual": 0.0, "runtime.workers": 1}, **fields)
    start = time.perf_counter()
    with _home():
        made = pipeline.build(config)
        took = time.perf_counter() - start
        off = Rendered(case, [made]).predict(case.points) - case.test
    squares = np.concatenate([off[:, part] for part in case.scored], axis=1) ** 2
    return {"rms": float(np.sqrt(squares.mean())), "median_node": float(np.sqrt(np.median(squares.mean(1)))),
            "at_nodes": median(made.header["clone_rms"]), "lines": len(made),
            "numbers": len(made) * (1 + len(made.profile.params)), "seconds": took}


@contextmanager
def _home() -> Iterator[None]:
    """A folder of its own for what is built: nothing is found there, so that seconds count."""
    before = os.environ.get("HML_HOME")
    with TemporaryDirectory(prefix="hml-profiles-") as folder:
        os.environ["HML_HOME"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["HML_HOME"]
            else:
                os.environ["HML_HOME"] = before
