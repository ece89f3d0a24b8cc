"""Which reader knows a file."""

from __future__ import annotations

from pathlib import Path

from hml.core.components import BuildContext
from hml.core.config import Chosen
from hml.core.errors import SpectrumError
from hml.core.interfaces import Reader
from hml.core.registry import installed
from hml.core.spectrum import Spectrum


def read_orders(path: Path, chosen: Chosen | None, context: BuildContext) -> tuple[str, list[Spectrum]]:
    """The name of the reader, and what it reads. SpectrumError where there is no file, or nobody knows it."""
    if not path.is_file():
        raise SpectrumError(f"{path}: there is no such file")
    name, reader = (chosen.name, chosen.build(context)) if chosen else find_reader(path, context)
    orders = reader.read(path)
    if not orders:
        raise SpectrumError(f"{path}: holds no spectrum")
    return name, orders


def find_reader(path: Path, context: BuildContext) -> tuple[str, Reader]:
    """Name and reader of a file: readers of one instrument are asked first, then those that name this file's ending,
    those that read many kinds last."""
    components = [entry.component for entry in installed().family("readers")]
    suffix = path.suffix.lower()
    components.sort(
        key=lambda c: (not c.traits.get("instrument"), suffix not in c.traits.get("suffixes", ()), c.name)
    )
    for component in components:
        reader: Reader = component.build(component.config(), context)
        if reader.sniff(path):
            return component.name, reader
    known = ", ".join(sorted(component.name for component in components))
    raise SpectrumError(f"{path}: no reader knows this file ({known}); name one with --set spectrum.reader=NAME")
