"""PHOENIX NewEra (Hauschildt et al. 2025), the successor of the PHOENIX library. Light to import."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from hml import Applies, BuildContext, Component, GridConfig, Selection, UserPath, hookimpl

if TYPE_CHECKING:
    from hml import GridSource

BAND = (8_038.0, 12_849.0)  # vacuum Å, where a config names none


class NewEraConfig(GridConfig):
    """Where the files are, and which models."""

    path: UserPath = Field(
        description="folder with the .HSR.h5 files or with the unpacked text files of the reduced spectra (those below "
        "it count), or one text file"
    )
    sampling: Literal["high", "low"] = Field(
        "high", description=".h5 files: which of their two spectra, the one of high (HSR) or low (LSR) sampling"
    )
    teff: Selection | None = Field(None, description="effective temperatures, K; null: all")
    logg: Selection | None = Field(None, description="surface gravities, dex (cm/s²); null: all")
    feh: Selection | None = Field(None, description="metallicities [M/H], dex; null: all")
    alpha: Selection = Field(
        Selection(nodes=(0.0,)), description="enhancements [α/M], dex; a label of its own if more than one is chosen"
    )


def _build(config: NewEraConfig, context: BuildContext) -> GridSource:
    from hml_newera.grid import new_era

    return new_era(config)


@hookimpl
def hml_grids() -> Iterable[Component]:
    yield Component(
        "newera", "PHOENIX NewEra: high-sampling HDF5 files, or the reduced spectra in text", NewEraConfig, _build,
        reference="Hauschildt et al. 2025, A&A 698, A47",
        applies=Applies(
            {"teff": (2300, 12000), "logg": (0, 6), "feh": (-4, 0.5), "alpha": (-0.2, 1.2)}, (2_500, 250_000)
        ),
    )
