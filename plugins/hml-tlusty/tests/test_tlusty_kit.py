"""hml's own conformance checks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from test_tlusty import flux_of, write

from hml.testing import GridChecks


class TestCoolTlusty(GridChecks):
    name = "cooltlusty"
    skips: ClassVar = {"test_wavelengths_are_vacuum": "the files do not say, and made-up lines are nowhere in nature"}
    others: ClassVar = ({"teff": 400}, {"chemistry": "mixed"}, {"medium": "air"})

    @classmethod
    def configure(cls, folder: Path) -> Mapping[str, Any]:
        for teff in (400, 425):
            for z in ("0.316", "1.000"):
                write(folder / "files" / f"T{teff}_g4.25_Z{z}.21", flux_of(teff, 4.25))
                write(folder / "files" / f"T{teff}_g4.25_Z{z}_CDIFF1e6.21", 2 * flux_of(teff, 4.25))
        return {"path": folder / "files", "wavelength": [9_000, 60_000]}

    @classmethod
    def alter(cls, content: bytes) -> bytes:
        """The last digit of FLAM, the fifth column, before its exponent."""
        return re.sub(rb"^((?:\s*\S+){4}\s+\S+?)\d(?=D\S+\s+\S+$)", rb"\g<1>7", content, flags=re.MULTILINE)
