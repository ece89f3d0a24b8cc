"""What the engine costs beside the paper's recipe: cloning, rendering, looking up, storing. One command, one table.

    python benchmarks/engine.py                          # the real thing: about a quarter of an hour on two cores
    python benchmarks/engine.py --size small --json      # a piece of the band, to see that all of it works
    python benchmarks/engine.py --only clone,gradient --set clone.steps=30

The node is synthetic but as large as PHOENIX's between 8038 and 12849 Å (`synthetic_node.py`); the generator has the
paper's 1,314 nodes and the lines of a real clone (`perturbed_generator.py`: blase's own where HML_REAL_DATA is set,
else hml's); the reference is the paper's recipe written plainly (`paper_recipe.py`). Cloning, opening and rendering run
in fresh processes with as many threads as torch takes by itself; seconds are medians on the clock; memory is what a
process's peak adds to what it holds after imports and a first small task. With HML_REAL_DATA, a real native piece of
PHOENIX is cloned both ways too, or more of them (`--pieces all`).

`--json` prints one object as the last line: `{size, machine, figures: {name: {value, reference, ratio, unit, target,
met, …}}, reference, accuracy, native, seconds}`. A figure is null if it was not asked for. What each figure holds:

    name         value                                    reference                                  ratio
    clone        s, flux to lines, one fit of those found s, 100 epochs with windows of 1000 pixels  reference/value
                 (ratio_6000: against 100 epochs with windows of 6000 pixels, at the rate of three)
    reconstruct  s, labels to native spectrum             s, 128,723 scipy interpolators (timed on   reference/value
                                                          2,000) and rendering at 1000 pixels
    gradient     s, the same with gradient to the labels  s, without                                 value/reference
    lookup       s, labels to all line parameters         s, 128,723 scipy interpolators             reference/value
    batch        s a spectrum, 64 labels at once          s a spectrum, singly                       reference/value
    window       s, a tenth of the band (median tenth)    s, the whole band                          value/reference
    stored       bytes of the generator's file            bytes of the paper's (13.2e9)              reference/value
    complete     s, reconstruct with hidden lines,        s, reconstruct                             value/reference
                 pseudo-continuum and residual
                 (`ratio_gradient`: with the gradient, and `bytes`)
    gp           s, `gp` for 120 evaluations that cost    s, scikit-optimize's own `gp_minimize`     reference/value
                 nothing
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cloning
import figures
import generating
import perturbed_generator
import synthetic_node
from measure import Jobs, machine, say
from paper_recipe import LINE_EDGE, PIXEL_EDGE

from hml import HmlError, Spectrum, load_config

Row = dict[str, Any]

SAME_LINES = ("clone.rounds=0", "clone.continuum=null")  # as the paper's recipe fits; hml's default looks for more

PARTS = (*figures.NAMES, "native")
LABELLED = ("reconstruct", "gradient", "lookup", "batch", "window", "stored", "complete")


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    band: tuple[float, float] = synthetic_node.BAND  # Å
    wide: int = 6000  # pixels of the paper's windows, as published
    narrow: int = 1000  # its best case
    isolated: bool = True  # every job in a process of its own
    epochs: int = 100
    rate_epochs: int = 3  # with wide windows
    edges: tuple[float, float] = (LINE_EDGE, PIXEL_EDGE)
    rounds: int = 2  # of hml's clone: before the paper's and after, since what else the machine does changes with time
    repeats: int = 4  # in each, at most
    axes: Mapping[str, Sequence[float]] | None = None  # None: the paper's
    tracks: int = 9028  # as many as blase's clone has
    interpolators: int = 2000
    labels: int = 100
    batch: int = 64
    budget: float = 30.0  # s for all speeds with some number of threads
    gp: tuple[int, int] = (100, 20)


FULL = Size()
SMALL = Size(
    band=(8700.0, 8740.0), wide=1200, narrow=200, epochs=10, rate_epochs=2, edges=(1.0, 2.0), rounds=1, repeats=1,
    isolated=False, axes={"teff": (5000.0, 5200.0, 5400.0, 5600.0), "logg": (4.0, 4.5, 5.0), "feh": (-0.5, 0.0)},
    tracks=80, interpolators=100, labels=5, batch=64, budget=0.5, gp=(10, 2),
)


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    start = time.perf_counter()
    with TemporaryDirectory(prefix="hml-engine-") as folder, Jobs.start(isolated=options.size.isolated) as job:
        try:
            sets = [*SAME_LINES, *options.sets]
            found = Run(options.size, options.only, sets, tuple(options.pieces), Path(folder), job).all()
        except HmlError as error:
            raise SystemExit(f"engine.py: {error}") from None
        except BrokenProcessPool:
            raise SystemExit("engine.py: a process of it was killed, most likely for lack of memory") from None
    result = {"size": options.named, **found, "seconds": time.perf_counter() - start}
    if options.json:
        print(json.dumps(result, allow_nan=False))
        return
    from engine_table import show

    show(result)


@dataclass(frozen=True)
class Run:
    """One run of the benchmark; its files lie in `folder`."""

    size: Size
    only: tuple[str, ...]
    sets: list[str]
    pieces: tuple[str, ...]
    folder: Path
    job: Jobs

    def all(self) -> Row:
        where = machine()
        node = synthetic_node.save(synthetic_node.synthetic_node(self.size.band), self.folder / "node.npz")
        figure: dict[str, Row | None] = dict.fromkeys(figures.NAMES)
        wide = narrow = paper = accuracy = None
        if "clone" in self.only:
            figure["clone"], wide, narrow = self.clone(node)
        if set(self.only) & set(LABELLED):
            made, paper, accuracy = self.labelled(node)
            figure |= {name: row for name, row in made.items() if name in self.only}
        if "gp" in self.only:
            figure["gp"] = self.search()
        native = [self.piece(spectrum) for spectrum in self.real()] if "native" in self.only else []
        reference = figures.beside_published(wide, narrow, paper, where)
        return {"machine": where, "figures": figure, "reference": reference, "accuracy": accuracy, "native": native}

    def clone(self, node: Path) -> tuple[Row, Row | None, Row]:
        size = self.size
        say("clone: hml")
        runs = [self.job(cloning.ours, node, self.sets, size.edges[1], size.repeats)]
        say(f"clone: {size.rate_epochs} of the paper's epochs, {size.wide} pixels")
        try:
            wide = self.job(cloning.paper, node, size.wide, size.rate_epochs, size.edges)
        except BrokenProcessPool:
            say("clone: it was killed, most likely for lack of memory: 7 GB are needed")
            wide = None
        say(f"clone: {size.epochs} of the paper's epochs, {size.narrow} pixels")
        narrow = self.job(cloning.paper, node, size.narrow, size.epochs, size.edges)
        for _ in range(1, size.rounds):
            say("clone: hml again")
            runs.append(self.job(cloning.ours, node, self.sets, size.edges[1], size.repeats))
        return figures.clone(runs, wide, narrow), wide, narrow

    def labelled(self, node: Path) -> tuple[dict[str, Row], Row, Row]:
        """All that needs the generator."""
        size, target = self.size, self.folder / "generator.safetensors"
        axes = dict(size.axes or perturbed_generator.AXES)
        say("generator: built and stored")
        built, accuracy = self.job(generating.build, target, node, axes, size.tracks, self.sets)
        kept = self.job(generating.open_and_use, target)
        say("generator: speeds")
        speeds = self.job(generating.speeds, target, size.labels, size.batch, size.budget)
        paper = self.job(generating.paper_speeds, target, axes, size.interpolators, size.narrow)
        rows = {
            "reconstruct": figures.reconstruct(speeds, paper, accuracy), "gradient": figures.gradient(speeds),
            "lookup": figures.lookup(speeds, paper), "batch": figures.batch(speeds), "window": figures.window(speeds),
            "stored": figures.stored(kept, built, accuracy),
        }
        if "complete" in self.only:
            rows["complete"] = self.complete(node, axes, speeds)
        return rows, paper, accuracy

    def complete(self, node: Path, axes: dict[str, Sequence[float]], lines: Row) -> Row:
        """What hml makes by default, beside the speeds of lines alone."""
        size, target = self.size, self.folder / "complete.safetensors"
        say("complete: built and stored")
        made = self.job(perturbed_generator.build_complete, target, node, axes, self.sets[len(SAME_LINES) :])
        kept = self.job(generating.open_and_use, target)
        say("complete: speeds")
        speeds = self.job(generating.speeds, target, size.labels, size.batch, size.budget)
        return figures.complete(speeds, kept, made, lines)

    def search(self) -> Row:
        from searching import overhead

        say("gp")
        return figures.gp(overhead(*self.size.gp))

    def real(self) -> list[Spectrum]:
        if self.pieces and synthetic_node.real_data() is None:
            say("native: left out, HML_REAL_DATA names no folder")
        return synthetic_node.native_pieces(self.pieces)

    def piece(self, spectrum: Spectrum) -> Row:
        """A real spectrum cloned both ways."""
        say(f"native: {spectrum.name}")
        size, path = self.size, synthetic_node.save(spectrum, self.folder / f"{spectrum.name}.npz")
        own = self.job(cloning.ours, path, self.sets, size.edges[1], 1)
        paper = self.job(cloning.paper, path, size.narrow, size.epochs, size.edges)
        return {
            "piece": spectrum.name, "pixels": len(spectrum), "hml": own, "paper": paper,
            "ratio": paper["seconds"] / own["seconds"],
        }


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", dest="named", choices=["small", "full"], default="full")
    parser.add_argument("--only", type=_names, default=PARTS, help="figures and `native`, separated by commas")
    parser.add_argument("--pieces", nargs="+", help="native pieces to clone, or all; none at size small")
    parser.add_argument("--set", dest="sets", action="append", default=[], help="of hml's config, as in `hml run`")
    parser.add_argument("--json", action="store_true", help="one object as the last line instead of the table")
    options = parser.parse_args(arguments)
    try:
        load_config(sets=[*SAME_LINES, *options.sets])
    except HmlError as error:
        parser.error(str(error))
    options.size = {"small": SMALL, "full": FULL}[options.named]
    options.pieces = options.pieces or (synthetic_node.PIECES if options.named == "full" else ())
    return options


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := set(names) - set(PARTS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: expected some of {', '.join(PARTS)}")
    return names


if __name__ == "__main__":
    main()
