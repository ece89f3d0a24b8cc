"""How accurate spectra between nodes are: hml's generator beside interpolation of pixels and the paper's recipe.

    python benchmarks/accuracy.py --data $HML_REAL_DATA/phoenix/hband --orders 2     # the first two orders
    python benchmarks/accuracy.py --data … --only rms,lines_only --plots pictures    # some figures, with pictures
    python benchmarks/accuracy.py --size small --json                                # to see that all of it works

The real H-band grid is learnt with every second Teff left out, then the middle log g, then the middle [Fe/H]; the
synthetic grid from its nodes, and tested between them. All methods get the same flux (hml's `continuum`), and the same
pixels are scored: every order less 10 Å at each end (synthetic: less 60 Å, the edge of the paper's published recipe).
On the real orders the paper's recipe works order by order with windows of 1000 pixels and edges of 5 and 10 Å. Then
labels are recovered from the nodes left out in Teff, at S/N 100 and 30 (`label_recovery.py` tells how), and native
pieces of PHOENIX beside DIR are cloned. Breaks of the grid are found in the training nodes (`hml.core.breaks`).

Everything done is kept below HML_HOME, so that the same command resumes (`results.py`). `--json` prints one object as
the last line: `{size, machine, figures, cases, recovery, native, seconds}`. Figures that were not asked for are null;
the others are `{value, reference, ratio, unit, target, met, …}` with ratio = value/reference:

    name           value                                   reference
    rms            hml, nodes left out in Teff: all        the best pixel method (ratio_cubic: to pixel-cubic)
    median_node    the median node                         the same, chosen anew
    rms_published  as rms                                  the best of linear, cubic, PCHIP, makima
    rms_smooth     as rms, without nodes beside a break    the best pixel method
    lines_only     hml without its residual                pixel-cubic (ratio_median_node: of the median node)
    paper          as rms                                  the paper's recipe (ratio_synthetic: on that grid, if asked)
    recovery       median error of Teff (K) at S/N 100     pixel-cubic (`labels` has all of them)
    synthetic      hml between the nodes of that grid      pixel-cubic
    clone          rms of hml's clone of a native piece    the paper's (ratio_lines: of their numbers of lines)

`--only` takes these, and `logg` and `feh` for those splits. The paper's recipe is slow; it is left out of all tables
where `paper` is not asked for.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Sequence
from pathlib import Path

import synthetic_node
from accuracy_run import PARTS, Run, full, small
from measure import machine, say
from results import Results

from hml import HmlError, load_config
from hml.cli.options import progress


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    start = time.perf_counter()
    try:
        size = small() if options.size == "small" else full(options.data, options.orders, options.pieces)
        run = Run(size, options.only, options.sets, Results(progress()))
        found = run.all()
        if options.plots:
            draw(run, options.plots)
    except HmlError as error:
        raise SystemExit(f"accuracy.py: {error}") from None
    result = {"size": options.size, "machine": machine(), **found, "seconds": time.perf_counter() - start}
    if options.json:
        print(json.dumps(result, allow_nan=False))
        return
    from accuracy_table import show

    show(result)


def draw(run: Run, folder: Path) -> None:
    """Pictures of every case."""
    import accuracy_plots

    for case in run.cases():
        scores = {method: run.results.score(case, method) for method in run.methods()}
        for file in accuracy_plots.draw(case, scores, folder):
            say(f"drawn: {file}")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the H-band orders; native pieces lie in ../native")
    parser.add_argument("--orders", default="all", help="how many of them, or which, as in m110,m112; default all")
    parser.add_argument("--size", choices=["small", "full"], default="full")
    parser.add_argument("--only", type=_names, default=PARTS, help="figures, `logg` and `feh`, separated by commas")
    parser.add_argument("--pieces", nargs="+", default=synthetic_node.PIECES, help="native pieces to clone, or all")
    parser.add_argument("--set", dest="sets", action="append", default=[], help="of hml's config, as in `hml run`")
    parser.add_argument("--plots", type=Path, help="folder for pictures")
    parser.add_argument("--json", action="store_true", help="one object as the last line instead of tables")
    options = parser.parse_args(arguments)
    try:
        load_config(sets=options.sets)
    except HmlError as error:
        parser.error(str(error))
    options.pieces = options.pieces if "clone" in options.only else ()
    if options.size == "full":
        options.orders = _orders(parser, options.data, options.orders)
    return options


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := set(names) - set(PARTS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: expected some of {', '.join(PARTS)}")
    return names


def _orders(parser: argparse.ArgumentParser, folder: Path | None, wish: str) -> list[str]:
    """Names of files of the folder."""
    if folder is None or not (there := sorted(file.stem for file in folder.glob("*.hdf5"))):
        parser.error(f"--data {folder}: expected a folder with the H-band orders (.hdf5)")
    if wish == "all" or re.fullmatch("[1-9][0-9]*", wish):
        return there[: None if wish == "all" else int(wish)]
    wanted = wish.split(",")
    if unknown := [name for name in wanted if not any(file.endswith(name) for file in there)]:
        parser.error(f"--orders {unknown[0]}: expected a number, or names among {', '.join(there)}")
    return wanted


if __name__ == "__main__":
    main()
