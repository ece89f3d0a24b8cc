"""The arrays of a `.npz` file from a stranger: sizes are looked at before anything is allocated, no pickle is read."""

from __future__ import annotations

import math
import tokenize
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from hml import GridError, readable

LARGEST = 4_000_000_000  # bytes of all arrays together

Array = NDArray[Any]


def read_arrays(path: Path) -> dict[str, Array]:
    """Name → array. GridError where the file is not what it says."""
    if not path.is_file():
        raise GridError(f"grid.path: {path}: no such file")
    if not zipfile.is_zipfile(path):
        raise GridError(f"{path}: is no .npz file (numpy.savez writes them)")
    with readable(path), zipfile.ZipFile(path) as archive:
        members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        total = sum(info.file_size for info in members)
        if total > LARGEST:
            raise GridError(f"{path}: its arrays have {total / 1e9:.1f} GB, more than a table may have")
        return {info.filename[:-4]: _array(archive, info, path) for info in members}


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> Array:
    try:  # numpy reads headers as Python's literals
        with archive.open(info) as file:
            size = _expected(file) + file.tell()
        if size != info.file_size:
            raise ValueError(f"its header tells of {size} bytes, it has {info.file_size}")
        with archive.open(info) as file:
            array: Array = npy.read_array(file, allow_pickle=False)
    except (ValueError, TypeError, SyntaxError, tokenize.TokenError) as error:
        raise GridError(f"{path}: array {info.filename!r} is damaged or of no kind that is read here "
                        f"({' '.join(str(error).split())})") from None
    return array


def _expected(file: IO[bytes]) -> int:
    """Bytes of the data behind the header at the file's start."""
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of the format")
    header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = header(file)
    if dtype.hasobject or dtype.kind not in "fiubUS":
        raise ValueError(f"{dtype} where numbers or text are expected")
    return int(math.prod(shape) * np.dtype(dtype).itemsize)
