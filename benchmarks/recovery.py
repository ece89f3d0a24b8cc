"""Labels of mock HPF stars, from the whole grid: errors, time, failures, and whether the intervals hold the truth.

    python benchmarks/recovery.py                            # parts of two orders
    python benchmarks/recovery.py --stars 30 --coverage 270  # 810 mocks for the coverage
    python benchmarks/recovery.py --size full                # all 28 orders; see below
    python benchmarks/recovery.py --size small --json        # to see that all of it works

Truths lie off the nodes of the synthetic grid, which knows them there; `recovery_stars.py` says how they are drawn and
seen (R ≈ 55,000, S/N 30, 100 and 300, ± 100 km/s, v sin i to 30 km/s, tilted continua, masks), by brute force and
without the forward model. Every parameter is searched in the whole grid, rv in ± 150 km/s, v sin i in 0 to 50 km/s, R
in 40,000 to 70,000 with a prior of 5 %. `--size` is the grid and how much of it HPF sees:

    small    16 nodes (Teff, log g), 20 Å in two short orders
    orders   176 nodes (4000–6000 K, log g 3.5–5, [Fe/H] −1–0.5; the full preset's steps), 10105–10225 Å: a third of
             each of two orders, 1,400 pixels. The default. With 1/40 of HPF's pixels errors are several times larger
             than with all of them, so its figures are no measure of the targets, which are those of `full`
    full     420 nodes, 8079–12786 Å, 28 orders of 2048 pixels

`lm` measures `--stars` stars at each S/N; `gp` with the same objective, and the paper's recipe (hml's engine with
`configs/paper.yaml`; its search knows no velocity, rotation or continuum), the first of them at S/N 100, five at most.
Coverage is of Laplace's intervals of the first `--coverage` stars at each S/N, each found by one descent from its
truth; v sin i counts where it is 5 km/s or more. `--posterior` is the same of draws from the posterior by emcee
(minutes a star).

Generators are built once and found again, and every star measured is kept, below HML_HOME: the same command resumes. A
star is measured anew when the code of hml or of the benchmark changes; a generator is not, for that give another
HML_HOME. Stars are measured one by one, so that seconds are those of a star that has the machine to itself; `--set
runtime.workers=N` measures N side by side, `--set runtime.executor={name: dask, address: …}` on a cluster that has this
folder in its PYTHONPATH. `--json` prints one object as the last line: `{size, machine, figures, methods, coverage,
nodes, seconds}` with figures `{value, reference, ratio, unit, target, met, …}`, ratio = value/reference, null where not
measured:

    name         value                                              reference
    teff         lm's median error at S/N 100, 4000–7000 K          gp's
    logg, feh    the same                                           gp's
    rv           the same                                           gp's
    seconds      lm's median time of a star at S/N 100              gp's
    failures     lm's failures that neither status nor errors name  all of lm's failures
    coverage68   the parameter whose ± 1 σ are farthest from 68 %   0.6827   (`parameters` has all, with widths)
    coverage95   the same of ± 1.96 σ                               0.95
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

from measure import machine
from recovery_figures import AT, by_range, coverage, figures
from recovery_fit import LAPLACE, METHODS, SAMPLED, Method
from recovery_stars import SIZES, Sky, Star, stars

from hml import HmlError, load_config
from hml.cli.options import progress

SNRS = (30.0, AT, 300.0)
FEW = 5  # stars of slow methods, at most


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    start = time.perf_counter()
    try:
        found = measured(options)
    except HmlError as error:
        raise SystemExit(f"recovery.py: {error}") from None
    result = {"size": options.size, "machine": machine(), **found, "seconds": time.perf_counter() - start}
    if options.json:
        print(json.dumps(result, allow_nan=False))
        return
    from recovery_table import show

    show(result)


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Everything that was asked for."""
    sky = Sky(SIZES[options.size])
    some = stars(sky, options.stars, SNRS)
    rows = {name: _method(name, sky, options).measured(_for(name, some)) for name in options.methods}
    counts = {LAPLACE: options.coverage, SAMPLED: options.posterior}
    held = {name: _method(name, sky, options).measured(stars(sky, n, SNRS)) if n else [] for name, n in counts.items()}
    return {
        "figures": figures(rows, *held.values()),
        "methods": {name: by_range(every) for name, every in rows.items() if every},
        "coverage": {name: coverage(every) for name, every in held.items() if every},
        "nodes": len(sky.parts.grid.nodes()),
    }  # fmt: skip


def _method(name: str, sky: Sky, options: argparse.Namespace) -> Method:
    return Method(name, sky, ("runtime.workers=1", *options.sets), progress())


def _for(name: str, some: Sequence[Star]) -> list[Star]:
    """All stars for `lm`, a few for what is slow."""
    return list(some) if name == "lm" else [star for star in some if star.snr == AT][:FEW]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=tuple(SIZES), default="orders")
    parser.add_argument("--stars", type=_count, default=10, help="at each S/N; default 10")
    parser.add_argument("--coverage", type=_count, default=0, help="stars at each S/N; 270 are 810 mocks")
    parser.add_argument("--posterior", type=_count, default=0, help="stars at each S/N; 67 are 201 mocks")
    parser.add_argument("--methods", type=_names, default=METHODS, help=f"some of {', '.join(METHODS)}")
    parser.add_argument("--set", dest="sets", action="append", default=[], help="of hml's config, as in `hml run`")
    parser.add_argument("--json", action="store_true", help="one object as the last line instead of tables")
    options = parser.parse_args(arguments)
    try:
        load_config(sets=options.sets)
    except HmlError as error:
        parser.error(str(error))
    return options


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text}: expected a number of stars")
    return int(text)


def _names(text: str) -> tuple[str, ...]:
    names = tuple(filter(None, text.split(",")))
    if unknown := set(names) - set(METHODS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: expected some of {', '.join(METHODS)}")
    return names


if __name__ == "__main__":
    main()
