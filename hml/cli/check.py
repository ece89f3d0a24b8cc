"""`hml grid check`: how smooth a grid is."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from hml.cli.grid import Alpha, Band, Feh, Logg, Name, Teff, parts_of
from hml.cli.options import ConfigFile, Json, Sets
from hml.core.untrusted import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from hml.core.check import GridCheck
    from hml.core.parts import Parts
    from hml.core.space import Node

SHOWN = 20  # nodes of a kind
MOST_ROWS = 100  # of the table


def add_to(app: typer.Typer) -> None:
    """Under `hml grid`."""
    app.command("check")(check)


def check(
    name: Name = None,
    teff: Teff = None,
    logg: Logg = None,
    feh: Feh = None,
    alpha: Alpha = None,
    wavelength: Band = None,
    config: ConfigFile = None,
    sets: Sets = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="PNG of what neighbours tell of each node.")] = None,
    json: Json = False,
) -> None:
    """How smooth a grid is: every node compared with what its neighbours tell of it, breaks, bad nodes, and the nodes
    that the grid's own files mark."""
    from hml.cli.show import print_json, table
    from hml.core.check import check_grid
    from hml.core.store import write_bytes

    parts = parts_of(name, {"teff": teff, "logg": logg, "feh": feh, "alpha": alpha}, wavelength, config, sets)
    found = check_grid(parts)
    marked = _marked(parts)
    if plot is not None:
        from hml.core.figures.counts import over_nodes

        write_bytes(plot, over_nodes(found.space, found.nodes, 1e4 * found.left_out, "left out: rms (1e-4)"))
    if json:
        print_json(_facts(found, marked))
        return
    axis = max(found.space.axes, key=lambda axis: len(axis.nodes))
    values = found.nodes[:, found.space.names.index(axis.name)]
    rows = [[name, *_shown(found.left_out[here])] for name, here in _stretches(values)]
    table(f"left out: rms of a node from what its neighbours along {axis.name} tell of it, 1e-4",
          [axis.name, "median", "largest", "nodes"], rows)  # fmt: skip
    for label, intervals in found.breaks.items():
        for i in intervals:
            low, high = found.space[label].nodes[i : i + 2]
            print(f"break along {printable(label)} between {low:g} and {high:g}: each side is interpolated on its own")
    _tell("far from what its neighbours tell", [found.space.to_dict(node) for node in found.bad])
    for flag, nodes in marked.items():
        _tell(flag.replace("_", " "), nodes)
    if plot is not None:
        print(f"{plot} written")


def _stretches(values: Any) -> list[tuple[str, Any]]:
    """Every value of a label and which nodes have it; of scattered nodes ten stretches."""
    each = np.unique(values)
    if len(each) <= MOST_ROWS:
        return [(f"{value:g}", values == value) for value in each]
    ends = np.linspace(each[0], each[-1], 11)
    place = np.clip(np.searchsorted(ends, values, side="right") - 1, 0, 9)
    return [(f"{low:g} to {high:g}", place == i) for i, (low, high) in enumerate(pairwise(ends))]


def _shown(rms: Any) -> list[str]:
    known = 1e4 * rms[np.isfinite(rms)]
    return [f"{np.median(known):.1f}", f"{known.max():.1f}", str(len(known))] if len(known) else ["–", "–", "0"]


def _tell(what: str, nodes: list[dict[str, float]]) -> None:
    for node in nodes[:SHOWN]:
        print(f"{what}: " + ", ".join(f"{printable(label)} {value:g}" for label, value in node.items()))
    if len(nodes) > SHOWN:
        print(f"{what}: {len(nodes) - SHOWN} more (--json lists all)")


def _marked(parts: Parts) -> dict[str, list[dict[str, float]]]:
    """What the grid's own files say of its nodes: {flag: nodes}."""
    flags: Callable[[Node], dict[str, bool]] = getattr(parts.grid, "flags", lambda node: {})
    marked: dict[str, list[dict[str, float]]] = {}
    for node in parts.grid.nodes():
        for flag, is_set in flags(node).items():
            marked.setdefault(flag, [])
            if is_set:
                marked[flag].append(parts.grid.space.to_dict(node))
    return marked


def _facts(found: GridCheck, marked: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    nodes = [
        {**found.space.to_dict(node), "left_out": float(rms) if np.isfinite(rms) else None}
        for node, rms in zip(found.nodes, found.left_out, strict=True)
    ]
    axes = {label: found.space[label].nodes for label in found.breaks}
    breaks = {label: [list(axes[label][i : i + 2]) for i in between] for label, between in found.breaks.items()}
    return {"nodes": nodes, "breaks": breaks, "bad": [found.space.to_dict(n) for n in found.bad], "marked": marked}
