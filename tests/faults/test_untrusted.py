"""Files from anywhere are used or refused in one line: spoilt ones of every kind, and those that were made to hurt."""

import bz2
import gzip
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from astropy.io import fits
from fuzz import spoilt, tried
from hypothesis import given, settings
from hypothesis import strategies as st
from targets import TARGETS, seeds

from hml import ConfigError, GridError, SpectrumError, load_config, read_ecsv
from hml.core.store import to_json
from hml.core.untrusted import parse_yaml, printable
from hml.plugins.readers import TableConfig
from hml.plugins.readers.fits_table import opened
from hml.plugins.readers.text import TextReader
from hml.plugins.starfish.library import Library

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return seeds(tmp_path_factory.mktemp("seeds") / "here")


@pytest.mark.parametrize("name", TARGETS)
def test_good_files_are_used(files, name):
    assert all(tried(name, path.read_bytes(), path) for path in files[name])


@pytest.mark.parametrize("name", TARGETS)
@given(rng=st.randoms(use_true_random=False))
@settings(max_examples=12)
def test_spoilt_files_are_used_or_refused_in_one_line(files, name, rng):
    logging.getLogger("hml").setLevel(logging.CRITICAL)
    path = rng.choice(files[name])
    good = path.read_bytes()
    try:
        tried(name, spoilt(good, rng), path)
    finally:
        path.write_bytes(good)


# --- made to hurt --------------------------------------------------------------------------------------------------

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
)
HURTING = {
    "a billion laughs": (LAUGHS, "anchors make more than"), "itself": ("a: &a [*a]", "holds itself"),
    "deep": ("[" * 500, "run.yaml"), "deep and closed": ("[" * 500 + "]" * 500, "run.yaml"),
    "base 60": ("a: 1" + ":1" * 5000, "a number or date of 10,001 characters"),
    "digits": ("a: " + "9" * 5000, "a number"), "merges": ("a: &a {x: 1}\nb: {<<: [*a, 3]}", "run.yaml"),
    "large": ("#" * 2_000_000, "characters"), "a date that is none": ("a: 2001-99-99", "run.yaml"),
    "code": ("a: !!python/object/apply:os.system [ls]", "python/object"),
    "a key that is none": ("{[1]: 2}", "run.yaml"),
    "binary": ("a: !!binary 3", "run.yaml"), "a set": ("a: !!set 3", "run.yaml"), "pairs": ("a: !!pairs 3", "run.yaml"),
}


@pytest.mark.parametrize(("text", "words"), HURTING.values(), ids=HURTING)
def test_yaml_that_hurts(tmp_path, text, words):
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(ConfigError, match=words) as told:
        load_config(tmp_path / "run.yaml")
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 10_000
    with pytest.raises(ConfigError):
        load_config(sets=[f"grid={text}"])


def test_anchors_of_good_will_are_followed():
    assert parse_yaml("a: &a [1, 2]\nb: *a\nc: {<<: {d: 1}, e: 2}") == {"a": [1, 2], "b": [1, 2], "c": {"d": 1, "e": 2}}


def test_a_thousand_mistakes_are_one_screen(tmp_path):
    (tmp_path / "run.yaml").write_text('hold_out:\n  "l\\e[31m\\n": x\n' + "".join(f"  l{i}: x\n" for i in range(1000)))
    with pytest.raises(ConfigError, match=r"and \d+ more") as told:
        load_config(tmp_path / "run.yaml")
    assert len(str(told.value)) < 20_000
    assert str(told.value).isprintable()


def test_the_head_of_a_table_is_looked_at_first(tmp_path):
    path = tmp_path / "star.ecsv"
    columns = "".join(f"# - {{name: {name}, datatype: float64}}\n" for name in ("wavelength", "flux"))
    head = f"# %ECSV 1.0\n# ---\n# datatype:\n{columns}"
    laughs = "# meta:\n" + "".join(f"#   {line}\n" for line in LAUGHS.splitlines())
    body = "wavelength flux\n8500.0 1.0\n8501.0 1.0\n"
    path.write_text(head + body)
    assert len(read_ecsv(path)) == 2
    path.write_text(head + laughs + body)
    with pytest.raises(SpectrumError, match=r"star\.ecsv: .*anchors"):
        TextReader(TableConfig()).read(path)
    path.write_text("# %ECSV 1.0\n" + "#" * 3_000_000)
    with pytest.raises(SpectrumError, match="head is longer"):
        TextReader(TableConfig()).read(path)


