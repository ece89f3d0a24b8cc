"""Real stars, from the file of the observatory to the report, with the real PHOENIX spectra of HPF's blue orders.

    HML_REAL_DATA=… python benchmarks/real_stars.py [--output FOLDER] [--json]

GJ 699 and GJ 273 are measured jointly and order by order: labels, radial velocity and resolving power free. The rule
for orders was stated before any fit: tellurics deeper than 2 % and sky lines are masked, orders of which less than 60 %
is then left are dropped, and of the others those that the grid's band holds are used. The grid ends at log g 4.0,
these stars have 4.9 to 5.1: their labels are no test of accuracy. Kepler-93 and WASP-69 are read and drawn; their
temperatures are beyond the grid, which must be said in one line.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
from hpf_blue import write_libraries

from hml import BuildContext, GridError, RunConfig, Status, cache_home, parse_config, run
from hml.core import pipeline
from hml.core.exposures import read_exposures
from hml.core.figures import observed
from hml.core.infer import infer
from hml.core.observe import Target, read_target
from hml.core.parts import Parts
from hml.core.store import write_bytes

LITERATURE = {"GJ_699": (3222.0, -110.5), "GJ_273": (3317.0, 18.2)}  # K, km/s
FILES = {
    "GJ_699": "observed/hpf/GJ_699/Slope-20181003T014556_R01.optimal.fits",
    "GJ_273": "observed/hpf/GJ_273/Slope-20180302T021512_R01.optimal.fits",
    "Kepler-93": "observed/rvs/Kepler-93.csv",
    "WASP-69": "observed/blase/WASP_69_hpf_stack.fits",
}
WARMER = {"Kepler-93": [5200, 6100], "WASP-69": [4300, 5200]}  # K, around what is published
CALIBRATION = "observed/hpf/calibration"


def main() -> None:
    options = _options()
    data = Path(os.environ["HML_REAL_DATA"])
    libraries = write_libraries(data / "phoenix" / "hpf_blue", cache_home() / "hpf_blue")
    rows: dict[str, Any] = {star: _measured(star, data, libraries, options.output / star) for star in LITERATURE}
    rows |= {star: _beyond(star, data, libraries, options.output) for star in WARMER}
    print(json.dumps(rows) if options.json else _table(rows))


def config_of(star: str, data: Path, libraries: Path) -> RunConfig:
    """The run of an HPF star. The grid's spectra are good to 0.0025–0.010: weaker lines are not looked for."""
    return parse_config({
        "grid": {"name": "starfish_hdf5", "path": str(libraries), "teff": [3000, 3800], "wavelength": [8300, 8920]},
        "find": {"prominence": 0.005},
        "clone": {"hidden": 0.004, "rounds": 2, "steps": 50},
        "associate": {"rounds": 3, "steps": 20},
        "spectrum": {"path": str(data / FILES[star]), "least": 0.6, "masks": _masks(data), **_lacking(star, data),
                     "blaze": {"path": str(next((data / "observed/hpf/A0V").glob("*.spectra.fits")))}},
        "objective": {"rv": [-200, 200], "resolving_power": [40_000, 80_000], "continuum_degree": 3},
        "optimizer": "lm",
    })  # fmt: skip


def _masks(data: Path) -> dict[str, Any]:
    return {
        "tellurics": {"file": str(_air(data)), "below": 0.98},
        "sky": {"file": str(data / CALIBRATION / "HPF_SkyEmmissionLineWavlMask_broadened_11111_Compressed.txt")},
    }


def _air(data: Path) -> Path:
    return data / CALIBRATION / "telfit_HPFtemplate_temp286_hum050.csv"


def _lacking(star: str, data: Path) -> dict[str, Any]:
    """What the file of GJ 273 lacks: wavelengths, of another night and thus set right by the air; coordinates."""
    if star != "GJ_273":
        return {}
    return {
        "reader": {"name": "hpf", "wavelengths": str(data / CALIBRATION / "LFC_wavecal_scifiber_v2.fits")},
        "barycentric": {"ra": 111.85208, "dec": 5.22579},
        "rezero": {"file": str(_air(data))},
    }


