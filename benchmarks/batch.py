"""How many spectra a second `hml infer *.fits --output results.ecsv` measures, with one worker and with more.

    python benchmarks/batch.py [--stars 60] [--workers 2] [--json]

Every star is one of random labels of a generator of 80 lines over 40 Å in one order (built as in `forward.py --size
small`), at S/N 100 in a file of its own, and measured by `lm` with free velocity, in a box as large as the grid. Every
number of workers has a table of its own; the clock runs from the first spectrum to the last row, and so includes what
loops take to load and processes to start: the more spectra there are, the less that is. One thread a worker. `--json`
prints one object as the last line, with `figures`: spectra a second, and `ratio`, those of all workers over those of
one; `same` says whether the rows are the same to the last digit.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from forward import SMALL, built
from measure import machine, say

from hml import Generator, Spectrum, parse_config
from hml.core.batch import Batch, infer_many
from hml.core.export import write_spectrum

SNR = 100.0


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stars", type=int, default=60)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with TemporaryDirectory(prefix="hml-batch-") as name:
        folder = Path(name)
        generator = built(SMALL, folder)
        say(f"{options.stars} stars")
        files = [star(generator, number, folder) for number in range(options.stars)]
        done = {workers: measured(files, workers, folder) for workers in (1, options.workers)}
    result = {"stars": options.stars, "machine": machine(), "figures": figures(done)}
    if options.json:
        print(json.dumps(result, allow_nan=False))
        return
    for what, row in result["figures"].items():
        print(f"{what:10}" + "  ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()))


def star(generator: Generator, number: int, folder: Path) -> Path:
    """A file with a noisy spectrum of random labels."""
    rng = np.random.default_rng(number)
    space = generator.space
    labels = space.lower + rng.uniform(0.1, 0.9, len(space)) * (space.upper - space.lower)
    low, high = SMALL.band
    made = generator.spectrum(space.to_dict(labels), low=low, high=high)
    flux = made.flux + rng.standard_normal(len(made)) / SNR
    path = folder / f"star{number}.ecsv"
    write_spectrum(Spectrum(made.wavelength, flux, np.full(len(made), 1 / SNR)), path)
    return path


def measured(files: Sequence[Path], workers: int, folder: Path) -> Batch:
    say(f"workers: {workers}")
    config = parse_config({
        "generator": {"path": str(folder / "generator.safetensors")}, "optimizer": "lm",
        "objective": {"rv": [-20, 20]}, "runtime": {"workers": workers, "device": "cpu"},
    })  # fmt: skip
    return infer_many(config, files, folder / f"workers{workers}.ecsv")


def figures(done: dict[int, Batch]) -> dict[str, dict[str, Any]]:
    one, many = done.values()
    rates = {workers: batch.asked / batch.seconds for workers, batch in done.items()}
    same = [row.values for row in one.rows] == [row.values for row in many.rows]
    rows = {
        f"workers {n}": {"value": rate, "unit": "spectra/s", "statuses": done[n].counts} for n, rate in rates.items()
    }
    first, last = rates.values()
    return {**rows, "ratio": {"value": last / first, "unit": "", "same": same}}


if __name__ == "__main__":
    main()
