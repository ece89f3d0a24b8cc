"""ATLAS9 in both layouts: made-up files, and the genuine ones of STScI."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from atlas_files import WAVE, flux_of, write_table, write_text

from hml import BuildContext, GridError, GridSource, installed, vacuum_to_air

COOL, HOT = (3.5, 4.0, 4.5), (4.5, 5.0)
SIGMA = 5.670374419e-5  # Stefan-Boltzmann, cgs
ALL = [90, 2e6]


def build(path: Path, **fields: object) -> GridSource:
    component = installed().get("grids", "atlas9")
    return component.build(component.config.model_validate({"path": path, **fields}), BuildContext())


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    for feh, folder in ((0.0, "kp00"), (-0.5, "km05")):
        write_table(tmp_path / folder / f"{folder}_5000.fits", 5000, feh, COOL)
        write_table(tmp_path / folder / f"{folder}_40000.fits", 40000, feh, HOT)
    return tmp_path


# --- STScI's tables


def test_columns_of_zeros_are_no_models(tables: Path) -> None:
    grid = build(tables)
    assert grid.space.names == ("teff", "logg", "feh")
    assert list(grid.nodes()) == [
        (t, g, z) for t, gravities in ((5000, COOL), (40000, HOT)) for g in gravities for z in (-0.5, 0)
    ]
    assert len(grid.holes()) == 2 * 4 * 2 - 10


def test_spectra_are_surface_fluxes_in_the_band(tables: Path) -> None:
    spectrum = build(tables, wavelength=[5000, 8000]).load((40000, 5, -0.5))
    inside = (WAVE >= 5000) & (WAVE <= 8000)
    np.testing.assert_allclose(spectrum.wavelength, WAVE[inside], rtol=1e-6)
    np.testing.assert_allclose(spectrum.flux, flux_of(40000, 5, -0.5)[inside], rtol=1e-6)
    assert spectrum.unit == "erg / (s cm2 AA)"
    assert build(tables).load((5000, 4, 0)).band == pytest.approx((3010, 9990), abs=20)


def test_files_that_are_not_selected_are_not_opened(tables: Path) -> None:
    (tables / "kp00" / "kp00_40000.fits").write_bytes(b"nothing")
    assert len(build(tables, teff=5000).nodes()) == 6
    with pytest.raises(GridError, match=r"kp00_40000.fits: is damaged"):
        build(tables)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (f"TEFF    = {5000:>20}", f"TEFF    = {5250:>20}", "the header says TEFF = 5250, the name says 5000"),
        (f"LOG_Z   = {0.0:>20}", f"LOG_Z   = {0.5:>20}", "the header says LOG_Z = 0.5, the name says 0"),
        ("TUNIT3  = 'FLAM", "TUNIT3  = 'JY  ", "expected WAVELENGTH in ANGSTROMS and fluxes in FLAM"),
        ("TTYPE4  = 'g10 ", "TTYPE4  = 'flux", "has a column 'flux', expected g00 to g50"),
        ("TFORM4  = '1E", "TFORM4  = '1J", "is damaged"),
    ],
)  # fmt: skip
def test_a_table_that_is_something_else_is_refused_by_name(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = write_table(tmp_path / "kp00_5000.fits", 5000, 0, COOL)
    data = path.read_bytes()
    assert old.encode() in data
    path.write_bytes(data.replace(old.encode(), new.encode(), 1))
    with pytest.raises(GridError, match=f"kp00_5000.fits: .*{re.escape(words)}"):
        build(tmp_path)


@pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyWarning")
@pytest.mark.parametrize("size", [100, 2880, 5000, 9000, 40_000])
def test_a_table_that_is_cut_off(tmp_path: Path, size: int) -> None:
    path = write_table(tmp_path / "kp00_5000.fits", 5000, 0, COOL)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(GridError, match=r"kp00_5000.fits: is damaged"):
        build(tmp_path)


def test_the_castelli_kurucz_names(tmp_path: Path) -> None:
    write_table(tmp_path / "ckp02" / "ckp02_5000.fits", 5000, 0.2, COOL)
    assert build(tmp_path).space["feh"].nodes == (0.2,)


def test_the_same_model_twice(tables: Path) -> None:
    write_table(tables / "ckp00_5000.fits", 5000, 0, COOL)
    with pytest.raises(GridError, match=r"stands for the same as"):
        build(tables)


def test_a_name_like_theirs_that_is_not_known(tmp_path: Path) -> None:
    write_table(tmp_path / "kp00_5000_new.fits", 5000, 0, COOL)
    with pytest.raises(GridError, match=r"kp00_5000_new.fits"):
        build(tmp_path)


# --- Kurucz's text

MODELS = [(5000.0, 4.0), (5000.0, 4.5), (40000.0, 5.0)]


@pytest.mark.parametrize(("name", "old"), [("fm05k2odfnew.pck", False), ("fm05k2.pck", True)])
def test_text_and_tables_tell_the_same(tmp_path: Path, name: str, old: bool) -> None:
    text = build(write_text(tmp_path / name, MODELS, -0.5, old=old), wavelength=ALL)
    assert list(text.nodes()) == [(t, g, -0.5) for t, g in MODELS]
    write_table(tmp_path / "tables" / "km05_5000.fits", 5000, -0.5, COOL)
    table = build(tmp_path / "tables", wavelength=ALL)
    node = (5000.0, 4.5, -0.5)
    np.testing.assert_allclose(text.load(node).wavelength, table.load(node).wavelength, atol=0.051)
    np.testing.assert_allclose(text.load(node).flux, table.load(node).flux, rtol=2e-3)  # four digits
    assert text.load(node).unit == table.load(node).unit


def test_enhanced_models_and_other_turbulence_are_asked_for(tmp_path: Path) -> None:
    write_text(tmp_path / "fp00k2odfnew.pck", MODELS, 0)
    enhanced = write_text(tmp_path / "fp00ak2odfnew.pck", MODELS, 0)
    enhanced.write_text(enhanced.read_text().replace("[0.0]", "[0.0a]"))
    write_text(tmp_path / "fp00k0odfnew.pck", MODELS[:1], 0)
    assert len(build(tmp_path).nodes()) == 3
    assert build(tmp_path, enhanced=True).fingerprint() != build(tmp_path).fingerprint()
    assert list(build(tmp_path, vturb=0).nodes()) == [(5000, 4, 0)]
    with pytest.raises(GridError, match=r"holds no model with enhanced = True, vturb = 0"):
        build(tmp_path, enhanced=True, vturb=0)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[0.0]", "[-0.5]", r"a model says .*the name says \[M/H\] = 0"),
        ("GRAVITY 4.50000", "GRAVITY 4.00000", "twice"),
        ("TEFF", "TEMP", "has no line like|wavelengths"),
    ],
)
def test_text_that_is_something_else(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = write_text(tmp_path / "fp00k2.pck", MODELS[:2], 0)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(GridError, match=f"fp00k2.pck: .*({words})"):
        build(path)


def test_damaged_numbers_and_wavelengths(tmp_path: Path) -> None:
    path = write_text(tmp_path / "fp00k2.pck", MODELS, 0)
    lines = path.read_text().splitlines()
    for left_out in (slice(160, 170), slice(-10, None)):
        short = list(lines)
        del short[left_out]
        path.write_text("\n".join(short) + "\n")
        with pytest.raises(GridError, match=r"fp00k2.pck: 'TEFF .* has 296 lines of numbers, expected 306"):
            build(path)
    path.write_text("\n".join([*lines[:160], "x" * 80, *lines[161:]]) + "\n")
    with pytest.raises(GridError, match=r"fp00k2.pck, byte \d+: is damaged, expected 1221 numbers"):
        build(path).load((5000, 4, 0))
    path.write_text("\n".join(lines[1:]) + "\n")
    with pytest.raises(GridError, match=r"fp00k2.pck: has 1213 wavelengths before its first model, expected 1221"):
        build(path).load((5000, 4, 0))


def test_exponents_of_three_digits(tmp_path: Path) -> None:
    path = write_text(tmp_path / "fp00k2.pck", MODELS[:1], 0)
    lines = path.read_text().splitlines()
    lines[154] = "0.1234-101" + lines[154][10:]
    path.write_text("\n".join(lines) + "\n")
    flux = build(path, wavelength=ALL).load((5000, 4, 0)).flux
    assert 0 < flux[0] < 1e-80


# --- both


def test_air(tables: Path) -> None:
    spectrum = build(tables, medium="air", wavelength=[1000, 9000]).load((5000, 4, 0))
    long = spectrum.wavelength > 2001
    given = WAVE[(WAVE > 999) & (WAVE < 8998)]
    np.testing.assert_allclose(vacuum_to_air(spectrum.wavelength[long]), given[long], rtol=1e-6)
    np.testing.assert_allclose(spectrum.wavelength[~long], given[~long], rtol=1e-6)
    assert spectrum.frame.medium == "air"


def test_a_folder_without_models(tmp_path: Path) -> None:
    with pytest.raises(GridError, match=r"holds no file named like kp00_5000.fits, ckp00_5000.fits, fp00k2.pck"):
        build(tmp_path)


# --- the genuine files


@pytest.fixture(scope="session")
def genuine() -> Path:
    folder = os.environ.get("HML_REAL_DATA")
    if not folder:
        pytest.skip("HML_REAL_DATA is not set: no genuine files")
    return Path(folder) / "grids" / "atlas9"


def test_genuine_fluxes_add_up_to_the_effective_temperature(genuine: Path) -> None:
    """The unit is right: ∫F dλ = σT⁴ (Kurucz's models hold it to a few parts in a thousand)."""
    grid = build(genuine, teff={"nodes": [4000, 5000, 10000]}, logg=4.5, wavelength=[90, 1.6e6])
    for node in grid.nodes():
        spectrum = grid.load(node)
        assert np.trapezoid(spectrum.flux, spectrum.wavelength) == pytest.approx(SIGMA * node[0] ** 4, rel=3e-3)


def test_genuine_gaps(genuine: Path) -> None:
    grid = build(genuine, teff=[30_000, 35_000])
    assert grid.space["feh"].nodes == (-0.5, 0)
    there = {node[:2] for node in grid.nodes()}
    assert (31_000, 3.5) in there
    assert (31_000, 3.0) not in there
    assert (32_000, 3.5) not in there
    assert len(grid.holes()) == 2 * 6 * 4 - len(grid.nodes())
