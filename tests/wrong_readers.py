"""Readers with one fault each, and the check that must find it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from wrong import COUNTER, Fault, checks

from hml import (
    Spectrum,
    vacuum_to_air,
)
from hml.template.reader.checks import TestExample as _Npy
from hml.template.reader.reader import ExampleReader
from hml.testing import (
    ReaderChecks,
)


def reader(check: str, words: str, files: Any = _Npy.files, **members: Any) -> Fault:
    made = type("WrongReader", (ExampleReader,), members)
    suite = checks(ReaderChecks, lambda config, context: made(), traits={"suffixes": (".npy",)}, files=files)
    return Fault(check, words, suite)


def read(change: Any) -> Any:
    """The right spectra, changed."""
    return lambda self, path: [change(one) for one in ExampleReader.read(self, path)]


def refuse(self: Any, path: Path) -> bool:
    raise OSError(path)


def touch(self: Any, path: Path) -> list[Spectrum]:
    found = ExampleReader.read(self, path)
    path.write_bytes(path.read_bytes() + b"\0")
    return found


def half(self: Any, path: Path) -> list[Spectrum]:
    numbers = np.frombuffer(path.read_bytes()[128:][: (path.stat().st_size - 128) // 16 * 16])
    return [Spectrum(np.arange(1.0, len(numbers) + 2), np.ones(len(numbers) + 1), name=path.name)]


READERS = [
    reader("test_it_knows_its_own_files", "is not True", sniff=lambda self, path: False),
    reader("test_it_knows_its_own_files", "replace files", files=classmethod(lambda cls, folder: {})),
    reader("test_it_leaves_other_files_alone", "it is foreign", sniff=lambda self, path: True),
    reader("test_it_leaves_other_files_alone", "sniff raises OSError", sniff=refuse),
    reader("test_what_it_cannot_read_is_named", "instead of SpectrumError",
           read=lambda self, path: [Spectrum(*np.load(path), name=path.name)]),
    reader("test_what_it_cannot_read_is_named", "spectra are made of it", read=lambda self, path: []),
    reader("test_spectra_can_be_used", "a list", read=lambda self, path: tuple(ExampleReader.read(self, path))),
    reader("test_spectra_can_be_used", "the spectrum's name", read=read(lambda s: replace(s, name=""))),
    reader("test_wavelengths_are_vacuum_angstrom", "in vacuum Å it is",
           read=read(lambda s: replace(s, wavelength=vacuum_to_air(s.wavelength)))),
    reader("test_wavelengths_are_vacuum_angstrom", "in vacuum Å it is",
           read=read(lambda s: replace(s, wavelength=s.wavelength / 10))),
    reader("test_it_reads_the_same_at_every_call", "second time",
           read=read(lambda s: replace(s, flux=s.flux + next(COUNTER)))),
    reader("test_files_are_only_read", "has changed", read=touch),
    reader("test_a_damaged_file_is_named", "spectra are made of it", read=half),
]  # fmt: skip
