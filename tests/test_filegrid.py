"""Grids of files: what is found by name, what is shared by all nodes, what is refused."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hml import FileGrid, GridError, GridFile, Selection, Spectrum, grid_files

WAVE = np.linspace(5000.0, 5010.0, 101)


def key(name: str) -> tuple[float, ...] | None:
    """teff_logg.txt"""
    if name.startswith("odd"):
        raise GridError(f"{name}: is odd")
    plain = name.removesuffix(".gz")
    return tuple(map(float, plain[:-4].split("_"))) if plain.endswith(".txt") else None


def read(file: GridFile) -> Spectrum:
    start, step, value = map(float, file.read(1000).split())
    wave = np.arange(start, 5010.01, step)
    return Spectrum(wave, np.full(len(wave), value), unit="Jy")


def write(folder: Path, name: str, start: float = 5000.0, step: float = 0.1, value: float = 1.0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    data = f"{start} {step} {value}".encode()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return folder


def grid(path: Path, **more) -> FileGrid:
    select = {name: more.pop(name, None) for name in ("teff", "logg")} | more.pop("select", {})
    return FileGrid("toy", ("teff", "logg"), grid_files(path, key, "5000_4.5.txt"), read, select=select, **more)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("5000_4.txt", "6000_4.5.txt.gz"):
        write(tmp_path / "deep" / "er", name, value=float(name[0]))
    write(tmp_path, "5000_4.5.txt", value=5.5)
    (tmp_path / "README").write_text("not one of them")
    return tmp_path


def test_files_below_a_folder_plain_or_packed(folder: Path) -> None:
    found = grid(folder)
    assert list(found.nodes()) == [(5000, 4), (5000, 4.5), (6000, 4.5)]
    assert found.holes() == [(6000, 4)]
    spectrum = found.load((6000, 4.5))
    assert spectrum.name == "toy teff=6000, logg=4.5"
    assert (spectrum.flux == 6).all()
    assert spectrum.unit == "Jy"
    with pytest.raises(GridError, match=r"toy: there is no node teff=7000, logg=4.5"):
        found.load((7000, 4.5))


def test_a_zip_is_read_as_it_is(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("zip") / "spectra.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.rglob("*_*"):
            archive.write(file, f"../../spectra/{file.name}")  # a name that would leave a folder is a name, no path
    packed = grid(path)
    assert list(packed.nodes()) == list(grid(folder).nodes())
    assert (packed.load((6000, 4.5)).flux == 6).all()
    assert list(path.parent.iterdir()) == [path]
    assert packed.fingerprint() == grid(path).fingerprint() != grid(folder).fingerprint()


def test_one_file_is_a_grid_of_one_node(folder: Path) -> None:
    assert list(grid(folder / "5000_4.5.txt").nodes()) == [(5000, 4.5)]


def test_what_is_refused_by_name(folder: Path) -> None:
    write(folder / "again", "5000_4.5.txt")
    with pytest.raises(GridError, match=r"again/5000_4.5.txt: stands for the same as .*5000_4.5.txt; keep one"):
        grid(folder)
    (folder / "again" / "5000_4.5.txt").rename(folder / "odd.txt")
    with pytest.raises(GridError, match=r"odd.txt: is odd"):
        grid(folder)


def test_nothing_and_nowhere(tmp_path: Path) -> None:
    with pytest.raises(GridError, match=r"grid.path: .* holds no file named like 5000_4.5.txt"):
        grid(tmp_path)
    with pytest.raises(GridError, match=r"nowhere: no such file or folder"):
        grid(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["5000_4.txt", "5000_4.txt.gz"])
def test_the_size_is_limited_after_unpacking(tmp_path: Path, name: str) -> None:
    write(tmp_path, name)
    (tmp_path / name).write_bytes(gzip.compress(bytes(10_000_000)) if name.endswith("gz") else bytes(10_000))
    with pytest.raises(GridError, match=rf"{name}: is longer than"):
        grid(tmp_path).load((5000, 4))


def test_damage_is_told_by_name(folder: Path) -> None:
    path = folder / "deep" / "er" / "6000_4.5.txt.gz"
    path.write_bytes(path.read_bytes()[:-10] + b"\0" * 4)
    with pytest.raises(GridError, match=r"6000_4.5.txt.gz: cannot be read"):
        grid(folder).load((6000, 4.5))


def test_nodes_are_selected_label_by_label(folder: Path) -> None:
    assert list(grid(folder, logg=Selection(nodes=(4.5,))).nodes()) == [(5000, 4.5), (6000, 4.5)]
    with pytest.raises(GridError, match=r"grid.logg: logg has no node 4; it has 4.5"):
        grid(folder, teff=Selection(nodes=(6000.0,)), logg=Selection(nodes=(4.0,)))
    with pytest.raises(GridError, match=r"grid.feh: toy has no such label; it has teff, logg"):
        grid(folder, select={"feh": Selection(nodes=(0.0,))})


def test_the_band_is_cut_and_all_nodes_share_one_array(folder: Path) -> None:
    found = grid(folder, band=(5002.0, 5004.0))
    spectra = [found.load(node) for node in found.nodes()]
    assert all(s.wavelength is spectra[0].wavelength for s in spectra)
    assert spectra[0].band == pytest.approx((5002, 5004))
    with pytest.raises(GridError, match=r"4.txt: has nothing in grid.wavelength, \[6000, 7000\]; it covers 5000.0"):
        grid(folder, band=(6000, 7000)).load((5000, 4))


def test_other_wavelengths_are_refused_or_interpolated(folder: Path) -> None:
    write(folder, "7000_4.txt", step=0.07, value=7)
    with pytest.raises(GridError, match=r"7000_4.txt: has .* wavelengths.*and the first node .*5000_4.txt. 101, 5000"):
        grid(folder).load((7000, 4))
    found = grid(folder, resample=True, band=(5001.0, 5009.0))
    spectrum = found.load((7000, 4))
    np.testing.assert_array_equal(spectrum.wavelength, found.load((5000, 4)).wavelength)
    assert (spectrum.flux == 7).all()
    assert spectrum.meta == {"resampled": True}
    write(folder, "8000_4.txt", start=5003.0)
    with pytest.raises(GridError, match=r"8000_4.txt: .*select nodes or a band"):
        grid(folder, resample=True, band=(5001.0, 5009.0)).load((8000, 4))


def test_the_fingerprint_tells_files_selection_and_band(folder: Path) -> None:
    prints = [grid(folder).fingerprint(), grid(folder, teff=Selection(nodes=(5000.0,))).fingerprint(),
              grid(folder, band=(5001, 5009)).fingerprint(), grid(folder, resample=True).fingerprint()]  # fmt: skip
    assert grid(folder).fingerprint() == prints[0]
    write(folder, "5000_4.5.txt", value=77777)
    prints.append(grid(folder).fingerprint())
    assert len(set(prints)) == 5
