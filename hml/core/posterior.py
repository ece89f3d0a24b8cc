"""From a point fit to a posterior: draws, what they say of each parameter, and the file that keeps them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from hml.core.chains import effective_size, rhat
from hml.core.components import Progress, quiet
from hml.core.interfaces import Posterior, Sampler, Start
from hml.core.likelihood import SpectrumObjective
from hml.core.space import Floats
from hml.core.store import versions, write_bytes, write_text

QUANTILES = (0.16, 0.5, 0.84)
MIXED = 1.05  # R̂ above which chains have not found the same distribution
POOR = 2.0  # χ² per pixel above which the data's errors cannot be all of it


@dataclass(frozen=True, eq=False)
class Sampled:
    """A posterior and what it says of each free parameter."""

    sampler: str
    names: tuple[str, ...]  # P
    posterior: Posterior
    effective: tuple[float, ...]  # [P] effective number of draws
    rhat: tuple[float, ...]  # [P] NaN where there are no chains
    laplace: Mapping[str, float]  # errors by the curvature at the best fit, to compare with
    poor: float | None = None  # χ² per pixel of a poor fit

    def column(self, name: str) -> Floats:
        """The draws `[S]` of one parameter."""
        return np.asarray(self.posterior.points[:, self.names.index(name)])

    def quantiles(self, name: str) -> tuple[float, float, float]:
        """16, 50 and 84 per cent of the probability lie below these."""
        low, middle, high = weighted_quantiles(self.column(name), self.posterior.weights, QUANTILES)
        return float(low), float(middle), float(high)

    def deviation(self, name: str) -> float:
        """The standard deviation."""
        column, weights = self.column(name), self.posterior.weights
        return float(np.sqrt(np.average((column - np.average(column, weights=weights)) ** 2, weights=weights)))

    @property
    def mixed(self) -> bool:
        """Whether all chains tell the same (True where there are none)."""
        return not any(value > MIXED for value in self.rhat)

    @property
    def notes(self) -> list[str]:
        """What a reader of the result must know."""
        count = f"{len(self.posterior.points):,} draws by {self.sampler}"
        notes = [f"values and errors: median and standard deviation of the posterior ({count})"]
        if not self.posterior.converged:
            notes.append(f"the posterior has not converged: {self.posterior.message}")
        if not self.mixed:
            worst = self.names[int(np.nanargmax(self.rhat))]
            notes.append(
                f"the chains disagree in {worst} (R̂ {max(self.rhat):.3f}, above {MIXED}): allow more steps, or use a "
                "nested sampler if the posterior has several maxima"
            )
        if self.poor is not None:
            notes.append(
                f"the posterior takes the data's errors as they are, although χ² per pixel is {self.poor:.3g}: it is "
                "too narrow; see the error by curvature (laplace) in result.json, which is scaled"
            )
        return notes

    def facts(self) -> dict[str, Any]:
        """For `result.json`: how it was drawn, and every parameter's numbers."""
        evidence = self.posterior.evidence
        return {
            "sampler": self.sampler,
            "draws": len(self.posterior.points),
            "evaluations": self.posterior.evaluations,
            "converged": self.posterior.converged and self.mixed,
            "message": self.posterior.message,
            "ln_evidence": None if evidence is None else {"value": evidence[0], "error": evidence[1]},
            "diagnostics": dict(self.posterior.diagnostics),
            "parameters": {
                name: {
                    "quantiles": dict(zip(("16", "50", "84"), self.quantiles(name), strict=True)),
                    "deviation": self.deviation(name),
                    "laplace": self.laplace.get(name),
                    "effective_draws": self.effective[p],
                    "rhat": self.rhat[p],
                }
                for p, name in enumerate(self.names)
            },
        }


def draw(
    objective: SpectrumObjective,
    sampler: Sampler,
    start: Start,
    rng: np.random.Generator,
    name: str = "sampler",
    progress: Progress = quiet,
) -> Sampled:
    """The posterior of an objective's parameters, and how far it can be trusted."""
    with progress("sampling", total=None, unit="spectra") as advance:
        seen = 0

        def on_step(evaluations: int) -> None:
            nonlocal seen
            advance(evaluations - seen)
            seen = evaluations

        found = sampler.sample(objective.log_probability, objective.space, start, rng, on_step)
    laplace = {} if start.covariance is None else dict(
        zip(objective.space.names, np.sqrt(np.diag(start.covariance)).tolist(), strict=True)
    )  # fmt: skip
    given = objective.metric == "chi2" and objective.config.noise == "given"
    value = float(objective.values(start.point)[0]) if given else 0.0
    return Sampled(name, objective.space.names, found, *_trust(found), laplace, value if value > POOR else None)