def _measured(star: str, data: Path, libraries: Path, folder: Path) -> dict[str, Any]:
    config = config_of(star, data, libraries)
    generator = pipeline.build(config)
    start = time.perf_counter()
    result = run(config, output=folder)
    seconds = time.perf_counter() - start
    parts, target = Parts.of(config), read_target(config, BuildContext())
    orders = []
    for order in target.orders:
        if order.band[1] < generator.band[0] or order.band[0] > generator.band[1]:
            continue
        alone = infer(generator, Target([order], order.name), parts.optimizer, config)
        orders.append({"order": order.meta["order"], "pixels": alone.objective.pixels, **alone.values,
                       "chi2": alone.search.value, "at_bound": alone.search.status is Status.AT_BOUND})  # fmt: skip
    teff, velocity = (np.array([row[name] for row in orders]) for name in ("teff", "rv"))
    return {
        "result": {p.name: [p.value, p.error] for p in result.parameters},
        "flags": list(result.flags),
        "chi2": result.objective,
        "seconds": seconds,
        "pixels": result.counts["pixels"],
        "orders": orders,
        "teff_scatter": float(teff.std(ddof=1)),
        "rv_scatter": float(velocity.std(ddof=1)),
        "zero_point": None if (zero := target.exposures[0].zero) is None else [zero.velocity, zero.error],
        "report": sorted(path.name for path in folder.iterdir()),
    }


def _beyond(star: str, data: Path, libraries: Path, folder: Path) -> dict[str, Any]:
    """Read and drawn; and what is said when it is to be measured."""
    grid = config_of("GJ_699", data, libraries).grid
    config = parse_config({
        "grids": [grid], "box": {"teff": WARMER[star]}, "optimizer": "lm",
        "spectrum": {"path": str(data / FILES[star]), "bad_pixels": "mask"},
    })  # fmt: skip
    (exposure,) = read_exposures(config, BuildContext())
    write_bytes(folder / f"{star}.png", observed(exposure))
    pixels, band = int(sum(order.used.sum() for order in exposure.orders)), exposure.orders[0].band
    try:
        run(config, output=folder / star)
    except GridError as error:
        return {"reader": exposure.reader, "pixels": pixels, "band": band, "said": str(error)}
    raise SystemExit(f"{star}: was measured, although no grid reaches it")


def _table(rows: Mapping[str, Any]) -> str:
    lines = [line for star in LITERATURE for line in _star(star, rows[star])]
    for star in WARMER:
        row = rows[star]
        low, high = row["band"]
        lines.append(f"{star}: {row['pixels']:,} pixels, {low:.0f}–{high:.0f} Å, reader {row['reader']}; {row['said']}")
    return "\n".join(lines)


def _star(star: str, row: Mapping[str, Any]) -> list[str]:
    teff, velocity = LITERATURE[star]
    found = {name: value for name, (value, _) in row["result"].items()}
    zero = row["zero_point"]
    labels = f"logg {found['logg']:.2f}, feh {found['feh']:+.2f}, R {found['resolving_power']:.0f}"
    return [
        f"{star}: rv {found['rv']:+.2f} km/s, {found['rv'] - velocity:+.2f} from the literature's {velocity:+.1f}"
        + ("" if zero is None else "; zero point {:+.2f} ± {:.2f} km/s taken off".format(*zero)),
        f"  jointly teff {found['teff']:.0f} K (literature {teff:.0f}), {labels}",
        f"  χ² per pixel {row['chi2']:.0f}, {row['pixels']:,} pixels, {row['seconds']:.0f} s",
        f"  flags: {', '.join(row['flags'])}",
        f"  by order: scatter of teff {row['teff_scatter']:.0f} K, of rv {row['rv_scatter']:.2f} km/s",
        *map(_order, row["orders"]),
    ]


def _order(one: Mapping[str, Any]) -> str:
    values = "teff {teff:.0f}, logg {logg:.2f}, feh {feh:+.2f}, rv {rv:+.2f}, χ² {chi2:.0f}".format(**one)
    return f"    {one['order']:>3} {one['pixels']:>6,} pixels: {values}" + (", at a bound" if one["at_bound"] else "")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=None)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.output = options.output or Path(mkdtemp(prefix="hml-real-stars-"))
    return options


if __name__ == "__main__":
    main()
