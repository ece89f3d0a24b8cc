"""How many strong tracks of the synthetic grid are named rightly by its own line list, whose truth is known?

    python benchmarks/line_names.py

Three pieces of the grid; tracks deeper than 0.05; right is the species whose line is strongest near the track by the
grid's own populations. `nearest`: the nearest line of the list wins; `log gf`: the largest log gf − θ·χ; `learnt`: what
`hml lines` does, the same with the level of each species learnt from the tracks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from hml import build, load_config
from hml.core.linelist.match import Matches, match
from hml.core.linelist.values import LineList
from hml.core.tracks import strengths
from hml.plugins.synthetic.atmosphere import Atmosphere
from hml.plugins.synthetic.linelist import SPECIES, draw_lines

PIECES = (((3400, 3600, 3800), (9100, 9140)), ((5000, 5200, 5400), (8700, 8760)), ((5600, 5800, 6000), (10500, 10580)))
TOLERANCES = (0.5, 1.0, 2.0, 3.0)  # km/s
DEEP = 0.05


@dataclass(frozen=True, eq=False)
class Piece:
    """A piece of the grid: its list, and how strong each line truly is at the middle of the grid."""

    lines: LineList
    truth: np.ndarray
    centre: np.ndarray
    width: np.ndarray
    depth: np.ndarray
    teff: float

    @classmethod
    def of(cls, teffs: tuple[int, ...], band: tuple[int, int]) -> Piece:
        generator = build(load_config(sets=[
            f"grid.teff={{nodes: {list(teffs)}}}", "grid.logg={nodes: [4.0, 4.5]}", "grid.feh={nodes: [-0.5, 0.0]}",
            f"grid.wavelength={list(band)}",
        ]))  # fmt: skip
        labels = {"teff": float(teffs[1]), "logg": 4.5, "feh": 0.0}
        width, depth = strengths(generator, generator.space.to_array(labels)[None])
        drawn = draw_lines(20000, 0)
        drawn = drawn.take((drawn.wavelength > band[0] - 5) & (drawn.wavelength < band[1] + 5))
        names = np.array([SPECIES[i].name for i in drawn.species])
        lines = LineList(drawn.wavelength, names, drawn.excitation, drawn.log_gf, "")
        air = Atmosphere.of(labels)
        population = np.array([air.log_population(species) for species in SPECIES])[drawn.species]
        truth = population + drawn.log_gf - air.theta * drawn.excitation
        return cls(lines, truth, generator.reference.numpy(), width[0].astype(float), depth[0], labels["teff"])

    def rows(self) -> list[list[str]]:
        return [self._row(tolerance) for tolerance in TOLERANCES]

    def _row(self, tolerance: float) -> list[str]:
        plain = match(self.centre, self.lines, tolerance, self.teff)
        learnt = match(self.centre, self.lines, tolerance, self.teff, self.width)
        deep = np.flatnonzero(self.depth > DEEP)
        known = [i for i in deep if len(plain.candidates[i])]
        several = sum(len(plain.candidates[i]) > 1 for i in known)
        away = [np.abs(self.lines.wavelength[plain.candidates[i]] / self.centre[i] - 1) for i in known]
        nearest = [int(plain.candidates[i][a.argmin()]) for i, a in zip(known, away, strict=True)]
        chosen = (nearest, plain.chosen[known].tolist(), learnt.chosen[known].tolist())
        shares = [f"{self._right(plain, known, lines):.1%}" for lines in chosen]
        return [f"{self.teff:.0f} K", f"{tolerance:g}", f"{len(deep)}", f"{len(known)}", f"{several}", *shares]

    def _right(self, matches: Matches, tracks: list[int], lines: list[int]) -> float:
        """The share of tracks whose line is of the species that is truly strongest."""
        best = [int(matches.candidates[i][self.truth[matches.candidates[i]].argmax()]) for i in tracks]
        return float(np.mean(self.lines.species[best] == self.lines.species[lines]))


def main() -> None:
    table = Table(title="Strong tracks named rightly")
    for column in ("piece", "km/s", "tracks", "with a line near", "with several", "nearest", "log gf", "learnt"):
        table.add_column(column, justify="right")
    for teffs, band in PIECES:
        for row in Piece.of(teffs, band).rows():
            table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
