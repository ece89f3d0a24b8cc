"""Which shape of a line, and which composition, is best: at equal lines, at equal numbers of parameters, between nodes.

    HML_REAL_DATA=… python benchmarks/profiles.py                  # half an hour, one thread
    HML_REAL_DATA=… python benchmarks/profiles.py --only pieces --pixels 10000 --steps 200
    python benchmarks/profiles.py --size small --json              # to see that all of it works

Pieces: 2000 pixels of PHOENIX at native sampling (2600, 3500 and 3900 K) and of two nodes of an H-band order, with the
same lists of lines for all: those found, then with those that show in the residual of hml's default clone (`hidden`).
Every shape and composition is fitted by the same solver in the same number of steps (Adam in torch, with the default
pseudo-continuum), and goes on from its own fit when the list grows; beside them stands hml's default solver where it
applies. An asymmetric line has five numbers where others have four, so the default shape is also fitted with a quarter
more lines, the strongest that it still lacks: that is the comparison at equal numbers of parameters.

Nodes: generators of lines alone (no residual), made of every second Teff of a short grid and compared with the nodes
left out; all else by default, but for the solver.

`--json` prints one object as the last line: `{size, machine, figures, pieces, nodes, seconds}`. Figures are
`{value, reference, ratio, ratio_numbers}`: rms (geometric means over the pieces), ratio = value/reference, less is
better, and the ratio of their numbers of parameters; null if not asked for. Adam and opacity unless said; the reference
is the default shape with the same solver:

    asymmetric_equal_lines, …_equal_numbers                  at the lines found
    asymmetric_equal_lines_hidden, …_equal_numbers_hidden    with hidden lines
    asymmetric_own_hidden                                    with those hidden to its own fit, against `hidden`
    voigt, blase, product                                    the other shapes and composition, with hidden lines
    default                                                  hml's default solver against Adam, with hidden lines
    …_between                                                the same at nodes left out
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import synthetic_node
from cases import Case, Library, splits
from measure import machine, threads
from profiles_run import measure_nodes, measure_piece
from profiles_table import figures, show

from hml import HmlError, Spectrum

PARTS = ("pieces", "nodes")
NATIVE = {"lte02600-4.50-0.0_Jband_native": 12200.0, "lte03500-4.50-0.0_Yband_native": 10300.0,
          "lte03900-4.50-0.0_Zband_native": 8700.0}  # fmt: skip
"""Where the pieces begin, Å."""
ORDER, H_BAND = "m110", ((3500.0, 4.0, 0.0), (4500.0, 4.0, 0.0))
EDGE = 10.0  # Å
SHORT = {"teff": [3500, 4500], "logg": {"nodes": [4.0]}, "feh": {"nodes": [0.0]}}


@dataclass(frozen=True)
class Size:
    """How much is measured; `fields` are of the configs of generators."""

    pieces: dict[str, Spectrum]
    grid: Case
    steps: int
    fields: dict[str, Any] = field(default_factory=dict)


def full(pixels: int, steps: int) -> Size:
    """The real spectra."""
    data = synthetic_node.real_data()
    if data is None:
        raise SystemExit("profiles.py: HML_REAL_DATA must name the folder of the real spectra (or take --size small)")
    whole = {piece.name: piece for piece in synthetic_node.native_pieces(tuple(NATIVE))}
    pieces = {f"{int(name[3:8])} K, {low:.0f} Å": _piece(whole[name], low, pixels) for name, low in NATIVE.items()}
    order = {"name": "starfish_hdf5", "path": str(data / "phoenix" / "hband"), "orders": [ORDER]}
    library = Library(order)
    for node in H_BAND:
        spectrum = library.spectrum(node)
        pieces[f"{node[0]:.0f} K, {ORDER}"] = _piece(spectrum, spectrum.band[0] + EDGE, pixels)
    return Size(pieces, splits({**order, **SHORT}, EDGE, {})[0], steps)


def _piece(spectrum: Spectrum, low: float, pixels: int) -> Spectrum:
    """So many pixels from `low` (Å) on."""
    first = int(np.searchsorted(spectrum.wavelength, low))
    return spectrum.take(slice(first, first + pixels))


def small() -> Size:
    """Seconds: a few lines of the synthetic grid."""
    grid = {"name": "synthetic", "preset": "full", "wavelength": [8700.0, 8702.0], "teff": [4000, 4400],
            "logg": {"nodes": [4.0]}, "feh": {"nodes": [0.0]}}  # fmt: skip
    piece = synthetic_node.synthetic_node((8700.0, 8703.0))
    return Size({"synthetic": piece}, splits(grid, 0.2, {})[0], 3, {"associate.rounds": 1, "associate.steps": 3})


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    start = time.perf_counter()
    try:
        with threads(1):
            size = small() if options.size == "small" else full(options.pixels, options.steps)
            asked = size.pieces if "pieces" in options.only else {}
            pieces = [row for name, piece in asked.items() for row in measure_piece(name, piece, size.steps)]
            nodes = measure_nodes(size.grid, size.fields) if "nodes" in options.only else []
            where = machine()
    except HmlError as error:
        raise SystemExit(f"profiles.py: {error}") from None
    result = {"size": options.size, "machine": where, "figures": figures(pieces, nodes), "pieces": pieces,
              "nodes": nodes, "seconds": time.perf_counter() - start}  # fmt: skip
    if options.json:
        print(json.dumps(result, allow_nan=False))
    else:
        show(result)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=["small", "full"], default="full")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS)
    parser.add_argument("--pixels", type=int, default=2000, help="of each piece; default 2000")
    parser.add_argument("--steps", type=int, default=100, help="of Adam, for each fit of a piece; default 100")
    parser.add_argument("--json", action="store_true", help="one object as the last line instead of tables")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
