"""One spectrum, several grids: each that applies measures it, and they are ranked."""

from __future__ import annotations

import io
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np

from hml.core import pipeline
from hml.core.applicable import Judged, judge_grids
from hml.core.build import obtain_generator
from hml.core.components import BuildContext, Progress
from hml.core.config import RunConfig, dump_config
from hml.core.errors import ConfigError, GridError, HmlError
from hml.core.observe import Target, read_target
from hml.core.parts import Parts, choose_device, ensure_grid, plan_nodes
from hml.core.ranking import Ranking, Trial, rank
from hml.core.report import run_folder
from hml.core.result import RunResult
from hml.core.store import to_json, write_text

log = logging.getLogger(__name__)


def run_grids(config: RunConfig, *, output: Path | None, progress: Progress) -> RunResult:
    """The result of the best grid, with the ranking. Every grid has a folder of its own inside that of the run.
    GridError, with the reason for each, if none can be used."""
    if config.spectrum.path is None:
        raise ConfigError("grids: several grids are ranked by one observed spectrum; give --spectrum FILE")
    if config.generator.path is not None:
        raise ConfigError("grids: generator.path names the only generator there is; leave one of the two out")
    context = BuildContext(device=choose_device(config.runtime.device), seed=config.runtime.seed, progress=progress)
    with run_folder(output) as folder:
        target = read_target(config, context)
        judged = judge_grids(config, target.orders, context)
        left_out = {one.name: one.reason for one in judged if one.reason}
        trials, results = [], {}
        for one in (one for one in judged if not one.reason):
            try:
                trial, results[one.name] = _tried(one, config, target, folder / one.name, progress)
                trials.append(trial)
            except HmlError as error:
                left_out[one.name] = str(error).splitlines()[0]
        if not trials:
            told = "; ".join(f"{name} {reason}" for name, reason in left_out.items())
            raise GridError(f"{target.orders[0].name or target.story}: no grid can be used: {told}")
        ranking = rank(trials, target, left_out)
        return _written(results[ranking.places[0].grid], ranking, config, folder)


def _tried(
    one: Judged, config: RunConfig, target: Target, folder: Path, progress: Progress
) -> tuple[Trial, RunResult]:
    log.info("grid %s (%.0f %% of the pixels)", one.name, 100 * one.share)
    clock = pipeline.Clock()
    own = config.model_copy(update={"grid": one.chosen, "grids": ()})
    parts = Parts.of(own, progress)
    with run_folder(folder) as place:
        with clock("grid"):
            ensure_grid(parts)
            plan = plan_nodes(parts)
        with clock("build"):
            generator = obtain_generator(parts, plan)
        found, result = pipeline.measure(parts, generator, target, clock, place)
    return Trial(one.name, own, generator, found), result


def _written(best: RunResult, ranking: Ranking, config: RunConfig, folder: Path) -> RunResult:
    note = (ranking.note,) if ranking.note else ()
    result = replace(best, notes=(*best.notes, *note), ranking=ranking.to_json())
    write_text(folder / "config.yaml", dump_config(config))
    write_text(folder / "ranking.ecsv", _table(ranking))
    write_text(folder / "result.json", to_json(result.to_json()))
    return result


def _table(ranking: Ranking) -> str:
    """As ECSV: a row for each grid, those left out at the end with the reason."""
    from astropy.table import Table

    places, others = ranking.places, ranking.left_out
    names = list(dict.fromkeys(name for place in places for name in place.values))
    none = [np.nan] * len(others)
    columns: dict[str, list[object]] = {
        "grid": [*(place.grid for place in places), *others],
        "score": [*(place.score for place in places), *none],
        "behind": [*(place.behind for place in places), *none],
        "error": [*(place.error for place in places), *none],
        **{name: [*(place.values.get(name, np.nan) for place in places), *none] for name in names},
        "left_out": [*("" for _ in places), *others.values()],
    }
    text = io.StringIO()
    Table(columns, meta={"pixels": ranking.pixels}).write(text, format="ascii.ecsv")
    return text.getvalue()
