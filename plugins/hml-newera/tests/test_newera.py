"""NewEra from files as the authors' own readers have them, and files that are something else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from hml import BuildContext, GridError, GridSource, installed

WAVE = np.arange(8000.0, 8100.0, 0.02)
LOW = np.arange(7000.0, 9000.0, 0.1)
H5 = "lte{teff:05.0f}-{logg:.2f}{feh}{alpha}.PHOENIX-NewEra-ACES-COND-2023.HSR.h5"
BAND = [8020, 8060]


def flux_of(teff: float, logg: float, wave: np.ndarray = WAVE) -> np.ndarray:
    return teff**2 * (1 - (0.3 + 0.05 * logg) * np.exp(-0.5 * ((wave - 8040) / 0.5) ** 2))


def write_h5(path: Path, teff: float, logg: float, change: Callable = lambda file: None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["PHOENIX_SPECTRUM/wl"], file["PHOENIX_SPECTRUM/flux"] = WAVE, np.log10(flux_of(teff, logg))
        file["PHOENIX_SPECTRUM/bb"] = np.log10(flux_of(teff, logg))
        file["PHOENIX_SPECTRUM_LSR/wl"], file["PHOENIX_SPECTRUM_LSR/fl"] = LOW, np.log10(flux_of(teff, logg, LOW))
        change(file)
    return path


def h5(folder: Path, teff: float, logg: float, feh: str = "-0.0", alpha: str = "", **more) -> Path:
    return write_h5(folder / f"Z{feh}" / H5.format(teff=teff, logg=logg, feh=feh, alpha=alpha), teff, logg, **more)


def build(path: Path, **fields: object) -> GridSource:
    component = installed().get("grids", "newera")
    fields = {"path": path, "wavelength": BAND, **fields}
    return component.build(component.config.model_validate(fields), BuildContext())


# --- HDF5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for teff in (5000, 5100):
        for feh in ("-0.0", "-0.5", "+0.5"):
            h5(tmp_path, teff, 4.5, feh)
        h5(tmp_path, teff, 4.5, "-0.5", ".alpha=+0.4")
    h5(tmp_path, 9602, 3.95, "-0.5", ".Vega")
    return tmp_path


def test_alpha_is_a_label_if_more_than_one_value_is_chosen(folder: Path) -> None:
    grid = build(folder)
    assert grid.space.names == ("teff", "logg", "feh")
    assert list(grid.nodes()) == [(t, 4.5, z) for t in (5000, 5100) for z in (-0.5, 0, 0.5)]
    grid = build(folder, alpha=[0, 0.4], feh=-0.5)
    assert grid.space.names == ("teff", "logg", "feh", "alpha")
    assert list(grid.nodes()) == [(t, 4.5, -0.5, a) for t in (5000, 5100) for a in (0, 0.4)]
    with pytest.raises(GridError, match=r"grid.alpha: alpha has no node 0.2; it has 0, 0.4"):
        build(folder, alpha=0.2)


@pytest.mark.parametrize(("sampling", "wave"), [("high", WAVE), ("low", LOW)])
def test_both_samplings_in_the_band(folder: Path, sampling: str, wave: np.ndarray) -> None:
    spectrum = build(folder, sampling=sampling).load((5100, 4.5, 0.5))
    inside = wave[(wave >= BAND[0]) & (wave <= BAND[1] + 1e-9)]
    np.testing.assert_allclose(spectrum.wavelength, inside)
    np.testing.assert_allclose(spectrum.flux, flux_of(5100, 4.5, inside), rtol=1e-12)
    assert spectrum.unit == "erg / (s cm3)"
    assert spectrum.frame.medium == "vacuum"


def _drop(file) -> None:
    del file["PHOENIX_SPECTRUM/flux"]


def _linear(file) -> None:
    file["PHOENIX_SPECTRUM/flux"][:] = flux_of(5000, 4.5)


def _short(file) -> None:
    del file["PHOENIX_SPECTRUM/flux"]
    file["PHOENIX_SPECTRUM/flux"] = np.zeros(7)


def _link(file) -> None:
    del file["PHOENIX_SPECTRUM/flux"]
    file["PHOENIX_SPECTRUM/flux"] = h5py.ExternalLink("/etc/passwd", "x")


def _order(file) -> None:
    file["PHOENIX_SPECTRUM/wl"][1500] = 8020.5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_drop, "has no PHOENIX_SPECTRUM/flux: not NewEra's format"),
        (_linear, "no decimal logarithms"),
        (_short, "flux .7,."),
        (_link, "has no PHOENIX_SPECTRUM/flux"),
        (_order, "not in order"),
    ],
)
def test_an_h5_file_that_is_something_else_is_refused_by_name(tmp_path: Path, change, words: str) -> None:
    h5(tmp_path, 5000, 4.5, change=change)
    grid = build(tmp_path)
    with pytest.raises(GridError, match=f"lte05000-4.50-0.0.PHOENIX-NewEra-ACES-COND-2023.HSR.h5: .*{words}"):
        grid.load(grid.nodes()[0])


def test_an_h5_file_that_is_cut_off(tmp_path: Path) -> None:
    path = h5(tmp_path, 5000, 4.5)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(GridError, match=r"HSR.h5: is damaged, get it again"):
        build(tmp_path).load((5000, 4.5, 0))


def test_a_name_like_theirs_that_is_not_known(tmp_path: Path) -> None:
    write_h5(tmp_path / "lte05000-4.50-0.0.PHOENIX-NewEra-ACES-DUST-2023.HSR.h5", 5000, 4.5)
    with pytest.raises(GridError, match="ACES-DUST-2023"):
        build(tmp_path)


def test_a_band_beyond_them(folder: Path) -> None:
    with pytest.raises(GridError, match=r"has nothing in grid.wavelength.*covers 8000.0–8100.0"):
        build(folder, wavelength=[20_000, 21_000]).load((5000, 4.5, 0))


# --- text

NM = np.arange(800.0, 810.005, 0.01)
LINE = "star BPRP PHH 20250708 02 PHOENIX1D 0 0.01 {n} 800.0 810.0 0.01 {teff:.1f} {logg:.2f} 1.0 0.0 2.49e-01 " \
    "1.34e-02 7.50 {alpha:.2f} 8.43 7.83 8.69 7.60 7.51 6.34 7.50 0.79 999 999 999"


def write_text(path: Path, models: list[tuple[float, float]], alpha: float = 0.0, digits: int = 6) -> Path:
    rows = []
    for teff, logg in models:
        rows.append(LINE.format(n=len(NM), teff=teff, logg=logg, alpha=alpha))
        rows.append(" ".join(f"{f:.{digits}e}" for f in flux_of(teff, logg, 10 * NM)))
    path.write_text("\n".join(rows) + "\n", encoding="ascii")
    return path


MODELS = [(2300.0, 0.0), (2300.0, 0.5), (2400.0, 0.0)]


def test_text_files_of_one_metallicity_each(tmp_path: Path) -> None:
    write_text(tmp_path / "PHOENIX-NewEraV3-LowRes-SPECTRA.Z-0.0.txt", MODELS)
    write_text(tmp_path / "PHOENIX-NewEraV3-LowRes-SPECTRA.Z-0.5.txt", MODELS[:2])
    write_text(tmp_path / "PHOENIX-NewEraV3-LowRes-SPECTRA.Z-0.5.alpha=0.4.txt", MODELS, alpha=0.4)
    grid = build(tmp_path)
    assert list(grid.nodes()) == [(2300, 0, -0.5), (2300, 0, 0), (2300, 0.5, -0.5), (2300, 0.5, 0), (2400, 0, 0)]
    assert len(grid.holes()) == 3
    spectrum = grid.load((2400, 0, 0))
    np.testing.assert_allclose(spectrum.wavelength, 10 * NM[(NM > 801.99) & (NM < 806.001)], rtol=1e-9)
    np.testing.assert_allclose(spectrum.flux, flux_of(2400, 0, spectrum.wavelength), rtol=1e-6)
    assert spectrum.unit == "W / (m2 nm)"
    assert len(build(tmp_path, alpha=0.4).nodes()) == 3
    assert len(build(tmp_path, feh=-0.5, alpha=[0, 0.4]).nodes()) == 5


def test_lines_of_other_lengths_are_found_too(tmp_path: Path) -> None:
    path = write_text(tmp_path / "PHOENIX-NewEra-JWST-SPECTRA.Z+0.5.txt", MODELS)
    more = write_text(tmp_path / "x", [(2500.0, 1.0), (2600.0, 1.0)], digits=3).read_text()
    path.write_text(path.read_text() + more)
    grid = build(path)
    assert len(grid.nodes()) == 5
    np.testing.assert_allclose(grid.load((2600, 1, 0.5)).flux, flux_of(2600, 1, grid.load((2600, 1, 0.5)).wavelength),
                               rtol=1e-3)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("PHOENIX1D", "PHOENIX3D", "not NewEra's format"),
        ("2300.0 0.00", "hot 0.00", "not NewEra's format"),
        ("7.50 0.00 8.43", "7.50 0.20 8.43", "not NewEra's format"),
        ("2300.0 0.50", "2300.0 0.00", "twice"),
        (f" {len(NM)} 800.0", " 900000000000 800.0", "not NewEra's format"),
    ],
)
def test_text_that_is_something_else(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = write_text(tmp_path / "PHOENIX-NewEraV3-LowRes-SPECTRA.Z-0.0.txt", MODELS)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(GridError, match=f"LowRes-SPECTRA.Z-0.0.txt: .*{words}"):
        build(path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("810.0 0.01", "810.0 0.02", "do not fit together"), ("e+06 ", "x ", "no numbers"),
        ("e+06 ", "e+06 nan ", "fluxes"),
    ],
)
def test_fluxes_that_are_not_what_the_first_line_says(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = write_text(tmp_path / "PHOENIX-NewEraV3-LowRes-SPECTRA.Z-0.0.txt", MODELS[:1])
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(GridError, match=f"teff 2300, logg 0: .*{words}"):
        build(path).load((2300, 0, 0))


def test_both_kinds_together_are_ambiguous(folder: Path) -> None:
    write_text(folder / "PHOENIX-NewEraV3-LowRes-SPECTRA.Z-0.0.txt", MODELS)
    with pytest.raises(GridError, match="choose one"):
        build(folder)


def test_a_folder_without_them(tmp_path: Path) -> None:
    with pytest.raises(GridError, match="holds no file named like lte05000"):
        build(tmp_path)
