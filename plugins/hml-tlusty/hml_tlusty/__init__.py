"""coolTLUSTY spectra of Y dwarfs (Lacy & Burrows 2023). Light to import."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from hml import (
    Applies,
    BuildContext,
    Component,
    GridConfig,
    PreprocessorSlot,
    Selection,
    UserPath,
    default_steps,
    hookimpl,
)

if TYPE_CHECKING:
    from hml import GridSource

BAND = (10_000.0, 50_000.0)  # vacuum Å, where a config names none


class CoolTlustyConfig(GridConfig):
    """Where the files are, and which models."""

    path: UserPath = Field(
        description="folder with the clear models (ClearEQ, ClearNEQ; those below it count), or a zip of them"
    )
    chemistry: Literal["equilibrium", "mixed"] = Field(
        "equilibrium", description="mixed: with an eddy diffusion coefficient of 1e6 cm²/s (CDIFF1e6 in the name)"
    )
    hmix: float | None = Field(
        None, gt=0, description="mixing length of the extended models (HMIX in the name); null: files that name none"
    )
    teff: Selection | None = Field(None, description="effective temperatures, K; null: all")
    logg: Selection | None = Field(None, description="surface gravities, dex (cm/s²); null: all")
    feh: Selection | None = Field(None, description="metallicities [M/H], dex; null: all")
    medium: Literal["vacuum", "air"] = Field(
        "vacuum", description="what wavelengths are measured in; the files do not say"
    )
    # a blackbody of the same Teff is orders of magnitude away from these spectra
    preprocess: tuple[PreprocessorSlot, ...] = default_steps("continuum")


def _build(config: CoolTlustyConfig, context: BuildContext) -> GridSource:
    from hml_tlusty.grid import cool_tlusty

    return cool_tlusty(config)


@hookimpl
def hml_grids() -> Iterable[Component]:
    yield Component(
        "cooltlusty", "coolTLUSTY: clear Y dwarf atmospheres, in equilibrium or mixed", CoolTlustyConfig, _build,
        reference="Lacy & Burrows 2023, ApJ 950, 8",
        applies=Applies({"teff": (200, 800), "logg": (3.5, 5), "feh": (-0.5, 0.5)}, (5e3, 3e6)),
    )
