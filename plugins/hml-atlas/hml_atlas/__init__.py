"""ATLAS9 model atmospheres: the fluxes as STScI and as Kurucz himself publish them. Light to import."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from hml import Applies, BuildContext, Component, GridConfig, Selection, UserPath, hookimpl

if TYPE_CHECKING:
    from hml import GridSource

BAND = (3_000.0, 10_000.0)  # vacuum Å, where a config names none


class AtlasConfig(GridConfig):
    """Where the files are, and which models."""

    path: UserPath = Field(
        description="folder with STScI's .fits files or Kurucz's .pck files (those below it count), a zip of them, or "
        "one .pck file"
    )
    teff: Selection | None = Field(None, description="effective temperatures, K; null: all")
    logg: Selection | None = Field(None, description="surface gravities, dex (cm/s²); null: all")
    feh: Selection | None = Field(None, description="metallicities [M/H], dex; null: all")
    enhanced: bool = Field(False, description=".pck files: models with [α/Fe] = 0.4 (an a in the name) instead of 0")
    vturb: float = Field(2.0, ge=0, description=".pck files: microturbulence of the models, km/s")
    medium: Literal["vacuum", "air"] = Field(
        "vacuum", description="what wavelengths above 2000 Å are measured in; the files do not say, and pixels are "
        "10–400 Å wide",
    )


def _build(config: AtlasConfig, context: BuildContext) -> GridSource:
    from hml_atlas.grid import atlas

    return atlas(config)


@hookimpl
def hml_grids() -> Iterable[Component]:
    yield Component(
        "atlas9", "ATLAS9 fluxes of Kurucz 1993 or Castelli & Kurucz 2004, low resolution", AtlasConfig, _build,
        reference="Kurucz 1993, CD-ROM 13; Castelli & Kurucz 2003, IAU Symp. 210, A20",
        applies=Applies({"teff": (3500, 50000), "logg": (0, 5), "feh": (-5, 1)}, (90.9, 1.6e6)),
    )
