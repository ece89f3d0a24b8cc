"""Named arrays in one file of the safetensors format: written from where they lie, seen again through a memory map.

    length of the head (8 bytes) ─ head: JSON {"__metadata__": {…}, name: {dtype, shape, data_offsets}, …} ─ arrays

The format is described at https://github.com/huggingface/safetensors. A file may come from anywhere: what its head says
is compared with the size of the file before any memory is asked for, and a digest tells whether its content is what was
written.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from hml.core.errors import ArtefactError

DTYPES = {
    name: np.dtype(kind)
    for name, kind in {
        "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1", "U8": "<u1",
        "BOOL": "?",
    }.items()
}  # fmt: skip
LONGEST = 2**24  # bytes of a head
MOST = 2**62  # bytes that an array may claim, with 1 in place of a length of 0: numpy counts them in 63 bits
NOTES = "__metadata__"
SEAL = "sha256"

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Entry:
    """Where one array lies, in bytes from the first array on."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    def to_json(self) -> dict[str, Any]:
        return {"dtype": self.dtype, "shape": list(self.shape), "data_offsets": [self.begin, self.end]}


@dataclass(frozen=True)
class Contents:
    """The head of a file, found to agree with its size."""

    notes: Mapping[str, str]
    entries: Mapping[str, Entry]
    start: int  # of the first array in the file, bytes
    size: int  # of the file, bytes


# --- write ---------------------------------------------------------------------------------------------------------


def write(file: IO[bytes], arrays: Arrays, notes: Mapping[str, str]) -> None:
    """Arrays and notes, sealed with a digest; ValueError if they cannot be stored. No array is copied (unless it is not
    contiguous)."""
    # aligned as long as wide numbers come before narrow ones
    names = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))
    plain = {name: _plain(name, arrays[name]) for name in names}
    ends = np.cumsum([0, *(array.nbytes for array in plain.values())]).tolist()
    kinds = {dtype: name for name, dtype in DTYPES.items()}
    entries = {
        name: Entry(kinds[array.dtype], array.shape, *place)
        for (name, array), place in zip(plain.items(), pairwise(ends), strict=True)
    }
    content = [array.reshape(-1).view(np.uint8) for array in plain.values()]
    seal = _seal(notes, entries)
    for part in content:
        seal.update(part)
    head = _json({NOTES: {**notes, SEAL: seal.hexdigest()}, **{k: e.to_json() for k, e in entries.items()}})
    head += b" " * (-len(head) % 8)
    if len(head) > LONGEST:
        raise ValueError(f"a head of {len(head):,} bytes is longer than the {LONGEST:,} that a file may have")
    file.write(len(head).to_bytes(8, "little") + head)
    for part in content:
        file.write(part.data)


def _plain(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """The array, contiguous and little-endian; ValueError if it has another type than DTYPES."""
    dtype = array.dtype.newbyteorder("<")
    if dtype not in DTYPES.values():
        raise ValueError(f"array {name!r} is of type {array.dtype}, not one of {', '.join(DTYPES)}")
    return np.asarray(array, dtype, order="C")


def _seal(notes: Mapping[str, str], entries: Mapping[str, Entry]) -> Any:
    """A digest of all that a head says, to be updated with the arrays."""
    told = {k: v for k, v in notes.items() if k != SEAL}
    return hashlib.sha256(_json([told, {k: e.to_json() for k, e in entries.items()}]))


def _json(data: Any) -> bytes:
    return json.dumps(data, sort_keys=True).encode()


# --- read ----------------------------------------------------------------------------------------------------------


def read_notes(path: Path) -> Mapping[str, str]:
    """The notes of a file, without its arrays."""
    with _opened(path) as (_, contents):
        return contents.notes


def read(path: Path) -> tuple[dict[str, NDArray[Any]], Mapping[str, str]]:
    """The arrays and notes of a file. The arrays are the file itself, mapped: nothing is read before it is used, and
    what is written to them stays in memory. The map keeps the file open."""
    with _opened(path) as (file, contents):
        whole = mmap.mmap(file.fileno(), contents.size, access=mmap.ACCESS_COPY)
        arrays: dict[str, NDArray[Any]] = {
            name: np.ndarray(entry.shape, DTYPES[entry.dtype], whole, contents.start + entry.begin)
            for name, entry in contents.entries.items()
        }
        return arrays, contents.notes


def parse(data: bytes) -> tuple[dict[str, NDArray[Any]], Mapping[str, str]]:
    """The arrays and notes of what `write` wrote, from memory."""
    contents = _contents(Path("message"), BytesIO(data), len(data))
    arrays: dict[str, NDArray[Any]] = {
        name: np.ndarray(entry.shape, DTYPES[entry.dtype], data, contents.start + entry.begin).copy()
        for name, entry in contents.entries.items()
    }
    return arrays, contents.notes


def verify(path: Path) -> None:
    """ArtefactError if the file does not hold what was written. Reads all of it, a piece at a time."""
    with _opened(path) as (file, contents):
        seal = _seal(contents.notes, contents.entries)
        file.seek(contents.start)
        while piece := file.read(2**20):
            seal.update(piece)
    if seal.hexdigest() != contents.notes.get(SEAL):
        raise ArtefactError(f"{path}: is damaged (its content does not match its digest); get it or build it again")


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], Contents]]:
    try:
        with path.open("rb") as file:
            yield file, _contents(path, file, os.fstat(file.fileno()).st_size)
    except (OSError, OverflowError, ValueError) as error:  # a file that shrinks in our hands gives the last two
        raise ArtefactError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None


