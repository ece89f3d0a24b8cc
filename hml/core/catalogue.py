"""Tracks chosen by place, strength and species, with the lines of a list that they are: as values, rows, and a file."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hml.core.errors import ConfigError, LineListError
from hml.core.generator import Generator
from hml.core.linelist.match import Matches, match
from hml.core.linelist.species import species_name
from hml.core.linelist.values import LineList
from hml.core.store import write_text
from hml.core.tracks import THRESHOLD, Ints, Order, Tracks, between, strengths, survey

UNITS = {
    "centre": "AA", "width": "AA", "median_width": "AA", "wavelength": "AA", "excitation": "eV", "offset": "km/s",
    "margin": "dex",
}  # fmt: skip
TRACK = ("number", "centre", "width", "depth", "median_width", "presence")
LISTED = ("species", "wavelength", "excitation", "log_gf", "offset", "competing", "margin", "sharing", "alternatives")
"""Columns of a file."""


@dataclass(frozen=True)
class Wanted:
    """Which tracks are asked for."""

    band: tuple[float | None, float | None] = (None, None)  # of their centres, vacuum Å
    strongest: int | None = None  # at most so many
    threshold: float = THRESHOLD  # central depth from which a line counts as present
    lines: LineList | None = None  # what they may be
    tolerance: float = 2.0  # km/s
    teff: float | None = None  # K, at which listed lines compete; None: the middle of the grid
    species: str | None = None  # only those matched to it


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The tracks that were asked for, and what they are, if a line list was given."""

    tracks: Tracks
    matches: Matches | None = None
    species: str | None = None

    def rows(self) -> list[dict[str, Any]]:
        """One record a track: plain values only, widths in Å."""
        tracks = self.tracks
        own = [
            {
                "number": int(tracks.number[i]), "centre": float(tracks.centre[i]), "width": float(tracks.width[i]),
                "depth": float(tracks.depth[i]), "where": tracks.space.to_dict(tracks.where[i]),
                "median_width": float(tracks.median[i]), "presence": int(tracks.presence[i]),
            }
            for i in range(len(tracks))
        ]  # fmt: skip
        listed = [{}] * len(own) if self.matches is None else _identified(self.matches)
        return [row | line for row, line in zip(own, listed, strict=True)]


def choose(generator: Generator, wanted: Wanted, order: Order = "centre") -> Catalogue:
    """The tracks that are wanted. LineListError if none is matched to the species."""
    species = None if wanted.species is None else _species(wanted)
    matches = None if wanted.lines is None else _match(generator, wanted.lines, wanted)
    number = between(generator, *wanted.band)
    if species is not None and matches is not None:
        number = _of_species(number, matches, species)
    tracks = survey(generator, number, wanted.threshold)
    if wanted.strongest is not None:
        tracks = tracks.strongest(wanted.strongest)
    tracks = tracks.sorted_by(order)
    return Catalogue(tracks, None if matches is None else matches.take(tracks.number), species)


def _of_species(number: Ints, matches: Matches, species: str) -> Ints:
    """Those of the tracks that are lines of a species."""
    names = matches.take(number).species
    if species not in names:
        there = ", ".join(f"{name} ({n})" for name, n in Counter(filter(None, names)).most_common(8))
        raise LineListError(f"--species {species}: no track is matched to it; those that are: {there or 'none'}")
    return number[[name == species for name in names]]


def _species(wanted: Wanted) -> str:
    if wanted.lines is None:
        raise ConfigError(f"--species {wanted.species}: tracks have no names of their own; give a --line-list")
    try:
        return species_name(str(wanted.species))
    except ValueError as error:
        raise ConfigError(f"--species {wanted.species}: {error}") from None


def _match(generator: Generator, lines: LineList, wanted: Wanted) -> Matches:
    """What all tracks are, judged in the middle of the grid, or there at the temperature that is asked for."""
    space = generator.space
    at = {axis.name: axis.nodes[(len(axis.nodes) - 1) // 2] for axis in space.axes}
    teff = at.get("teff") if wanted.teff is None else wanted.teff
    if teff is None:
        raise ConfigError("the generator has no label teff; say with --teff at which temperature lines compete")
    if "teff" in at:
        at["teff"] = float(np.clip(teff, space["teff"].lower, space["teff"].upper))
    width, _ = strengths(generator, space.to_array(at)[None])
    return match(generator.reference.cpu().numpy(), lines, wanted.tolerance, teff, width[0].astype(np.float64))


def _identified(matches: Matches) -> list[dict[str, Any]]:
    """What a list says of each track."""
    offset, margin, sharing = matches.offset, matches.margin, matches.sharing
    return [
        {
            **(_line(matches, int(near[0])) if len(near) else {"species": None}),
            "offset": float(offset[i]), "competing": len(near), "margin": float(margin[i]), "sharing": int(sharing[i]),
            "alternatives": [_line(matches, int(other)) for other in near[1:]],
        }
        for i, near in enumerate(matches.candidates)
    ]  # fmt: skip


def _line(matches: Matches, index: int) -> dict[str, Any]:
    lines = matches.lines
    return {
        "species": str(lines.species[index]), "wavelength": float(lines.wavelength[index]),
        "excitation": float(lines.excitation[index]), "log_gf": float(lines.log_gf[index]),
        "strength": float(matches.strength[index]),
    }  # fmt: skip


# --- a file --------------------------------------------------------------------------------------------------------


def write_catalogue(catalogue: Catalogue, path: Path, meta: Mapping[str, Any]) -> None:
    """An ECSV table, one row a track; the labels where a line is strongest have columns of their own."""
    from astropy import units as u
    from astropy.table import QTable

    records, names = catalogue.rows(), TRACK if catalogue.matches is None else TRACK + LISTED
    table = QTable({name: _column(records, name) for name in names}, meta=dict(meta))
    for axis in catalogue.tracks.space.axes:
        table[f"{axis.name}_at_largest"] = [row["where"][axis.name] for row in records]
    for name in UNITS.keys() & set(names):
        table[name] = np.array(table[name], dtype=np.float64) * u.Unit(UNITS[name])
    text = io.StringIO()
    table.write(text, format="ascii.ecsv")
    write_text(path, text.getvalue())


def _column(records: list[dict[str, Any]], name: str) -> list[Any]:
    """Empty text or NaN where a track has no line."""
    if name == "alternatives":
        return ["; ".join(f"{a['species']} {a['wavelength']:.4f}" for a in row[name]) for row in records]
    return [("" if name == "species" else np.nan) if row.get(name) is None else row[name] for row in records]
