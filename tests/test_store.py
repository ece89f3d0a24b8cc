"""Artefacts: whole or not at all, of the right kind and schema, never silently wrong, whatever they claim to be."""

import json
import os
import stat
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import event, given
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.numpy import load, load_file, save_file

from hml.core.arrays import LONGEST, read
from hml.core.errors import ArtefactError
from hml.core.store import SCHEMA, read_arrays, read_header, verify, write_arrays, write_bytes

ARRAYS = {
    "a": np.arange(6.0).reshape(2, 3), "b": np.array([1, 2], dtype=np.int32), "c": np.zeros((0, 4)),
    "d": np.array(7, dtype=np.int16), "e": np.array([True, False, True]),
}


def assert_same(back, arrays):
    assert back.keys() == arrays.keys()
    for name, values in arrays.items():
        np.testing.assert_array_equal(back[name], values)
        assert (back[name].dtype, back[name].shape) == (values.dtype, values.shape)


@pytest.mark.parametrize("mapped", [False, True])
def test_round_trip(tmp_path, mapped):
    path = tmp_path / "deep" / "thing.safetensors"
    write_arrays(path, "thing", ARRAYS, {"note": "ä"})
    back, header = read_arrays(path, "thing", mapped=mapped)
    assert header["note"] == "ä"
    assert header["schema"] == SCHEMA
    assert_same(back, ARRAYS)
    verify(path)
    assert [p.name for p in path.parent.iterdir()] == [path.name]  # no temporary file is left


def test_arrays_that_are_turned_or_big_endian(tmp_path):
    path = tmp_path / "x"
    arrays = {"turned": np.arange(12.0).reshape(3, 4).T, "big": np.arange(5, dtype=">i2"), "every": np.arange(9)[::2]}
    write_arrays(path, "thing", arrays, {})
    for name, values in read_arrays(path, "thing")[0].items():
        np.testing.assert_array_equal(values, arrays[name])


def test_the_format_is_that_of_safetensors(tmp_path):
    path = tmp_path / "x.safetensors"
    write_arrays(path, "thing", ARRAYS, {})
    assert_same(load_file(path), ARRAYS)
    save_file(ARRAYS, path, {"hml": json.dumps({"kind": "thing", "schema": SCHEMA})})
    assert_same(read_arrays(path, "thing", mapped=True)[0], ARRAYS)


def test_mapped_arrays_are_the_file_and_leave_it_alone(tmp_path, recwarn):
    path = tmp_path / "x"
    arrays = {"a": np.zeros((1000, 1000))}
    tracemalloc.start()
    write_arrays(path, "thing", arrays, {})
    back, _ = read_arrays(path, "thing", mapped=True)
    tensor = torch.from_numpy(back["a"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < arrays["a"].nbytes / 8  # neither written nor read through a copy
    before = path.read_bytes()
    tensor[0, 0] = 5.0
    assert back["a"][0, 0] == 5.0
    assert path.read_bytes() == before
    assert not recwarn.list  # torch has nothing to say about arrays that cannot be written to


def test_another_kind_and_another_schema_are_refused(tmp_path):
    path = tmp_path / "thing.safetensors"
    write_arrays(path, "thing", {"a": np.zeros(1)}, {})
    with pytest.raises(ArtefactError, match="another thing"):
        read_header(path, "clone")
    save_file({"a": np.zeros(1)}, path, {"hml": json.dumps({"kind": "thing", "schema": SCHEMA + 1})})
    with pytest.raises(ArtefactError, match=f"schema {SCHEMA + 1}.*get it or build it again"):
        read_arrays(path, "thing")


def test_what_cannot_be_stored_is_refused_and_nothing_is_left(tmp_path):
    with pytest.raises(ArtefactError, match=r"x: cannot be stored \(array 'text' is of type <U1"):
        write_arrays(tmp_path / "x", "thing", {"text": np.array(["a"])}, {})
    with pytest.raises(ArtefactError, match=r"x: cannot be stored \(a head of"):
        write_arrays(tmp_path / "x", "thing", {}, {"note": "x" * LONGEST})
    assert list(tmp_path.iterdir()) == []


# --- files that are not what they should be ------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"no safetensors", b"\xff" * 400, b"\2\0\0\0\0\0\0\0[]",
                                     b"\5\0\0\0\0\0\0\0" + b"[" * 5, (99999).to_bytes(8, "little") + b"[" * 99999])