def test_a_table_with_too_many_columns(tmp_path):
    (tmp_path / "star.csv").write_text(",".join(f"c{i}" for i in range(5000)) + "\n")
    with pytest.raises(SpectrumError, match="more than 1,000 columns"):
        TextReader(TableConfig()).read(tmp_path / "star.csv")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_a_packed_file_is_unpacked_as_far_as_a_spectrum_goes(tmp_path, monkeypatch, pack):
    path = tmp_path / "star.fits"
    fits.HDUList([fits.PrimaryHDU(np.ones(100_000, np.float32))]).writeto(path)
    path.write_bytes(pack(path.read_bytes()))
    with opened(path) as hdus:
        assert hdus[0].data.sum() == 100_000
    monkeypatch.setattr("hml.plugins.readers.fits_table.LARGEST", 300_000)
    with pytest.raises(SpectrumError, match=r"star\.fits: unpacks to more than"), opened(path):
        pass


def test_headers_that_claim_more_than_a_spectrum_has(tmp_path):
    header = fits.Header({"XTENSION": "IMAGE", "BITPIX": 8, "NAXIS": 1, "NAXIS1": 2**31, "PCOUNT": 0, "GCOUNT": 1})
    path = tmp_path / "star.fits"
    fits.HDUList([fits.PrimaryHDU()]).writeto(path)
    with path.open("ab") as file:
        file.write(header.tostring().encode())
        file.truncate(5760 + -(-(2**31) // 2880) * 2880)  # a hole, which takes no room
    with pytest.raises(SpectrumError, match="headers claim 2,147 MB"), opened(path):
        pass
    path.write_bytes(fits.PrimaryHDU().header.tostring().encode()
                     + 1001 * fits.ImageHDU().header.tostring().encode())
    with pytest.raises(SpectrumError, match="extension 1000"), opened(path):
        pass


def test_hdf5_that_claims_too_much(tmp_path, files):
    path = tmp_path / "library.hdf5"
    path.write_bytes(files["HDF5"][0].read_bytes())
    with h5py.File(path, "a") as file:
        del file["wl"]
        wl = file.create_dataset("wl", shape=(10**7,), maxshape=(None,), chunks=(10**9 // 4,), dtype="f8")
        wl.attrs["air"] = False
    with pytest.raises(GridError, match="chunks of 2,000,000,000 bytes"):
        Library.read(path, None, None)
    with h5py.File(path, "a") as file:
        del file["wl"]
        file["wl"] = np.arange(8500.0, 8510.0)
        file["wl"].attrs["air"] = False
        file["wl"].attrs.create("units", np.zeros(8000, "S8"))
    with pytest.raises(GridError, match=r"library\.hdf5: wl is in .* no unit|attribute 'units'"):
        Library.read(path, None, None)


# --- words of files ------------------------------------------------------------------------------------------------


@given(st.text())
def test_terminals_and_json_obey_no_file(text):
    assert all(c.isprintable() or c == "\n" for c in printable(text))
    assert printable("Å λ\nσ") == "Å λ\nσ"
    made = to_json({"name": text})
    assert all(c.isprintable() or c == "\n" for c in made)
    assert json.loads(made) == {"name": text}


def test_a_crash_is_told_and_its_file_kept(tmp_path):
    """The runner does what CI relies on."""
    (tmp_path / "sitecustomize.py").write_text(
        "import hml.core.masks as m\ndef crash(path): raise ZeroDivisionError\n"
        "real, calls = m.read_table, []\n"
        "m.read_table = lambda path: calls.append(1) or (real(path) if len(calls) == 1 else crash(path))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    command = [sys.executable, str(HERE / "fuzz.py"), "--seconds", "1", "--only", "mask"]
    done = subprocess.run([*command, "--keep", str(tmp_path / "kept")], capture_output=True, text=True, check=False,
                          env=environment)  # fmt: skip
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert "mask: " in done.stdout
    assert list((tmp_path / "kept").glob("crash1-*"))
