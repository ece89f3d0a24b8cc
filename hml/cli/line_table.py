"""The tracks that `hml lines` found, for a person, a program, or a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hml.core.catalogue import Catalogue

SHOWN = 40  # rows of a table, unless more are asked for


def show_catalogue(found: Catalogue, strongest: int | None, output: Path | None, json: bool) -> None:
    """A table, JSON, or a file, and what the numbers mean."""
    from hml.cli.show import print_json, say
    from hml.core.catalogue import write_catalogue

    told = _told(found)
    if output is not None:
        write_catalogue(found, output, told)
    if json:
        print_json({**told, "tracks": found.rows()})
        return
    if output is None:
        _table(found, strongest)
    lines = [f"{len(found.tracks):,} tracks", *(f"{name}: {text}" for name, text in told.items())]
    say("\n".join([*lines, *([f"file: {output}"] if output else [])]))


def _told(found: Catalogue) -> dict[str, Any]:
    """What the numbers mean."""
    tracks, matches = found.tracks, found.matches
    told: dict[str, Any] = {
        "strength": "equivalent width of the line alone, where it is largest on the grid, and the median of all nodes",
        "presence": f"nodes of {tracks.nodes:,} at which its centre is deeper than {tracks.threshold:g}",
    }
    if matches is not None:
        told["line list"] = matches.lines.story
        told["match"] = (
            f"within {matches.tolerance:g} km/s; of several lines the one with the largest log gf - theta*chi at "
            f"{matches.teff:g} K, plus the level of its species, which is learnt from the tracks"
        )
        named = sum(len(near) > 0 for near in matches.candidates)
        several = sum(len(near) > 1 for near in matches.candidates)
        told["matched"] = f"{named:,} of {len(tracks):,}; {several:,} of them had several lines to choose from"
    return told


def _table(found: Catalogue, strongest: int | None) -> None:
    """The first rows, or all that were asked for."""
    from hml.cli.show import say, table

    rows = found.rows()
    shown = rows if strongest is not None else rows[:SHOWN]
    columns = ["#", "centre (Å)", "width (mÅ)", "depth", "at", "median (mÅ)", "present"]
    if found.matches is not None:
        columns += ["line", "χ (eV)", "log gf", "Δv (km/s)", "of", "margin", "others"]
    table("", columns, [_cells(row) for row in shown], (0, 1, 2, 3, 5, 6, 8, 9, 10, 11, 12))
    if len(shown) < len(rows):
        say(f"the first {len(shown)} are shown; more with --strongest N, --wavelength, --json or --output")


def _cells(row: Mapping[str, Any]) -> list[str]:
    where = " ".join(f"{value:g}" for value in row["where"].values())
    cells = [
        str(row["number"]), f"{row['centre']:.3f}", f"{1e3 * row['width']:.1f}", f"{row['depth']:.3f}", where,
        f"{1e3 * row['median_width']:.1f}", f"{row['presence']:,}",
    ]  # fmt: skip
    if "competing" not in row:
        return cells
    if row["species"] is None:
        return [*cells, "–", "", "", "", "0", "", ""]
    others = [f"{a['species']} {a['wavelength']:.3f}" for a in row["alternatives"]]
    more = [f"and {len(others) - 3} more"] if len(others) > 3 else []
    margin = "" if row["margin"] == float("inf") else f"{row['margin']:.1f}"
    return [
        *cells, row["species"], f"{row['excitation']:.2f}", f"{row['log_gf']:.2f}", f"{row['offset']:+.2f}",
        str(row["competing"]), margin, ", ".join([*others[:3], *more]),
    ]  # fmt: skip
