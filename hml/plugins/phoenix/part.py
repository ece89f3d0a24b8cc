"""The unfinished file beside its target.

A part is continued only while the server's file is the same one (RFC 9110: strong ETag or Last-Modified in If-Range,
and the total length), which a small note beside the part remembers.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Version:
    """One state of a remote file."""

    etag: str = ""
    modified: str = ""
    total: int = 0  # bytes, 0 if unknown

    @property
    def tag(self) -> str:
        """What If-Range may carry; "" if nothing is certain enough."""
        return self.modified if not self.etag or self.etag.startswith("W/") else self.etag

    def may_be(self, other: Version) -> bool:
        """Whether nothing that both tell is different (a partial answer need not repeat everything)."""
        pairs = ((self.etag, other.etag), (self.modified, other.modified))
        return self.total == other.total and all(a == b for a, b in pairs if a and b)


@dataclass(frozen=True)
class Note:
    """What a part is a part of."""

    url: str
    version: Version
    what: str = "whole"


@dataclass(frozen=True)
class Part:
    """The unfinished file beside `target`."""

    target: Path

    @property
    def path(self) -> Path:
        return self.target.with_name(self.target.name + ".part")

    @property
    def _note(self) -> Path:
        return self.target.with_name(self.target.name + ".part.json")

    def note(self) -> Note | None:
        """What is here already; None if nothing usable is."""
        try:
            data = json.loads(self._note.read_text())
            note = Note(data["url"], Version(**data["version"]), data["what"])
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return note if self.path.is_file() and note.version.tag else None

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def begin(self, note: Note, data: bytes = b"") -> None:
        """Start anew, with `data`."""
        self.discard()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._note.write_text(json.dumps(asdict(note)))
        self.path.write_bytes(data)

    def discard(self) -> None:
        self._note.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def append(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)

    def publish(self) -> None:
        """Move the finished file to its place."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self._note.unlink(missing_ok=True)  # first: a note alone would stay
        self.path.replace(self.target)
