"""Which format a line list has is seen from its first rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from hml.core.errors import LineListError
from hml.core.linelist import moog, vald
from hml.core.linelist.values import LineList, Medium

LARGEST = 2**28  # bytes of a file
LONGEST = 2**12  # characters of a row


def read_line_list(path: Path, medium: Medium | None = None) -> LineList:
    """The lines of a file of MOOG, VALD or ECSV, in vacuum. `medium` overrules what the file says of its wavelengths;
    where it says nothing, MOOG's are in air and those of ECSV in vacuum. LineListError names file, line and what was
    expected."""
    head = _head(path)
    if head[0].startswith("# %ECSV"):
        from hml.core.linelist import ecsv

        return LineList.of(ecsv.parse(path), medium, "vacuum")
    parse = vald.parse if vald.is_vald(head) else moog.parse
    return LineList.of(parse(path, _rows(path)), medium, "air")


def _head(path: Path) -> list[str]:
    """The first rows."""
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise LineListError(f"{path}: has {size / 1e6:,.0f} MB; a line list may have {LARGEST / 1e6:,.0f} MB")
        with path.open("rb") as file:
            start = file.read(LONGEST)
        if start.startswith(b"\x1f\x8b"):  # as VALD sends them
            raise LineListError(f"{path}: is compressed; unpack it first (gunzip)")
        binary = b"\0" in start
        head = [] if binary else [text for _, text in islice(_rows(path), 20)]
    except OSError as error:
        raise LineListError(f"{path}: cannot be read ({error.strerror or error})") from None
    if not any(text.strip() for text in head):
        raise LineListError(f"{path}: is not a text file with lines; expected MOOG, VALD or ECSV")
    return head


def _rows(path: Path) -> Iterator[tuple[int, str]]:
    """Rows of text, counted from 1. What is no UTF-8 (names in references) is replaced."""
    with path.open(encoding="utf-8", errors="replace") as file:
        number = 0
        while text := file.readline(LONGEST + 1):
            number += 1
            if len(text) > LONGEST:
                raise LineListError(f"{path}: line {number}: is longer than {LONGEST:,} characters, as in no line list")
            yield number, text.rstrip("\n")
