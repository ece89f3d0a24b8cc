"""The PHOENIX spectra of `phoenix/hpf_blue` as a folder of HDF5 libraries, which the grid `starfish_hdf5` reads."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

KEY = "t{0:.0f}g{1:.1f}z{2:.1f}"


def write_libraries(source: Path, folder: Path) -> Path:
    """One library per order (eo028.npz → eo028.hdf5), unless they are there already."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted(source.glob("*.npz")):
        target = folder / f"{file.stem}.hdf5"
        if not target.exists():
            _write(np.load(file), target)
    return folder


def _write(order: np.lib.npyio.NpzFile, target: Path) -> None:
    axes = [order[name].tolist() for name in ("teff", "logg", "feh")]
    nodes = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    flux = order["flux_mean1"].reshape(len(nodes), -1)
    beside = target.with_suffix(".part")
    with h5py.File(beside, "w") as file:
        table = file.create_dataset("grid_points", data=nodes)
        table.attrs["names"] = ["teff", "logg", "feh"]
        file.create_dataset("wl", data=order["wave_vac_A"]).attrs["air"] = False
        group = file.create_group("flux")
        group.attrs["key_name"] = KEY
        for node, row in zip(nodes, flux, strict=True):
            data = group.create_dataset(KEY.format(*node), data=row, compression="gzip")
            data.attrs["norm"] = True  # over its mean: no absolute flux
    beside.replace(target)
