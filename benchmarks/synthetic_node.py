"""Spectra to clone: a synthetic node as large as one of PHOENIX, and the real native pieces where they are.

The node has the genuine pixels of PHOENIX between 8038 and 12849 Å (338,651) and 7,616 lines by the paper's way of
finding them; the paper's own had 7,696.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from hml import BuildContext, Spectrum, installed, parse_config
from hml.core.parts import Parts

BAND = (8038.0, 12849.0)  # vacuum Å
NODE = {"teff": 5800.0, "logg": 4.5, "feh": 0.0}
PIECES = ("lte03900-4.50-0.0_Zband_native",)  # 100,000 pixels, 5,141 lines; all eight take half an hour


def synthetic_node(band: tuple[float, float] = BAND) -> Spectrum:
    """The node, divided by its blackbody and its continuum."""
    grid = {name: {"nodes": [value]} for name, value in NODE.items()}
    config = parse_config({"grid": {"name": "synthetic", "preset": "full", "wavelength": band, **grid}})
    return Parts.of(config).prepared(tuple(NODE.values()))


def real_data() -> Path | None:
    """The folder of real spectra, if there is one here."""
    folder = os.environ.get("HML_REAL_DATA")
    return Path(folder) if folder and Path(folder).is_dir() else None


def native_pieces(names: tuple[str, ...], folder: Path | None = None) -> list[Spectrum]:
    """Real PHOENIX spectra at native sampling, preprocessed like the node; `names` of files, or `all`. `folder`: where
    they are, else among the real data."""
    data = real_data()
    folder = folder or (data / "phoenix" / "native" if data else None)
    files = sorted(folder.glob("*.npz")) if folder else []
    return [_prepared(file) for file in files if "all" in names or file.stem in names]


def _prepared(file: Path) -> Spectrum:
    with np.load(file, allow_pickle=False) as piece:
        spectrum = Spectrum(piece["wave_vac_A"], piece["flux"], unit="erg / (s cm3)", name=file.stem)
    teff = re.match(r"lte(\d{5})", file.stem)
    if teff is None:
        raise SystemExit(f"{file}: expected a name such as {PIECES[0]}.npz, which tells the temperature")
    for name in ("blackbody", "continuum"):
        component = installed().get("preprocessors", name)
        spectrum = component.build(component.config(), BuildContext())(spectrum, {"teff": float(teff[1])})
    return spectrum


# --- to and from other processes -------------------------------------------------------------------------------


def save(spectrum: Spectrum, path: Path) -> Path:
    np.savez(path, wavelength=spectrum.wavelength, flux=spectrum.flux, name=np.array(spectrum.name))
    return path


def load(path: Path) -> Spectrum:
    with np.load(path, allow_pickle=False) as stored:
        return Spectrum(stored["wavelength"], stored["flux"], name=str(stored["name"]))
