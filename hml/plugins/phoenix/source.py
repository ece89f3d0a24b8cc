"""The PHOENIX grid as a source of spectra."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hml import GridError, GridSource, Missing, Node, Progress, Space, Spectrum, quiet
from hml.plugins.phoenix import PhoenixConfig
from hml.plugins.phoenix.files import band_of, pixel_range, pixels_in, survey, wide
from hml.plugins.phoenix.fits_file import read_flux, read_header, read_wavelengths, readable
from hml.plugins.phoenix.names import AXES, WAVE, Labels, file_path
from hml.plugins.phoenix.sums import DamagedError, Sums

log = logging.getLogger(__name__)

LIBRARY_PIXELS = 1_569_128  # used only while no wavelength file is here
WAVE_BYTES = 12_556_800
WAYS_ON = "get it with `hml grid fetch phoenix`, read a folder with --set grid.path=…, or use --grid synthetic"


class PhoenixGrid(GridSource):
    """Spectra of a folder, or of the cache and the servers behind it. Nodes are (teff, logg, feh), with alpha as a
    fourth label if more than one value of it is selected."""

    def __init__(self, config: PhoenixConfig, cache: Path) -> None:
        self._config = config
        self._cache = cache
        self._band = band_of(config)
        self._look()
        self._wave: NDArray[np.float64] | None = None
        alphas = {labels.alpha for labels in self._survey.wanted}
        self._names = tuple(AXES) if len(alphas) > 1 else tuple(AXES)[:3]
        self._alpha = min(alphas)

    def _look(self) -> None:
        """What is here, and what is recorded of it."""
        self._survey = survey(self._config, self._cache)
        self._sums = Sums.of(self._config.path or self._cache)
        found = self._survey
        if self._config.path is None and (self._sums.known or self._sums.doubtful):
            self._sums = self._sums.settled([*found.files.values(), *([found.wave] if found.wave else [])])

    # --- GridSource

    @property
    def space(self) -> Space:
        return Space.from_nodes(self._names, self.nodes())

    @property
    def resolving_power(self) -> float | None:
        return None

    def nodes(self) -> Sequence[Node]:
        """The selected nodes, less those known not to exist. Of a folder, and offline, those that are here."""
        found = self._survey
        local = self._config.path is not None or (self._config.offline and found.files)
        nodes = [self._node(w) for w in found.wanted if (w in found.files if local else w not in found.holes)]
        if not nodes:
            raise GridError(f"phoenix: none of the {len(found.wanted)} selected spectra exists on a server; select "
                            f"others, or delete {self._cache / 'holes.json'} to ask again")
        return nodes

    def load(self, node: Node) -> Spectrum:
        """Surface flux in erg / (s cm3), native sampling."""
        labels, path = self._file(node)
        wave, first, stop = self._pixels()
        with readable(path):
            path = self._sound(path, lambda: self._file(node)[1])
            flux, header = read_flux(path, labels, first, stop, len(wave))
        flags: dict[str, Any] = {key: header.cards[key] for key in ("INTERPOL", "PHXCONV") if key in header.cards}
        return Spectrum(wave[first:stop], flux, unit="erg / (s cm3)", name=f"PHOENIX {labels}", meta=flags)

    def fingerprint(self) -> str:
        """Of the selection, and of every file: what is recorded of its content, else its name, size and time."""
        found = self._survey
        files = [self._stamp(path) for path in (found.wave, *(found.files.get(labels) for labels in found.wanted))]
        what = {"band": self._band, "wanted": found.wanted, "holes": sorted(found.holes), "files": files}
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()

    # --- FetchableGrid

    def missing(self) -> Missing | None:
        """What `fetch` would get. Bytes are those of the band alone (unless whole files are wanted), good to a
        per cent; a server that does not send parts of files makes it more."""
        names, sources = [file_path(w) for w in self._absent()], self._config.base_urls
        wave = 0 if self._survey.wave else WAVE_BYTES
        if not names and not wave:
            return None
        size = len(names) * self._size() + wave
        return Missing((WAVE, *names) if wave else tuple(names), size, () if self._config.offline else sources)

    def fetch(self, progress: Progress) -> None:
        """Get what is missing into the cache."""
        if self.missing() is None:
            return
        if self._config.offline:
            raise GridError("phoenix: files are missing and grid.offline is true; " + WAYS_ON)
        from hml.plugins.phoenix.fetch import fetch

        try:
            fetch(self._config, self._cache, progress)
        finally:
            self._look()
        self.nodes()

    # --- more to tell

    def holes(self) -> list[Node]:
        """Selected nodes that do not exist: no server has them, or the folder lacks them."""
        return [self._node(labels) for labels in self._survey.wanted if labels in self._survey.holes]

    def flags(self, node: Node) -> dict[str, bool]:
        """`interpolated`: not computed but interpolated from other models (INTERPOL = T); `without_convection`:
        PHXCONV = F."""
        path = self._file(node)[1]
        with readable(path), path.open("rb") as file:
            cards = read_header(file, str(path)).cards
        return {"interpolated": cards.get("INTERPOL") is True, "without_convection": cards.get("PHXCONV") is False}

    def describe(self) -> dict[str, str]:
        """Lines for `hml grid info phoenix`."""
        found, missing = self._survey, self.missing()
        sizes = sum(path.stat().st_size for path in found.files.values())
        where = "in the folder" if self._config.path else "on a server"
        lines = {
            "files": str(self._config.path or self._cache),
            "band": f"{self._band[0]:g}–{self._band[1]:g} Å (vacuum)",
            "selected": f"{len(found.wanted)} spectra",
            "here": f"{len(found.files)} spectra, {sizes / 1e6:.1f} MB",
            "holes": f"{len(found.holes)} (selected, but not {where})",
        }
        if missing:
            lines["to fetch"] = f"{len(missing.files)} files, about {missing.bytes / 1e6:.1f} MB"
            lines["from"] = ", ".join(missing.sources) or "nowhere: grid.offline is true"
        return lines

    # --- inside

    def _absent(self) -> list[Labels]:
        if self._config.path is not None or (self._config.offline and self._survey.files):
            return []
        return self._survey.absent

    def _size(self) -> int:
        from hml.plugins.phoenix.job import size_of

        band = (float(wide(self._band)[0]), float(wide(self._band)[1]))
        if self._survey.wave is None:
            return size_of(pixels_in(band), LIBRARY_PIXELS, self._config.whole_files)
        wave = self._pixels()[0]
        first, stop = pixel_range(wave, band)
        return size_of(stop - first, len(wave), self._config.whole_files)

    def _pixels(self) -> tuple[NDArray[np.float64], int, int]:
        """All wavelengths, and the indices [first, stop) of the band."""
        if self._wave is None:
            if self._survey.wave is None:
                raise GridError(f"phoenix: {WAVE} is not here; {WAYS_ON}")
            with readable(self._survey.wave):
                wave = self._sound(self._survey.wave, lambda: self._survey.wave)
                self._wave = read_wavelengths(wave)
        return self._wave, *pixel_range(self._wave, self._band)

    def _labels(self, node: Node) -> Labels:
        if len(node) != len(self._names):
            raise GridError(f"phoenix: node {node} given, expected values of {', '.join(self._names)}")
        return Labels(**({"alpha": self._alpha} | dict(zip(self._names, map(float, node), strict=True))))

    def _node(self, labels: Labels) -> Node:
        return tuple(labels[: len(self._names)])

    def _file(self, node: Node) -> tuple[Labels, Path]:
        labels = self._labels(node)
        if labels in self._survey.files:
            return labels, self._survey.files[labels]
        if labels in self._survey.holes:
            raise GridError(f"phoenix: {labels} is a hole of the grid: there is no such file ({file_path(labels)})")
        if labels not in self._survey.wanted:
            raise GridError(f"phoenix: {labels} is not among the selected nodes (grid.teff, logg, feh, alpha)")
        raise GridError(f"phoenix: {labels} is not here; {WAYS_ON}")

    def _stamp(self, path: Path | None) -> tuple[str, str] | tuple[str, int, int] | None:
        if path is None:
            return None
        if recorded := self._sums.get(path):
            return path.name, recorded
        try:
            status = path.stat()
        except OSError:
            return None
        return path.name, status.st_size, status.st_mtime_ns

    def _sound(self, path: Path, again: Callable[[], Path | None]) -> Path:
        """A file that is what was recorded of it. One of the cache that is not is fetched again, and lies where `again`
        tells; DamagedError where that is not allowed."""
        try:
            self._sums.check(path)
            return path
        except DamagedError as error:
            if self._config.path is not None or self._config.offline:
                raise
            log.warning("%s; it is fetched again", error)
        path.unlink(missing_ok=True)
        self._look()
        self.fetch(quiet)
        return again() or path
