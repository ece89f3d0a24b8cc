"""Both layouts as one grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hml import FileGrid, Frame, GridError, GridFile, GridSource, Node, Selection, Spectrum, air_to_vacuum, grid_files
from hml_atlas import BAND, AtlasConfig, kurucz, stsci
from hml_atlas.model import Model

NAMES = ("teff", "logg", "feh")
SHORTEST = 2000.0  # Å; wavelengths below are in vacuum by convention
EXPECTED = "kp00_5000.fits, ckp00_5000.fits, fp00k2.pck or fp00k2odfnew.pck"
Name = tuple[str, tuple[float, ...]]  # layout, what it says


def atlas(config: AtlasConfig) -> GridSource:
    """Labels teff, logg, feh."""
    held: dict[Node, Model] = {}
    for (layout, told), file in _chosen(grid_files(config.path, _key, EXPECTED), config).items():
        found = stsci.models(file, *told) if layout == "stsci" else kurucz.models(file, (told[0], told[1], told[2]))
        for node, model in found.items():
            if node in held:
                raise GridError(f"{model}: stands for the same as {held[node]}; keep one of them")
            held[node] = model
    if not held:
        raise GridError(f"grid.path: {config.path} holds no model with enhanced = {config.enhanced}, vturb = "
                        f"{config.vturb:g}, and the teff and feh that are selected")
    select: dict[str, Selection | None] = {name: getattr(config, name) for name in NAMES}
    nodes = {model: node for node, model in held.items()}

    def spectrum(model: Model) -> Spectrum:
        teff, _, feh = nodes[model]
        wavelength, flux = (
            stsci.read(model, teff, feh) if model.start is None else kurucz.read(model.file, model.start)
        )
        if not np.isfinite(flux).all():
            raise GridError(f"{model}: has fluxes that are not finite")
        return Spectrum(_vacuum(wavelength, config.medium), flux, unit="erg / (s cm2 AA)",
                        frame=Frame(medium=config.medium))

    return FileGrid("ATLAS9", NAMES, held, spectrum, select=select, band=config.wavelength or BAND,
                    told=(config.medium,))  # fmt: skip


def _key(name: str) -> Name | None:
    if (table := stsci.key_of(name)) is not None:
        return "stsci", table
    text = kurucz.key_of(name)
    return None if text is None else ("kurucz", text)


def _chosen(files: dict[Name, GridFile], config: AtlasConfig) -> dict[Name, GridFile]:
    """Those that hold what is selected, so that others need not be opened."""
    teff, feh = (wish.bounds if wish else (-np.inf, np.inf) for wish in (config.teff, config.feh))
    return {
        (layout, told): file
        for (layout, told), file in files.items()
        if (layout == "stsci" and teff[0] <= told[0] <= teff[1] and feh[0] <= told[1] <= feh[1])
        or (layout == "kurucz" and feh[0] <= told[0] <= feh[1] and told[1:] == (0.4 * config.enhanced, config.vturb))
    }


def _vacuum(wavelength: NDArray[np.float64], medium: str) -> NDArray[np.float64]:
    if medium == "vacuum":
        return wavelength
    return np.where(wavelength < SHORTEST, wavelength, air_to_vacuum(np.maximum(wavelength, SHORTEST)))