@pytest.mark.parametrize("mapped", [False, True])
def test_foreign_files_are_refused(tmp_path, content, mapped):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(ArtefactError, match=r"x\.safetensors"):
        read_arrays(path, "thing", mapped=mapped)
    with pytest.raises(ArtefactError, match=r"tmp|x\.safetensors"):
        read_arrays(tmp_path, "thing", mapped=mapped)  # a folder


def head(**entries):
    """A head whose array `a` is ten float32, but for what is said otherwise."""
    entry = {"dtype": "F32", "shape": [10], "data_offsets": [0, 40], **entries}
    return {"a": {name: value for name, value in entry.items() if value is not None}}


def file_of(what, data=b"\0" * 40, length=None):
    """A file with this head."""
    text = json.dumps(what).encode()
    text += b" " * (-len(text) % 8)
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


@pytest.mark.parametrize("entry", [
    {"shape": [10**12]}, {"shape": [9]}, {"shape": [-10]}, {"shape": [10.0]}, {"shape": [True] * 10}, {"shape": "10"},
    {"shape": [2**63, 2**63]}, {"shape": [2**62, 0], "data_offsets": [0, 0]}, {"shape": [1] * 9}, {"shape": None},
    {"dtype": "F33"}, {"dtype": 32}, {"dtype": None}, {"dtype": "F16"},
    {"data_offsets": [0, 4000]}, {"data_offsets": [0, 20]}, {"data_offsets": [40, 0]}, {"data_offsets": [-40, 0]},
    {"data_offsets": [10**30, 10**30 + 40]}, {"data_offsets": [4, 44]}, {"data_offsets": [0]}, {"data_offsets": None},
    {"data_offsets": [0.0, 40.0]},
])
def test_an_array_that_lies_about_its_size_is_named(tmp_path, entry):
    path = tmp_path / "x.safetensors"
    path.write_bytes(file_of(head(**entry)))
    with pytest.raises(ArtefactError, match=r"x\.safetensors: array 'a'"):
        read(path)


@pytest.mark.parametrize(("content", "words"), [
    (file_of(head() | {"b": head()["a"]}), "array 'b'.*one before ends at 40"),  # the same bytes twice
    (file_of(head(), data=b"\0" * 80), "take 40 bytes and the file has 80"),
    (file_of(head(), data=b"\0" * 39), "array 'a'.*of 39"),
    (file_of({"a": 1}), "array 'a'.*expected dtype"),
    (file_of(head(), length=10**6), "not all of it"),
    (file_of(head(), length=2**63), "not all of it"),
    (file_of({}, b"\0" * (LONGEST + 1), LONGEST + 2), f"{LONGEST:,} are the most"),
    (file_of(head() | {"__metadata__": {"hml": 1}}), "more than text"),
    (file_of(head(data_offsets=[1, 41]) | {"0": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}},
             data=b"\0" * 41), "array 'a'.*aligned"),
])
def test_a_head_that_does_not_fit_its_file(tmp_path, content, words):
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(ArtefactError, match=words):
        read(path)


NUMBERS = st.integers(-2, 70) | st.sampled_from([2**31, 2**62, 2**63, 10**30]) | st.floats() | st.booleans()
WIDTHS = {"F64": 8, "F32": 4, "I16": 2, "U8": 1}


