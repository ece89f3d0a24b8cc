"""One spectrum on its way from one server into the cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
from numpy.typing import NDArray

from hml import GridError
from hml.plugins.phoenix.files import Band, band_target, pixel_range, wide
from hml.plugins.phoenix.fits_file import (
    BLOCK,
    HEADER_LIMIT,
    Header,
    Pixels,
    band_header,
    check_whole,
    header_length,
    locate,
    padded,
    parse_header,
    read_flux,
)
from hml.plugins.phoenix.names import Labels, file_path
from hml.plugins.phoenix.part import Note, Part, Version
from hml.plugins.phoenix.sums import Sums
from hml.plugins.phoenix.transfer import Reach, TransferError, Web, require_range, version_of

HEAD = 8 * BLOCK  # asked for first: more than the headers of the library have
EXTRA = 24_000  # of a whole file beside its pixels: headers and the table of abundances
SLACK = 32_000_000  # how much that may ever be


def size_of(pixels: int, total: int, whole: bool) -> int:
    """Bytes that one spectrum takes to fetch."""
    return 4 * total + EXTRA if whole else 4 * pixels + HEAD


@dataclass(frozen=True)
class Job:
    """One spectrum on its way from one server."""

    labels: Labels
    wanted: Band
    wave: NDArray[np.float64]
    cache: Path
    sums: Sums
    web: Web
    reach: Reach

    def whole(self, url: str) -> None:
        """The whole file."""
        part = Part(self.cache / file_path(self.labels))
        self.web.whole(url, part, self._limit, self.reach)
        publish(part, self.sums, lambda: self._check_whole(part.path))

    def band(self, url: str) -> None:
        """The header and then the pixels of the band; the whole file from a server that does not send parts."""
        with self.web.get(url, 0, HEAD) as response:
            if response.status_code == 200:
                self._keep(url, response)
                return
            version = version_of(response)
            require_range(response, 0, version)
            head = self.web.read(response, HEAD)
        if header_length(head) is None and head.startswith(b"SIMPLE  =") and version.total > len(head):
            head += self.web.range(url, len(head), HEADER_LIMIT, version)
        header = parse_header(head, self._name)
        pixels = locate(header, self.labels, len(self.wave))
        if version.total < len(header) + header.data_bytes:
            raise GridError(f"{self._name}: is cut off, {version.total} of {len(header) + header.data_bytes} bytes")
        self._pixels(url, header, pixels, version)

    def _pixels(self, url: str, header: Header, pixels: Pixels, version: Version) -> None:
        low, high = wide(self.wanted)
        first, stop = pixel_range(self.wave, (low, high))
        own = band_header(header, first, stop, pixels.total)
        begin, end = pixels.bytes_of(first, stop)
        part = Part(band_target(self.cache, self.wanted, self.labels))
        note = Note(url, version, f"pixels {first} to {stop}")
        if part.note() != note or not len(own) <= part.size <= len(own) + end - begin:
            part.begin(note, own)
        at = begin + part.size - len(own)
        if at < end:
            with self.web.get(url, at, end, version.tag) as response:
                if response.status_code == 200 and version_of(response).may_be(version):
                    self._keep(url, response)
                    part.discard()
                    return
                require_range(response, at, version)
                self.web.save(response, part, len(own) + end - begin, self.reach)
        if part.size < len(own) + end - begin:
            raise TransferError(f"sent {part.size - len(own)} of {end - begin} bytes", retry=True)
        part.append(bytes(padded(part.size) - part.size))
        publish(part, self.sums, lambda: read_flux(part.path, self.labels, first, stop, pixels.total))

    def _keep(self, url: str, response: httpx.Response) -> None:
        part = Part(self.cache / file_path(self.labels))
        self.web.body(url, response, part, self._limit, self.reach)
        publish(part, self.sums, lambda: self._check_whole(part.path))

    def _check_whole(self, path: Path) -> None:
        locate(check_whole(path, self._name), self.labels, len(self.wave))
        read_flux(path, self.labels, *pixel_range(self.wave, self.wanted), len(self.wave))

    @property
    def _limit(self) -> int:
        return 4 * len(self.wave) + SLACK

    @property
    def _name(self) -> str:
        return Path(file_path(self.labels)).name


def publish(part: Part, sums: Sums, check: Callable[[], object]) -> None:
    """Record what the part holds and move it to its place if it passes, else delete it."""
    try:
        check()
        sums.record(part.target, part.path)
    except GridError:
        part.discard()
        raise
    part.publish()
