"""Grids whose spectra lie in files: what such a plugin needs besides knowing the names and reading one spectrum."""

from __future__ import annotations

import gzip
import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import IO, Generic, Protocol, TypeVar

import numpy as np

from hml.core.errors import GridError, SpectrumError
from hml.core.interfaces import GridSource
from hml.core.selection import Selection
from hml.core.space import Floats, Node, Space
from hml.core.spectrum import Spectrum

Stamp = tuple[str | int, ...]
Key = TypeVar("Key", bound=Hashable)


class Held(Protocol):
    """Where the spectrum of a node is; `str` of it names it in messages."""

    @property
    def stamp(self) -> Stamp:
        """What changes with the content: name, size and time, a digest."""


HeldT = TypeVar("HeldT", bound=Held)


@dataclass(frozen=True)
class GridFile:
    """A file, or a member of a zip archive."""

    path: Path
    name: str  # its last part
    stamp: Stamp
    member: str = ""  # its name in the archive `path`

    def __str__(self) -> str:
        return f"{self.path}, {self.member!r}" if self.member else str(self.path)

    def read(self, limit: int) -> bytes:
        """Its content, unpacked where its name ends in .gz. GridError above `limit` bytes or where it is damaged."""
        with readable(self), self._open() as raw:
            data = (gzip.GzipFile(fileobj=raw) if self.name.endswith(".gz") else raw).read(limit + 1)
        if len(data) > limit:
            raise GridError(f"{self}: is longer than {limit / 1e6:.0f} MB, which no spectrum of this grid is")
        return data

    @contextmanager
    def _open(self) -> Iterator[IO[bytes]]:
        if not self.member:
            with self.path.open("rb") as file:
                yield file
            return
        with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as file:
            yield file


def grid_files(path: Path, key: Callable[[str], Key | None], expected: str) -> dict[Key, GridFile]:
    """The files that `key` knows by name (None: not of this grid) at or below `path`: a file, a folder with those below
    it, or a zip archive, which is not unpacked. GridError if there are none, or two of one key. `key` may refuse a name
    with a GridError of its own."""
    found: dict[Key, GridFile] = {}
    if not path.exists():
        raise GridError(f"grid.path: {path}: no such file or folder")
    with readable(path):
        for file in _listed(path):
            known = key(file.name)
            if known is None:
                continue
            if known in found:
                raise GridError(f"{file}: stands for the same as {found[known]}; keep one of them")
            found[known] = file
    if not found:
        raise GridError(f"grid.path: {path} holds no file named like {expected}")
    return found


@contextmanager
def readable(where: object) -> Iterator[None]:
    """GridError where the system, or the archive, refuses to be read."""
    try:
        yield
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise GridError(f"{where}: cannot be read ({' '.join(str(error).split()) or type(error).__name__})") from None


class FileGrid(GridSource, Generic[HeldT]):
    """The selected nodes of those that are `held`, each read by `read` when it is asked for.

    All spectra share the wavelengths of the first node, cut to the band (vacuum Å). One that has others is refused, or,
    where `resample` is true, interpolated linearly to them. `told`, what else decides what `read` returns (fields of
    the config), goes into the fingerprint.
    """

    def __init__(
        self,
        what: str,
        names: Sequence[str],
        held: Mapping[Node, HeldT],
        read: Callable[[HeldT], Spectrum],
        *,
        select: Mapping[str, Selection | None],
        band: tuple[float, float] | None = None,
        resolving_power: float | None = None,
        resample: bool = False,
        told: Sequence[str | float] = (),
    ) -> None:
        self.what, self._told = what, list(told)
        self._read, self._band, self._resample, self._power = read, band, resample, resolving_power
        self._held = {node: held[node] for node in _selected(what, names, sorted(held), select)}
        self._space = Space.from_nodes(names, list(self._held))

    @property
    def space(self) -> Space:
        return self._space

    @property
    def resolving_power(self) -> float | None:
        return self._power

    def nodes(self) -> Sequence[Node]:
        return list(self._held)

    def holes(self) -> list[Node]:
        """Points of the full product of the selected axes that are not there."""
        return self._space.holes(self.nodes())

    def load(self, node: Node) -> Spectrum:
        """The spectrum as `read` gives it, in the band. GridError names what holds it."""
        labels = ", ".join(f"{name}={value:g}" for name, value in zip(self._space.names, node, strict=False))
        if node not in self._held:
            raise GridError(f"{self.what}: there is no node {labels}")
        return replace(self._shared(self._held[node]), name=f"{self.what} {labels}")

    def fingerprint(self) -> str:
        what = [self.what, self._told, self._space.names, self._band, self._resample,
                [(node, held.stamp) for node, held in self._held.items()]]  # fmt: skip
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()

    @cached_property
    def _wavelength(self) -> Floats:
        first = next(iter(self._held.values()))
        return self._cut(self._read(first), first).wavelength

    def _cut(self, spectrum: Spectrum, held: HeldT) -> Spectrum:
        try:
            return spectrum if self._band is None else spectrum.cut(*self._band)
        except SpectrumError:
            low, high = spectrum.band
            raise GridError(f"{held}: has nothing in grid.wavelength, {list(self._band or ())}; it covers "
                            f"{low:.1f}–{high:.1f} Å") from None

    def _shared(self, held: HeldT) -> Spectrum:
        """The spectrum on the wavelengths of all."""
        whole, wavelength = self._read(held), self._wavelength
        spectrum = self._cut(whole, held)
        if np.array_equal(spectrum.wavelength, wavelength):
            return replace(spectrum, wavelength=wavelength)
        if not self._resample or whole.band[0] > wavelength[0] or whole.band[1] < wavelength[-1]:
            raise GridError(
                f"{held}: has {len(spectrum)} wavelengths, {spectrum.band[0]:.2f}–{spectrum.band[1]:.2f} Å, and the "
                f"first node ({next(iter(self._held.values()))}) {len(wavelength)}, {wavelength[0]:.2f}–"
                f"{wavelength[-1]:.2f} Å; all nodes of a grid need the same: select nodes or a band (grid.wavelength) "
                "that have them, or get the file that is cut off again"
            )
        flux = np.interp(wavelength, whole.wavelength, whole.flux)
        return replace(whole, wavelength=wavelength, flux=flux, meta={**whole.meta, "resampled": True})


def _listed(path: Path) -> Iterator[GridFile]:
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file():
                yield _file(file, str(file.relative_to(path)))
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                yield GridFile(path, info.filename.rpartition("/")[2], (info.filename, info.CRC, info.file_size),
                               info.filename)  # fmt: skip
    else:
        yield _file(path, path.name)


def _file(path: Path, name: str) -> GridFile:
    status = path.stat()
    return GridFile(path, path.name, (name, status.st_size, status.st_mtime_ns))


def _selected(
    what: str, names: Sequence[str], nodes: list[Node], select: Mapping[str, Selection | None]
) -> list[Node]:
    for name, wish in select.items():
        if wish is None:
            continue
        if name not in names:
            raise GridError(f"grid.{name}: {what} has no such label; it has {', '.join(names)}")
        axis = list(names).index(name)
        try:
            keep = wish.pick(sorted({node[axis] for node in nodes}), name)
        except ValueError as error:
            raise GridError(f"grid.{name}: {error}") from None
        nodes = [node for node in nodes if node[axis] in keep]
    return nodes
