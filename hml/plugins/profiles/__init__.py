"""Shapes of a spectral line: `pseudo_voigt` and `voigt`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from hml import BuildContext, Component, ComponentConfig, hookimpl

if TYPE_CHECKING:
    from hml import LineProfile


class VoigtConfig(ComponentConfig):
    """An exact Voigt profile."""

    start: Literal["depth", "paper"] = Field(
        "depth", description="start of a fit: depth: area = depth ÷ peak of the profile; paper: 0.14 × prominence"
    )


class PseudoVoigtConfig(VoigtConfig):
    """A Lorentzian and a Gaussian, mixed to come close to a Voigt profile."""

    widths: Literal["common", "separate"] = Field(
        "common",
        description="common: both parts have the full width of the whole, as in the paper; separate: Lorentzian of "
        "half width gamma and Gaussian of sigma, as in blase",
    )


def _pseudo_voigt(config: PseudoVoigtConfig, context: BuildContext) -> LineProfile:
    from hml.plugins.profiles.pseudo_voigt import PseudoVoigt

    return PseudoVoigt(config)


def _voigt(config: VoigtConfig, context: BuildContext) -> LineProfile:
    from hml.plugins.profiles.voigt import Voigt

    return Voigt(config)


@hookimpl
def hml_profiles() -> Iterator[Component]:
    yield Component(
        "pseudo_voigt", "Lorentzian plus Gaussian, within about 1 % of a Voigt profile", PseudoVoigtConfig,
        _pseudo_voigt, reference="Thompson, Cox & Hastings 1987, J. Appl. Cryst. 20, 79",
    )
    yield Component(
        "voigt", "exact Voigt profile, as a sum of poles", VoigtConfig, _voigt,
        reference="Hui, Armstrong & Wray 1978, JQSRT 19, 509 (rational form)",
    )
