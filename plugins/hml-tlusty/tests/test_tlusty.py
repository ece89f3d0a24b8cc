"""coolTLUSTY from files as they are described, and files that are something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hml import BuildContext, GridError, GridSource, installed, vacuum_to_air

MICRONS = np.geomspace(1.0, 5.0, 601)
HEAD = "  I  FREQ  LAMBDA(mic)  FNU  FLAM  FDET(milliJ)\n"


def flux_of(teff: float, logg: float, microns: np.ndarray = MICRONS) -> np.ndarray:
    return teff * (1 - (0.2 + 0.1 * logg) * np.exp(-0.5 * ((microns - 2) / 0.02) ** 2))


def write(path: Path, flux: np.ndarray, microns: np.ndarray = MICRONS, head: str = HEAD) -> Path:
    """Increasing frequency, exponents with a D."""
    rows = [
        f"{i:6d} {2.998e14 / w:.8E} {w:.8E} {f / 3:.6E} {f:.8E} {f / 7:.6E}\n".replace("E", "D")
        for i, (w, f) in enumerate(zip(microns[::-1], flux[::-1], strict=True))
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(head + "".join(rows), encoding="ascii")
    return path


def build(path: Path, **fields: object) -> GridSource:
    component = installed().get("grids", "cooltlusty")
    return component.build(component.config.model_validate({"path": path, **fields}), BuildContext())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for teff in (400, 425):
        for z in ("0.316", "1.000", "3.160"):
            write(tmp_path / "ClearEQ" / f"T{teff}_g4.25_Z{z}.21", flux_of(teff, 4.25))
            write(tmp_path / "ClearNEQ" / f"T{teff}_g4.25_Z{z}_CDIFF1e6.21", 2 * flux_of(teff, 4.25))
    write(tmp_path / "T700_g5.00_Z1.000_CDIFF1e6_HMIX0.100.21", flux_of(700, 5))
    (tmp_path / "ClearEQ" / "T400_g4.25_Z1.000.20").write_text("a structure, not a spectrum")
    return tmp_path


def test_chemistry_and_mixing_length_are_chosen(folder: Path) -> None:
    grid, mixed = build(folder), build(folder, chemistry="mixed")
    assert grid.space.names == ("teff", "logg", "feh")
    assert list(grid.nodes()) == [(t, 4.25, z) for t in (400, 425) for z in (-0.5, 0, 0.5)] == list(mixed.nodes())
    node = (425, 4.25, -0.5)
    np.testing.assert_allclose(mixed.load(node).flux, 2 * grid.load(node).flux, rtol=1e-7)
    assert list(build(folder, chemistry="mixed", hmix=0.1).nodes()) == [(700, 5, 0)]
    with pytest.raises(GridError, match=r"holds no model with grid.chemistry = equilibrium and grid.hmix = 0.1; it has "
                                        r"equilibrium with hmix null, mixed with hmix 0.1, mixed with hmix null"):
        build(folder, hmix=0.1)


def test_spectra_are_read_by_the_names_of_the_columns(folder: Path) -> None:
    spectrum = build(folder, feh=0).load((400, 4.25, 0))
    np.testing.assert_allclose(spectrum.wavelength, MICRONS * 1e4, rtol=1e-8)
    np.testing.assert_allclose(spectrum.flux, flux_of(400, 4.25), rtol=1e-8)
    assert spectrum.unit == "erg / (s cm2 AA)"


def test_other_wavelengths_are_interpolated(tmp_path: Path) -> None:
    write(tmp_path / "T400_g4.25_Z1.000.21", flux_of(400, 4.25))
    other = np.geomspace(0.9, 5.5, 4001)
    write(tmp_path / "T425_g4.25_Z1.000.21", flux_of(425, 4.25, other), other)
    spectrum = build(tmp_path).load((425, 4.25, 0))
    np.testing.assert_allclose(spectrum.flux, flux_of(425, 4.25), rtol=1e-3)
    assert spectrum.meta["resampled"]


@pytest.mark.parametrize(
    "name", ["T400_g4.25_Z1.000_E10.21", "T400_g4.25_Z1.000_CDIFF1e8.21", "T400_g4_Z1.000.21", "T400_cloudy.21"]
)
def test_a_name_like_theirs_that_is_not_known(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, flux_of(400, 4.25))
    with pytest.raises(GridError, match=name):
        build(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("LAMBDA FLUX\n1 2\n3 4\n", "its first line names LAMBDA, FLUX, expected LAMBDA"),
        (HEAD + "1 1 1 1\n", "is damaged"),
        (HEAD + "1 1 x 1 1 1\n" * 2, "is damaged"),
        (HEAD + "1 1 1.0 1 1 1\n", "has 1 lines"),
        (HEAD + "1 1 1.0 1 nan 1\n" * 3, "not finite"),
        (HEAD + "1 1 1.0 1 1 1\n" * 3, "not in order"),
        ("\xff", "is damaged"),
    ],
)
def test_a_file_that_is_something_else_is_refused_by_name(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "T400_g4.25_Z1.000.21").write_bytes(text.encode("latin-1"))
    grid = build(tmp_path)
    with pytest.raises(GridError, match=f"T400_g4.25_Z1.000.21: {words}|T400_g4.25_Z1.000.21: .*{words}"):
        grid.load(grid.nodes()[0])


def test_air(folder: Path) -> None:
    spectrum = build(folder, medium="air", wavelength=[9_000, 60_000]).load((400, 4.25, 0))
    np.testing.assert_allclose(vacuum_to_air(spectrum.wavelength), MICRONS * 1e4, rtol=1e-7)
    assert spectrum.frame.medium == "air"


def test_a_folder_without_them(tmp_path: Path) -> None:
    with pytest.raises(GridError, match=r"holds no file named like T400_g4.00_Z1.000.21"):
        build(tmp_path)
