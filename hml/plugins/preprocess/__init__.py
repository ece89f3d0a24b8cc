"""Steps that normalise a spectrum: `blackbody`, `percentile`, `continuum`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from hml import BuildContext, Component, ComponentConfig, hookimpl

if TYPE_CHECKING:
    from hml import Preprocessor


class BlackbodyConfig(ComponentConfig):
    """π·B(λ, Teff) of the node's own effective temperature."""


class PercentileConfig(ComponentConfig):
    """One number for the whole spectrum."""

    q: float = Field(99.0, gt=0, le=100, description="percentile of the flux that becomes 1")


class ContinuumConfig(ComponentConfig):
    """A smooth curve along the top of each order."""

    method: Literal["envelope", "paper"] = Field(
        "envelope", description="envelope: asymmetric least squares over all pixels; paper: through widely spaced peaks"
    )
    degree: int = Field(4, ge=0, le=15, description="of the polynomial in each order")
    asymmetry: float = Field(
        0.9999, gt=0.5, lt=1,
        description="envelope: weight of pixels above the curve, against 1 - asymmetry below; nearer to 1 is nearer "
        "to the highest pixels (0.9 suits noisy spectra)",
    )
    distance: int = Field(5001, ge=1, description="paper: least distance between two peaks, pixels")


def _blackbody(config: BlackbodyConfig, context: BuildContext) -> Preprocessor:
    from hml.plugins.preprocess.blackbody import Blackbody

    return Blackbody()


def _percentile(config: PercentileConfig, context: BuildContext) -> Preprocessor:
    from hml.plugins.preprocess.percentile import Percentile

    return Percentile(config.q)


def _continuum(config: ContinuumConfig, context: BuildContext) -> Preprocessor:
    if config.method == "paper":
        from hml.plugins.preprocess.peaks import PeakContinuum

        return PeakContinuum(config.degree, config.distance)
    from hml.plugins.preprocess.envelope import EnvelopeContinuum

    return EnvelopeContinuum(config.degree, config.asymmetry)


@hookimpl
def hml_preprocessors() -> Iterator[Component]:
    yield Component(
        "blackbody", "divide by π·B(λ, Teff) of the node", BlackbodyConfig, _blackbody, traits={"needs_labels": True}
    )
    yield Component("percentile", "divide by a percentile of the flux", PercentileConfig, _percentile,
                    traits={"needs_labels": False})
    yield Component("continuum", "divide each order by a smooth upper envelope", ContinuumConfig, _continuum,
                    traits={"needs_labels": False})
