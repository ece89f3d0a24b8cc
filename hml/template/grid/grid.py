"""Reads the files."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hml import GridError, GridSource, Node, Space, Spectrum

if TYPE_CHECKING:
    from . import ExampleConfig


class ExampleGrid(GridSource):
    resolving_power: float | None = None  # native sampling

    def __init__(self, config: ExampleConfig) -> None:
        self.band = config.wavelength
        named = [(re.fullmatch(r"teff(\d+)_logg(\d\.\d+)\.txt", f.name), f) for f in sorted(config.path.glob("*.txt"))]
        self.files = {(float(name[1]), float(name[2])): file for name, file in named if name}
        if not self.files:
            raise GridError(f"{config.path}: no file such as teff5000_logg4.50.txt; set grid.path")

    @property
    def space(self) -> Space:
        return Space.from_nodes(("teff", "logg"), self.nodes())

    def nodes(self) -> list[Node]:
        return list(self.files)

    def load(self, node: Node) -> Spectrum:
        if node not in self.files:
            raise GridError(f"there is no node {self.space.to_dict(node)}")
        spectrum, first = read(self.files[node]), read(next(iter(self.files.values())))
        if not np.array_equal(spectrum.wavelength, first.wavelength):
            raise GridError(f"{self.files[node]}: has other wavelengths than {first.name}")
        return spectrum.cut(*self.band) if self.band else spectrum

    def fingerprint(self) -> str:
        content = [(node, hashlib.sha256(file.read_bytes()).hexdigest()) for node, file in self.files.items()]
        return hashlib.sha256(repr((content, self.band)).encode()).hexdigest()


def read(file: Path) -> Spectrum:
    try:
        wavelength, flux = np.array([line.split() for line in file.read_text().splitlines()], dtype=np.float64).T
    except (OSError, ValueError) as error:
        raise GridError(f"{file}: expected two columns, vacuum Å and flux ({error})") from None
    return Spectrum(wavelength, flux, name=file.name)
