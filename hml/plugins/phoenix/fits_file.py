"""The little of FITS that PHOENIX files use, read strictly: headers come from strangers and are bounded before use.

Format: FITS Standard 4.0 (blocks of 2880 bytes, cards of 80). All errors are GridError and start with `where`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from hml import GridError
from hml.plugins.phoenix.names import Labels

BLOCK = 2880
HEADER_LIMIT = 64 * BLOCK
PIXEL_LIMIT = 50_000_000  # thirty times what the library has
FIRST = "HMLFIRST"  # cards of a file that holds the band alone
TOTAL = "HMLTOTAL"
Value = str | int | float | bool | None

_LABEL_KEYS = (  # card, label, how far they may differ
    ("PHXTEFF", "teff", 0.5), ("PHXLOGG", "logg", 0.005), ("PHXM_H", "feh", 0.005), ("PHXALPHA", "alpha", 0.005),
)  # fmt: skip
_UNITS = {"", "erg/s/cm^2/cm", "erg/s/cm2/cm", "erg/(s*cm^2*cm)", "erg/(scm3)", "erg/s/cm^3", "erg/s/cm3"}


@dataclass(frozen=True)
class Header:
    """The header of one HDU."""

    raw: bytes  # whole blocks
    cards: dict[str, Value]
    where: str

    def __len__(self) -> int:
        return len(self.raw)

    def integer(self, key: str, default: int | None = None) -> int:
        """The non-negative integer of a card (BITPIX may be negative)."""
        value = self.cards.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or (value < 0 and key != "BITPIX"):
            raise GridError(f"{self.where}: damaged FITS header, {key} is {value!r}")
        return value

    @property
    def data_bytes(self) -> int:
        """Length of the data that follow, padded to whole blocks."""
        naxis = self.integer("NAXIS")
        if naxis > 999:
            raise GridError(f"{self.where}: damaged FITS header, NAXIS is {naxis}")
        size = math.prod(self.integer(f"NAXIS{i + 1}") for i in range(naxis)) if naxis else 0
        size = self.integer("GCOUNT", 1) * (self.integer("PCOUNT", 0) + size) * abs(self.integer("BITPIX")) // 8
        return padded(size)


@dataclass(frozen=True)
class Pixels:
    """Where the pixels of a spectrum lie in its file."""

    start: int  # byte of the first pixel that the file holds
    first: int  # its index in the whole spectrum
    stop: int  # index after the last one
    total: int  # pixels of the whole spectrum

    def bytes_of(self, first: int, stop: int) -> tuple[int, int]:
        """Byte range [begin, end) of pixels [first, stop)."""
        return self.start + 4 * (first - self.first), self.start + 4 * (stop - self.first)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """GridError where the system refuses to read."""
    try:
        yield
    except OSError as error:
        raise GridError(f"{error.filename or path}: cannot be read ({error.strerror or error})") from None


def padded(size: int) -> int:
    """`size` rounded up to whole blocks."""
    return -(-size // BLOCK) * BLOCK


def header_length(data: bytes) -> int | None:
    """Length of the header that `data` begins with, or None while its END has not come."""
    for block in range(0, len(data) - BLOCK + 1, BLOCK):
        for card in range(block, block + BLOCK, 80):
            if data[card : card + 8] == b"END     ":
                return block + BLOCK
    return None


def parse_header(data: bytes, where: str) -> Header:
    """The header at the start of `data`, which may go on behind it."""
    if not data.startswith((b"SIMPLE  =", b"XTENSION=")):
        raise GridError(f"{where}: is not FITS, it begins with {data[:40].decode('ascii', 'replace')!r}")
    length = header_length(data[:HEADER_LIMIT])
    if length is None:
        raise GridError(f"{where}: damaged FITS header, no END card in its first {len(data[:HEADER_LIMIT])} bytes")
    raw = data[:length]
    cards: dict[str, Value] = {}
    for i in range(0, length, 80):
        card = raw[i : i + 80].decode("ascii", "replace")
        if card[8:10] == "= ":
            cards.setdefault(card[:8].rstrip(), _value(card[10:]))
    return Header(raw, cards, where)


def read_header(file: BinaryIO, where: str) -> Header:
    """The header at the file's position; leaves the position behind it."""
    data = b""
    while len(data) < HEADER_LIMIT and header_length(data[-BLOCK:]) is None:
        block = file.read(BLOCK)
        if len(block) < BLOCK:
            break
        data += block
        if len(data) == BLOCK and not data.startswith((b"SIMPLE  =", b"XTENSION=")):
            break
    if not data:
        raise GridError(f"{where}: is cut off, no whole FITS header of {BLOCK} bytes where one is due")
    return parse_header(data, where)


