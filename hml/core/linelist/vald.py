"""Line lists extracted from VALD (Ryabchikova et al. 2015, Phys. Scr. 90, 054005): "stellar", "all" and "element",
short and long. The heading tells which number is where, in which unit and medium."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hml.core.errors import LineListError
from hml.core.linelist.species import species_name
from hml.core.linelist.values import Medium, Rows

WAVELENGTH = re.compile(r"W[LN]_(air|vac)\((A|nm|cm\^?-1)\)")
EXCITATION = re.compile(r"(?:Excit|E_low)\((eV|cm\^?-1)\)")
OTHERS = {"log_gf": re.compile(r"log[ (]gf"), "vmic": re.compile("Vmic")}
RECORD = re.compile(r"\s*'\s*((?:\(\d+\))?[A-Z][A-Za-z0-9()+]*\s+\d+)\s*'\s*,(.*\S.*)")
"""A row with a line. Others tell terms, references, the model and its abundances."""

ANGSTROM: Mapping[str, Callable[[float], float]] = {"A": lambda x: x, "nm": lambda x: 10 * x, "cm-1": lambda x: 1e8 / x}
EV: Mapping[str, float] = {"eV": 1.0, "cm-1": 1 / 8065.54394}
EXPECTED = "a heading with WL_air(A) or WL_vac(A), Excit(eV) or E_low(eV), and log gf, as VALD writes it"


@dataclass(frozen=True)
class Heading:
    """Which number of a row is what, and in which unit."""

    medium: Medium
    length: str
    energy: str
    place: Mapping[str, int]

    @classmethod
    def of(cls, text: str) -> Heading | None:
        """None if this row is not the heading."""
        found = {"wavelength": WAVELENGTH.search(text), "excitation": EXCITATION.search(text)}
        found |= {name: pattern.search(text) for name, pattern in OTHERS.items()}
        wavelength, excitation = found["wavelength"], found["excitation"]
        if wavelength is None or excitation is None or found["log_gf"] is None:
            return None
        order = sorted((match.start(), name) for name, match in found.items() if match is not None)
        length, energy = (unit.replace("^", "") for unit in (wavelength[2], excitation[1]))
        medium: Medium = "air" if wavelength[1] == "air" else "vacuum"
        return cls(medium, length, energy, {name: i for i, (_, name) in enumerate(order)})


def is_vald(head: Sequence[str]) -> bool:
    """Whether a file with these first rows is an extract of VALD."""
    return any(WAVELENGTH.search(text) or RECORD.match(text) or "Wavelength region" in text for text in head)


def parse(path: Path, lines: Iterable[tuple[int, str]]) -> Rows:
    """The lines of numbered rows of text; LineListError naming the row that is not what the heading says."""
    rows, heading = Rows(path, "VALD", None), None
    for number, text in lines:
        if heading is None:
            heading = Heading.of(text)
            if heading is None and (number > 20 or RECORD.match(text)):
                raise LineListError(f"{path}: line {number}: expected {EXPECTED}")
        elif record := RECORD.match(text):
            try:
                _add(rows, heading, record[1], record[2])
            except ValueError as error:
                wanted = ", ".join(sorted(heading.place, key=heading.place.__getitem__))
                raise LineListError(f"{path}: line {number}: expected 'Fe 1', {wanted} ({error})") from None
    if heading is None:
        raise LineListError(f"{path}: expected {EXPECTED}")
    rows.medium = heading.medium
    return rows


def _add(rows: Rows, heading: Heading, species: str, rest: str) -> None:
    cells = rest.split(",")[: len(heading.place)]
    if len(cells) < len(heading.place):
        raise ValueError(f"{len(cells)} numbers found")
    value = {name: float(cells[i]) for name, i in heading.place.items()}
    if value["wavelength"] <= 0:
        raise ValueError(f"{value['wavelength']:g} is no wavelength")
    length = ANGSTROM[heading.length](value["wavelength"])
    rows.add(length, species_name(species), value["excitation"] * EV[heading.energy], value["log_gf"])
