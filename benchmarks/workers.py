"""What worker processes cost and bring on the small synthetic grid: how long one takes to start, what memory it needs
after its imports and with nodes cloned (resident, and what of that it shares with no other process), and how long
`hml clone` takes (fresh each time) with one worker, with two as threads, two as processes, and two as hml chooses.

    python benchmarks/workers.py [--runs 3] [--set clone.steps=60] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from hml import load_config
from hml.core.nodes import Cloning, Job
from hml.core.worker import Worker, end

WAYS = {  # how many, and the least work (s) for which processes are started
    "one worker": (1, "1e9"), "two threads": (2, "1e9"), "two processes": (2, "0"), "two, chosen": (2, "here.START_UP"),
}
RUN = "from hml.core import workers as here; here.START_UP = {start_up}; from hml.cli import main; main()"
IMPORTS = "import hml.core.nodes; print(open('/proc/self/statm').read().split()[1])"


def memory(pid: int) -> dict[str, float]:
    """MB in use by a process: resident, and its own (not shared, as libraries are)."""
    lines = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    sizes = {name.rstrip(":"): int(size) * 1024 / 1e6 for name, size, *_ in lines}
    return {"resident_mb": sizes["Rss"], "own_mb": sizes["Private_Clean"] + sizes["Private_Dirty"]}


def worker(work: Cloning, nodes: list, folder: Path) -> dict[str, float]:
    """Seconds from the start of a process to its first clone, less what its second one takes; MB with nodes cloned."""
    process = Worker(work, 1)
    seconds = []
    for i, node in enumerate(nodes):
        began = time.perf_counter()
        process.do(work, Job(node, folder / f"{i}.safetensors"))
        seconds.append(time.perf_counter() - began)
    row = {"start_s": seconds[0] - seconds[1], "node_s": float(np.median(seconds[1:])), **memory(process.process.pid)}
    end([process])
    return row


def clone(number: int, start_up: str, sets: list[str]) -> float:
    """Wall seconds of the command, imports and all."""
    options = [word for item in (*sets, f"runtime.workers={number}") for word in ("--set", item)]
    with tempfile.TemporaryDirectory() as home:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", RUN.format(start_up=start_up), "clone", "--json", *options], check=True,
                       env={**os.environ, "HML_HOME": home}, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    config = load_config(sets=options.sets)
    from hml.core.parts import Parts

    work = Cloning(Parts.of(config))
    nodes = list(work.parts.grid.nodes())[:4]
    with tempfile.TemporaryDirectory() as folder:
        rows = [worker(work, nodes, Path(folder)) for _ in range(options.runs)]
    found = {name: float(np.median([row[name] for row in rows])) for name in rows[0]}
    pages = subprocess.run([sys.executable, "-c", IMPORTS], check=True, capture_output=True, text=True).stdout
    found["imports_mb"] = int(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6
    rounds = [{name: clone(*way, options.sets) for name, way in WAYS.items()} for _ in range(options.runs)]
    times = {name: float(np.median([row[name] for row in rounds])) for name in WAYS}
    if options.json:
        print(json.dumps({**found, "clone_s": times}, indent=2))
        return
    print(f"a worker process: {found['start_s']:.1f} s to start, then {found['node_s']:.2f} s a node; "
          f"{found['imports_mb']:.0f} MB after its imports, {found['resident_mb']:.0f} MB with nodes cloned, "
          f"{found['own_mb']:.0f} MB of them its own")
    for name, seconds in times.items():
        print(f"hml clone, {name:14s} {seconds:6.1f} s")


if __name__ == "__main__":
    main()
