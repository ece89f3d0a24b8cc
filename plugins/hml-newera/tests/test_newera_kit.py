"""hml's own conformance checks, of both kinds of file."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
from test_newera import BAND, MODELS, h5, write_text

from hml.testing import GridChecks

MADE_UP = {"test_wavelengths_are_vacuum": "the lines of made-up spectra are nowhere in nature"}


class TestHdf5(GridChecks):
    name = "newera"
    skips = MADE_UP
    others = ({"sampling": "low"}, {"teff": 5000})

    @classmethod
    def configure(cls, folder: Path) -> Mapping[str, Any]:
        for teff in (5000, 5100):
            for logg in (4.0, 4.5):
                h5(folder / "files", teff, logg)
        return {"path": folder / "files", "wavelength": BAND}

    @classmethod
    def alter(cls, content: bytes) -> bytes:
        stream = io.BytesIO(content)
        with h5py.File(stream, "a") as file:
            file["PHOENIX_SPECTRUM/flux"][:] -= 0.01
        return stream.getvalue()


class TestText(GridChecks):
    name = "newera"
    skips = MADE_UP
    others = ({"logg": 0},)

    @classmethod
    def configure(cls, folder: Path) -> Mapping[str, Any]:
        (folder / "files").mkdir()
        for feh in ("-0.0", "-0.5"):
            write_text(folder / "files" / f"PHOENIX-NewEraV3-LowRes-SPECTRA.Z{feh}.txt", MODELS)
        return {"path": folder / "files", "wavelength": [7999, 8101]}