def _contents(path: Path, file: IO[bytes], size: int) -> Contents:
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > size - 8:
        raise ArtefactError(f"{path}: is not a file that hml wrote, or not all of it")
    if length > LONGEST:
        raise ArtefactError(f"{path}: its head is said to be {length:,} bytes long; {LONGEST:,} are the most")
    head = _parsed(path, file.read(length))
    notes = head.pop(NOTES, {})
    if not isinstance(notes, dict) or not all(isinstance(text, str) for text in notes.values()):
        raise ArtefactError(f"{path}: {NOTES} holds more than text")
    entries = {name: _entry(path, name, value, 8 + length) for name, value in head.items()}
    _seamless(path, entries, size - 8 - length)
    return Contents(notes, entries, 8 + length, size)


def _parsed(path: Path, head: bytes) -> dict[str, Any]:
    try:
        data = json.loads(head)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise ArtefactError(f"{path}: is not a file that hml wrote (its head is not a JSON object)")
    return data


def _entry(path: Path, name: str, value: Any, start: int) -> Entry:
    """One array's entry, if it agrees with itself."""
    where = f"{path}: array {name!r}"
    match value:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [begin, end]}:
            pass
        case _:
            raise ArtefactError(f"{where}: expected dtype, shape and data_offsets")
    if dtype not in DTYPES:
        raise ArtefactError(f"{where}: numbers of type {dtype:.20} are not known; {', '.join(DTYPES)} are")
    counts = (*shape, begin, end)
    if len(shape) > 8 or not all(type(n) is int and 0 <= n < MOST for n in counts):
        raise ArtefactError(f"{where}: expected at most 8 lengths and two offsets, whole numbers from 0 on")
    width = DTYPES[dtype].itemsize
    if prod(shape) * width != end - begin or prod(max(n, 1) for n in shape) * width > MOST:
        raise ArtefactError(f"{where}: {shape} numbers of type {dtype} do not fill bytes {begin:,} to {end:,}")
    if (start + begin) % width:
        raise ArtefactError(f"{where}: is not aligned to its numbers of {width} bytes")
    return Entry(dtype, tuple(shape), begin, end)


def _seamless(path: Path, entries: Mapping[str, Entry], available: int) -> None:
    """ArtefactError if arrays overlap, leave gaps or do not end where the file ends."""
    at = 0
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)):
        if entry.begin != at or entry.end > available:
            where = f"bytes {entry.begin:,} to {entry.end:,} of {available:,}"
            raise ArtefactError(f"{path}: array {name!r}: lies at {where}, where the one before ends at {at:,}")
        at = entry.end
    if at != available:
        raise ArtefactError(f"{path}: its arrays take {at:,} bytes and the file has {available:,} for them")
