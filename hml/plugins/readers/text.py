"""Text tables: ECSV with its units, CSV, and columns of numbers with or without a heading."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

from astropy.table import Table

from hml import Reader, Spectrum, SpectrumError, read_ecsv
from hml.plugins.readers import TableConfig
from hml.plugins.readers.columns import Columns, looks_right

ENDINGS = (".csv", ".ecsv", ".tsv", ".txt", ".dat")
LARGEST = 200_000_000  # bytes
WIDEST = 1000  # columns
LONGEST = 2**20  # characters of a row that is looked at
POSITIONS = ("wavelength", "flux", "error")


class TextReader(Reader):
    """CSV, ECSV, TSV and whitespace-separated columns."""

    def __init__(self, config: TableConfig) -> None:
        self.config = config

    def sniff(self, path: Path) -> bool:
        try:
            return path.suffix.lower() in ENDINGS and bool(_head(path))
        except (OSError, UnicodeDecodeError):
            return False

    def read(self, path: Path) -> list[Spectrum]:
        try:
            table = _table(path)
        except OSError as error:
            raise SpectrumError(f"{path}: cannot be read ({error.strerror or error})") from None
        except UnicodeDecodeError:
            raise SpectrumError(f"{path}: is not text; choose another spectrum.reader") from None
        except SpectrumError:
            raise
        # astropy raises what it meets in a broken file: index, type, YAML errors of many modules
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise SpectrumError(f"{path}: is not a table that can be read ({reason})") from None
        units = {name: str(table[name].unit) for name in table.colnames if table[name].unit is not None}
        return Columns(path, {name: table[name] for name in table.colnames}, units, table.meta).spectra(self.config)


def heading(path: Path) -> list[str]:
    """The first row that is no comment, cell by cell; empty where there is none."""
    first = next((line for line in _head(path) if not line.startswith("#")), "")
    return [cell.strip() for cell in first.split(_delimiter(first))]


def _delimiter(line: str) -> str | None:
    return next((sign for sign in (",", ";", "\t") if sign in line), None)


def _head(path: Path) -> list[str]:
    """The first lines with something on them."""
    with path.open(encoding="utf-8") as file:
        lines = [file.readline(LONGEST) for _ in range(200)]
    return [line.strip() for line in lines if line.strip()]


def _table(path: Path) -> Table:
    if path.stat().st_size > LARGEST:
        raise SpectrumError(f"{path}: has {path.stat().st_size / 1e6:,.0f} MB; {LARGEST / 1e6:,.0f} MB are the most")
    head = _head(path)
    if head and head[0].startswith("# %ECSV"):
        return read_ecsv(path)
    lines = [line for line in head if not line.startswith("#")]
    if not lines:
        raise SpectrumError(f"{path}: holds no table")
    delimiter = _delimiter(lines[0])
    if len(lines[0].split(delimiter)) > WIDEST:
        raise SpectrumError(f"{path}: its first row has more than {WIDEST:,} columns, as no table of a spectrum")
    if not all(_is_number(cell) for cell in lines[0].split(delimiter)):
        return Table.read(path, format="ascii.basic", delimiter=delimiter or r"\s", guess=False)
    table = Table.read(path, format="ascii.no_header", delimiter=delimiter or r"\s", guess=False)
    table.rename_columns(table.colnames, _names(head, delimiter, len(table.colnames)))
    return table


def _names(head: list[str], delimiter: str | None, count: int) -> list[str]:
    """Names of columns without a heading: the last comment before them if that names them, else the usual order."""
    comments = list(takewhile(lambda line: line.startswith("#"), head))
    named = [cell.strip() for cell in comments[-1].lstrip("# ").split(delimiter)] if comments else []
    if len(named) == count == len(set(named)) and looks_right(named):
        return named
    return [POSITIONS[i] if i < len(POSITIONS) else f"column {i + 1}" for i in range(count)]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return not cell.strip()
    return True
