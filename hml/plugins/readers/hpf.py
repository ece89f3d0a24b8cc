"""Spectra of the Habitable Zone Planet Finder on the Hobby-Eberly Telescope, of both of its pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from astropy import units as u
from astropy.coordinates import Angle
from astropy.io import fits
from astropy.time import Time

from hml import Frame, Pointing, Reader, Spectrum, SpectrumError
from hml.plugins.readers import HpfConfig
from hml.plugins.readers.door import Floats
from hml.plugins.readers.fits_table import cards, opened
from hml.plugins.readers.images import Orders, Uncertainty, errors_from, image

SITE = (-104.0147, 30.6814, 2025.0)  # degrees east, degrees north, m
KINDS: dict[str, Uncertainty] = {"Variance": "variances", "Error": "errors"}
"""What the pipelines call their extensions: the team's has variances, Goldilocks has errors."""
UNITS = {"e-/sec": "electron / s"}


class Fibre(NamedTuple):
    """One fibre of a file, `[orders, N]` each; no wavelengths in some files."""

    flux: Floats
    error: Floats
    wavelength: Floats | None


class HpfReader(Reader):
    """Science fibre in electrons per second; gaps and edges are left out. Wavelengths are vacuum Å of the observatory.
    """

    def __init__(self, config: HpfConfig) -> None:
        self.config = config

    def sniff(self, path: Path) -> bool:
        try:
            with opened(path) as hdus:
                return _kind(hdus) is not None and str(hdus[0].header.get("INSTRUME", "")).strip() == "HPF"
        except SpectrumError:
            return False

    def read(self, path: Path) -> list[Spectrum]:
        with opened(path) as hdus:
            kind = _required(hdus, path)
            star = _fibre(hdus, "Sci", kind, path)
            sky = _fibre(hdus, "Sky", kind, path) if self.config.sky else None
            meta = cards(hdus[0])
        wavelength = self._wavelengths(star, path)
        flux, error = star.flux, star.error
        if sky is not None and self.config.sky is not None:
            flux, error = without_sky(star._replace(wavelength=wavelength), sky, self.config.sky)
            meta = {**meta, "sky": self.config.sky}
        return Orders(
            path, wavelength, flux, error, KINDS[kind], Frame("vacuum", "observed"),
            UNITS.get(str(meta.get("CUNITS", "")).strip(), ""), meta=meta, pointing=pointing(meta), empty=True,
        ).spectra()  # fmt: skip

    def _wavelengths(self, star: Fibre, path: Path) -> Floats:
        """Those of the file, unless others are asked for."""
        other = self.config.wavelengths
        if other is None:
            if star.wavelength is None:
                raise SpectrumError(
                    f"{path}: has no wavelengths (extension 'Sci Wavl'); name a file of the same spectrograph that has "
                    "them with --set spectrum.reader.name=hpf --set spectrum.reader.wavelengths=FILE"
                )
            return star.wavelength
        with opened(other) as hdus:
            wavelength = image(hdus, "Sci Wavl" if "Sci Wavl" in hdus else 0, other)
        if wavelength.shape != star.flux.shape:
            raise SpectrumError(f"{other}: has {wavelength.shape} wavelengths (orders × pixels) for {star.flux.shape} "
                                f"pixels of {path.name}")  # fmt: skip
        return wavelength


def without_sky(star: Fibre, sky: Fibre, scale: float) -> tuple[Floats, Floats]:
    """Flux and error of the star less `scale` times the sky, variances added. The sky is interpolated to the star's
    wavelengths: they differ by about a seventh of a pixel. Where the sky fibre has no signal the star is lost too."""
    if star.wavelength is None or sky.wavelength is None:
        flux, error = sky.flux, sky.error
    else:
        flux, error = (_resampled(values, sky.wavelength, star.wavelength) for values in (sky.flux, sky.error))
    return star.flux - scale * flux, np.hypot(star.error, scale * error)


def _resampled(values: Floats, here: Floats, there: Floats) -> Floats:
    return np.stack([np.interp(new, old, row) for new, old, row in zip(there, here, values, strict=True)])


def pointing(meta: Mapping[str, Any]) -> Pointing:
    """Telescope, target and time. Coordinates are those of the queue, with their proper motion: the telescope's own (in
    hours) are an arcminute off. The time is the mean of the flux-weighted ones of the orders, else the middle."""
    exposure = _number(meta.get("EXPLNDR")) or _number(meta.get("ITIME"))
    ra, dec = _angle(meta.get("QRA"), "hourangle"), _angle(meta.get("QDEC"), "deg")
    motion = (_number(meta.get("QPMRA")) or 0.0, _number(meta.get("QPMDEC")) or 0.0)
    stated = _number(meta.get("BRVCORR"))
    return Pointing(
        ra, dec, motion if ra is not None else (0.0, 0.0), _number(meta.get("QEPOCH")) or 2000.0, _time(meta, exposure),
        SITE, exposure, None if stated is None else stated / 1000.0,
    )  # fmt: skip


def _time(meta: Mapping[str, Any], exposure: float | None) -> float | None:
    weighted = [number for key, value in meta.items() if key.startswith("JD_FW") and (number := _number(value))]
    if weighted:
        return float(np.mean(weighted))
    try:
        return float(Time(str(meta["DATE-OBS"]), scale="utc").jd + 0.5 * (exposure or 0.0) / 86_400.0)
    except (KeyError, ValueError):
        return None


def _angle(text: Any, unit: str) -> float | None:
    try:
        return float(Angle(str(text), unit=u.Unit(unit)).deg) if text else None
    except (ValueError, TypeError):
        return None


def _number(value: Any) -> float | None:
    try:
        return None if value is None or value == "" else float(value)
    except (ValueError, TypeError):
        return None


def _kind(hdus: fits.HDUList) -> str | None:
    names = {hdu.name.upper() for hdu in hdus}
    return next((kind for kind in KINDS if {"SCI FLUX", f"SCI {kind.upper()}"} <= names), None)


def _required(hdus: fits.HDUList, path: Path) -> str:
    kind = _kind(hdus)
    instrument = str(hdus[0].header.get("INSTRUME", "")).strip()
    if instrument not in ("", "HPF"):
        raise SpectrumError(f"{path}: is of the instrument {instrument!r}, not of HPF; choose another spectrum.reader")
    if kind is None:
        there = ", ".join(hdu.name for hdu in hdus)
        raise SpectrumError(f"{path}: is no spectrum of HPF: it has the extensions {there}, and not 'Sci Flux' with "
                            "'Sci Variance' or 'Sci Error'")  # fmt: skip
    return kind


def _fibre(hdus: fits.HDUList, name: str, kind: str, path: Path) -> Fibre:
    error = errors_from(image(hdus, f"{name} {kind}", path), KINDS[kind])
    wavelength = image(hdus, f"{name} Wavl", path) if f"{name} Wavl" in hdus else None
    return Fibre(image(hdus, f"{name} Flux", path), error, wavelength)
