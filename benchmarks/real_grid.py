"""The real H-band PHOENIX grid through the front door: clone with every second Teff left out, measure a node left out.

    HML_REAL_DATA=… python benchmarks/real_grid.py [--orders m110 m112] [--teff 4500] [--json]

The same noisy spectrum, objective, optimizer and seed are given to pixel-cubic interpolation of the same nodes. Both
are also compared with the noise-free spectra of all nodes left out (rms in normalised flux).
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import torch
from pixels import PixelGenerator

from hml import Raster, parse_config
from hml.core import pipeline
from hml.core.infer import infer
from hml.core.parts import Parts, plan_nodes
from hml.core.report import run_folder


def main() -> None:
    options = _options()
    data = Path(os.environ["HML_REAL_DATA"]) / "phoenix" / "hband"
    config = parse_config(
        {
            "grid": {"name": "starfish_hdf5", "path": str(data), "orders": options.orders},
            "hold_out": {"teff": "alternate"},
            "optimizer": options.optimizer,
            "truth": {"labels": {"teff": options.teff, "logg": 3.5, "feh": 0.0}, "snr": 100},
            **({"clone": {"steps": options.steps}} if options.steps else {}),
        }
    )
    parts = Parts.of(config)
    plan = plan_nodes(parts, drawing=True)
    start = time.perf_counter()
    generator = pipeline.build(config)
    build = time.perf_counter() - start
    pixels = PixelGenerator(parts, plan)
    target = pipeline.observe(parts, plan)
    rows = {}
    for name, made in (("lines", generator), ("pixel-cubic", pixels)):
        start = time.perf_counter()
        found = infer(made, target, parts.optimizer, config)  # type: ignore[arg-type]
        seconds = time.perf_counter() - start
        rows[name] = {
            "values": dict(found.values),
            "errors": dict(found.errors),
            "chi2": found.search.value,
            "status": found.search.status.name.lower(),
            "seconds": seconds,
            "rms_held_out": _held_out(made, parts, plan),
        }
        if name == "lines":
            with run_folder(options.output) as folder:
                pipeline.report(config, generator, target, found, pipeline.Clock(), folder)
    rows["truth"] = dict(target.truth or {})
    rows["build"] = {
        "seconds": build,
        "nodes": len(plan.used),
        "tracks": len(generator),
        "median_clone_rms": float(np.median(generator.header["clone_rms"])),
    }
    print(json.dumps(rows) if options.json else _table(rows, options))


def _held_out(made: object, parts: Parts, plan: object) -> dict[str, float]:
    """rms over all pixels of all nodes left out inside the space of the others, and of the median node."""
    rms = []
    for node in plan.held:  # type: ignore[attr-defined]
        if all(a.lower <= x <= a.upper for x, a in zip(node, plan.space.axes, strict=True)):  # type: ignore[attr-defined]
            spectrum = parts.prepared(node)
            with torch.no_grad():
                flux = made(torch.tensor([node], dtype=torch.float64), Raster.of(torch.as_tensor(spectrum.wavelength)))  # type: ignore[operator]
            rms.append(float(np.sqrt(np.mean((flux[0].double().numpy() - spectrum.flux) ** 2))))
    return {"all": float(np.sqrt(np.mean(np.square(rms)))), "median_node": float(np.median(rms)), "nodes": len(rms)}


def _table(rows: dict, options: argparse.Namespace) -> str:
    lines = [
        f"orders {' '.join(options.orders)}, optimizer {options.optimizer}, S/N 100; "
        f"build {rows['build']['seconds']:.0f} s, {rows['build']['nodes']} nodes, {rows['build']['tracks']} tracks, "
        f"median clone rms {rows['build']['median_clone_rms']:.2e}"
    ]
    for name in ("lines", "pixel-cubic"):
        row = rows[name]
        labels = ", ".join(
            f"{k} {v:.4g} ± {row['errors'].get(k, float('nan')):.2g} ({v - rows['truth'][k]:+.3g})"
            for k, v in row["values"].items()
        )
        lines.append(
            f"{name:12} {labels}; chi2 {row['chi2']:.3f}; {row['seconds']:.1f} s; held-out nodes: rms "
            f"{row['rms_held_out']['all']:.2e}, median node {row['rms_held_out']['median_node']:.2e}"
        )
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", nargs="+", default=["m110", "m112"])
    parser.add_argument("--teff", type=float, default=4500.0)
    parser.add_argument("--optimizer", default="gp")
    parser.add_argument("--steps", type=int, default=None, help="of the clone fit")
    parser.add_argument("--output", type=Path, default=None)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.output = options.output or Path(mkdtemp(prefix="hml-real-grid-"))
    return options


if __name__ == "__main__":
    main()
