"""Line lists of MOOG (C. Sneden): a title, then wavelength (Å), species code, excitation (eV), log gf and what else."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hml.core.errors import LineListError
from hml.core.linelist.species import species_name
from hml.core.linelist.values import Rows

EXPECTED = "wavelength (Å), species (26.0, 26.1, 822.0), excitation (eV) and log gf, as MOOG has them"


def parse(path: Path, lines: Iterable[tuple[int, str]]) -> Rows:
    """The lines of numbered rows of text; LineListError naming the first row that is none (the title aside)."""
    rows = Rows(path, "MOOG", None)
    for number, text in lines:
        cells = text.replace(",", " ").split()
        if not cells or cells[0].startswith("#"):
            continue
        try:
            wavelength, species, excitation, log_gf = cells[:4]
            # MOOG marks the members of a blend by a minus sign
            rows.add(abs(float(wavelength)), species_name(species), float(excitation), float(log_gf))
        except ValueError as error:
            if number > 1:  # the first row is a title
                reason = f" ({error})" if len(cells) > 3 else ""
                raise LineListError(f"{path}: line {number}: expected {EXPECTED}{reason}") from None
    return rows
