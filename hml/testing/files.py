"""Copies of the files that a config names, to be altered and damaged."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hml import ComponentConfig
from hml.testing.suite import NotApplicable

MOST_BYTES = 200_000_000
EVERY = 16  # bytes of a binary file: the lowest bit of one in so many is turned


@dataclass(frozen=True)
class Copy:
    """The files and folders of a config, copied: field → path."""

    fields: dict[str, Path]

    def files(self, most: int) -> list[Path]:
        """Some of the files, from the first to the last by name."""
        found = sorted(file for path in self.fields.values() for file in within(path))
        step = max(1, -(-len(found) // most))
        return found[::step]


def copy_places(config: ComponentConfig, to: Path) -> Copy:
    """Copies of what the config's fields name; NotApplicable if they name nothing, or too much."""
    places = {name: value for name in type(config).model_fields if isinstance(value := getattr(config, name), Path)}
    places = {name: path for name, path in places.items() if path.exists()}
    if not places:
        raise NotApplicable("no field of the config names a file or folder that is there")
    size = sum(file.stat().st_size for path in places.values() for file in within(path))
    if size > MOST_BYTES:
        raise NotApplicable(f"the config names {size / 1e6:,.0f} MB of files, too much to copy; configure fewer")
    shutil.rmtree(to, ignore_errors=True)
    copies = {}
    for name, path in places.items():
        copies[name] = to / name / path.name
        copies[name].parent.mkdir(parents=True)
        (shutil.copytree if path.is_dir() else shutil.copy2)(path, copies[name])
    return Copy(copies)


def within(path: Path) -> list[Path]:
    """A file itself, or all files of a folder."""
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())


@contextmanager
def replaced(file: Path, content: bytes) -> Iterator[None]:
    """The file with other content, and afterwards as it was."""
    before, status = file.read_bytes(), file.stat()
    file.write_bytes(content)
    try:
        yield
    finally:
        file.write_bytes(before)
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def alter(content: bytes) -> bytes:
    """Other numbers in the same form: of text, the last digit of every line; of other files, low bits in their second
    half."""
    if is_text(content):
        return re.sub(rb"\d(?=\D*$)", lambda digit: b"%d" % (int(digit[0]) ^ 1), content, flags=re.MULTILINE)
    altered = bytearray(content)
    for i in range(len(altered) // 2, len(altered), EVERY):
        altered[i] ^= 1
    return bytes(altered)


def is_text(content: bytes) -> bool:
    """Whether this is ASCII with lines."""
    return content.isascii() and b"\0" not in content and b"\n" in content
