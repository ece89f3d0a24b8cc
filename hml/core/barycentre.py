"""From the observatory's frame to the barycentre of the solar system, without any network."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from hml.core.errors import SpectrumError

if TYPE_CHECKING:
    from hml.core.config import BarycentricConfig
    from hml.core.spectrum import Spectrum

LIGHT = 299_792.458  # km/s
DAY = 86_400.0  # s
AGREE = 0.05  # km/s, by which a header's own correction may differ


@dataclass(frozen=True)
class Pointing:
    """Where an exposure was taken, when, and of what part of the sky; None is not known."""

    ra: float | None = None  # degrees, ICRS, at `epoch`
    dec: float | None = None
    motion: tuple[float, float] = (0.0, 0.0)  # mas/yr: of ra times cos(dec), of dec
    epoch: float = 2000.0
    time: float | None = None  # Julian date, UTC, of the middle of the exposure
    site: tuple[float, float, float] | None = None  # degrees east, degrees north, m
    exposure: float | None = None  # s
    velocity: float | None = None  # km/s, the correction that the file itself states

    def known(self, **others: Any) -> Pointing:
        """The same with those of `others` that are not None."""
        return replace(self, **{name: value for name, value in others.items() if value is not None})

    @property
    def lacks(self) -> list[str]:
        """What must be known for a correction and is not."""
        return [name for name in ("ra", "dec", "time", "site") if getattr(self, name) is None]


def barycentric_velocity(pointing: Pointing) -> float:
    """km/s to be added to a measured velocity (astropy's `radial_velocity_correction`: Earth's orbit and rotation, its
    own ephemeris, good to a few m/s). SpectrumError for what cannot be a place or a time."""
    import numpy as np
    from astropy import units as u
    from astropy.coordinates import EarthLocation, SkyCoord
    from astropy.time import Time

    assert pointing.site is not None
    east, north, height = pointing.site
    try:
        time = Time(pointing.time, format="jd", scale="utc")
        years = time.jyear - pointing.epoch
        dec = pointing.dec + years * pointing.motion[1] / 3.6e6
        ra = pointing.ra + years * pointing.motion[0] / 3.6e6 / np.cos(np.radians(dec))
        star = SkyCoord(ra * u.deg, dec * u.deg)
        where = EarthLocation.from_geodetic(east * u.deg, north * u.deg, height * u.m)
        with _offline():
            return float(star.radial_velocity_correction("barycentric", obstime=time, location=where).to_value("km/s"))
    except (ValueError, TypeError) as error:
        raise SpectrumError(f"barycentric correction: {' '.join(str(error).split())}") from None


def _offline() -> ExitStack:
    """astropy without a network: its own tables of Earth's rotation; what they lack is worth less than 1 m/s."""
    from astropy.utils import iers

    stack = ExitStack()
    stack.enter_context(iers.conf.set_temp("auto_download", False))
    stack.enter_context(iers.conf.set_temp("iers_degraded_accuracy", "ignore"))
    stack.enter_context(iers.conf.set_temp("auto_max_age", None))
    return stack


def correction(order: Spectrum, config: BarycentricConfig, path: Path) -> tuple[float | None, str]:
    """The velocity (km/s) between the observatory's frame and the barycentre for an order of this file, None where it
    is not known or not asked for; and what a person should know. SpectrumError where it is needed and cannot be had."""
    asked = config.correct or (config.correct is None and config.given)
    if config.correct is False or not (asked or order.pointing):
        return None, ""
    if order.frame.rest == "rest" or (order.frame.rest == "barycentric" and config.correct):
        if not asked:
            return None, ""
        raise SpectrumError(f"{path}: no barycentric correction for wavelengths in the {order.frame.rest} frame; leave "
                            "out spectrum.barycentric, or say spectrum.reader.frame=observed")  # fmt: skip
    if config.velocity is not None:
        return config.velocity, ""
    pointing = _completed(order, config)
    if not pointing.lacks:
        return _compared(barycentric_velocity(pointing), pointing.velocity)
    lacks = (f"no barycentric correction: {', '.join(pointing.lacks)} not in the header; give it with "
             f"spectrum.barycentric.{pointing.lacks[0]}, or spectrum.barycentric.velocity")  # fmt: skip
    if asked:
        raise SpectrumError(f"{path}: {lacks}")
    return None, lacks