def check_vector(header: Header, bitpix: int) -> int:
    """The number of pixels, if the header describes one row of `bitpix` numbers."""
    for key, expected in (("BITPIX", bitpix), ("NAXIS", 1)):
        if header.integer(key) != expected:
            raise GridError(f"{header.where}: expected {key} = {expected}, found {header.integer(key)}")
    pixels = header.integer("NAXIS1")
    if not 2 <= pixels <= PIXEL_LIMIT:
        raise GridError(f"{header.where}: {pixels} pixels cannot be right")
    return pixels


def locate(header: Header, labels: Labels, total: int) -> Pixels:
    """Where the flux lies behind this header, once it is that of `labels` with `total` pixels, as the wavelength
    file has."""
    pixels = check_vector(header, -32)
    first, whole = header.integer(FIRST, 0), header.integer(TOTAL, pixels)
    if whole != total:
        raise GridError(f"{header.where}: belongs to {whole} wavelengths, the wavelength file has {total}")
    if first + pixels > total:
        raise GridError(f"{header.where}: damaged header, pixels {first} to {first + pixels} of {total}")
    for key, name, slack in _LABEL_KEYS:
        found = header.cards.get(key)
        number = math.nan if isinstance(found, bool | str | None) else found
        if not abs(number - getattr(labels, name)) <= slack:  # a NaN is refused
            raise GridError(f"{header.where}: header says {key} = {found}, the name says {getattr(labels, name):g}")
    unit = str(header.cards.get("BUNIT") or "").replace(" ", "").replace("**", "^")
    if unit not in _UNITS:
        raise GridError(f"{header.where}: flux is in {unit!r}, expected erg/s/cm^2/cm")
    return Pixels(len(header), first, first + pixels, total)


def check_whole(path: Path, where: str) -> Header:
    """The first header of a file whose HDUs end exactly where it does."""
    size = path.stat().st_size
    with path.open("rb") as file:
        first = header = read_header(file, where)
        while (end := file.tell() + header.data_bytes) < size:
            file.seek(end)
            header = read_header(file, where)
    if end > size:
        raise GridError(f"{where}: is cut off, {size} of {end} bytes")
    return first


def band_header(header: Header, first: int, stop: int, total: int) -> bytes:
    """Header blocks of a file that holds pixels [first, stop) alone: the original cards, NAXIS1 and two of our own."""
    cards = [header.raw[i : i + 80] for i in range(0, len(header), 80)]
    cards = cards[: [card[:8] for card in cards].index(b"END     ")]
    at = [card[:8] for card in cards].index(b"NAXIS1  ")
    cards[at] = _card("NAXIS1", stop - first, "pixels here")
    ours = [_card(FIRST, first, "index of the first pixel in the full spectrum"), _card(TOTAL, total, "pixels of it")]
    raw = b"".join([*cards, *ours, b"END".ljust(80)])
    return raw.ljust(padded(len(raw)))


def read_flux(path: Path, labels: Labels, first: int, stop: int, total: int) -> tuple[NDArray[np.float64], Header]:
    """Flux `[stop - first]` of pixels [first, stop), and the header."""
    where = str(path)
    with path.open("rb") as file:
        header = read_header(file, where)
        pixels = locate(header, labels, total)
        if first < pixels.first or stop > pixels.stop:
            raise GridError(f"{where}: holds pixels {pixels.first} to {pixels.stop}, wanted {first} to {stop}")
        begin, end = pixels.bytes_of(first, stop)
        file.seek(begin)
        data = file.read(end - begin)
    if len(data) < end - begin:
        raise GridError(f"{where}: is cut off, {begin + len(data)} of at least {end} bytes; delete it and fetch again")
    return finite(np.frombuffer(data, ">f4").astype(np.float64), where), header


def read_wavelengths(path: Path, where: str = "") -> NDArray[np.float64]:
    """All wavelengths `[N]` of the library, vacuum Å."""
    where = where or str(path)
    header = check_whole(path, where)
    count = check_vector(header, -64)
    values = np.fromfile(path, ">f8", count, offset=len(header)).astype(np.float64)
    if not (np.diff(finite(values, where)) > 0).all() or values[0] <= 0:
        raise GridError(f"{where}: wavelengths are not increasing")
    return values


def finite(values: NDArray[np.float64], where: str) -> NDArray[np.float64]:
    """The values, if there is neither NaN nor infinity among them."""
    good = np.isfinite(values)
    if not good.all():
        raise GridError(f"{where}: pixel {int(np.argmin(good))} of those read is not finite")
    return values


def _card(key: str, value: int, comment: str) -> bytes:
    return f"{key:<8}= {value:>20d} / {comment}".ljust(80)[:80].encode("ascii")


def _value(text: str) -> Value:
    if text.lstrip().startswith("'"):
        quoted = text.lstrip()[1:].replace("''", "\0").partition("'")[0]
        return quoted.replace("\0", "'").rstrip()
    word = text.partition("/")[0].strip()
    if word in ("T", "F"):
        return word == "T"
    for kind in (int, float):
        try:
            return kind(word if kind is int else word.replace("D", "E"))
        except ValueError:
            continue
    return word or None
