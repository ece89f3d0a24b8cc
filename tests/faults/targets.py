"""What reads files from anywhere, each with files to begin with: `TARGETS[name](path)` uses what is in a file or raises
HmlError, whatever that is; `seeds(folder)` writes the files."""

from __future__ import annotations

import gzip
import json
import shutil
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent))

import h5py
import numpy as np
from astropy.io import fits
from line_files import synthetic_lines, write_ecsv, write_moog, write_vald
from phoenix_tree import WAVE, make_tree
from toy import make

from hml import BuildContext, Generator, HmlError, installed, load_config, parse_config, read_blase
from hml.core.batch_table import Heading, Ledger, Row, read_batch
from hml.core.blase import write_blase
from hml.core.export import write_spectrum
from hml.core.linelist.read import read_line_list
from hml.core.lines import Clone
from hml.core.masks import read_table
from hml.core.nodes import read_clone
from hml.core.pack import open_generator
from hml.core.reading import read_orders
from hml.core.runs import read_run
from hml.core.store import read_arrays, write_arrays
from hml.plugins.phoenix.sums import Sums
from hml.plugins.starfish.library import Library

Target = Callable[[Path], Any]
HERE = {"teff": 5433.0, "logg": 4.4}


@cache
def _reader(name: str) -> Any:
    component = installed().get("readers", name)
    return component.build(component.config(), BuildContext())


def _spectrum(*names: str) -> Target:
    def read(path: Path) -> None:
        refused = []
        for name in names:
            _reader(name).sniff(path)
            try:
                _reader(name).read(path)
            except HmlError as error:
                refused.append(error)
        if len(refused) == len(names):
            raise refused[0]

    return read


