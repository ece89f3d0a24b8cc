"""Artefacts: whole or not at all, of the right kind and schema, never silently wrong."""

import json
import os
import stat
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from hml.core.errors import ArtefactError
from hml.core.store import SCHEMA, read_arrays, read_header, write_arrays, write_bytes


def test_round_trip(tmp_path):
    path = tmp_path / "deep" / "thing.safetensors"
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([1, 2], dtype=np.int32)}
    write_arrays(path, "thing", arrays, {"note": "ä"})
    back, header = read_arrays(path, "thing")
    assert header["note"] == "ä"
    assert header["schema"] == SCHEMA
    for name, values in arrays.items():
        np.testing.assert_array_equal(back[name], values)
        assert back[name].dtype == values.dtype
    assert [p.name for p in path.parent.iterdir()] == [path.name]  # no temporary file is left


def test_another_kind_and_another_schema_are_refused(tmp_path):
    path = tmp_path / "thing.safetensors"
    write_arrays(path, "thing", {"a": np.zeros(1)}, {})
    with pytest.raises(ArtefactError, match="another thing"):
        read_header(path, "clone")
    save_file({"a": np.zeros(1)}, path, {"hml": json.dumps({"kind": "thing", "schema": SCHEMA + 1})})
    with pytest.raises(ArtefactError, match=f"schema {SCHEMA + 1}.*delete it and build again"):
        read_arrays(path, "thing")


@pytest.mark.parametrize("content", [b"", b"no safetensors", b"\xff" * 400])
def test_foreign_files_are_refused(tmp_path, content):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(ArtefactError, match=r"x\.safetensors"):
        read_arrays(path, "thing")


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    write_arrays(path, "thing", {"a": np.zeros(1000)}, {})
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ArtefactError, match=r"x\.safetensors"):
        read_arrays(path, "thing")


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x"
    write_bytes(path, b"old")

    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ArtefactError, match="No space left"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root, to become an unprivileged user")
def test_a_folder_without_the_right_to_write(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir(mode=stat.S_IRUSR | stat.S_IXUSR)
    for parent in (folder, *list(folder.parents)[:-2]):
        parent.chmod(0o755)
    script = (
        "import os, pathlib, sys, hml.core.report, hml.core.store, safetensors.numpy\n"
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
    assert list(folder.iterdir()) == []
