"""How the grid is checked: by `pytest`, and by `hml check-plugin`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hml import Space
from hml.testing import GridChecks, PluginChecks, ToyGrid


class TestPlugin(PluginChecks):
    """The package."""

    package = "hml-example"


class TestExample(GridChecks):
    """The grid, with files of made-up spectra."""

    name = "example"
    skips = {"test_wavelengths_are_vacuum": "the files that are written here hold no lines of atoms"}

    @classmethod
    def configure(cls, folder: Path) -> Mapping[str, Any]:
        """Writes small files and tells where they are. Better: a few genuine ones, and `known_lines` in them."""
        toy = ToyGrid({"teff": (4800.0, 5000.0, 5200.0), "logg": (4.0, 4.5)})
        for teff, logg in toy.nodes():
            star = toy.load((teff, logg))
            np.savetxt(folder / f"teff{teff:.0f}_logg{logg:.2f}.txt", np.stack([star.wavelength, star.flux], axis=1))
        return {"path": folder}

    def test_labels_are_those_of_the_names(self) -> None:
        """A test of your own, beside those that every grid must pass."""
        assert self.part.space == Space.from_nodes(("teff", "logg"), [(4800.0, 4.0), (5000.0, 4.5), (5200.0, 4.5)])