def _packed(path: Path) -> None:
    packed = path.with_suffix(".gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    read_orders(packed, None, BuildContext())


def _hdf5(path: Path) -> None:
    library = Library.read(path, None, None)
    for node in list(library.keys)[:2]:
        library.flux(node)


def _phoenix(path: Path) -> None:
    root = next(folder for folder in path.parents if (folder / WAVE).is_file())
    grid = parse_config({"grid": {"name": "phoenix", "path": str(root), "preprocess": []}}).grid
    source = grid.build(BuildContext())
    for node in source.nodes():
        source.load(node)
        source.flags(node)


def _generator(path: Path) -> None:
    Generator.load(path).spectrum(HERE)
    open_generator(path, parse_config({}))


def _result(path: Path) -> None:
    (path.parent / "result.json").write_bytes(path.read_bytes())
    read_run(path.parent)


def _sums(path: Path) -> None:
    (path.parent / "SHA256SUMS").write_bytes(path.read_bytes())
    Sums.of(path.parent).settled([path])


def _mask(path: Path) -> None:
    read_table(path)


TARGETS: dict[str, Target] = {
    "FITS": _spectrum("fits_table", "fits_images", "hpf"), "FITS packed": _packed, "PHOENIX FITS": _phoenix,
    "HDF5": _hdf5, "YAML": load_config, "safetensors": lambda path: read_arrays(path, "thing"),
    "clone": lambda path: read_clone(path, {}), "generator": _generator, "line list": read_line_list, "mask": _mask,
    "ECSV": _spectrum("csv", "gaia_rvs"), "batch table": read_batch, "blase": read_blase, "result": _result,
    "digests": _sums,
}  # fmt: skip


def seeds(folder: Path) -> dict[str, list[Path]]:
    """Good files of each kind, below a folder."""
    made = {name: folder / name.replace(" ", "_") for name in TARGETS}
    for place in made.values():
        place.mkdir(parents=True)
    generator = make(complete=True)
    generator.save(made["generator"] / "toy.hml")
    star = generator.spectrum(HERE).cut(8500.0, 8501.0)
    write_spectrum(star, made["ECSV"] / "star.ecsv")
    _write_fits(made["FITS"], star)
    shutil.copy(made["FITS"] / "table.fits", made["FITS packed"])
    waves = np.arange(8500.0, 8520.0, 0.5)
    make_tree(made["PHOENIX FITS"], [(5800.0, 4.5, 0.0, 0.0)], waves)
    _write_hdf5(made["HDF5"] / "library.hdf5")
    (made["YAML"] / "run.yaml").write_text(
        "grid: &grid {name: synthetic, teff: [5000, 5400], logg: {nodes: [4.0, 4.5]}}\noptimizer: lm\n"
        "objective:\n  rv: [-10, 10]\n  priors: {teff: {mean: 5.4e3, sigma: 50}}\nruntime: {seed: 1}\n"
    )
    write_arrays(made["safetensors"] / "thing", "thing", {"a": np.arange(6.0).reshape(2, 3), "b": np.arange(3)}, {})
    arrays = {"centre": np.arange(3.0), "params": np.ones((3, 3)), "found": np.arange(3.0), "continuum": np.ones(2),
              "bends": np.zeros(0), "hidden": np.zeros((4, 0))}  # fmt: skip
    facts = {"names": ["a", "b", "c"], "rms": 0.1, "meta": {}, "error": 0.0, "made_from": {}}
    write_arrays(made["clone"] / "clone", "clone", arrays, facts)
    lines = synthetic_lines(8700, 8701)
    write_moog(made["line list"] / "moog", lines)
    write_ecsv(made["line list"] / "ecsv", lines)
    write_vald(made["line list"] / "vald", lines, "long", "air")
    (made["mask"] / "mask.txt").write_text("# wavelength value\n8500.0 0.1\n8501.0 0.9\n8502.5, 1e-3\n")
    values = {"teff": 5000.0}
    row = Row("star.fits", "0" * 64, "converged", "", ("a note",), values, {"teff": 10.0}, "chi2", 1.0, 9, 1.0)
    Ledger(made["batch table"] / "table.ecsv", Heading(("teff",), "key", {"seed": 0}, {})).put({0: row, 1: row})
    clone = Clone(np.arange(3.0), np.ones((3, 3)), ("ln_amplitude", "ln_sigma", "ln_gamma"), np.arange(3.0), 0.1)
    write_blase(clone, made["blase"] / "T5800G4.5Z-0.5.pt")
    value = {"name": "teff", "value": 5000.0, "error": None, "unit": "K"}
    result = {"parameters": [value], "objective": 1.0, "status": "converged", "target": "", "config": {"a": {"b": 1}},
              "versions": {}, "fingerprints": {}}  # fmt: skip
    (made["result"] / "run.json").write_text(json.dumps(result))
    (made["digests"] / "sums").write_text(f"{'0' * 64}  a/b.fits\n{'1' * 64} *../c\n")
    return {name: [path for path in sorted(place.rglob("*")) if path.is_file()] for name, place in made.items()}


def _write_fits(folder: Path, star: Any) -> None:
    columns = [
        fits.Column("wavelength", "D", unit="Angstrom", array=star.wavelength),
        fits.Column("flux", "E", array=star.flux), fits.Column("notes", "PB()", array=[[1, 2]] * len(star)),
    ]  # fmt: skip
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(folder / "table.fits")
    image = np.ones((2, 50), np.float32)
    waves = 8500 + np.arange(100.0).reshape(2, 50)
    hdus = [fits.PrimaryHDU(), *(fits.ImageHDU(v, name=n) for n, v in (("flux", image), ("wavelength", waves)))]
    hdus += [fits.ImageHDU(v, name=f"Sci {n}") for n, v in (("Flux", image), ("Wavl", waves), ("Variance", image))]
    hdus.append(fits.CompImageHDU(image, name="packed"))
    fits.HDUList(hdus).writeto(folder / "images.fits")


def _write_hdf5(path: Path) -> None:
    points = np.array([(t, 4.5, 0.0) for t in (5000.0, 5100.0)])
    with h5py.File(path, "w") as file:
        file["wl"] = np.arange(8500.0, 8510.0)
        file["wl"].attrs["air"], file["wl"].attrs["units"] = False, "AA"
        table = file.create_dataset("grid_points", data=points)
        table.attrs["names"] = ["T", "logg", "Z"]
        flux = file.create_group("flux")
        flux.attrs["units"], flux.attrs["key_name"] = "erg/cm^2/s/cm", "t{0:.0f}g{1:.1f}z{2:.1f}"
        for t, g, z in points:
            flux.create_dataset(f"t{t:.0f}g{g:.1f}z{z:.1f}", data=np.ones(10), chunks=(5,), compression="gzip")
