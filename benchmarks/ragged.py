"""`scattered` beside `cubic`: pixels of left-out nodes and of truths between nodes, on whole grids and on ragged ones.

    python benchmarks/ragged.py [--orders m098 m110] [--output ragged.json]

On a ragged grid (a corner of log g and [Fe/H] and a random quarter of the nodes taken away) `linear` and `cubic` have
the missing ones made up, as `generator.holes: fill` has it. Scored is what the other nodes surround. The last rows are
the real table of Sonora Bobcat, its rectilinear part and all of it, which no box holds: of every five nodes one is left
out if the others surround it. Such nodes are then holes, so that `linear` and `cubic` are alike there. Without
HML_REAL_DATA the synthetic grid is measured only.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from cases import SYNTHETIC, Case, h_band, off_nodes
from pixel_methods import Floats, evaluate, interpolator

from hml import Space, Table
from hml.core.check import checked
from hml.core.holes import whole
from hml.core.hull import Hull

METHODS = ("linear", "cubic", "scattered")
Row = dict[str, Any]


def score(table: Table, points: Floats, truth: Floats) -> Row:
    """rms and median rms of a point, 1e-4, of every method that can take the table's nodes."""
    row: Row = {"nodes": len(table.nodes), "holes": table.space.count_holes([tuple(n) for n in table.nodes.tolist()])}
    for name in METHODS:
        given = table if name == "scattered" else whole(table)
        made = interpolator(name, {"storage": "float64"}).fit(given)
        each = np.sqrt(np.mean((evaluate(made, points)[..., 0] - truth) ** 2, axis=1))
        row[name] = {"rms": 1e4 * float(np.sqrt(np.mean(each**2))), "median": 1e4 * float(np.median(each))}
    return row


def informed(nodes: Floats, flux: Floats, names: tuple[str, ...]) -> Table:
    """With the breaks and the coordinates that the nodes themselves tell."""
    grid = checked(Space.from_nodes(names, [tuple(n) for n in nodes.tolist()]), nodes, flux[:, ::4])
    return Table(grid.space, nodes, flux[..., None], ("flux",), grid.breaks, grid.coordinates)


def torn(case: Case) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which nodes of a case are kept where it is made ragged."""
    nodes = np.array(case.plan.used)
    corner = (nodes[:, 1] == case.space.axes[1].upper) & (nodes[:, 2] == case.space.axes[2].lower)
    return ~corner & (np.random.default_rng(0).random(len(nodes)) > 0.25)


def rows_of(case: Case, name: str) -> Iterator[Row]:
    """The case as it is, and made ragged, scored at the same points."""
    nodes, keep = np.array(case.plan.used), torn(case)
    hull = Hull(nodes[keep])
    inside = np.array([bool(hull.inside(p[None])[0]) and hull.surrounds(p) for p in case.points])
    for what, some in (("whole", np.ones(len(nodes), dtype=bool)), ("ragged", keep)):
        table = informed(nodes[some], case.train[some], case.space.names)
        yield {"grid": name, "shape": what, "points": int(inside.sum()), **score(table, case.points[inside],
                                                                                case.test[inside])}  # fmt: skip


def sonora(file: Path) -> Iterator[Row]:
    """Normalised spectra of Sonora Bobcat."""
    data = np.load(file)
    nodes = np.stack([data[name].astype(np.float64) + 0.0 for name in ("teff", "logg", "z", "co")], -1)
    flux = data["flux"].astype(np.float64)
    flux /= flux.mean(1, keepdims=True)
    for what, part in (("box", (nodes[:, 3] == 1) & np.isin(nodes[:, 1], [4.5, 5.0, 5.5])), ("all", nodes[:, 3] > 0)):
        inner, spectra = nodes[part], flux[part]
        held = np.array([m for m in range(3, len(inner), 5) if Hull(np.delete(inner, m, 0)).surrounds(inner[m])])
        table = informed(np.delete(inner, held, 0), np.delete(spectra, held, 0), ("teff", "logg", "feh", "co"))
        yield {"grid": "Sonora Bobcat", "shape": what, "points": len(held), **score(table, inner[held], spectra[held])}


def measured(orders: list[str], data: Path | None) -> Iterator[Row]:
    yield from rows_of(off_nodes({**SYNTHETIC, "wavelength": [8690.0, 8720.0]}, 0.0, {}, 60), "synthetic")
    if data is not None:
        for order in orders:
            yield from rows_of(h_band(data / "phoenix" / "hband", [order])[0], f"H band {order}")
        yield from sonora(data / "grids" / "sonora21_NIR.npz")


def shown(row: Row) -> str:
    cells = [f"{row[name]['rms']:.1f} ({row[name]['median']:.1f})" for name in METHODS]
    first = f"| {row['grid']}, {row['shape']} | {row['nodes']} + {row['holes']} | {row['points']} | "
    return first + " | ".join(cells) + " |"


def main(argv: list[str] | None = None, tell: Callable[[str], None] = print) -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--orders", nargs="*", default=["m098", "m110"])
    parser.add_argument("--output", type=Path)
    chosen = parser.parse_args(argv)
    folder = os.environ.get("HML_REAL_DATA")
    tell(f"| grid | nodes + holes | points | {' | '.join(METHODS)} |")
    tell("|---" * (3 + len(METHODS)) + "|")
    rows = []
    for row in measured(chosen.orders, Path(folder) if folder else None):
        rows.append(row)
        tell(shown(row))
    if chosen.output is not None:
        chosen.output.write_text(json.dumps(rows, indent=1))
    return rows


if __name__ == "__main__":
    main()
