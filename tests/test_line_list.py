"""Line lists: every format says the same, mistakes name their line, and the strongest near line wins."""

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from line_files import same, synthetic_lines, write_ecsv, write_moog, write_vald

from hml import HmlError, air_to_vacuum
from hml.core.linelist.match import match
from hml.core.linelist.read import read_line_list
from hml.core.linelist.species import STAGES, SYMBOLS, species_name
from hml.core.linelist.values import THETA, LineList
from hml.core.space import LIGHT

# --- names ---------------------------------------------------------------------------------------------------------


@given(number=st.integers(1, len(SYMBOLS)), stage=st.integers(0, 9))
def test_an_atom_has_one_name_however_it_is_written(number, stage):
    symbol, roman = SYMBOLS[number - 1], STAGES[stage]
    written = [f"{symbol} {roman}", f"{symbol}  {stage + 1}", f"{number}.{stage}", f" {symbol} {stage + 1} "]
    assert {species_name(text) for text in written} == {f"{symbol} {roman}"}


@pytest.mark.parametrize(("name", "written"), [
    ("TiO", ["TiO", "TiO 1", "822.0", "822.00", "822.01648", "(48)TiO 1", "(48)Ti(16)O 1", "OTi"]),
    ("CN", ["CN", "CN 1", "607.0", "607.01214", "NC"]), ("C2", ["C2", "C2 1", "606.0", "CC"]),
    ("FeH", ["FeH", "126.0", "FeH 1"]), ("OH", ["OH 1", "108.0"]), ("CH+", ["CH+", "CH 2", "106.1"]),
    ("H2O", ["H2O", "H2O 1", "10108.0", "HHO"]), ("CO", ["CO", "608.0"]),
    ("Fe I", ["FeI", "26"]), ("V I", ["VI", "V 1"]),
])  # fmt: skip
def test_molecules_and_isotopes(name, written):
    assert {species_name(text) for text in written} == {name}


@pytest.mark.parametrize("text", ["", "Fe", "Xx I", "fe i", "99.0", "0.0", "100.0", "Fe 0", "Fe 12", "Fe I II", "-26.0",
                                  "8 22.0", "Fe\x1b[31m 1", "1e5"])  # fmt: skip
def test_what_is_no_species(text):
    with pytest.raises(ValueError, match=r"species|element|atomic|stage"):
        species_name(text)


# --- formats -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("medium", ["air", "vacuum"])
@pytest.mark.parametrize("shape", ["stellar", "all", "long"])
def test_extracts_of_vald(tmp_path, shape, medium):
    lines, path = synthetic_lines(), tmp_path / "lines.vald"
    write_vald(path, lines, shape, medium)
    read = read_line_list(path)
    same(read, lines, 1e-5)
    assert f"VALD, {medium} wavelengths (as it says)" in read.story


def test_moog_is_in_air_unless_one_says_otherwise(tmp_path):
    lines, path = synthetic_lines(), tmp_path / "lines.moog"
    write_moog(path, lines)
    read = read_line_list(path)
    same(read, lines, 1e-4)
    assert "air wavelengths (assumed), converted to vacuum" in read.story
    asked = read_line_list(path, "vacuum")
    assert asked.story.endswith("vacuum wavelengths (as asked)")
    np.testing.assert_allclose(air_to_vacuum(asked.wavelength), read.wavelength, atol=1e-9)


@pytest.mark.parametrize(("length", "energy"), [("AA", "eV"), ("nm", "1/cm"), ("um", "J")])
def test_ecsv_in_any_unit(tmp_path, length, energy):
    lines, path = synthetic_lines(), tmp_path / "lines.ecsv"
    write_ecsv(path, lines, length, energy)
    read = read_line_list(path)
    same(read, lines, 1e-9)
    assert "vacuum wavelengths (assumed)" in read.story
    write_ecsv(path, lines, medium="air")
    np.testing.assert_allclose(read_line_list(path).wavelength, air_to_vacuum(lines.wavelength))


def test_vald_in_other_units_and_below_the_air(tmp_path):
    path = tmp_path / "lines.vald"
    path.write_text("Elm Ion   WL_vac(nm)  log gf* E_low(cm^-1) J lo\n'Fe 1',  870.00000, -1.0, 16131.0879, 3.0,\n")
    read = read_line_list(path)
    assert read.wavelength[0] == pytest.approx(8700)
    assert read.excitation[0] == pytest.approx(2, rel=1e-6)
    path.write_text("Elm Ion   WL_air(A)  Excit(eV) log gf*\n'Si 2', 1808.0, 0.0, -2.1,\n'Fe 1', 5000.0, 1.0, -1.0,\n")
    np.testing.assert_allclose(read_line_list(path).wavelength, [1808.0, 5001.395], atol=1e-3)


