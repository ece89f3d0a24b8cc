"""The work of `accuracy.py`: which cases and methods its figures need, and what they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import accuracy_figures
import cases
import cloning
import label_recovery
import scores
import synthetic_node
from cases import Case
from measure import say
from methods import Method, all_methods
from paper_recipe import LINE_EDGE, PIXEL_EDGE
from results import Results

from hml import Spectrum

Row = dict[str, Any]

PARTS = (*accuracy_figures.NAMES, "logg", "feh")
OF_FIRST = ("rms", "median_node", "rms_published", "rms_smooth", "lines_only", "paper")


@dataclass(frozen=True)
class Size:
    """How much is measured. `epochs` are the paper's, `edges` those of its clone of a native piece (Å)."""

    splits: tuple[Case, ...]
    between: Case
    pieces: tuple[Spectrum, ...]
    epochs: int = 100
    window: int = 1000
    edges: tuple[float, float] = (LINE_EDGE, PIXEL_EDGE)
    snrs: tuple[float, ...] = (100.0, 30.0)


def full(data: Path, orders: Sequence[str], pieces: Sequence[str]) -> Size:
    """`data`: the folder of the H-band orders; native pieces lie beside it, or among the real data."""
    beside = data.resolve().parent / "native"
    native = synthetic_node.native_pieces(tuple(pieces), beside if beside.is_dir() else None)
    if pieces and not native:
        say(f"clone: left out, there is no {' or '.join(pieces)} in {beside}")
    return Size(tuple(cases.h_band(data, orders)), cases.native_synthetic(), tuple(native))


def small() -> Size:
    """Seconds: a few lines of the synthetic grid take the place of everything."""
    paper = {"find.edge": 0.25, "clone.edge": 0.5, "clone.window": 200, "generator.window": 200}
    grid = {"name": "synthetic", "preset": "full", "wavelength": [8700.0, 8705.0], "feh": {"nodes": [0.0]}}
    some = {**grid, "teff": [4000, 5200], "logg": [3.5, 4.5]}
    between = cases.off_nodes({**grid, "teff": [4000, 4600], "logg": [3.5, 4.0]}, 0.5, paper, 5)
    piece = synthetic_node.synthetic_node((8700.0, 8720.0))
    splits = tuple(cases.splits(some, 0.5, paper))
    return Size(splits, between, (piece,), epochs=3, window=200, edges=(1.0, 2.0), snrs=(100.0,))


IN_BETWEEN = ("hml, residual 2 %", "hml, residual 5 %")
"""Methods whose labels are not recovered: they lie between others."""


@dataclass(frozen=True)
class Run:
    """One run of the benchmark."""

    size: Size
    only: tuple[str, ...]
    sets: list[str]
    results: Results

    def all(self) -> Row:
        wanted: dict[str, Row | None] = dict.fromkeys(accuracy_figures.NAMES)
        measured = {case.name: self.case(case) for case in self.cases()}
        found = self.recovery() if "recovery" in self.only else {}
        native = [self.piece(piece) for piece in self.size.pieces] if "clone" in self.only else []
        made = self.figures({name: row["methods"] for name, row in measured.items()}, found, native)
        figures = wanted | {name: row for name, row in made.items() if name in self.only}
        return {"figures": figures, "cases": measured, "recovery": found, "native": native}

    def cases(self) -> list[Case]:
        """Those that the figures need."""
        first, *others = self.size.splits
        asked = [first] if set(self.only) & set(OF_FIRST) else []
        asked += [case for case in others if case.name in self.only]
        return asked + ([self.size.between] if "synthetic" in self.only else [])

    def methods(self) -> list[Method]:
        made = all_methods(self.sets, self.results.progress, self.size.epochs)
        return [method for method in made if method.role != "paper" or "paper" in self.only]

    def case(self, case: Case) -> Row:
        rows = {}
        for method in self.methods():
            score = self.results.score(case, method)
            rows[method.name] = {"role": method.role, **scores.summary(case, score)}
        return {**scores.facts(case), "methods": rows}

    def recovery(self) -> Row:
        """By S/N, then by method."""
        case = self.size.splits[0]
        found: dict[str, Row] = {f"{snr:g}": {} for snr in self.size.snrs}
        for method in self.methods():
            if method.name in IN_BETWEEN:
                continue
            for snr in self.size.snrs:
                row = label_recovery.summary(case, self.results.recovered(case, method, snr))
                found[f"{snr:g}"][method.name] = {"role": method.role, **row}
        return found

    def piece(self, spectrum: Spectrum) -> Row:
        """A spectrum cloned by hml, residual off, and by the paper's recipe."""
        size, key = self.size, [spectrum.name, spectrum.band, len(spectrum), self.sets, self.size.epochs]
        with TemporaryDirectory(prefix="hml-accuracy-") as folder:
            path = synthetic_node.save(spectrum, Path(folder) / "piece.npz")
            own = self.results.plain("clone: hml", key, lambda: cloning.ours(path, self.sets, size.edges[1], 1))
            paper = self.results.plain(
                "clone: paper", key, lambda: cloning.paper(path, size.window, size.epochs, size.edges)
            )
        return {"piece": spectrum.name, "band": spectrum.band, "pixels": len(spectrum), "hml": own, "paper": paper}

    def figures(self, rows: Row, found: Row, native: list[Row]) -> dict[str, Row]:
        first, between = self.size.splits[0].name, self.size.between.name
        made = accuracy_figures.of_split(rows[first]) if first in rows else {}
        if "paper" in self.only:
            made["paper"] = accuracy_figures.paper(rows[first], rows.get(between))
        if between in rows:
            made["synthetic"] = accuracy_figures.synthetic(rows[between])
        if found:
            made["recovery"] = accuracy_figures.recovery(found[f"{max(self.size.snrs):g}"])
        if native:
            named = [row for row in native if row["piece"] in synthetic_node.PIECES]
            made["clone"] = accuracy_figures.clone((named or native)[0])
        return made
