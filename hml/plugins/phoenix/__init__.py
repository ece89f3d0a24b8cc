"""The PHOENIX ACES library of Husser et al. 2013: reads its files, and downloads those that are missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field, ValidationInfo, field_validator

from hml import Applies, BuildContext, Component, GridConfig, Selection, UserPath, hookimpl
from hml.plugins.phoenix.names import AXES, TEFF

if TYPE_CHECKING:
    from hml.plugins.phoenix.source import PhoenixGrid

COVERED = (500.0, 55000.0)  # vacuum Å
HPF = (8038.0, 12849.0)
SERVERS = (
    "https://phoenix.astro.physik.uni-goettingen.de/data/HiResFITS/",
    "http://phoenix.astro.physik.uni-goettingen.de/data/HiResFITS/",
    "https://phoenix.astro.physik.uni-goettingen.de/data/v2.0/HiResFITS/",
)


class PhoenixConfig(GridConfig):
    """Which part of the library, and where its files are."""

    wavelength: tuple[float, float] | None = Field(
        HPF, description="band to use, vacuum Å [low, high]; null is [8038, 12849], that of HPF"
    )
    path: UserPath | None = Field(
        None, description="folder with the library's HiResFITS tree, only read; null: the cache, which can be fetched"
    )
    teff: Selection = Field(Selection(lower=TEFF[0], upper=TEFF[-1]), description="effective temperatures, K")
    logg: Selection = Field(Selection(lower=2.0, upper=6.0), description="surface gravities, dex (cm/s²)")
    feh: Selection = Field(Selection(nodes=(-0.5, 0.0)), description="metallicities [Fe/H], dex")
    alpha: Selection = Field(
        Selection(nodes=(0.0,)), description="enhancements [α/Fe], dex; a label of its own if more than one is chosen"
    )
    base_urls: tuple[str, ...] = Field(
        SERVERS, description="where files are fetched from, tried in order; the wavelength file lies directly there"
    )
    connections: int = Field(4, ge=1, le=32, description="downloads side by side")
    timeout: float = Field(30.0, gt=0, description="seconds without an answer before a try counts as failed")
    retries: int = Field(3, ge=0, description="more tries after a failed one, before the next URL is asked")
    offline: bool = Field(False, description="never ask a server; the nodes are those already in the cache")
    whole_files: bool = Field(False, description="fetch whole files (6.3 MB each) instead of the band alone")

    @field_validator("wavelength")
    @classmethod
    def _covered(cls, band: tuple[float, float] | None) -> tuple[float, float] | None:
        if band is not None and not COVERED[0] <= band[0] < band[1] <= COVERED[1]:
            raise ValueError(f"expected [low, high] inside {COVERED[0]:g} to {COVERED[1]:g} Å, got {list(band)}")
        return band

    @field_validator("base_urls")
    @classmethod
    def _web(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            if not url.startswith(("http://", "https://")):
                raise ValueError(f"{url!r} is not a http or https address; for a folder set grid.path")
        return tuple(dict.fromkeys(url.rstrip("/") + "/" for url in urls))

    @field_validator(*AXES)
    @classmethod
    def _on_axis(cls, selection: Selection, info: ValidationInfo) -> Selection:
        if info.field_name and info.data.get("path") is None:  # a folder may hold nodes of its own
            selection.pick(AXES[info.field_name], info.field_name)
        return selection


def _build(config: PhoenixConfig, context: BuildContext) -> PhoenixGrid:
    from hml.plugins.phoenix.source import PhoenixGrid

    return PhoenixGrid(config, context.cache / "phoenix")


@hookimpl
def hml_grids() -> Iterable[Component]:
    yield Component(
        name="phoenix",
        summary="PHOENIX ACES high-resolution spectra, read from a folder or fetched band by band",
        config=PhoenixConfig,
        build=_build,
        reference="Husser et al. 2013, A&A 553, A6",
        traits={"fetches": True},
        applies=Applies(
            labels={name: (values[0], values[-1]) for name, values in AXES.items()}, wavelength=COVERED
        ),
    )

