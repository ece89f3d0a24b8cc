"""Files of arrays: safetensors with a JSON header; written beside the target, checked, then moved. Never pickle."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hml.core.errors import ArtefactError

SCHEMA = 1  # of every artefact; raise it when the meaning of a field changes

Arrays = Mapping[str, NDArray[Any]]


def digest(*parts: Any) -> str:
    """A hex digest of plain data (JSON values)."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def to_json(data: Any) -> str:
    """Plain data as JSON text; NaN and infinity become null, since JSON has no word for them."""
    return json.dumps(_finite(data), indent=1, ensure_ascii=False, default=str)


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
    for name in ("hml", "torch", "numpy", "scipy", "scikit-optimize", "astropy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def write_bytes(path: Path, content: bytes) -> None:
    """Put `content` at `path`, whole or not at all. ArtefactError where that is not allowed or there is no space."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise ArtefactError(
            f"{path}: cannot be written ({error.strerror}); choose another place with --output or HML_HOME"
        ) from None
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o644)
        part.replace(path)
    except OSError as error:
        raise ArtefactError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode("utf-8"))


def write_arrays(path: Path, kind: str, arrays: Arrays, header: Mapping[str, Any]) -> None:
    """Store named arrays with a header (JSON values). `kind` is checked when read."""
    from safetensors.numpy import save

    full = {"kind": kind, "schema": SCHEMA, "versions": versions(), **header}
    write_bytes(path, save({k: np.ascontiguousarray(v) for k, v in arrays.items()}, {"hml": json.dumps(full)}))


def read_header(path: Path, kind: str) -> dict[str, Any]:
    """The header of an artefact, without its arrays."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            header = json.loads((file.metadata() or {})["hml"])
    except OSError as error:
        raise ArtefactError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (SafetensorError, KeyError, ValueError) as error:
        raise ArtefactError(f"{path}: is not an hml {kind} ({error}); delete it and build again") from None
    if not isinstance(header, dict) or header.get("kind") != kind:
        raise ArtefactError(f"{path}: holds another thing than an hml {kind}; choose another file")
    if header.get("schema") != SCHEMA:
        raise ArtefactError(
            f"{path}: has schema {header.get('schema')}, this version of hml reads {SCHEMA}; delete it and build again"
        )
    return header


def read_arrays(path: Path, kind: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Arrays and header of an artefact; ArtefactError if it is not whole, of another kind or schema."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    header = read_header(path, kind)
    try:
        return load_file(path), header
    except (OSError, SafetensorError, ValueError) as error:
        raise ArtefactError(f"{path}: is damaged ({error}); delete it and build again") from None
