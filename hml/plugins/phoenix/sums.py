"""SHA256SUMS: what the files below a folder must hold, in the format of the command sha256sum.

A file that was fetched is recorded before it takes its place, in two lines that are the same, so that damage to the
list is seen too. Whoever has a list from elsewhere puts it there; what is fetched and read is held against it.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hml import GridError

log = logging.getLogger(__name__)

NAME = "SHA256SUMS"
LARGEST = 50_000_000  # bytes of a list

_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)", re.ASCII)
_WRITING = threading.Lock()


class DamagedError(GridError):
    """A file that is not what was recorded of it."""


@dataclass(frozen=True)
class Sums:
    """The digests of files below a folder, as far as they are recorded."""

    root: Path
    known: dict[str, str]  # path below the root → sha256
    doubtful: frozenset[str] = frozenset()  # paths of which the list says two things

    @classmethod
    def of(cls, root: Path) -> Sums:
        """Lines that say nothing (the last one of a process that was killed) are passed over."""
        path = root / NAME
        if not path.is_file() or path.stat().st_size > LARGEST:
            return cls(root, {})
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        pairs = [(found[2], found[1]) for found in map(_LINE.fullmatch, lines) if found]
        known = dict(pairs)
        return cls(root, known, frozenset(name for name, told in pairs if known[name] != told))

    def settled(self, files: Iterable[Path]) -> Sums:
        """The list with a word for each of these files, which lie where they belong: what a damaged list does not tell,
        or tells in two ways, is taken from the files. It is put right on disk where that is possible."""
        unknown = [path for path in files if self.get(path) is None or self._name(path) in self.doubtful]
        if not unknown:
            return self
        log.warning("%s: says nothing, or two things, of %d files, such as %s; it is written anew", self.root / NAME,
                    len(unknown), unknown[0].name)  # fmt: skip
        made = Sums(self.root, self.known | {self._name(path): sha256(path) for path in unknown})
        part = self.root / f"{NAME}.part"
        with suppress(OSError):
            part.write_text("".join(2 * f"{told}  {name}\n" for name, told in sorted(made.known.items())))
            part.replace(self.root / NAME)
        return made

    def get(self, path: Path) -> str | None:
        """What is recorded of a file, if anything is."""
        return self.known.get(self._name(path))

    def check(self, path: Path) -> None:
        """DamagedError if the file is not what was recorded."""
        recorded = self.get(path)
        if recorded is not None and sha256(path) != recorded:
            raise DamagedError(f"{path}: is damaged: it does not have the sha256 that {self.root / NAME} records")

    def record(self, path: Path, file: Path) -> None:
        """That `path` will be `file`; GridError if another content is recorded of it."""
        found, recorded = sha256(file), self.get(path)
        if recorded is None:
            _append(self.root / NAME, 2 * f"{found}  {self._name(path)}\n")
            self.known[self._name(path)] = found
        elif found != recorded:
            raise GridError(
                f"{path.name}: what was sent is not what {self.root / NAME} records; if the server has a new version, "
                "remove the line of the old one there"
            )

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else ""


def sha256(path: Path) -> str:
    """Of the content of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _append(path: Path, line: str) -> None:
    with _WRITING, path.open("ab+") as file:
        if file.tell():
            file.seek(-1, 2)
            line = line if file.read(1) == b"\n" else f"\n{line}"
        file.write(line.encode())