def test_moog_with_blends_comments_commas_and_no_title(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("6700.0, 26.0, 1.0, -1.0\n# a remark\n\n-6701.0 TiO 0.5 -0.3 extra words\n6702 26.1 3 -4\n")
    read = read_line_list(path, "vacuum")
    assert read.wavelength.tolist() == [6700, 6701, 6702]
    assert read.species.tolist() == ["Fe I", "TiO", "Fe II"]


LONG = "Elm Ion       WL_air(A)  log gf* E_low(eV) J lo\n"


@pytest.mark.parametrize(("content", "words"), [
    ("", ["not a text file"]), ("\0\0\0", ["not a text file"]),
    ("title\n", ["holds no lines"]), ("title\n6700.0 26.0 1.0\n", ["line 2", "expected wavelength"]),
    ("title\n6700.0 26.0 1.0 x\n", ["line 2", "MOOG"]), ("title\n6700.0 99.0 1.0 -1\n", ["line 2", "atomic number"]),
    ("title\n6700.0 26.0 -1.0 -1\n", ["line 2", "excitation"]), ("t\nnan 26.0 1.0 -1\n", ["line 2", "wavelength"]),
    ("t\n" + "9" * 5000 + "\n", ["line 2", "4,096 characters"]),
    ("'Fe 1', 5000.0, 1.0, -1.0,\n", ["line 1", "a heading with WL_air(A)"]),
    (LONG.replace("E_low", "E_x") + "'Fe 1', 5000.0, -1.0, 1.0,\n", ["line 2", "E_low(eV)"]),
    (LONG.replace("(A)", "(furlong)") + "'Fe 1', 5000.0, -1.0, 1.0,\n", ["line 2", "WL_air(A)"]),
    (LONG, ["holds no lines (VALD)"]), (LONG + "'Fe 1', 5000.0, -1.0\n", ["line 2", "2 numbers found"]),
    (LONG + "'Fe 1', 5000.0, abc, 1.0,\n", ["line 2", "'Fe 1', wavelength, log_gf, excitation"]),
    (LONG + "'Fe 1', 0.0, -1.0, 1.0,\n", ["line 2", "no wavelength"]),
    (LONG + "'Xx 1', 5000.0, -1.0, 1.0,\n", ["line 2", "no element Xx"]),
    (" 1.0, 2.0, 0, 314, 4.8 Wavelength region, lines selected\n", ["expected a heading"]),
    ("# %ECSV 1.0\n# ---\nwavelength species\n", ["not an ECSV table"]),
])  # fmt: skip
def test_a_bad_file_names_its_line_and_what_was_expected(tmp_path, content, words):
    path = tmp_path / "bad.txt"
    path.write_text(content)
    with pytest.raises(HmlError) as raised:
        read_line_list(path)
    for word in ["bad.txt", *words]:
        assert word in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("column", "value", "words"), [
    ("species", None, ["expected a column species"]), ("log_gf", "x", ["'log_gf'", "expected numbers"]),
    ("species", "Xx 1", ["row 1", "no element Xx"]), ("wavelength", -1.0, ["row 1", "no wavelength"]),
])  # fmt: skip
def test_a_bad_table_names_its_column_or_row(tmp_path, column, value, words):
    from astropy.table import Table

    data = {"wavelength": [5000.0], "species": ["Fe I"], "excitation": [1.0], "log_gf": [-1.0], column: [value]}
    table, path = Table({k: v for k, v in data.items() if v != [None]}), tmp_path / "lines.ecsv"
    table.write(path, format="ascii.ecsv")
    with pytest.raises(HmlError, match=r"lines\.ecsv") as raised:
        read_line_list(path)
    assert all(word in str(raised.value) for word in words)


def test_a_unit_that_cannot_be_meant(tmp_path):
    path = tmp_path / "lines.ecsv"
    write_ecsv(path, synthetic_lines(8700, 8702))
    path.write_text(path.read_text().replace("unit: eV", "unit: kg"))
    with pytest.raises(HmlError, match="'excitation' is in 'kg'; expected eV"):
        read_line_list(path)


