"""Mock stars measured by one method after the other, what came of each kept in a file that grows."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from measure import say
from recovery_stars import SIZES, Sky, Star
from results import code

from hml import (
    Generator,
    HmlError,
    Objective,
    Optimizer,
    OptimizeResult,
    RunConfig,
    Space,
    Spectrum,
    Status,
    Step,
    load_config,
)
from hml.core import pipeline
from hml.core.components import BuildContext, Progress, quiet
from hml.core.executor import run_all
from hml.core.infer import infer, polished
from hml.core.observe import Target
from hml.core.parts import Parts
from hml.core.paths import data_home
from hml.core.posterior import Sampled, weighted_quantiles
from hml.core.store import digest
from hml.core.work import Alive, Message, Work

Row = dict[str, Any]

PAPER = Path(__file__).resolve().parent.parent / "configs" / "paper.yaml"
MODULES = ("forward", "recovery_stars", "recovery_fit")
METHODS = ("lm", "gp", "paper")
LAPLACE, SAMPLED = "laplace", "posterior"
"""As `lm`, but for one descent, from the truth: whether intervals hold it does not depend on how it was found. The
second draws from the posterior there (emcee)."""
QUANTILES = {"coverage68": (0.15865, 0.84135), "coverage95": (0.025, 0.975)}


@dataclass(frozen=True)
class Rows:
    """Rows of JSON by name. A line that an interruption cut short is made again."""

    path: Path

    def keep(self, name: str, row: Row) -> None:
        self.known[name] = row
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps({"name": name, "row": row}))

    @cached_property
    def known(self) -> dict[str, Row]:
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        return {item["name"]: item["row"] for line in lines if (item := _parsed(line))}


def _parsed(line: str) -> Row | None:
    try:
        return json.loads(line)  # type: ignore[no-any-return]
    except ValueError:
        return None


@dataclass(frozen=True)
class Method:
    """A way to measure stars: a config, and the generator it builds (once; it is found again by the next run)."""

    name: str
    sky: Sky
    sets: Sequence[str] = ()
    progress: Progress = quiet

    @cached_property
    def config(self) -> RunConfig:
        size = self.sky.size
        if self.name == "paper":
            fields = {"grid": self._published, **size.paper}
            return load_config(PAPER, fields=fields, sets=[s for s in self.sets if s.startswith("runtime.")])
        slots = {"optimizer": self.name if self.name in METHODS else "lm"}
        slots |= {"sampler": "emcee"} if self.name == SAMPLED else {}
        sets = [one for one in self.sets if self.name != "gp" or not one.startswith("optimizer")]
        return load_config(slots=slots, fields=size.fields(), sets=sets)

    @property
    def _published(self) -> dict[str, Any]:
        """The grid with the recipe's own preprocessing."""
        return {**self.sky.size.grid, "preprocess": load_config(PAPER).grid.to_data()["preprocess"]}

    @cached_property
    def generator(self) -> Generator:
        say(f"{self.name}: the generator is built, or found")
        return pipeline.build(self.config, progress=self.progress)

    @cached_property
    def rows(self) -> Rows:
        where = {"runtime": {"workers", "executor"}}  # which decide no row
        config, sky = (one.model_dump(mode="json", exclude=where) for one in (self.config, self.sky.config))
        key = digest(code(MODULES), self.name, config, sky)
        return Rows(data_home() / "benchmarks" / f"recovery-{key[:16]}.jsonl")

    def measured(self, stars: Sequence[Star]) -> list[Row]:
        """What is found for each star, beside its truth."""
        known = self.rows.known
        left = [star for star in stars if star.name not in known]
        with self.progress(f"{self.name}: stars", total=len(stars), unit="stars") as advance:
            advance(len(stars) - len(left))

            def keep(star: Star, row: Row) -> None:
                self.rows.keep(star.name, row)
                advance(1)

            if left:
                self.generator  # noqa: B018  built once, and found by whoever measures
                run_all(self._parts.executor, Mocks(self), left, keep)
        return [known[star.name] for star in stars]

    def _measure(self, star: Star) -> Row:
        orders = [self._prepared(order) for order in self.sky.observed(star)]
        self.generator  # noqa: B018  found before the clock starts
        start = time.perf_counter()
        found = self._found(orders, star)
        return {"snr": star.snr, "truth": star.truth, **found, "seconds": time.perf_counter() - start}

    def _found(self, orders: list[Spectrum], star: Star) -> Row:
        """Values and errors by name, and the status; nothing but what was said where there was an error."""
        try:
            optimizer = self._parts.optimizer if self.name in METHODS else Near(star)
            found = infer(self.generator, Target(orders, "mock"), optimizer, self.config)
            if self._parts.sampler is not None:
                found = pipeline.sample(found, self._parts, self._parts.sampler)
        except HmlError as error:
            return {"values": {}, "errors": {}, "status": "REFUSED", "said": str(error), "chi2": None}
        names = found.objective.space.names
        return {
            "values": {name: found.values[name] for name in names}, "errors": dict(found.errors),
            "status": found.search.status.name, "chi2": found.search.value,
        } | ({} if found.sampled is None else {"intervals": _intervals(found.sampled)})  # fmt: skip

    @cached_property
    def _parts(self) -> Parts:
        return Parts.of(self.config)

    def _prepared(self, order: Spectrum) -> Spectrum:
        """With the steps of `spectrum.preprocess`; they get what is masked as its neighbours have it."""
        if not self.config.spectrum.preprocess:
            return order
        use = order.used
        flux = np.where(use, order.flux, np.interp(order.wavelength, order.wavelength[use], order.flux[use]))
        made = replace(order, flux=flux)
        for step in self.config.spectrum.preprocess:
            made = step.build(BuildContext())(made, None)
        return made


class Mocks(Work[Star, Row]):
    """To measure mock stars by one method: a worker draws the star itself, by its number."""

    title = "mock"

    def __init__(self, method: Method) -> None:
        self.method = method

    def do(self, star: Star, alive: Alive) -> Row:
        return self.method._measure(star)

    def name(self, star: Star) -> str:
        return f"mock {star.name}"

    def setting(self) -> Row:
        return {"name": self.method.name, "size": self.method.sky.size.name, "sets": list(self.method.sets)}

    @classmethod
    def there(cls, setting: Row) -> Mocks:
        return cls(Method(setting["name"], Sky(SIZES[setting["size"]]), tuple(setting["sets"])))

    def task_told(self, star: Star) -> Message:
        return Message({"number": star.number, "snr": star.snr})

    def task_heard(self, message: Message) -> Star:
        return self.method.sky.star(**message.facts)


def _intervals(sampled: Sampled) -> Row:
    """Of each parameter, by level, where the draws' quantiles lie."""
    weights = sampled.posterior.weights
    return {
        name: {
            level: weighted_quantiles(sampled.column(name), weights, ends).tolist()
            for level, ends in QUANTILES.items()
        }
        for name in sampled.names
    }


@dataclass(frozen=True)
class Near(Optimizer):
    """The minimum next to the truth."""

    star: Star

    def minimize(
        self, objective: Objective, space: Space, rng: np.random.Generator,
        on_step: Callable[[Step], None] = lambda step: None,
    ) -> OptimizeResult:
        point = np.array([self.star.truth[name] for name in space.names])
        value = float(objective.values(point)[0])
        start = OptimizeResult(point, value, Status.CONVERGED, point[None], np.array([value]), 1)
        return polished(objective, start)  # type: ignore[arg-type]

