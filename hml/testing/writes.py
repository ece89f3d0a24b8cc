"""Which files Python code writes, wherever they are."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PLACES = {  # event → the arguments that are written to
    "os.mkdir": (0,), "os.rename": (0, 1), "os.remove": (0,), "os.rmdir": (0,), "os.truncate": (0,), "os.link": (1,),
    "os.symlink": (1,),
}  # fmt: skip
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
OWN = {"__pycache__", "matplotlib"}  # where Python, numba and matplotlib keep what they make when first imported

_watching: list[list[Path]] = []
_hooked: list[bool] = []


@contextmanager
def written() -> Iterator[list[Path]]:
    """A list that fills with every path that is written, made, renamed or removed meanwhile. What a library in C opens
    by itself (HDF5) is not seen."""
    if not _hooked:  # an audit hook stays for good, so there is one
        _hooked.append(True)
        sys.addaudithook(_heard)
    paths: list[Path] = []
    _watching.append(paths)
    try:
        yield paths
    finally:
        _watching.remove(paths)


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watching or (event != "open" and event not in PLACES):
        return
    if event == "open":
        path, _, flags = arguments
        places = [path] if isinstance(flags, int) and flags & WRITING else []
    else:
        places = [arguments[i] for i in PLACES[event]]
    for place in places:
        if isinstance(place, str | bytes | os.PathLike):
            _note(Path(os.path.abspath(os.fsdecode(place))))  # noqa: PTH100 (nothing may be asked of the disk here)


def _note(path: Path) -> None:
    if not OWN & set(path.parts) and not path.is_relative_to("/dev"):
        for paths in _watching:
            paths.append(path)
