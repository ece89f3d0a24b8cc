"""A web server on loopback that serves a folder and misbehaves on request, for tests of downloads."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Loopback:
    """The server's behaviour, to be changed at any time, and the log of what it was asked."""

    root: Path
    ranges: bool = True  # answer Range with 206; else with the whole file
    validators: bool = True  # send ETag and Last-Modified
    if_range: bool = True  # heed If-Range
    url: str = ""
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # (path, Range)
    sent: int = 0  # bytes of bodies
    cuts: dict[str, list[int]] = field(default_factory=dict)  # name → cut its next bodies after so many bytes
    hold: threading.Event | None = None  # after a cut say nothing, and hold the line until this is set
    drip: float = 0.0  # s between two bytes that are sent meanwhile all the same; 0: none are
    answers: dict[str, list[tuple[int, bytes]]] = field(default_factory=dict)  # name → (status, body) instead, in turn
    before: Callable[[str, str | None], None] = lambda path, asked: None  # called before each answer

    def asked(self, name: str) -> list[str | None]:
        """The Range headers of all requests for files whose path ends so."""
        return [asked for path, asked in self.requests if path.endswith(name)]


@contextmanager
def serve(root: Path, **behaviour: object) -> Iterator[Loopback]:
    """`with serve(folder) as server: … server.url`."""
    state = Loopback(root, **behaviour)  # type: ignore[arg-type]
    handler = type("Handler", (_Handler,), {"state": state})
    with _Server(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        state.url = f"http://127.0.0.1:{server.server_address[1]}/"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


def dead_url() -> str:
    """An address where nobody listens."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        return f"http://127.0.0.1:{server.server_address[1]}/"


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed is no error of the server."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    state: Loopback
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.state.requests.append((self.path, asked))
        self.state.before(self.path, asked)
        name = Path(self.path).name
        if self.state.answers.get(name):
            status, body = self.state.answers[name].pop(0)
            self._send(status, body, {"Content-Type": "text/html"})
            return
        file = self.state.root / self.path.lstrip("/")
        if not file.is_file():
            self._send(404, b"<html>no such file</html>", {"Content-Type": "text/html"})
            return
        self._send_file(file, asked)

    def _send_file(self, file: Path, asked: str | None) -> None:
        body, status = file.read_bytes(), file.stat()
        headers = {}
        if self.state.validators:
            headers = {"ETag": f'"{status.st_size:x}-{status.st_mtime_ns:x}"',
                       "Last-Modified": formatdate(status.st_mtime, usegmt=True)}
        condition = self.headers.get("If-Range") if self.state.if_range else None
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", asked or "")
        if not (self.state.ranges and wanted and (condition is None or condition in headers.values())):
            self._send(200, body, headers)
            return
        first, last = int(wanted[1]), min(int(wanted[2] or len(body)), len(body) - 1)
        if first >= len(body):
            self._send(416, b"", {"Content-Range": f"bytes */{len(body)}"})
            return
        headers["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
        self._send(206, body[first : last + 1], headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        name = Path(self.path).name
        cut = self.state.cuts[name].pop(0) if self.state.cuts.get(name) and status in (200, 206) else None
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        try:
            self.wfile.write(body if cut is None else body[:cut])
            if cut is not None and self.state.hold is not None:
                self.wfile.flush()
                rest = iter(body[cut:])
                while not self.state.hold.wait(self.state.drip or 60) and self.state.drip:
                    self.wfile.write(bytes([next(rest, 0)]))
                    self.wfile.flush()
        except OSError:  # the client has left
            self.close_connection = True
        self.state.sent += len(body[:cut])
        self.close_connection = self.close_connection or (cut is not None and cut < len(body))

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""
