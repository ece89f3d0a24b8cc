"""Many spectra and many clones in one process: what it holds after each.

    python tests/faults/soak.py [--spectra 1000] [--clones 200]

Prints JSON: for each of the two, memory (bytes, resident), file handles and threads after every one.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent))

import numpy as np
from toy import make

from hml import Spectrum, parse_config
from hml.core.batch import infer_many
from hml.core.export import write_spectrum
from hml.core.nodes import Cloning, Job, write_clone
from hml.core.parts import Parts
from hml.core.work import patient

Sample = tuple[int, ...]


def held() -> Sample:
    """Memory in bytes, open files, threads."""
    memory = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    return memory, *(len(list(Path("/proc/self", kind).iterdir())) for kind in ("fd", "task"))


def spectra(folder: Path, count: int) -> list[Sample]:
    """A batch of so many spectra."""
    generator, rng = make(), np.random.default_rng(0)
    generator.save(folder / "toy.hml")
    star = generator.spectrum({"teff": 5433.0, "logg": 4.4}).cut(8500.0, 8510.0)
    files = [folder / f"star{i}.ecsv" for i in range(count)]
    for file in files:
        flux = star.flux + 0.01 * rng.standard_normal(len(star))
        write_spectrum(Spectrum(star.wavelength, flux, np.full(len(star), 0.01)), file)
    samples: list[Sample] = []

    @contextmanager
    def progress(task: str, total: float | None = None, unit: str = "") -> Iterator[Any]:
        yield lambda amount=1.0: samples.append(held())

    config = parse_config({
        "generator": {"path": str(folder / "toy.hml")}, "optimizer": {"name": "lm", "n_initial": 4, "n_starts": 1},
        "runtime": {"workers": 1, "device": "cpu"},
    })  # fmt: skip
    infer_many(config, files, folder / "table.ecsv", progress=progress)
    return samples


def clones(folder: Path, count: int) -> list[Sample]:
    """So many clones of a grid's nodes, each stored."""
    nodes = {"teff": {"nodes": [5000, 5100, 5200, 5300]}, "logg": {"nodes": [4.0, 4.5]}, "feh": 0.0}
    grid = {"name": "synthetic", "wavelength": [8700, 8706], **nodes}
    parts = Parts.of(parse_config({"grid": grid, "clone": {"steps": 20, "rounds": 1}, "runtime": {"device": "cpu"}}))
    work, all_nodes, samples = Cloning(parts), list(parts.grid.nodes()), []
    for i in range(count):
        job = Job(all_nodes[i % len(all_nodes)], folder / f"clone{i}.safetensors")
        write_clone(job.path, work.do(job, patient), {})
        samples.append(held())
    return samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spectra", type=int, default=1000)
    parser.add_argument("--clones", type=int, default=200)
    options = parser.parse_args()
    with TemporaryDirectory() as place:
        os.environ["HML_HOME"] = place
        found = {"spectra": spectra(Path(place), options.spectra), "clones": clones(Path(place), options.clones)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
