"""How the reader is checked: by `pytest`, and by `hml check-plugin`."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hml.testing import PluginChecks, ReaderChecks

WAVELENGTH = np.linspace(8500.0, 8510.0, 101)


class TestPlugin(PluginChecks):
    """The package."""

    package = "hml-example"


class TestExample(ReaderChecks):
    """The reader, on a file that is written here. Better: a genuine one."""

    name = "example"

    @classmethod
    def files(cls, folder: Path) -> Mapping[Path, tuple[float, float]]:
        """Each file with the first and last wavelength that are in it, vacuum Å."""
        np.save(folder / "star.npy", [WAVELENGTH, np.ones(101)])
        return {folder / "star.npy": (8500.0, 8510.0)}

    def test_numbers_are_those_of_the_file(self) -> None:
        """A test of your own, beside those that every reader must pass."""
        for path in self.good():
            (spectrum,) = self.part.read(path)
            assert np.array_equal(spectrum.wavelength, WAVELENGTH)
