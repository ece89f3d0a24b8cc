"""The checks of a reader of observed spectra."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from hml import HmlError, Reader, Spectrum
from hml.testing.base import Checks
from hml.testing.files import is_text, replaced
from hml.testing.suite import expect

FOREIGN = {
    "empty": b"",
    "prose": b"It was a dark night.\nNothing was seen.\n",
    "noise": np.random.default_rng(0).bytes(3000),
    "zeros": bytes(3000),
    "cut.fits": b"SIMPLE  =                    T / no more than the first card of a FITS file",
    "page.html": b"<html><body>404 not found</body></html>\n",
}
WITHIN = 0.02  # Å; air and vacuum are farther apart than that, and so are frames


class ReaderChecks(Checks[Reader]):
    """A reader, on files that `files` makes or names, and on files that are not its own."""

    family = "readers"
    interface = Reader
    foreign: ClassVar[Mapping[str, bytes]] = FOREIGN
    """Files that it does not read: name → content."""

    # --- what a subclass may replace

    @classmethod
    def files(cls, folder: Path) -> Mapping[Path, tuple[float, float]]:
        """Files that it reads → the first and last wavelength of all that is in them, vacuum Å. `folder` is empty and
        belongs to these checks."""
        return {}

    # --- what checks use

    @classmethod
    def prepare(cls) -> None:
        super().prepare()
        cls._kept["good"] = cls.files(cls._folder / "files")

    def good(self) -> Mapping[Path, tuple[float, float]]:
        """The files."""
        kept: Mapping[Path, tuple[float, float]] = self._kept["good"]
        expect(kept, "replace files(folder): make or name files that it reads, each with its first and last wavelength")
        return kept

    def others(self) -> list[Path]:
        """Files that it does not read, with its own endings too, one that is not there, and a folder."""
        folder = self._folder / "foreign"
        folder.mkdir(exist_ok=True)
        endings = ("", *self.trait("suffixes", ()))
        made = {folder / f"{name}{ending}": content for name, content in self.foreign.items() for ending in endings}
        for path, content in made.items():
            path.write_bytes(content)
        return [*made, folder / "missing.fits", folder]

    def work(self) -> None:
        for path in self.good():
            self.part.sniff(path)
            self.part.read(path)

    # --- the checks

    def test_it_knows_its_own_files(self) -> None:
        for path in self.good():
            expect(self.part.sniff(path) is True, f"sniff({path.name}) is not True")

    def test_it_leaves_other_files_alone(self) -> None:
        for path in self.others():
            try:
                found = self.part.sniff(path)
            except Exception as error:
                raise AssertionError(f"sniff raises {type(error).__name__} on a foreign file, {path.name}") from error
            likely = path.suffix in self.trait("suffixes", ())  # by its name; reading it will tell
            expect(isinstance(found, bool) and (likely or not found), f"sniff({path.name}) is {found}; it is foreign")

    def test_what_it_cannot_read_is_named(self) -> None:
        for path in self.others():
            self._is_named(path, [])

    def test_spectra_can_be_used(self) -> None:
        from astropy import units

        for path in self.good():
            spectra = self.part.read(path)
            expect(isinstance(spectra, list) and spectra, f"read({path.name}) must give a list, a spectrum an order")
            for spectrum in spectra:
                expect(isinstance(spectrum, Spectrum), f"read({path.name}) gave {type(spectrum).__name__}")
                expect((spectrum.wavelength > 0).all(), f"{path.name}: wavelengths of zero or less")
                expect(np.isfinite(spectrum.flux).any(), f"{path.name}: no flux is finite")
                expect(path.name in spectrum.name, f"{path.name}: the spectrum's name is {spectrum.name!r}")
                if spectrum.error is not None:
                    expect((spectrum.error > 0).any(), f"{path.name}: no error is above zero")
                units.Unit(spectrum.unit)

    def test_wavelengths_are_vacuum_angstrom(self) -> None:
        for path, (first, last) in self.good().items():
            bands = np.array([spectrum.band for spectrum in self.part.read(path)])
            low, high = bands[:, 0].min(), bands[:, 1].max()
            expect(abs(low - first) < WITHIN and abs(high - last) < WITHIN,
                   f"{path.name}: {low:.3f} to {high:.3f}, in vacuum Å it is {first:.3f} to {last:.3f}")

    def test_it_reads_the_same_at_every_call(self) -> None:
        for path in self.good():
            for again in (self.part.read(path), self.build().read(path)):
                expect(alike(again, self.part.read(path)), f"{path.name} is read differently the second time")

    def test_files_are_only_read(self) -> None:
        for path in self.good():
            before = path.stat()
            self.part.read(path)
            now = path.stat()
            expect((now.st_size, now.st_mtime_ns) == (before.st_size, before.st_mtime_ns), f"{path.name} has changed")

    def test_a_damaged_file_is_named(self) -> None:
        for path in self.good():
            content, whole = path.read_bytes(), self.part.read(path)
            for part in (0.0, 0.3, 0.8):
                with replaced(path, content[: int(part * len(content))]):
                    self._is_named(path, whole, is_text(content) and part > 0)

    def _is_named(self, path: Path, whole: list[Spectrum], text: bool = False) -> None:
        try:
            found = self.part.read(path)
        except HmlError as error:
            expect(path.name in str(error), f"the error does not name {path.name}: {error}")
            expect("\n" not in str(error), f"the error is not one line: {error!r}")
        except Exception as error:
            raise AssertionError(f"{path.name}: {type(error).__name__} instead of SpectrumError: {error}") from error
        else:
            fine = text or (whole and alike(found, whole))  # text that is cut may be a table, only shorter
            expect(fine, f"{path.name} cannot be read, and spectra are made of it; raise SpectrumError")


def alike(first: list[Spectrum], second: list[Spectrum]) -> bool:
    """Whether two readings are the same."""
    return len(first) == len(second) and all(
        np.array_equal(a.wavelength, b.wavelength) and np.array_equal(a.flux, b.flux, equal_nan=True)
        for a, b in zip(first, second, strict=True)
    )
