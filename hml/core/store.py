"""Artefacts: arrays with a JSON header in one file; written beside the target, then moved. Never pickle."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from hml.core import arrays as files
from hml.core.arrays import Arrays
from hml.core.errors import ArtefactError

SCHEMA = 7  # of every artefact; raise it when the meaning of a field changes


def digest(*parts: Any) -> str:
    """A hex digest of plain data (JSON values)."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def to_json(data: Any) -> str:
    """Plain data as JSON text; NaN and infinity become null, since JSON has no word for them."""
    text = json.dumps(_finite(data), indent=1, ensure_ascii=False, default=str)
    return re.sub(r"[^\x20-\x7e\n]", _escaped, text)


def _escaped(found: re.Match[str]) -> str:
    """JSON lets some characters pass that command a terminal."""
    return found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1]


def _finite(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {k: _finite(v) for k, v in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(v) for v in data]
    if isinstance(data, float | np.floating):
        return float(data) if np.isfinite(data) else None
    return data


def versions() -> dict[str, str]:
    """Versions of what decides results."""
    found = {}
    for name in ("hml", "torch", "numpy", "scipy", "scikit-optimize", "astropy", "emcee", "dynesty"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


@contextmanager
def _beside(path: Path) -> Iterator[IO[bytes]]:
    """A file that becomes `path` when the block ends well. ArtefactError where that is not allowed or there is no
    space."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise unwritable(path, error) from None
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o644)
        part.replace(path)
    except OSError as error:
        raise unwritable(path, error) from None
    finally:
        part.unlink(missing_ok=True)


def unwritable(path: Path, error: OSError) -> ArtefactError:
    """What the system had against writing there, and what to do."""
    reason = error.strerror or error
    return ArtefactError(
        f"{path}: cannot be written ({reason}); make room, or choose another place with --output or HML_HOME"
    )


def sweep(folder: Path, name: str = "") -> int:
    """Remove unfinished files of processes that were killed, of the artefact `name` or of all in a folder, and say how
    many there were. Only for a caller who knows that nobody writes there now."""
    left = [part for part in folder.glob(f".{name or '*'}.{'?' * 8}.part") if part.is_file()]  # as `_beside` has them
    for part in left:
        with suppress(OSError):
            part.unlink()
    return len(left)


def write_bytes(path: Path, content: bytes) -> None:
    """Put `content` at `path`, whole or not at all. ArtefactError where that is not allowed or there is no space."""
    with _beside(path) as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode("utf-8"))


def write_arrays(path: Path, kind: str, arrays: Arrays, header: Mapping[str, Any]) -> None:
    """Store named arrays with a header (JSON values). `kind` is checked when read."""
    full = {"kind": kind, "schema": SCHEMA, "versions": versions(), **header}
    try:
        with _beside(path) as file:
            files.write(file, arrays, {"hml": json.dumps(full)})
    except ValueError as error:
        raise ArtefactError(f"{path}: cannot be stored ({error})") from None


def read_header(path: Path, kind: str) -> dict[str, Any]:
    """The header of an artefact, without its arrays."""
    return _header(path, kind, files.read_notes(path))


def read_arrays(path: Path, kind: str, *, mapped: bool = False) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Arrays and header of an artefact; ArtefactError if it is not whole, of another kind or schema, or damaged.

    `mapped`: the arrays stay in the file and are read where they are used. Their content is not looked at (`verify`
    does that), and the file stays open: this is for few and large files.
    """
    arrays, notes = files.read(path)
    header = _header(path, kind, notes)
    if mapped:
        return arrays, header
    files.verify(path)
    return {name: array.copy() for name, array in arrays.items()}, header


def verify(path: Path) -> None:
    """ArtefactError if the content of an artefact is not what was written."""
    files.verify(path)


def _header(path: Path, kind: str, notes: Mapping[str, str]) -> dict[str, Any]:
    try:
        header = json.loads(notes["hml"])
    except (KeyError, ValueError, RecursionError):
        raise ArtefactError(f"{path}: is not an hml {kind} (it has no header)") from None
    if not isinstance(header, dict) or header.get("kind") != kind:
        raise ArtefactError(f"{path}: holds another thing than an hml {kind}; choose another file")
    if header.get("schema") != SCHEMA:
        found = f"{header.get('schema')!r:.20}"
        raise ArtefactError(f"{path}: has schema {found}, this hml reads {SCHEMA}; get it or build it again")
    return header
