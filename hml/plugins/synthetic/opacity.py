"""Line opacity over continuous opacity: Voigt profiles of every line, added where they matter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline
from scipy.special import wofz

from hml.plugins.synthetic.atmosphere import AMU, Atmosphere, C, H, K
from hml.plugins.synthetic.departures import Departures
from hml.plugins.synthetic.linelist import HYDROGEN_INDEX, SPECIES, LineList

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST = 1e-3  # opacity ratio at which a wing is cut
FURTHEST = 60.0  # no wing goes beyond, Å
CORE = 6.0  # Doppler widths within which the exact Voigt function is used
NEAR = 1.0  # farther than this from the centre a line is so smooth that the coarse grid does, Å
COARSE = 0.1  # step of that grid, Å
NOTHING = 1e-9  # a line whose opacity ratio is less is left out
CHUNK = 200_000  # line-pixels worked on at once
EXTREMES = [  # where lines are strongest: their windows are as wide as any of these asks for
    {"teff": float(t), "logg": g, "feh": z, "alpha": a}
    for t in (2500, 3000, 3500, 4000, 4500, 5000, 6000, 7000, 8000)
    for g in (2.0, 5.5)
    for z, a in ((0.5, 0.0), (0.5, 0.8))
]


@dataclass(frozen=True, eq=False)
class Strengths:
    """What the lines of a list are like in one atmosphere; every array is `[L]`."""

    eta: Floats  # opacity at the centre of an undamped line over continuous opacity
    width: Floats  # Doppler width, Å
    damping: Floats  # Voigt's a


def strengths(lines: LineList, atmosphere: Atmosphere, departures: Departures | None = None) -> Strengths:
    """Boltzmann, Saha, thermal and turbulent widths, van der Waals damping (Gray chapters 1 and 11)."""
    t = atmosphere.temperature
    each = np.array([atmosphere.log_population(s) for s in SPECIES])
    population = (each if departures is None else each + departures.log_factor(atmosphere))[lines.species]
    mass = np.array([s.mass for s in SPECIES])[lines.species] * AMU
    speed = np.sqrt(2 * K * t / mass + atmosphere.microturbulence**2)
    cm = lines.wavelength * 1e-8
    stimulated = -np.expm1(-H * C / (cm * K * t))
    log_line = lines.log_gf + population - lines.excitation * atmosphere.theta + np.log10(0.014974 * cm / speed)
    eta = 10 ** (log_line - atmosphere.log_continuous_opacity(lines.wavelength)) * stimulated
    return Strengths(eta, lines.wavelength * speed / C, _damping(lines, atmosphere) * cm / (4 * np.pi * speed))


def _damping(lines: LineList, atmosphere: Atmosphere) -> Floats:
    """Full width of the damping profile, rad/s `[L]`: radiation, van der Waals by gas pressure (Gray chapter 11), and
    for hydrogen the linear Stark effect in Holtsmark's two-thirds power of the electron density."""
    pressure = 19.6 + 0.4 * lines.log_c6 + atmosphere.log_pg - 0.7 * np.log10(atmosphere.temperature)
    electrons = 10**atmosphere.log_pe / (K * atmosphere.temperature)
    stark = np.where(lines.species == HYDROGEN_INDEX, 4e10 * (electrons / 1e14) ** (2 / 3), 0.0)
    return np.asarray(5e7 + 10**pressure + stark)


def voigt(a: Floats, v: Floats) -> Floats:
    """Voigt's H(a, v), both `[N]`: exact in the core, beyond it Gauss–Hermite quadrature of its integral."""
    node, weight = np.polynomial.hermite.hermgauss(5)
    far = sum(w / ((v - n) ** 2 + a * a) for n, w in zip(node, weight, strict=True)) * (a / np.pi)
    core = np.flatnonzero(np.abs(v) < CORE)
    far[core] = wofz(v[core] + 1j * a[core]).real
    return np.asarray(far)


