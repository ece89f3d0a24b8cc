"""HTTP: one file, whole or in ranges, into a part (`part.py`); a later try goes on where this one stopped."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from typing import TypeVar

import httpx

from hml.plugins.phoenix.part import Note, Part, Version

T = TypeVar("T")
Reach = Callable[[int], None]
"""Hears the position reached in a file, in bytes."""

SLOWEST = 100.0  # bytes per second; a server that sends fewer counts as silent

_ABSENT = (404, 410)
_BUSY = (408, 425, 429, 500, 502, 503, 504)


class TransferError(Exception):
    """A try did not work; `retry` tells whether another may."""

    def __init__(self, reason: str, *, retry: bool = False, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.retry = retry
        self.wait = wait  # least seconds before it


class AbsentError(TransferError):
    """The server answers and does not have the file."""


class ChangedError(TransferError):
    """The file there is another one now."""


class UnreachableError(TransferError):
    """The server does not answer."""


class StoppedError(Exception):
    """Somebody asked all transfers to end."""


@dataclass(frozen=True)
class Web:
    """A client with patience."""

    client: httpx.Client
    retries: int
    stop: Event

    def persist(self, action: Callable[[], T]) -> T:
        """`action()`, again after failures that may pass."""
        for tried in range(self.retries + 1):
            self.check()
            try:
                return action()
            except TransferError as error:
                if not error.retry or tried == self.retries:
                    raise
                self.stop.wait(max(error.wait, min(0.25 * 2**tried, 20.0)))
        raise AssertionError("unreachable")

    def check(self) -> None:
        if self.stop.is_set():
            raise StoppedError

    @contextmanager
    def get(self, url: str, begin: int = 0, end: int | None = None, tag: str = "") -> Iterator[httpx.Response]:
        """The response, 200 or 206, to a request for bytes [begin, end) if the file is still that of `tag`."""
        headers = {"Accept-Encoding": "identity"}  # a range of a compressed file is of no use
        if begin or end is not None:
            headers["Range"] = f"bytes={begin}-{'' if end is None else end - 1}"
            headers |= {"If-Range": tag} if tag else {}
        try:
            with self.client.stream("GET", url, headers=headers) as response:
                _check_status(response)
                yield response
        except (httpx.ConnectError, httpx.TimeoutException, httpx.ProxyError) as error:
            raise UnreachableError(_words(error), retry=True) from None
        except httpx.TransportError as error:
            raise TransferError(_words(error), retry=True) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise TransferError(_words(error)) from None

    def chunks(self, response: httpx.Response) -> Iterator[bytes]:
        """The body, piece by piece; UnreachableError where hardly anything comes for as long as silence is borne."""
        patience = self.client.timeout.read or math.inf
        since, got = time.monotonic(), 0
        for chunk in response.iter_bytes():
            self.check()
            yield chunk
            got, passed = got + len(chunk), time.monotonic() - since
            if passed > patience:
                if got < SLOWEST * passed:
                    raise UnreachableError(f"timed out: sends {got} bytes in {passed:.0f} s", retry=True)
                since, got = time.monotonic(), 0

    def save(self, response: httpx.Response, part: Part, limit: int, reach: Reach) -> None:
        """Append the body to the part, which may grow to `limit` bytes; `reach` hears its size."""
        size = part.size
        with part.path.open("ab") as file:
            for chunk in self.chunks(response):
                size += len(chunk)
                if size > limit:
                    raise TransferError(f"sends more than the {limit} bytes expected")
                file.write(chunk)
                reach(size)

    def whole(self, url: str, part: Part, limit: int, reach: Reach) -> None:
        """The whole file into the part, continued where the part allows it."""
        note, have = part.note(), part.size
        if note is None or (note.url, note.what) != (url, "whole") or not 0 < have <= note.version.total:
            with self.get(url) as response:
                self.body(url, response, part, limit, reach)
        elif have < note.version.total:
            self._go_on(note, have, part, limit, reach)

    def _go_on(self, note: Note, have: int, part: Part, limit: int, reach: Reach) -> None:
        try:
            with self.get(note.url, have, None, note.version.tag) as response:
                if response.status_code == 200:  # no ranges here, or another file now
                    self.body(note.url, response, part, limit, reach)
                    return
                require_range(response, have, note.version)
                self.save(response, part, limit, reach)
        except ChangedError:
            part.discard()
            raise
        _require_size(part, note.version)

    def body(self, url: str, response: httpx.Response, part: Part, limit: int, reach: Reach) -> None:
        """The whole file from a response that already brings it."""
        version = version_of(response)
        if response.status_code != 200:
            raise TransferError(f"answers {response.status_code} to a plain request")
        if version.total > limit:
            raise TransferError(f"the file has {version.total} bytes, more than the {limit} that can be right")
        part.begin(Note(url, version))
        self.save(response, part, limit, reach)
        _require_size(part, version)

    def range(self, url: str, begin: int, end: int, version: Version) -> bytes:
        """Bytes [begin, end), fewer where the file ends before, of the file's state `version`."""
        with self.get(url, begin, end, version.tag) as response:
            require_range(response, begin, version)
            return self.read(response, end - begin)

    def read(self, response: httpx.Response, limit: int) -> bytes:
        """The body, of `limit` bytes at most."""
        data = bytearray()
        for chunk in self.chunks(response):
            data += chunk
            if len(data) > limit:
                raise TransferError(f"sends more than the {limit} bytes asked for")
        return bytes(data)


def require_range(response: httpx.Response, begin: int, version: Version) -> None:
    """TransferError unless the answer is a range from `begin` of that very file."""
    if response.status_code != 206 or not version_of(response).may_be(version):
        raise ChangedError("the file changed while it was read", retry=True)
    if (first := answer_range(response)[0]) != begin:
        raise TransferError(f"answers with bytes from {first}, asked for {begin}")


def _require_size(part: Part, version: Version) -> None:
    if version.total and part.size != version.total:
        raise TransferError(f"sent {part.size} of {version.total} bytes", retry=True)


def version_of(response: httpx.Response) -> Version:
    """The state of the file that a response comes from."""
    head = response.headers
    total = answer_range(response)[2] if response.status_code == 206 else _length(head.get("content-length", ""))
    return Version(head.get("etag", ""), head.get("last-modified", ""), total)


def answer_range(response: httpx.Response) -> tuple[int, int, int]:
    """(first, last, total) of a partial response."""
    text = response.headers.get("content-range", "")
    match = re.fullmatch(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})", text.strip(), re.ASCII)
    if match is None:
        raise TransferError(f"answers a range request with Content-Range {text!r}")
    first, last, total = map(int, match.groups())
    if not first <= last < total:
        raise TransferError(f"answers a range request with Content-Range {text!r}")
    return first, last, total


def _check_status(response: httpx.Response) -> None:
    code = response.status_code
    if code in (200, 206):
        coding = response.headers.get("content-encoding", "identity")
        if coding != "identity":
            raise TransferError(f"sends the file in {coding} coding though asked not to")
        return
    reason = f"answers {code} {response.reason_phrase}"
    if code in _ABSENT:
        raise AbsentError(reason)
    if code == 416:  # shorter than it was
        raise ChangedError(reason, retry=True)
    wait = float(min(_length(response.headers.get("retry-after", "")), 60))
    raise TransferError(reason, retry=code in _BUSY, wait=wait)


def _length(text: str) -> int:
    return int(text) if re.fullmatch(r"\d{1,15}", text, re.ASCII) else 0


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__

