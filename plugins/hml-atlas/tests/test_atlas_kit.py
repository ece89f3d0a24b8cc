"""hml's own conformance checks, of made-up files in both layouts and of the genuine ones."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits
from atlas_files import write_table, write_text

from hml.testing import GridChecks

COARSE = {"test_wavelengths_are_vacuum": "pixels are 20 Å wide: air and vacuum cannot be told apart"}
REAL = os.environ.get("HML_REAL_DATA", "")


class Altered(GridChecks):
    @classmethod
    def alter(cls, content: bytes) -> bytes:
        """Other fluxes in every column."""
        out = io.BytesIO()
        with fits.open(io.BytesIO(content)) as hdus:
            for name in hdus[1].data.names[1:]:
                hdus[1].data[name] = 1.01 * hdus[1].data[name]
            hdus.writeto(out)
        return out.getvalue()


class TestTables(Altered):
    name = "atlas9"
    skips = COARSE
    others = ({"teff": 5000}, {"medium": "air"})

    @classmethod
    def configure(cls, folder: Path) -> Mapping[str, Any]:
        for teff, gravities in ((5000, (3.5, 4.0, 4.5)), (40000, (4.0, 4.5, 5.0))):
            write_table(folder / "files" / f"kp00_{teff}.fits", teff, 0, gravities)
        return {"path": folder / "files"}


class TestText(GridChecks):
    name = "atlas9"
    skips = COARSE
    others = ({"logg": 4.5},)

    @classmethod
    def configure(cls, folder: Path) -> Mapping[str, Any]:
        write_text(folder / "fm05k2odfnew.pck", [(t, g) for t in (5000.0, 6000.0) for g in (4.0, 4.5)], -0.5)
        return {"path": folder / "fm05k2odfnew.pck"}


@pytest.mark.skipif(not REAL, reason="HML_REAL_DATA is not set: no genuine files")
class TestGenuine(Altered):
    name = "atlas9"
    skips = COARSE
    others = ({"teff": 5000},)
    most_files = 2

    @classmethod
    def configure(cls, folder: Path) -> Mapping[str, Any]:
        for teff in (5000, 5250, 30000):
            for metals in ("km05", "kp00"):
                shutil.copy(Path(REAL) / "grids" / "atlas9" / metals / f"{metals}_{teff}.fits", folder)
        return {"path": folder, "logg": [3, 5]}