@dataclass(frozen=True, eq=False)
class Windows:
    """Which pixels each line reaches, the same for all labels: first … last - 1, closer than `outer` Å `[L]`.

    A line's opacity is weighted by one smooth step down at `outer` less another at `inner` (0: none), so that the
    windows of one line on two pixel grids add up to the whole line.
    """

    lines: LineList
    inner: Floats
    outer: Floats
    first: Ints
    last: Ints

    @classmethod
    def of(cls, lines: LineList, inner: Floats, outer: Floats, wavelength: Floats) -> Windows:
        """Of those lines that reach any of `wavelength` `[N]` (vacuum Å)."""
        first = np.searchsorted(wavelength, lines.wavelength - outer)
        last = np.searchsorted(wavelength, lines.wavelength + outer)
        seen = np.flatnonzero((last > first) & (outer > inner))
        return cls(lines.take(seen), inner[seen], outer[seen], first[seen], last[seen])

    def ratio(self, wavelength: Floats, atmosphere: Atmosphere, departures: Departures) -> Floats:
        """Opacity of all lines over continuous opacity `[N]`."""
        now = strengths(self.lines, atmosphere, departures)
        out = np.zeros(len(wavelength))
        for lines in _chunks(np.flatnonzero(now.eta > NOTHING), self.last - self.first):
            pixel, opacity = self._opacity(wavelength, now, lines)
            low = int(pixel.min())
            part = np.bincount(pixel - low, weights=opacity)
            out[low : low + len(part)] += part
        return out

    def _opacity(self, wavelength: Floats, now: Strengths, lines: Ints) -> tuple[Ints, Floats]:
        """Pixels and opacity of some lines, one after the other."""
        count = (self.last - self.first)[lines]
        line = np.repeat(lines, count)
        pixel = np.arange(len(line)) - np.repeat(np.cumsum(count) - count, count) + self.first[line]
        offset = wavelength[pixel] - self.lines.wavelength[line]
        weight = _step(offset, self.outer[line]) - (_step(offset, self.inner[line]) if self.inner.any() else 0.0)
        return pixel, now.eta[line] * weight * voigt(now.damping[line], offset / now.width[line])


@dataclass(frozen=True, eq=False)
class Opacity:
    """The opacity of a line list on given pixels: near parts of lines on the pixels themselves, far wings on a coarse
    grid that does not depend on the band, with a spline from there."""

    wavelength: Floats
    coarse: Floats
    near: Windows
    far: Windows
    departures: Departures

    @classmethod
    def of(cls, lines: LineList, departures: Departures, wavelength: Floats) -> Opacity:
        """On `wavelength` `[N]`, vacuum Å. Windows are as wide as the strongest a line gets anywhere asks for."""
        reach = np.max([_reach(strengths(lines, Atmosphere.of(labels))) for labels in EXTREMES], axis=0)
        first, last = int(wavelength[0] / COARSE) - 40, int(wavelength[-1] / COARSE) + 41
        coarse: Floats = COARSE * np.arange(first, last, dtype=np.float64)
        none, near = np.zeros(len(lines)), np.full(len(lines), NEAR)
        return cls(
            wavelength, coarse,
            Windows.of(lines, none, np.minimum(reach, near), wavelength),
            Windows.of(lines, near, reach, coarse),
            departures,
        )

    def ratio(self, atmosphere: Atmosphere) -> Floats:
        """Line opacity over continuous opacity `[N]`."""
        wings = self.far.ratio(self.coarse, atmosphere, self.departures)
        far: Floats = np.asarray(make_interp_spline(self.coarse, wings, k=3)(self.wavelength))
        return far + self.near.ratio(self.wavelength, atmosphere, self.departures)


def _step(offset: Floats, end: Floats) -> Floats:
    """One at the centre, zero from `end` on, smooth."""
    left = np.maximum(1 - np.square(np.square(offset / end)), 0.0)
    return np.asarray(left * left * left)


def _reach(of: Strengths) -> Floats:
    """Å from the centre `[L]` at which the opacity ratio falls to LEAST."""
    wing = np.sqrt(of.eta * of.damping / (np.sqrt(np.pi) * LEAST)) * of.width
    core = np.sqrt(np.log(np.maximum(of.eta / LEAST, 1e4))) * of.width
    return np.asarray(np.minimum(np.maximum(wing, core) * 1.1, FURTHEST))


def _chunks(lines: Ints, count: Ints) -> Iterator[Ints]:
    """Runs of `lines` with about CHUNK pixels each; `count` `[L]` pixels of every line."""
    batch = np.cumsum(count[lines]) // CHUNK
    yield from np.split(lines, np.flatnonzero(np.diff(batch)) + 1) if len(lines) else ()
