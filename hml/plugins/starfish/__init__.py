"""Grid libraries in Starfish's HDF5 format (needs h5py: the extra `hml[hdf5]`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from hml import (
    BuildContext,
    Component,
    GridConfig,
    GridError,
    PreprocessorSlot,
    Selection,
    UserPath,
    default_steps,
    hookimpl,
)

if TYPE_CHECKING:
    from hml import GridSource


class StarfishConfig(GridConfig):
    """One library, or one a spectral order in a folder."""

    path: UserPath = Field(description="a .hdf5 file, or a folder of them, one an order")
    orders: tuple[str, ...] | None = Field(
        None, description="files of the folder to use, by name or by the end of it (m110); null: all"
    )
    teff: Selection | None = Field(None, description="nodes to use, K; null: all")
    logg: Selection | None = Field(None, description="nodes to use, dex; null: all")
    feh: Selection | None = Field(None, description="nodes to use, dex; null: all")
    alpha: Selection | None = Field(None, description="nodes to use, dex; null: all")
    resolving_power: float | None = Field(
        None, gt=0, description="λ/Δλ the library was convolved to (the files do not tell); null: native sampling"
    )
    medium: Literal["vacuum", "air"] | None = Field(
        None, description="what the files' wavelengths are measured in; null: as they say"
    )
    key_name: str | None = Field(
        None, description="name of a node's spectrum, such as t{0:.0f}g{1:.1f}z{2:.1f}; null: as the files say"
    )
    # fluxes are usually scaled to the solar luminosity: no blackbody can be divided out
    preprocess: tuple[PreprocessorSlot, ...] = default_steps("continuum")

    def selections(self) -> dict[str, Any]:
        """label → Selection or None."""
        return {label: getattr(self, label) for label in ("teff", "logg", "feh", "alpha")}


def _build(config: StarfishConfig, context: BuildContext) -> GridSource:
    try:
        import h5py  # noqa: F401
    except ImportError:
        raise GridError("starfish_hdf5: h5py is not installed; pip install 'hml[hdf5]'") from None
    from hml.plugins.starfish.source import StarfishGrid

    return StarfishGrid(config)


@hookimpl
def hml_grids() -> Iterator[Component]:
    yield Component(
        "starfish_hdf5", "HDF5 grid libraries made by Starfish, several orders together", StarfishConfig, _build,
        reference="Czekala et al. 2015, ApJ 812, 128", traits={"truth": False, "fetches": False, "ragged": False},
    )
