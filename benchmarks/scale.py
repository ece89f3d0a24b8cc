"""The scale plan: what a node and a spectrum cost, how that grows, and what libraries and surveys would cost.

    python benchmarks/scale.py                      # a node as large as PHOENIX's; about half an hour on an idle core
    python benchmarks/scale.py --size small --json  # a piece of it, to see that all of it works; its costs mean little
    python benchmarks/scale.py --only node,grid     # some of node, grid, executors

`node` clones a synthetic node with the pixels of PHOENIX between 8038 and 12849 Å: seconds, bytes, memory, and the
seconds that the one process takes which asks for it and keeps the answer. `grid` builds small grids with a recipe of
few steps, and measures stars with them: what is not done node by node (`serial`), and one value with its Jacobian
(`star`). Each growth is a power law through four sizes. `executors` clones a grid by one process and by two, and finds
which part of the time of a worker is not work: tasks that pass the time, on local processes and on a Dask cluster of
one worker. The rest is calculated (`scale_costs.py`, with every assumption). One thread; run it on an idle machine.

`--json` prints one object as the last line: `{size, machine, node, growth, grid, star, scheduling, processes, costs}`;
what was not asked for is null, and `costs` is where anything is.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import scale_executors
import scale_growth
from measure import machine, threads
from scale_costs import CORES, costs

from hml import HmlError

PARTS = ("node", "grid", "executors")
SIZES = {
    "small": (scale_growth.SMALL, scale_executors.SMALL), "full": (scale_growth.FULL, scale_executors.FULL),
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    start = time.perf_counter()
    try:
        with TemporaryDirectory(prefix="hml-scale-") as folder, threads(1):
            found = measured(options.only, *SIZES[options.size], Path(folder))
    except HmlError as error:
        raise SystemExit(f"scale.py: {error}") from None
    whole = all(value is not None for value in found.values())
    result = {"size": options.size, "machine": machine(), **found, "costs": costs(found) if whole else None,
              "seconds": time.perf_counter() - start}  # fmt: skip
    if options.json:
        print(json.dumps(result, allow_nan=False))
    else:
        show(result)


def measured(
    only: Sequence[str], growth: scale_growth.Size, executors: scale_executors.Size, folder: Path
) -> dict[str, Any]:
    """Everything that was asked for."""
    found: dict[str, Any] = dict.fromkeys(("node", "growth", "grid", "star", "scheduling", "processes"))
    rows: list[Any] = []
    if "node" in only:
        node = scale_growth.Node.of(growth)
        rows += node.growth()
        found["node"] = node.cost()
    if "grid" in only:
        more, found["grid"], found["star"] = scale_growth.grids(growth, folder)
        rows += more
    if "executors" in only:
        found["processes"] = scale_executors.side_by_side(executors, folder)
        found["scheduling"] = scale_executors.scheduling(executors)
    return {**found, "growth": rows or None}


# --- the tables ----------------------------------------------------------------------------------------------------


def show(result: dict[str, Any]) -> None:
    if node := result["node"]:
        print("A node of {pixels:,} pixels, {lines:,} lines: looked at {look_s:.2f} s, first clone {clone_s:.1f} s, "
              "{fit_steps} steps with all lines {fit_s:.2f} s; {bytes:,} bytes, {client_s:.4f} s to ask for and keep; "
              "memory {mb} MB".format(**node, mb=_mb(node["memory"])))  # fmt: skip
    if grid := result["grid"]:
        print("A grid of {nodes} nodes, {tracks:,} tracks: {seconds:.1f} s, {serial_s:.2f} s of them not node by node; "
              "{bytes:,} bytes; memory {mb} MB".format(**grid, mb=_mb(grid["memory"])))  # fmt: skip
    if star := result["star"]:
        print("A spectrum of {pixels:,} pixels, {tracks:,} tracks: {seconds:.3f} s".format(**star))
    for row in result["growth"] or []:
        pairs = ", ".join(f"{size:,}: {s:.4g} s" for size, s in zip(row["sizes"], row["seconds"], strict=True))
        print(f"{row['what']} over {row['over']}: slope {row['slope']:.2f} ({pairs})")
    if both := result["processes"]:
        print(f"two processes: {both['ratio']:.2f} times the nodes a second of one")
    for row in result["scheduling"] or []:
        print(f"{row['executor']}, tasks of {row['task_s']:g} s: {100 * row['overhead']:.1f} % of the time is not work")
    if result["costs"]:
        show_costs(result["costs"])


def show_costs(found: dict[str, Any]) -> None:
    print("calculated, hours on " + ", ".join(f"{n:,}" for n in CORES) + " cores")
    for row in (*found["grids"], {"name": "a survey", **found["survey"]}):
        print(f"{row['name']}: " + ", ".join(f"{hours:,.1f}" for hours in row["hours"].values())
              + f" ({row['core_hours']:,.0f} core hours)")  # fmt: skip


def _mb(number: int | None) -> str:
    return "?" if number is None else f"{number / 1e6:.0f}"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=tuple(SIZES), default="full")
    parser.add_argument("--only", type=_parts, default=PARTS, help=f"some of {','.join(PARTS)}")
    parser.add_argument("--json", action="store_true", help="one object as the last line instead of tables")
    return parser.parse_args(arguments)


def _parts(text: str) -> tuple[str, ...]:
    names = tuple(filter(None, text.split(",")))
    if unknown := set(names) - set(PARTS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: expected some of {', '.join(PARTS)}")
    return names


if __name__ == "__main__":
    main()
