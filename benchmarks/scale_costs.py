"""What large jobs would cost, calculated from what was measured; every assumption is a field here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]

CORES = (1, 16, 1000)
ROUNDS, STEPS = 7, 30  # `associate`'s defaults
BANDWIDTH = {1: 0.2e9, 16: 0.2e9, 1000: 2e9}  # bytes/s that all cores together read: a disk, a disk, a parallel one
KEPT = 2e9  # bytes of the largest table that a process should hold


@dataclass(frozen=True)
class Grid:
    """A library to be built; it has as many lines a pixel as the node that was measured."""

    name: str
    nodes: int
    pixels: int
    axes: int
    note: str


GRIDS = (
    Grid("PHOENIX, the full cube", 30_000, 1_569_128, 4, "500–55,000 Å, all [α/Fe]; float32 files of 6.3 MB"),
    Grid("PHOENIX, the paper's subset", 1314, 338_651, 3, "8038–12849 Å"),
    Grid("Sonora Elf Owl", 43_200, 193_132, 5, "36 Teff × 10 log g × 6 [M/H] × 4 C/O × 5 log Kzz; native pixels"),
)
SPECTRA, SURVEY_PIXELS = 10_000_000, 8000


def node_seconds(grid: Grid, node: Row) -> float:
    """Of one node, all in all: looked at, fitted in all rounds, and made again for the residual, and left out along
    every axis, near and far; in proportion to its pixels."""
    looks = 1 + 1 + 3 * grid.axes
    fits = ROUNDS * STEPS * node["fit_s"] / node["fit_steps"]
    return float(grid.pixels / node["pixels"] * (looks * node["look_s"] + fits))


def grid_cost(grid: Grid, node: Row, built: Row, growth: Sequence[Row], overhead: float) -> Row:
    """Hours on 1, 16 and 1,000 cores. What one process does alone: for all answers, and what is not done node by node
    (which grows with nodes as measured, and with tracks in proportion)."""
    each, share = node_seconds(grid, node), grid.pixels / node["pixels"]
    answers = ROUNDS * grid.nodes * share * node["client_s"]
    serial = next(row for row in growth if (row["what"], row["over"]) == ("serial", "nodes"))
    tracks = share * node["lines"]
    alone = built["serial_s"] * ROUNDS / 2 * (grid.nodes / built["nodes"]) ** max(1.0, serial["slope"])
    alone *= tracks / built["tracks"]
    read = 4.0 * grid.pixels * grid.nodes * (ROUNDS + 2 + 3 * grid.axes)
    work = each * grid.nodes / (1 - overhead)
    hours = {n: (max(work / n, answers, read / BANDWIDTH[n]) + alone) / 3600 for n in CORES}
    return {
        "name": grid.name, "nodes": grid.nodes, "pixels": grid.pixels, "note": grid.note, "node_s": each,
        "core_hours": work / 3600, "answers_hours": answers / 3600, "alone_hours": alone / 3600, "read_bytes": read,
        "stored_bytes": ROUNDS * grid.nodes * share * node["bytes"], "held_bytes": grid.nodes * share * node["bytes"],
        "hours": hours,
    }  # fmt: skip


def survey_cost(star: Row, overhead: float) -> Row:
    """Hours for a survey's spectra, each as dear by the pixel as the one that was measured."""
    each = star["seconds"] * SURVEY_PIXELS / star["pixels"]
    work = each * SPECTRA / (1 - overhead)
    return {"spectra": SPECTRA, "pixels": SURVEY_PIXELS, "spectrum_s": each, "core_hours": work / 3600,
            "hours": {n: work / n / 3600 for n in CORES}}  # fmt: skip


def costs(found: Mapping[str, Any]) -> Row:
    dask = [row["overhead"] for row in found["scheduling"] if row["executor"] == "dask"]
    overhead = min(0.5, max(0.0, *dask, 0.0))
    grids = [grid_cost(grid, found["node"], found["grid"], found["growth"], overhead) for grid in GRIDS]
    return {"grids": grids, "survey": survey_cost(found["star"], overhead)}