def test_what_is_not_there_or_too_large(tmp_path):
    with pytest.raises(HmlError, match="cannot be read"):
        read_line_list(tmp_path / "nowhere.txt")
    with pytest.raises(HmlError, match="cannot be read"):
        read_line_list(tmp_path)
    path = tmp_path / "lines.gz"
    path.write_bytes(gzip.compress(b"title\n6700 26.0 1.0 -1.0\n"))
    with pytest.raises(HmlError, match="gunzip"):
        read_line_list(path)
    path = tmp_path / "large.txt"
    with path.open("wb") as file:
        file.truncate(2**29)
    with pytest.raises(HmlError, match="a line list may have"):
        read_line_list(path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A good file of every format, as bytes, and a place for bad ones."""
    folder, lines = tmp_path_factory.mktemp("whole"), synthetic_lines(8700, 8702)
    write_moog(folder / "moog", lines)
    write_ecsv(folder / "ecsv", lines)
    for shape in ("stellar", "all", "long"):
        write_vald(folder / shape, lines, shape, "air")
    return folder, [path.read_bytes() for path in sorted(folder.iterdir())]


@given(data=st.data())
def test_spoilt_files_are_read_or_refused_in_one_line(whole, data):
    folder, files = whole
    content = data.draw(st.sampled_from(files))
    at = data.draw(st.integers(0, len(content)))
    length = data.draw(st.integers(0, 40))
    path = folder / "spoilt"
    path.write_bytes(content[:at] + data.draw(st.binary(max_size=20)) + content[at + length :])
    try:
        read = read_line_list(path)
    except HmlError as error:
        assert str(error).startswith(str(path))
        assert "\n" not in str(error)
    else:
        assert np.isfinite([read.wavelength, read.excitation, read.log_gf]).all()
        assert (np.diff(read.wavelength) >= 0).all()
        assert {species_name(name) for name in read.species.tolist()} == set(read.species.tolist())


# --- matching ------------------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 1000), tolerance=st.floats(0, 20), teff=st.floats(2500, 9000))
def test_a_match_is_what_looking_at_every_pair_gives(seed, tolerance, teff):
    rng = np.random.default_rng(seed)
    listed = np.sort(rng.uniform(8700, 8705, rng.integers(1, 60)))
    names = rng.choice(["Fe I", "Ti I", "TiO"], len(listed))
    lines = LineList(listed, names, rng.uniform(0, 5, len(listed)), rng.uniform(-4, 0, len(listed)), "")
    centre = np.sort(rng.uniform(8699, 8706, 20))
    found = match(centre, lines, tolerance, teff)
    strength = lines.log_gf - THETA / teff * lines.excitation
    for i, c in enumerate(centre):
        near = np.flatnonzero(np.abs(listed / c - 1) <= tolerance / LIGHT)
        assert sorted(found.candidates[i]) == near.tolist()
        if not len(near):
            assert (found.chosen[i], found.species[i], found.sharing[i]) == (-1, "", 0)
            assert np.isnan(found.offset[i])
            continue
        best = near[strength[near].argmax()]
        assert found.chosen[i] == best
        assert found.offset[i] == pytest.approx((c / listed[best] - 1) * LIGHT)
        assert abs(found.offset[i]) <= tolerance * (1 + 1e-4) + 1e-9
        assert found.sharing[i] == sum(found.chosen == best)
        others = near[names[near] != names[best]]
        assert found.margin[i] == (strength[best] - strength[others].max() if len(others) else np.inf)


@given(seed=st.integers(0, 1000))
def test_what_lists_do_not_tell_is_learnt_from_the_tracks(seed):
    """Species of very different abundance, every third track with a rival from a rare species that looks stronger."""
    rng = np.random.default_rng(seed)
    levels = {"Fe I": -2.0, "V I": -5.5, "TiO": -14.0}
    centre = np.arange(60) * 0.5 + 8700
    truth = rng.choice(list(levels), 60)
    rows = [(w, name, rng.uniform(0, 5), rng.uniform(-3, 0)) for w, name in zip(centre, truth, strict=True)]
    rows += [(w + 0.005, "Ca I", 0.0, 3.0) for w in centre[::10]]  # never seen alone
    rows += [(centre[i] + 0.01, "TiO", 0.0, 1.0) for i in range(0, 60, 3) if truth[i] == "Fe I"]
    wavelength, names, excitation, log_gf = map(np.array, zip(*sorted(rows), strict=True))
    lines = LineList(wavelength, names, excitation, log_gf, "")
    own = {row[0]: lines.strength(5000.0)[list(wavelength).index(row[0])] for row in rows[:60]}
    width = np.array([w * 10 ** (own[w] + levels[name]) for w, name in zip(centre, truth, strict=True)])
    found = match(centre, lines, 1.0, 5000.0, width)
    clear = np.array([i for i in range(60) if i % 10])
    assert np.array(found.species)[clear].tolist() == truth[clear].tolist()
    naive = match(centre, lines, 1.0, 5000.0)
    rivals = [i for i in range(0, 60, 3) if truth[i] == "Fe I"]
    assert all(naive.species[i] in ("TiO", "Ca I") for i in rivals)


def test_part_of_the_matches():
    lines = LineList(np.array([8700.0, 8701.0]), np.array(["Fe I", "Ti I"]), np.zeros(2), np.zeros(2), "")
    found = match(np.array([8700.0, 8700.001, 8701.0, 8702.0]), lines, 1.0, 5000.0)
    assert found.sharing.tolist() == [2, 2, 1, 0]
    part = found.take(np.array([3, 1]))
    assert part.species == ["", "Fe I"]
    assert part.sharing.tolist() == [0, 2]
    np.testing.assert_allclose(part.offset, [np.nan, 0.001 / 8700 * LIGHT])


def test_which_line_is_strongest_depends_on_the_temperature():
    names, excitation, log_gf = np.array(["Fe I", "Ti I"]), np.array([5.0, 1.0]), np.array([0.0, -3.0])
    lines = LineList(np.array([8700.0, 8700.01]), names, excitation, log_gf, "")
    assert match(np.array([8700.0]), lines, 1.0, 8000.0).species == ["Fe I"]
    assert match(np.array([8700.0]), lines, 1.0, 4000.0).species == ["Ti I"]