@st.composite
def heads(draw):
    """A head that is true, or true but for one field, and the size that its arrays have."""
    what, at = {}, 0
    for name in draw(st.lists(st.sampled_from("abc"), unique=True)):
        dtype, shape = draw(st.sampled_from(sorted(WIDTHS))), draw(st.lists(st.integers(0, 3), max_size=3))
        end = at + WIDTHS[dtype] * int(np.prod(shape))
        what[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, end]}
        at = end
    if what and draw(st.booleans()):
        entry = what[draw(st.sampled_from(sorted(what)))]
        field = draw(st.sampled_from(["dtype", "shape", "data_offsets"]))
        entry[field] = draw(st.sampled_from([*WIDTHS, "F4"]) if field == "dtype" else st.lists(NUMBERS, max_size=3))
    return what, at + draw(st.sampled_from([0, 0, 0, -1, 8]))


@given(heads())
def test_nothing_is_read_that_the_safetensors_package_refuses(tmp_path_factory, made):
    what, size = made
    content = file_of(what, b"\1" * size)
    path = tmp_path_factory.getbasetemp() / "fuzzed"
    path.write_bytes(content)
    try:
        arrays, _ = read(path)
    except ArtefactError as error:
        event("not aligned" if "aligned" in str(error) else "refused")
        return
    event("read")
    assert_same(arrays, load(content))


def test_the_safetensors_package_refuses_something():
    with pytest.raises(SafetensorError):
        load(file_of(head(shape=[9])))


@given(at=st.integers(0, 10**6), value=st.integers(1, 255), mapped=st.booleans())
def test_no_changed_byte_goes_unnoticed(tmp_path_factory, at, value, mapped):
    path = tmp_path_factory.getbasetemp() / "changed"
    write_arrays(path, "thing", ARRAYS, {"note": "text"})
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= value
    path.write_bytes(content)
    try:
        back, header = read_arrays(path, "thing", mapped=mapped)
        verify(path)
    except ArtefactError:
        return
    assert_same(back, ARRAYS)  # white space of the head is anybody's
    assert header["note"] == "text"


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path, keep):
    path = tmp_path / "x.safetensors"
    write_arrays(path, "thing", {"a": np.zeros(1000)}, {})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(ArtefactError, match=r"x\.safetensors"):
        read_arrays(path, "thing", mapped=True)


# --- places that cannot be written to ------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [lambda path: write_bytes(path, b"new"),
                                   lambda path: write_arrays(path, "thing", {"a": np.zeros(9)}, {})])
def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch, write):
    path = tmp_path / "x"
    write_bytes(path, b"old")

    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ArtefactError, match="No space left"):
        write(path)
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_may_take_the_place_of_one_that_is_mapped(tmp_path):
    path = tmp_path / "x"
    write_arrays(path, "thing", {"a": np.zeros(1000)}, {})
    old, _ = read_arrays(path, "thing", mapped=True)
    write_arrays(path, "thing", {"a": np.ones(10)}, {})
    assert old["a"].sum() == 0
    assert read_arrays(path, "thing")[0]["a"].sum() == 10


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root, to become an unprivileged user")
def test_a_folder_without_the_right_to_write(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir(mode=stat.S_IRUSR | stat.S_IXUSR)
    for parent in (folder, *list(folder.parents)[:-2]):
        parent.chmod(0o755)
    script = (
        "import os, pathlib, sys, hml.core.report, hml.core.store\n"
        "from hml.core.errors import ArtefactError\n"
        "from hml.core.report import run_folder\n"
        "os.setuid(65534)\n"
        "try: open(sys.argv[1] + '/probe', 'w')\n"
        "except PermissionError: pass\n"
        "else: sys.exit('a plain write works here, so this test would prove nothing')\n"
        "try:\n"
        "    with run_folder(pathlib.Path(sys.argv[1])): pass\n"
        "except ArtefactError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Permission denied" in done.stdout
    assert "--output" in done.stdout
    assert list(Path(folder).iterdir()) == []
