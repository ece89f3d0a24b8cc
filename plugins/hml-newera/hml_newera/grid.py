"""Both kinds of file as one grid."""

from __future__ import annotations

from collections.abc import Mapping

from hml import FileGrid, GridError, GridFile, GridSource, Node, Selection, Spectrum, grid_files
from hml_newera import BAND, NewEraConfig, hdf5, text

NAMES = ("teff", "logg", "feh", "alpha")
EXPECTED = "lte05000-5.00-0.0.PHOENIX-NewEra-ACES-COND-2023.HSR.h5 or PHOENIX-NewEraV3-LowRes-SPECTRA.Z-0.0.txt"
Held = GridFile | text.Block


def new_era(config: NewEraConfig) -> GridSource:
    """Labels teff, logg, feh, and alpha if more than one value of it is selected."""
    files = grid_files(config.path, _key, EXPECTED)
    held = _held(files, config)
    alphas = _alphas(held, config)
    names = NAMES if len(alphas) > 1 else NAMES[:3]
    band = config.wavelength or BAND

    def spectrum(where: Held) -> Spectrum:
        if isinstance(where, text.Block):
            wavelength, flux = text.read(where)
            return Spectrum(wavelength, flux, unit="W / (m2 nm)")
        wavelength, flux = hdf5.read(where, config.sampling, band)
        return Spectrum(wavelength, flux, unit="erg / (s cm3)")

    chosen = {node[: len(names)]: where for node, where in held.items() if node[3] in alphas}
    select: dict[str, Selection | None] = {name: getattr(config, name) for name in NAMES[:3]}
    return FileGrid(f"NewEra {config.sampling}", names, chosen, spectrum, select=select, band=band)


def _key(name: str) -> tuple[float, ...] | None:
    """Four labels of an .h5 file, or two of a text file."""
    return hdf5.key_of(name) or text.key_of(name)


def _held(files: Mapping[tuple[float, ...], GridFile], config: NewEraConfig) -> dict[Node, Held]:
    kinds = {len(key) for key in files}
    if len(kinds) > 1:
        raise GridError(f"grid.path: {config.path} holds both .h5 files and reduced spectra in text; choose one")
    if kinds == {4}:
        if any(file.member for file in files.values()):
            raise GridError(f"grid.path: {config.path}: .h5 files are not read inside an archive; unpack it")
        return dict(files)
    low, high = config.feh.bounds if config.feh else (float("-inf"), float("inf"))
    found: dict[Node, Held] = {}
    for (feh, alpha), file in files.items():
        if low <= feh <= high:
            found.update(text.blocks(file, feh, alpha))
    return found


def _alphas(held: Mapping[Node, Held], config: NewEraConfig) -> tuple[float, ...]:
    try:
        return config.alpha.pick(sorted({node[3] for node in held}), "alpha")
    except ValueError as error:
        raise GridError(f"grid.alpha: {error}") from None
