"""How hard is it to interpolate the pixels of the synthetic grid, and of real PHOENIX?

Tensor-product cubic splines (scipy, not-a-knot) through preprocessed pixels at R = 45,000 are compared with spectra
between the nodes. Synthetic: the `full` grid (420 nodes) on pieces of its band, against truths off the nodes in every
label, and half-way between nodes in Teff alone. Real: the H-band orders of HML_REAL_DATA (Teff 3000–5300 step 100)
with every second Teff left out. The synthetic grid is meant to be as hard as the real one: 5–20e-4 (median).

    python benchmarks/synthetic_hardness.py                      # about two minutes on one core
    python benchmarks/synthetic_hardness.py --pieces 8700:8800 --truths 40 --json hardness.json
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline

from hml import BuildContext, Spectrum
from hml.plugins.synthetic import SyntheticConfig
from hml.plugins.synthetic.source import SyntheticGrid

Floats = NDArray[np.float64]
RESOLVING_POWER = 45_000


def main() -> None:
    args = _arguments()
    rows = [row for piece in args.pieces for row in synthetic(piece, args.truths, args.seed)]
    rows += [row for order in args.orders for row in real(order)]
    print(f"{'spectra':38s} {'between':>22s} {'n':>4s} {'median':>8s} {'rms':>8s} {'worst':>8s}   [1e-4]   {'s':>5s}")
    for row in rows:
        numbers = " ".join(f"{row[key] * 1e4:8.2f}" for key in ("median", "rms", "worst"))
        print(f"{row['spectra']:38s} {row['between']:>22s} {row['n']:4d} {numbers} {row['seconds']:16.1f}")
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pieces", type=_piece, nargs="*", default=[(8700, 8740), (9890, 9930), (11000, 11040)],
                        help="parts of the band, low:high in vacuum Å")
    parser.add_argument("--orders", nargs="*", default=["m100", "m110", "m120"], help="H-band orders of the real grid")
    parser.add_argument("--truths", type=int, default=30, help="off-node truths per piece")
    parser.add_argument("--seed", type=int, default=0, help="of the truths")
    parser.add_argument("--json", type=Path, help="write the table here too")
    return parser.parse_args()


def _piece(text: str) -> tuple[float, float]:
    low, _, high = text.partition(":")
    return float(low), float(high)


# --- the two grids -----------------------------------------------------------------------------------------------


def synthetic(piece: tuple[float, float], truths: int, seed: int) -> Iterator[dict[str, Any]]:
    """Off-node truths spread over the whole Teff range, then truths half-way in Teff at nodes of the other labels."""
    start = time.perf_counter()
    grid = SyntheticGrid(SyntheticConfig(preset="full", wavelength=piece, resolving_power=RESOLVING_POWER))
    axes = {axis.name: np.array(axis.nodes) for axis in grid.space.axes}
    cube = np.array([normalise(grid.load(node), grid.space.to_dict(node)) for node in grid.nodes()])
    cube = cube.reshape(*grid.space.shape, -1)
    rng = np.random.default_rng(seed)
    name = f"synthetic full {piece[0]:g}–{piece[1]:g} Å"
    for between, points in (("all labels", anywhere(axes, truths, rng)), ("Teff", halfway(axes, truths, rng)),
                            ("Teff below 5300 K", halfway({**axes, "teff": axes["teff"][:13]}, truths, rng))):
        errors = [rms(cubic(axes, cube, point), normalise(grid.truth(point), point)) for point in points]
        yield summary(name, between, errors, start)


def anywhere(axes: Mapping[str, Floats], count: int, rng: np.random.Generator) -> list[dict[str, float]]:
    """Random points, one in each of `count` equal parts of the Teff range."""
    unit = rng.uniform(size=(count, len(axes)))
    unit[:, 0] = (np.arange(count) + unit[:, 0]) / count
    return [{n: float(a[0] + x * (a[-1] - a[0])) for (n, a), x in zip(axes.items(), row, strict=True)} for row in unit]


def halfway(axes: Mapping[str, Floats], count: int, rng: np.random.Generator) -> list[dict[str, float]]:
    """Half-way between two nodes in Teff, at nodes in the other labels."""
    middle = (axes["teff"][1:] + axes["teff"][:-1]) / 2
    steps = np.linspace(0, len(middle) - 1, count).round().astype(int)
    others = {name: nodes for name, nodes in axes.items() if name != "teff"}
    return [{"teff": float(middle[i]), **{n: float(rng.choice(a)) for n, a in others.items()}} for i in steps]


def real(order: str) -> Iterator[dict[str, Any]]:
    """Every second Teff of a real order predicted from the others; nothing where HML_REAL_DATA is unset."""
    if "HML_REAL_DATA" not in os.environ:
        return
    import h5py

    start = time.perf_counter()
    with h5py.File(Path(os.environ["HML_REAL_DATA"]) / "phoenix" / "hband" / f"PHOENIX_IGRINS_{order}.hdf5") as file:
        wave, pars = file["wl"][:], file["pars"][:]
        axes = {name: np.unique(pars[:, i]) for i, name in enumerate(("teff", "logg", "feh"))}
        spectra = {p: file["flux"]["t{:.0f}g{:.1f}z{:.1f}".format(*p)][:] for p in map(tuple, pars.tolist())}
    flux = {p: normalise(Spectrum(wave, f, unit="erg / (s cm3)"), {"teff": p[0]}) for p, f in spectra.items()}
    kept = {**axes, "teff": axes["teff"][::2]}
    grid = np.stack(np.meshgrid(*kept.values(), indexing="ij"), -1)
    cube = np.array([flux[tuple(p)] for p in grid.reshape(-1, 3).tolist()]).reshape(*grid.shape[:3], -1)
    left = [p for p in flux if p[0] not in kept["teff"] and p[0] < kept["teff"][-1]]
    errors = [rms(cubic(kept, cube, dict(zip(axes, p, strict=True))), flux[p]) for p in left]
    yield summary(f"PHOENIX {order} {wave[0]:.0f}–{wave[-1]:.0f} Å", "Teff, every second", errors, start)


# --- what is compared --------------------------------------------------------------------------------------------


def normalise(spectrum: Spectrum, labels: Mapping[str, float]) -> Floats:
    """The default preprocessing of a grid: π·B(Teff) and the continuum divided out."""
    for chosen in SyntheticConfig().preprocess:
        spectrum = chosen.build(BuildContext())(spectrum, labels)
    return spectrum.flux


def cubic(axes: Mapping[str, Floats], cube: Floats, point: Mapping[str, float]) -> Floats:
    """Tensor-product cubic spline of `cube` `[n1, n2, n3, N]` at a point `[N]`."""
    weights = [make_interp_spline(a, np.eye(len(a)), k=min(3, len(a) - 1))(point[n]) for n, a in axes.items()]
    return np.asarray(np.einsum("i,j,k,ijkn->n", *weights, cube, optimize=True))


def rms(guess: Floats, truth: Floats) -> float:
    return float(np.sqrt(np.mean((guess - truth) ** 2)))


def summary(spectra: str, between: str, errors: Sequence[float], start: float) -> dict[str, Any]:
    each = np.array(errors)
    return {
        "spectra": spectra, "between": between, "n": len(each), "median": float(np.median(each)),
        "rms": float(np.sqrt(np.mean(each**2))), "worst": float(each.max()), "seconds": time.perf_counter() - start,
    }


if __name__ == "__main__":
    main()
