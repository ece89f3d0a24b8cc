"""hml's own conformance checks of the four grids."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sonora_files import flux_of, write_netcdf, write_text

from hml.testing import GridChecks
from hml.testing.files import alter


def alter_rows(content: bytes) -> bytes:
    """Other fluxes; a header that says something else would be refused."""
    at = content.rindex(b"\n", 0, content.index(b"1.400000")) + 1
    return content[:at] + alter(content[at:])


MADE_UP = {"test_wavelengths_are_vacuum": "the files do not say, and lines of made-up spectra are nowhere in nature"}
BAND = {"wavelength": [9_000, 20_000]}


class TestBobcat(GridChecks):
    name = "sonora_bobcat"
    skips = MADE_UP
    others = ({"teff": 900}, {"medium": "air"})

    @classmethod
    def configure(cls, folder: Path) -> Mapping[str, Any]:
        for teff in (900, 1000):
            for g, logg in ((316, 4.5), (1000, 5.0)):
                write_text(folder / "files" / f"sp_t{teff}g{g}nc_m0.0.gz", "bobcat", flux_of(teff, logg))
        return {"path": folder / "files", **BAND}

    @classmethod
    def alter(cls, content: bytes) -> bytes:
        return gzip.compress(alter_rows(gzip.decompress(content)))


class TestCholla(GridChecks):
    name = "sonora_cholla"
    skips = MADE_UP
    others = ({"logkzz": 2},)

    @classmethod
    def configure(cls, folder: Path) -> Mapping[str, Any]:
        for teff in (900, 950):
            for kzz in (2, 7):
                write_text(folder / "files" / f"{teff}K_1000g_logkzz{kzz}.spec", "cholla", flux_of(teff, 5, kzz))
        return {"path": folder / "files", **BAND}

    @classmethod
    def alter(cls, content: bytes) -> bytes:
        return alter_rows(content)


class TestDiamondback(GridChecks):
    name = "sonora_diamondback"
    skips = MADE_UP
    others = ({"clear": 10}, {"fsed": 1})

    @classmethod
    def configure(cls, folder: Path) -> Mapping[str, Any]:
        for teff in (1000, 1100):
            for number, cloud in enumerate(("f1", "f2", "nc")):
                write_text(folder / "files" / f"t{teff}g316{cloud}_m0.0_co1.0.spec", "diamondback",
                           flux_of(teff, 4.5, number))
        return {"path": folder / "files", **BAND}

    @classmethod
    def alter(cls, content: bytes) -> bytes:
        return alter_rows(content)


class TestElfOwl(GridChecks):
    name = "sonora_elf_owl"
    skips = MADE_UP
    others = ({"logkzz": 2},)

    @classmethod
    def configure(cls, folder: Path) -> Mapping[str, Any]:
        for teff in (575, 600):
            for kzz in (2, 9):
                write_netcdf(folder / "files" / f"spectra_logzz_{kzz}.0_teff_{teff}.0_grav_178.0_mh_0.0_co_1.0.nc",
                             flux_of(teff, 4.25, kzz))
        return {"path": folder / "files", **BAND}

    @classmethod
    def alter(cls, content: bytes) -> bytes:
        """The lowest bits of some fluxes, which are the last but one of the arrays."""
        altered = bytearray(content)
        for i in range(len(altered) - 24 - 8 * 100 + 7, len(altered) - 24, 8):
            altered[i] ^= 1
        return bytes(altered)
