"""The Sonora grids of substellar atmospheres: Bobcat, Cholla, Diamondback, Elf Owl. Light to import."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

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

FEH = "metallicities [M/H], dex; null: all"
BAND = (10_000.0, 13_500.0)  # vacuum Å, where a config names none
CO = "C/O over that of the Sun (0.458), as in the files' names; null: all"
LOGKZZ = "log10 of the eddy diffusion coefficient, cm²/s; null: all"


class SonoraConfig(GridConfig):
    """What the four grids share."""

    path: UserPath = Field(description="folder with the unpacked files (those below it count), or a zip of them")
    teff: Selection | None = Field(None, description="effective temperatures, K; null: all")
    logg: Selection | None = Field(None, description="surface gravities, dex (cm/s²); null: all")
    medium: Literal["vacuum", "air"] = Field(
        "vacuum", description="what wavelengths are measured in; the files do not say"
    )
    # molecular bands leave no continuum, and a blackbody of the same Teff is orders of magnitude away from them
    preprocess: tuple[PreprocessorSlot, ...] = default_steps("continuum")


class BobcatConfig(SonoraConfig):
    """Cloudless, in chemical equilibrium."""

    feh: Selection | None = Field(None, description=FEH)
    co: Selection | None = Field(None, description=CO)


class ChollaConfig(SonoraConfig):
    """Cloudless, with vertical mixing."""

    logkzz: Selection | None = Field(None, description=LOGKZZ)


class DiamondbackConfig(SonoraConfig):
    """Cloudy, in chemical equilibrium."""

    feh: Selection | None = Field(None, description=FEH)
    fsed: Selection | None = Field(None, description="sedimentation efficiencies; null: all")
    clear: float | None = Field(
        None, gt=0, description="where on the axis fsed the cloudless models (nc) stand, which have none; null: "
        "they are left out",
    )


class ElfOwlConfig(SonoraConfig):
    """Cloudless, with vertical mixing, metallicity and C/O."""

    feh: Selection | None = Field(None, description=FEH)
    co: Selection | None = Field(None, description=CO)
    logkzz: Selection | None = Field(None, description=LOGKZZ)


def _bobcat(config: BobcatConfig, context: BuildContext) -> GridSource:
    from hml_sonora.grids import bobcat

    return bobcat(config)


def _cholla(config: ChollaConfig, context: BuildContext) -> GridSource:
    from hml_sonora.grids import cholla

    return cholla(config)


def _diamondback(config: DiamondbackConfig, context: BuildContext) -> GridSource:
    from hml_sonora.grids import diamondback

    return diamondback(config)


def _elf_owl(config: ElfOwlConfig, context: BuildContext) -> GridSource:
    from hml_sonora.grids import elf_owl

    return elf_owl(config)


def _applies(teff: tuple[float, float], microns: tuple[float, float], **labels: tuple[float, float]) -> Any:
    return Applies({"teff": teff, **labels}, (microns[0] * 1e4, microns[1] * 1e4))


@hookimpl
def hml_grids() -> Iterable[Component]:
    yield Component(
        "sonora_bobcat", "Sonora Bobcat: cloudless substellar atmospheres in equilibrium", BobcatConfig, _bobcat,
        reference="Marley et al. 2021, ApJ 920, 85",
        applies=_applies((200, 2400), (0.4, 50), logg=(3, 5.5), feh=(-0.5, 0.5), co=(0.5, 1.5)),
    )
    yield Component(
        "sonora_cholla", "Sonora Cholla: cloudless substellar atmospheres with vertical mixing", ChollaConfig, _cholla,
        reference="Karalidi et al. 2021, ApJ 923, 269",
        applies=_applies((500, 1300), (0.3, 250), logg=(3, 5.5), logkzz=(2, 7)),
    )
    yield Component(
        "sonora_diamondback", "Sonora Diamondback: cloudy substellar atmospheres", DiamondbackConfig, _diamondback,
        reference="Morley et al. 2024, ApJ 975, 59",
        applies=_applies((900, 2400), (0.3, 250), logg=(3.5, 5.5), feh=(-0.5, 0.5), fsed=(1, 8)),
    )
    yield Component(
        "sonora_elf_owl", "Sonora Elf Owl: cloudless, with mixing, metallicity and C/O", ElfOwlConfig, _elf_owl,
        reference="Mukherjee et al. 2024, ApJ 963, 73",
        applies=_applies((275, 2400), (0.6, 15), logg=(3, 5.5), feh=(-1, 1), co=(0.5, 2.5), logkzz=(2, 9)),
    )
