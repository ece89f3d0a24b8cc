"""A run's folder: config, result.json, a table, figures. Written last, each file whole or not at all."""

from __future__ import annotations

import datetime
import hashlib
import io
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import numpy as np

from hml.core import figures
from hml.core.config import RunConfig, dump_config
from hml.core.errors import ArtefactError
from hml.core.generator import Generator
from hml.core.infer import Inference
from hml.core.interfaces import Status
from hml.core.likelihood import SpectrumObjective
from hml.core.lock import alone
from hml.core.observe import Target
from hml.core.page import page
from hml.core.paths import data_home
from hml.core.posterior import write_posterior
from hml.core.result import Measured, RunResult
from hml.core.space import UNITS
from hml.core.store import digest, sweep, to_json, versions, write_bytes, write_text
from hml.core.verdict import verdict

IN_PAGE = ("convergence.png", "corner.png")
"""Pictures of the folder that the page repeats."""


@contextmanager
def run_folder(output: Path | None) -> Iterator[Path]:
    """The folder of a run, made and tried at once: better no start than no place for the result. If the run fails, an
    empty one is removed again. No other run may use it meanwhile."""
    folder = (output or _unused(data_home() / "runs")).absolute()
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArtefactError(
            f"{folder}: cannot be made ({error.strerror}); choose another place with --output or HML_HOME"
        ) from None
    try:
        with alone(folder / ".hml-run", str(folder), wait=False):
            sweep(folder)
            yield folder
    except BaseException:
        if made and not any(folder.iterdir()):
            folder.rmdir()
        raise


def _unused(runs: Path) -> Path:
    """Named by time and process; a clock that was set back may have named another so."""
    name = f"{datetime.datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}"
    names = (f"{name}-{i}" if i else name for i in count())
    return next(runs / name for name in names if not (runs / name).exists())


def collect(
    config: RunConfig,
    generator: Generator,
    target: Target,
    found: Inference,
    seconds: Mapping[str, float],
    folder: Path | str,
) -> RunResult:
    """Everything a program may want to know of a run."""
    search = found.search
    truth = {k: v for k, v in (target.truth or {}).items() if np.isfinite(v)}
    parameters = tuple(_measured(found, name, truth.get(name)) for name in found.values)
    data = config.model_dump(mode="json")
    flags = verdict(found, target, generator.space)
    return RunResult(
        parameters=parameters,
        objective=search.value,
        metric=found.objective.metric,
        status=search.status.name.lower(),
        message=search.message or ("" if search.status is Status.CONVERGED else search.status.value),
        notes=(
            *found.objective.notes,
            *(found.sampled.notes if found.sampled else ()),
            *_doubts(generator, found.objective),
            *(flag.line for flag in flags),
        ),
        flags=tuple(flag.word for flag in flags),
        target=target.story,
        counts={
            "nodes": len(generator.header["nodes"]),
            "tracks": len(generator),
            "pixels": found.objective.pixels,
            "orders": len(found.objective.orders),
            "evaluations": search.evaluations,
        },
        seconds=dict(seconds),
        versions=versions(),
        fingerprints={
            "grid": generator.header["grid"]["fingerprint"],
            "generator": generator.header["key"],
            "config": digest(data),
            "spectrum": _content(target),
        },
        folder=str(folder),
        machine=machine(),
        config=data,
        posterior=found.sampled.facts() if found.sampled else None,
    )


def _content(target: Target) -> str:
    """A digest of the numbers that were measured, after masks and all that is done to a spectrum before."""
    found = hashlib.sha256()
    for order in target.orders:
        for array in (order.wavelength, order.flux, order.error, order.used):
            found.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def machine() -> dict[str, str]:
    """What of this machine decides the last digits of sums."""
    import torch
    from llvmlite.binding import get_host_cpu_name

    processor = f"{platform.machine()} {get_host_cpu_name()}"
    return {"processor": processor, "python": platform.python_version(), "threads": str(torch.get_num_threads())}


def _measured(found: Inference, name: str, truth: float | None) -> Measured:
    """One parameter: from the posterior where it was sampled, else the best fit and the curvature there."""
    free, unit = name in found.objective.space.names, UNITS.get(name, "")
    if found.sampled is None or not free:
        return Measured(name, unit, found.values[name], found.errors.get(name), truth, free)
    low, middle, high = found.sampled.quantiles(name)
    return Measured(name, unit, middle, found.sampled.deviation(name), truth, free, (low, high))


def _doubts(generator: Generator, objective: SpectrumObjective) -> list[str]:
    """What the quoted errors leave out."""
    noise = objective.noise
    if objective.shared is not None:
        return []
    fidelity = float(np.median(generator.header["clone_rms"]))
    if fidelity < 0.2 * noise:
        return []
    return [
        f"the clones reproduce their nodes to {fidelity:.1e} of the continuum"
        + (f" (noise of the data: {noise:.1e})" if noise else "")
        + "; the errors do not include that"
    ]


def write_run(
    result: RunResult, config: RunConfig, generator: Generator, target: Target, found: Inference, folder: Path
) -> None:
    """The files of a run."""
    write_text(folder / "config.yaml", dump_config(config))
    write_text(folder / "labels.ecsv", label_table(result))
    write_bytes(folder / "fit.png", figures.fit(found))
    write_bytes(folder / "convergence.png", figures.convergence(found, target.truth))
    if len(generator):
        write_bytes(folder / "lines.png", figures.line_counts(generator))
    if found.sampled is not None:
        write_bytes(folder / "corner.png", figures.corner(found.sampled, target.truth, found.values))
        write_posterior(found.sampled, UNITS, folder)
    pictures = {name: (folder / name).read_bytes() for name in IN_PAGE if (folder / name).is_file()}
    write_text(folder / "report.html", page(result, config, generator, target, found, pictures))
    write_text(folder / "result.json", to_json(result.to_json()))


def label_table(result: RunResult) -> str:
    """The measured parameters as ECSV."""
    from astropy.table import QTable

    rows = result.parameters
    table = QTable(
        {
            "parameter": [p.name for p in rows],
            "value": [p.value for p in rows],
            "error": [np.nan if p.error is None else p.error for p in rows],
            **({"low": _ends(rows, 0), "high": _ends(rows, 1)} if result.posterior else {}),
            "truth": [np.nan if p.truth is None else p.truth for p in rows],
            "unit": [p.unit for p in rows],
        },
        meta={"target": result.target, "status": result.status, result.metric: result.objective},
    )
    text = io.StringIO()
    table.write(text, format="ascii.ecsv")
    return text.getvalue()


def _ends(rows: tuple[Measured, ...], end: int) -> list[float]:
    """16 (end 0) or 84 (end 1) per cent of the posterior, NaN where it has none."""
    return [np.nan if p.interval is None else p.interval[end] for p in rows]