def _trust(found: Posterior) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Effective number of draws and R̂ of each parameter."""
    count = found.points.shape[1]
    if found.chains is not None:
        columns = np.moveaxis(found.chains, -1, 0)
        return tuple(map(effective_size, columns)), tuple(map(rhat, columns))
    # Kish 1965, Survey Sampling: of independent draws with weights
    size = len(found.points) if found.weights is None else 1 / float((found.weights**2).sum())
    return (size,) * count, (np.nan,) * count


def weighted_quantiles(values: Floats, weights: Floats | None, at: tuple[float, ...]) -> Floats:
    """The values `[len(at)]` below which these parts of the weight of `values` `[S]` lie."""
    if weights is None:
        return np.asarray(np.quantile(values, at))
    order = np.argsort(values)
    below = np.cumsum(weights[order]) - 0.5 * weights[order]
    return np.asarray(np.interp(at, below / weights.sum(), values[order]))


def alike(found: Posterior) -> tuple[Floats, Floats]:
    """Draws `[C, D, P]` of equal weight, and their ln probability `[C, D]`: the chains as they are; weighted draws
    repeated or left out by their weight (systematic resampling) in one chain."""
    if found.weights is None:
        points = found.points[None] if found.chains is None else found.chains
        return points, found.log_probability.reshape(points.shape[:2])
    size = max(1, int(1 / (found.weights**2).sum()))
    steps = (np.arange(size) + 0.5) / size
    chosen = np.minimum(np.searchsorted(np.cumsum(found.weights), steps), len(found.weights) - 1)
    return found.points[None, chosen], found.log_probability[None, chosen]


# --- files ---------------------------------------------------------------------------------------------------------


def write_posterior(sampled: Sampled, units: Mapping[str, str], folder: Path) -> Path:
    """`posterior.nc`, which arviz reads, where xarray and h5netcdf are installed (extra `posterior`); else
    `posterior.ecsv`."""
    if find_spec("xarray") is not None and find_spec("h5netcdf") is not None:
        return _write_netcdf(sampled, units, folder / "posterior.nc")
    write_text(folder / "posterior.ecsv", _table(sampled, units))
    return folder / "posterior.ecsv"


def _write_netcdf(sampled: Sampled, units: Mapping[str, str], path: Path) -> Path:
    """Groups `posterior` and `sample_stats` over chain and draw, as arviz names them; equal weights."""
    import xarray

    points, log_probability = alike(sampled.posterior)
    over = ("chain", "draw")
    places = {name: np.arange(size) for name, size in zip(over, log_probability.shape, strict=True)}
    columns = {
        name: (over, points[..., p], {"units": units.get(name, "")}) for p, name in enumerate(sampled.names)
    }  # fmt: skip
    groups = {
        "/": xarray.Dataset(attrs=_told(sampled)),
        "posterior": xarray.Dataset(columns, coords=places, attrs={"inference_library": sampled.sampler}),
        "sample_stats": xarray.Dataset({"lp": (over, log_probability)}, coords=places),
    }
    with tempfile.TemporaryDirectory() as work:
        file = Path(work) / path.name
        xarray.DataTree.from_dict(groups).to_netcdf(file, engine="h5netcdf")
        write_bytes(path, file.read_bytes())
    return path


def _told(sampled: Sampled) -> dict[str, Any]:
    """What a file of draws says of their origin: plain numbers and text."""
    found = sampled.posterior
    told: dict[str, Any] = {"sampler": sampled.sampler, "hml": versions()["hml"], "message": found.message}
    told |= {"converged": int(found.converged), "evaluations": found.evaluations, **found.diagnostics}
    if found.evidence is not None:
        told |= {"ln_evidence": found.evidence[0], "ln_evidence_error": found.evidence[1]}
    return told


def _table(sampled: Sampled, units: Mapping[str, str]) -> str:
    import io

    from astropy.table import Table

    points, log_probability = alike(sampled.posterior)
    chains, draws = log_probability.shape
    table = Table({"chain": np.repeat(np.arange(chains), draws), "draw": np.tile(np.arange(draws), chains)})
    for p, name in enumerate(sampled.names):
        table[name] = points[..., p].ravel()
        table[name].description = units.get(name, "")
    table["lp"] = log_probability.ravel()
    table.meta.update(_told(sampled))
    text = io.StringIO()
    table.write(text, format="ascii.ecsv")
    return text.getvalue()