def _completed(order: Spectrum, config: BarycentricConfig) -> Pointing:
    """What the file tells, with what the config tells in its place."""
    pointing = order.pointing or pointing_of(order.meta)
    if config.ra is not None or config.dec is not None:
        pointing = replace(pointing, motion=(0.0, 0.0))
    time = None if config.time is None else julian_date(config.time)
    return pointing.known(ra=config.ra, dec=config.dec, time=time, site=config.site)


def _compared(velocity: float, stated: float | None) -> tuple[float, str]:
    if stated is None or abs(velocity - stated) < AGREE:
        return velocity, ""
    return velocity, f"barycentric correction {velocity:+.3f} km/s is applied; the header states {stated:+.3f}"


def julian_date(text: str | float) -> float:
    """The Julian date (UTC) of an ISO time, a Julian date or a modified one. SpectrumError for other text."""
    from astropy.time import Time

    try:
        number = float(text)
    except ValueError:
        try:
            return float(Time(str(text), scale="utc").jd)
        except ValueError:
            raise SpectrumError(
                f"{text!r} is no time; expected UTC such as 2018-10-03T01:49:05, or a Julian date"
            ) from None
    return number if number > 1e6 else number + 2_400_000.5


def degrees(ra: Any, dec: Any) -> tuple[float, float] | None:
    """Right ascension and declination in degrees, from numbers (degrees) or sexagesimal text (hours and degrees);
    None where there is nothing of the kind."""
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    try:
        units = (u.deg, u.deg) if isinstance(ra, int | float) else (u.hourangle, u.deg)
        place = SkyCoord(ra, dec, unit=units)
    except (ValueError, TypeError):
        return None
    return float(place.ra.deg), float(place.dec.deg)


def pointing_of(meta: Mapping[str, Any]) -> Pointing:
    """What the standard words of a FITS header tell: RA and DEC (degrees, or text), MJD-AVG, DATE-AVG, or MJD-OBS or
    DATE-OBS and half of XPOSURE or EXPTIME, OBSGEO-L, -B, -H or -X, -Y, -Z (FITS paper on time, Rots et al. 2015)."""
    ra, dec = _place(meta) or (None, None)
    exposure = next((float(meta[key]) for key in ("XPOSURE", "EXPTIME") if _is_number(meta.get(key))), None)
    return Pointing(ra, dec, time=_time(meta, exposure), site=_site(meta), exposure=exposure)


def _place(meta: Mapping[str, Any]) -> tuple[float, float] | None:
    ra, dec, hour, sidereal = (meta.get(key) for key in ("RA", "DEC", "HA", "LST"))
    if ra is None or dec is None:
        return None
    if _is_number(ra) and _is_number(hour) and _is_number(sidereal):
        # some telescopes write hours: their right ascension is then sidereal time less hour angle
        ra = 15.0 * ra if abs((sidereal - hour - ra + 12) % 24 - 12) < 0.02 else ra
    return degrees(ra, dec)


def _time(meta: Mapping[str, Any], exposure: float | None) -> float | None:
    for keys, half in ((("MJD-AVG", "DATE-AVG"), 0.0), (("MJD-OBS", "DATE-OBS"), 0.5 * (exposure or 0.0) / DAY)):
        for key in keys:
            if key in meta:
                return julian_date(meta[key]) + half
    return None


def _site(meta: Mapping[str, Any]) -> tuple[float, float, float] | None:
    if all(_is_number(meta.get(f"OBSGEO-{axis}")) for axis in "LBH"):
        east, north, height = (float(meta[f"OBSGEO-{axis}"]) for axis in "LBH")
        return east, north, height
    if all(_is_number(meta.get(f"OBSGEO-{axis}")) for axis in "XYZ"):
        from astropy import units as u
        from astropy.coordinates import EarthLocation

        place = EarthLocation.from_geocentric(*(float(meta[f"OBSGEO-{axis}"]) for axis in "XYZ"), unit=u.m)
        return float(place.lon.deg), float(place.lat.deg), float(place.height.to_value("m"))
    return None


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


