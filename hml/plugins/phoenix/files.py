"""Which files of the library are wanted, which are here, and which no server has."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise, product
from math import ceil, floor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hml import GridError
from hml.plugins.phoenix import HPF, PhoenixConfig
from hml.plugins.phoenix.fits_file import readable
from hml.plugins.phoenix.names import AXES, RELEASE, WAVE, Labels, file_path, scan

log = logging.getLogger(__name__)

Band = tuple[float, float]

SAMPLING = (  # (from Å, step Å) of the library's wavelength file, as it is
    (500.0, 0.1), (3000.0, 0.006), (5000.0, 0.01), (10000.0, 0.02), (15000.0, 0.03), (20000.0, 0.04),
    (25000.0, 0.125), (30000.0, 0.15), (35000.0, 0.175), (40000.0, 0.2), (45000.0, 0.225), (50000.0, 0.25),
    (55000.0, 1.0),
)  # fmt: skip


@dataclass(frozen=True)
class Survey:
    """The wanted spectra and what is known about them."""

    wanted: tuple[Labels, ...]
    files: Mapping[Labels, Path]  # of those that are here
    holes: frozenset[Labels]  # of those that are known not to exist
    wave: Path | None

    @property
    def absent(self) -> list[Labels]:
        """Neither here nor known not to exist."""
        return [labels for labels in self.wanted if labels not in self.files and labels not in self.holes]


def survey(config: PhoenixConfig, cache: Path) -> Survey:
    """What the folder `config.path`, or the cache, holds of the wanted spectra. GridError if the folder has none."""
    path = cache if config.path is None else config.path
    with readable(path):
        return _survey_cache(config, cache) if config.path is None else _survey_folder(config, path)


def _survey_cache(config: PhoenixConfig, cache: Path) -> Survey:
    here = dict(scan(cache / RELEASE))
    for folder in _bands(cache, band_of(config)):
        here |= dict(scan(folder))
    known = read_holes(cache)
    wanted = _product({name: getattr(config, name).pick(values, name) for name, values in AXES.items()})
    holes = {w for w in wanted if set(config.base_urls) <= set(known.get(file_path(w), ()))} - set(here)
    return _survey(wanted, here, frozenset(holes), cache / WAVE)


def band_of(config: PhoenixConfig) -> Band:
    """The wanted band, vacuum Å."""
    return config.wavelength or HPF


def wide(band: Band) -> tuple[int, int]:
    """The band as it is fetched: whole Å, so that small changes of the wanted band need no new files."""
    return floor(band[0]), ceil(band[1])


def band_target(cache: Path, band: Band, labels: Labels) -> Path:
    """Where the band of a spectrum is kept."""
    low, high = wide(band)
    return cache / "bands" / f"{low}-{high}" / Path(file_path(labels)).relative_to(RELEASE)


def pixels_in(band: Band) -> int:
    """How many pixels the library has there, to a few: for use before its wavelength file is here."""
    count = 0.0
    for (low, step), (high, _) in pairwise(SAMPLING):
        count += max(min(high, band[1]) - max(low, band[0]), 0.0) / step
    return round(count)


def pixel_range(wave: NDArray[np.float64], band: Band) -> tuple[int, int]:
    """Indices [first, stop) of the wavelengths in [low, high]; GridError if there are none."""
    first, stop = np.searchsorted(wave, [band[0], band[1] + 1e-9])
    if stop <= first:
        raise GridError(f"phoenix: no wavelengths from {band[0]:g} to {band[1]:g} Å; the files have "
                        f"{wave[0]:g} to {wave[-1]:g} Å")
    return int(first), int(stop)


def read_holes(cache: Path) -> dict[str, list[str]]:
    """File → the base URLs that were asked and have none. An unreadable list is empty: servers are asked again."""
    path = cache / "holes.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): [str(url) for url in urls] for name, urls in data["holes"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        log.warning("%s: cannot be read; servers are asked again for what they do not have", path)
        return {}


def add_holes(cache: Path, holes: Iterable[Labels], base_urls: Iterable[str]) -> None:
    """Remember files that none of these servers has."""
    known = read_holes(cache)
    new = {file_path(labels): sorted(base_urls) for labels in holes}
    if not new:
        return
    for name, urls in new.items():
        known[name] = sorted({*known.get(name, ()), *urls})
    part = cache / "holes.json.part"
    part.write_text(json.dumps({"schema": 1, "holes": dict(sorted(known.items()))}, indent=1), encoding="utf-8")
    part.replace(cache / "holes.json")


def _survey_folder(config: PhoenixConfig, path: Path) -> Survey:
    if not path.is_dir():
        raise GridError(f"grid.path: {path} is not a folder; give the one that holds {WAVE} and {RELEASE}/")
    places = (path / RELEASE, path, path / "HiResFITS" / RELEASE)
    here: dict[Labels, Path] = {}
    for place in reversed(places):
        here |= dict(scan(place))
    if not here:
        example = file_path(Labels(5800, 4.5, 0))
        raise GridError(f"grid.path: {path} holds no PHOENIX spectra; expected files like {example}")
    near = (path, path / RELEASE, path / "HiResFITS", path.absolute().parent, path.absolute().parent.parent)
    wave = next((folder / WAVE for folder in near if (folder / WAVE).is_file()), None)
    if wave is None:
        raise GridError(f"grid.path: {WAVE} is neither in {path} nor in the two folders above it; copy it there")
    try:
        axes = {n: getattr(config, n).pick(sorted({*AXES[n], *(getattr(w, n) for w in here)}), n) for n in AXES}
    except ValueError as error:
        raise GridError(f"grid.path: {path}: {error}") from None
    wanted = _product(axes)
    found = _survey(wanted, here, frozenset(wanted) - set(here), wave)
    if not found.files:
        raise GridError(f"grid.path: {path} holds {len(here)} PHOENIX spectra, none of them selected by grid.teff, "
                        f"logg, feh and alpha; it has {_ranges(here)}")
    return found


def _survey(wanted: tuple[Labels, ...], here: Mapping[Labels, Path], holes: frozenset[Labels], wave: Path) -> Survey:
    files = {labels: here[labels] for labels in wanted if labels in here}
    return Survey(wanted, files, holes, wave if wave.is_file() else None)


def _product(axes: Mapping[str, tuple[float, ...]]) -> tuple[Labels, ...]:
    return tuple(Labels(*values) for values in product(*(axes[name] for name in AXES)))


def _bands(cache: Path, band: Band) -> list[Path]:
    """Folders whose files hold the band, widest first."""
    found: list[tuple[int, Path]] = []
    for folder in (cache / "bands").glob("*-*"):
        low, _, high = folder.name.partition("-")
        if low.isdigit() and high.isdigit() and int(low) <= band[0] and band[1] <= int(high):
            found.append((int(high) - int(low), folder))
    return [folder for _, folder in sorted(found, reverse=True)]


def _ranges(here: Iterable[Labels]) -> str:
    axes = ((name, [getattr(labels, name) for labels in here]) for name in AXES)
    return ", ".join(f"{name} {min(values):g} to {max(values):g}" for name, values in axes)
