"""Reads the files."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hml import GridError, GridSource, Node, Space, Spectrum

if TYPE_CHECKING:
    from . import ExampleConfig


class ExampleGrid(GridSource):
    """One file a node."""

    def __init__(self, config: ExampleConfig) -> None:
        self.band = config.wavelength
        named = [(re.fullmatch(r"teff(\d+)_logg(\d\.\d+)\.txt", f.name), f) for f in sorted(config.path.glob("*.txt"))]
        self.files = {(float(name[1]), float(name[2])): file for name, file in named if name}
        if not self.files:
            raise GridError(f"{config.path}: no file such as teff5000_logg4.50.txt; set grid.path")

    @property
    def space(self) -> Space:
        return Space.from_nodes(("teff", "logg"), self.nodes())

    @property
    def resolving_power(self) -> float | None:
        return None  # native sampling

    def nodes(self) -> list[Node]:
        return list(self.files)

    def load(self, node: Node) -> Spectrum:
        if node not in self.files:
            raise GridError(f"there is no node {self.space.to_dict(node)}")
        file, first = self.files[node], next(iter(self.files.values()))
        (wavelength, flux), (wanted, _) = columns(file), columns(first)
        if not np.array_equal(wavelength, wanted):
            raise GridError(f"{file}: has other wavelengths than {first.name}")
        spectrum = Spectrum(wavelength, flux, name=file.name)
        return spectrum.cut(*self.band) if self.band else spectrum

    def fingerprint(self) -> str:
        content = [(node, hashlib.sha256(file.read_bytes()).hexdigest()) for node, file in self.files.items()]
        return hashlib.sha256(repr((content, self.band)).encode()).hexdigest()


def columns(file: Path) -> NDArray[np.float64]:
    try:
        table = np.array([line.split() for line in file.read_text().splitlines()], dtype=np.float64)
    except (OSError, ValueError) as error:
        raise GridError(f"{file}: cannot be read ({' '.join(str(error).split())})") from None
    if table.ndim != 2 or table.shape[1] != 2:
        raise GridError(f"{file}: expected two columns, vacuum Å and flux")
    return table.T
