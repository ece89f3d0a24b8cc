"""Samplers: `emcee` and `dynesty`, each an extra. Light to import; the libraries come with `build`."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from hml import BuildContext, Component, ComponentConfig, PluginError, hookimpl

if TYPE_CHECKING:
    from hml import Sampler


class EmceeConfig(ComponentConfig):
    """Walkers that start where the point fit and its covariance say, and move by leaps within that covariance and by
    differences between one another."""

    walkers: int | None = Field(
        None, ge=4, description="chains side by side; at least twice the free parameters and two; null: 16, or four "
        "times the parameters"
    )
    steps: int = Field(3000, ge=10, description="steps of each walker at most")
    length: float = Field(
        50.0, gt=0, description="converged when the walkers have taken this many autocorrelation times (of the slowest "
        "parameter) and the estimate of that time has settled"
    )


class DynestyConfig(ComponentConfig):
    """Nested sampling: points from the whole box that close in on the maxima, however many there are."""

    mode: Literal["static", "dynamic"] = Field(
        "static", description="dynamic: more live points where the posterior is, until there are `effective` draws"
    )
    live: int = Field(300, ge=25, description="live points")
    remainder: float = Field(
        0.05, gt=0, description="converged when what is left of the box could raise ln of the evidence by this at most"
    )
    effective: int = Field(2000, ge=100, description="effective number of draws (dynamic)")
    max_evaluations: int = Field(1_000_000, ge=1000, description="spectra rendered at most")


def _need(package: str) -> None:
    try:
        import_module(package)
    except ImportError:
        raise PluginError(f"sampler: {package} is not installed; pip install 'hml[{package}]'") from None


def _emcee(config: EmceeConfig, _: BuildContext) -> Sampler:
    _need("emcee")
    from hml.plugins.samplers.ensemble import Ensemble

    return Ensemble(config)


def _dynesty(config: DynestyConfig, _: BuildContext) -> Sampler:
    _need("dynesty")
    from hml.plugins.samplers.nested import Nested

    return Nested(config)


@hookimpl
def hml_samplers() -> Iterable[Component]:
    """The samplers of hml itself."""
    yield Component("emcee", "an ensemble of walkers around the best fit (emcee); for one maximum", EmceeConfig, _emcee,
                    reference="Foreman-Mackey et al. 2013, PASP 125, 306", traits={"evidence": False})
    yield Component("dynesty", "nested sampling of the whole box (dynesty); for several maxima, and for the evidence",
                    DynestyConfig, _dynesty, reference="Speagle 2020, MNRAS 493, 3132", traits={"evidence": True})
