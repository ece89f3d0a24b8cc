"""Writes spectra out as PHOENIX's own files, so that they can be served, read and downloaded like the originals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from hml import GridError, GridSource, LabelError, Node, Progress, Spectrum, quiet
from hml.plugins.synthetic.atmosphere import surface_blackbody

LIBRARY = "PHOENIX-ACES-AGSS-COND-2011"
WAVE_FILE = f"WAVE_{LIBRARY}.fits"
ABUNDANCES = {  # log10 of number relative to 10^12 hydrogen: Asplund et al. 2009, ARA&A 47, 481
    "H": 12.00, "He": 10.93, "C": 8.43, "N": 7.83, "O": 8.69, "Na": 6.24, "Mg": 7.60, "Al": 6.45, "Si": 7.51,
    "S": 7.12, "K": 5.03, "Ca": 6.34, "Ti": 4.95, "V": 3.93, "Cr": 5.64, "Mn": 5.43, "Fe": 7.50, "Ni": 6.22,
}
ALPHA_ELEMENTS = frozenset({"O", "Ne", "Mg", "Si", "S", "Ar", "Ca", "Ti"})  # Husser et al. 2013, section 2.1


def write_tree(
    source: GridSource,
    folder: Path,
    *,
    nodes: Sequence[Node] | None = None,
    wavelength: NDArray[np.float64] | None = None,
    progress: Progress = quiet,
) -> list[Path]:
    """Write `WAVE_….fits` and, a node each, `PHOENIX-ACES-…/Z…/lte….fits` below `folder`, which so becomes what
    `HiResFITS/` is on the original server; returns the paths, the wavelengths first.

    nodes: which, in the order of `source.space` (default: all). wavelength `[N]`, vacuum Å: the pixels of the files
    (default: the source's own; `phoenix_wavelengths()` gives full-size files); those beyond the source's band hold a
    blackbody scaled to meet it. Each file is moved into place when complete. LabelError for a label that PHOENIX
    files have no room for; GridError if the folder cannot be written.
    """
    chosen = list(source.nodes() if nodes is None else nodes)
    labels = [_phoenix_labels(source.space.to_dict(node)) for node in chosen]
    own = source.load(source.nodes()[0]).wavelength
    pixels = own if wavelength is None else np.asarray(wavelength, dtype=np.float64)
    written = [_save(_wave_file(pixels), folder / WAVE_FILE)]
    with progress("writing PHOENIX files", total=len(chosen), unit="files") as advance:
        for node, of in zip(chosen, labels, strict=True):
            flux = on_pixels(source.load(node), pixels, of["teff"])
            written.append(_save(_node_file(flux, of), folder / LIBRARY / node_path(of)))
            advance(1)
    return written


def node_path(labels: Mapping[str, float]) -> Path:
    """Where PHOENIX keeps the node {teff, logg, feh, alpha}, relative to its library's folder: metallicity zero is
    written -0.0, [alpha/Fe] zero is not written."""
    feh = f"{labels['feh']:+.1f}" if round(labels["feh"], 1) else "-0.0"
    alpha = f".Alpha={labels['alpha']:+.2f}" if round(labels["alpha"], 2) else ""
    stem = f"lte{labels['teff']:05.0f}-{labels['logg']:.2f}{feh}{alpha}"
    return Path(f"Z{feh}{alpha}") / f"{stem}.{LIBRARY}-HiRes.fits"


def on_pixels(spectrum: Spectrum, pixels: NDArray[np.float64], teff: float) -> NDArray[np.float64]:
    """The spectrum's flux `[N]` on `pixels`: its own values inside its band, a blackbody through its end beyond."""
    low, high = spectrum.band
    black = surface_blackbody(pixels, teff)
    ends = spectrum.flux[[0, -1]] / surface_blackbody(spectrum.wavelength[[0, -1]], teff)
    flux: NDArray[np.float64] = black * np.where(pixels < low, ends[0], ends[1])
    inside = (pixels >= low - 1e-6) & (pixels <= high + 1e-6)
    flux[inside] = np.interp(pixels[inside], spectrum.wavelength, spectrum.flux)
    return flux


def _phoenix_labels(labels: Mapping[str, float]) -> dict[str, float]:
    whole: dict[str, float] = {"feh": 0.0, "alpha": 0.0, **labels}
    if set(whole) != {"teff", "logg", "feh", "alpha"}:
        raise LabelError(f"PHOENIX files are named by teff, logg, feh, alpha; this grid has {', '.join(labels)}")
    grain = {"teff": 0, "logg": 2, "feh": 1, "alpha": 2}
    for name, digits in grain.items():
        if abs(whole[name] - round(whole[name], digits)) > 1e-6:
            raise LabelError(f"{name} = {whole[name]:g} cannot be written in a PHOENIX file name ({digits} decimals)")
    return whole


def _wave_file(pixels: NDArray[np.float64]) -> fits.HDUList:
    hdu = fits.PrimaryHDU(pixels.astype(">f8"))
    hdu.header["UNIT"] = "Angstrom"
    hdu.header["COMMENT"] = f"Wavelength array for PHOENIX grid '{LIBRARY}'"
    return fits.HDUList([hdu])


def _node_file(flux: NDArray[np.float64], labels: Mapping[str, float]) -> fits.HDUList:
    hdu = fits.PrimaryHDU(flux.astype(">f4"))
    head = hdu.header
    for key, name, meaning in (
        ("PHXTEFF", "teff", "[K] effective temperature"), ("PHXLOGG", "logg", "[cm/s^2] log (surface gravity)"),
        ("PHXM_H", "feh", "[M/H] metallicity (rel. sol. - Asplund &a 2009)"), ("PHXALPHA", "alpha", "[a/M]"),
    ):
        head[key] = (labels[name] + 0.0, meaning)
    head["INTERPOL"] = (False, "T: spectrum interpolated between models")
    head["PHXCONV"] = (True, "T: with convection")
    head["BUNIT"] = ("erg/s/cm^2/cm", "Unit of flux")
    head["COMMENT"] = "made by the synthetic grid of hml; not a PHOENIX model"
    return fits.HDUList([hdu, _abundance_table(labels)])


def _abundance_table(labels: Mapping[str, float]) -> fits.BinTableHDU:
    columns = []
    for element, solar in ABUNDANCES.items():
        metal = labels["feh"] if element not in ("H", "He") else 0.0
        value = solar + metal + (labels["alpha"] if element in ALPHA_ELEMENTS else 0.0)
        columns.append(fits.Column(name=element, format="E", array=np.array([value], dtype=np.float32)))
    return fits.BinTableHDU.from_columns(columns, name="ABUNDANCES")


def _save(hdus: fits.HDUList, path: Path) -> Path:
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        hdus.writeto(part, overwrite=True, output_verify="exception")
        part.replace(path)
    except OSError as error:
        if path.parent.is_dir():
            part.unlink(missing_ok=True)
        raise GridError(f"{path}: cannot be written ({error.strerror or error}); choose another folder") from None
    return path
