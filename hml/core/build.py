"""From a grid to a generator: fit its nodes, then carry the numbers between them. All of it cached."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from hml.core.compat import check_nodes, check_sharpness
from hml.core.continuum import bands_of
from hml.core.errors import ArtefactError
from hml.core.fitting import line_table
from hml.core.generator import Generator, build_generator, with_residual
from hml.core.left_out import error
from hml.core.lines import Table
from hml.core.missed import residual
from hml.core.parts import Parts, Plan
from hml.core.pseudo import PseudoContinuum
from hml.core.shelf import Shelf
from hml.core.space import Floats
from hml.core.store import verify

log = logging.getLogger(__name__)


def obtain_generator(parts: Parts, plan: Plan) -> Generator:
    """The generator of this config: found if it was built before, else built (what is missing of it) and stored."""
    shelf = Shelf.of(parts, plan)
    found = _stored(shelf, parts.context.device)
    if found is not None:
        return found
    with shelf.alone():
        found = _stored(shelf, parts.context.device)  # another run may have made it while this one waited
        return _made(parts, plan, shelf) if found is None else found


def _stored(shelf: Shelf, device: str) -> Generator | None:
    """A damaged generator counts as absent."""
    try:
        if not shelf.generator.exists():
            return None
        verify(shelf.generator)
        return Generator.load(shelf.generator, device)
    except ArtefactError as error:
        log.warning("stored generator not used, it is made again: %s", error)
        return None


def _made(parts: Parts, plan: Plan, shelf: Shelf) -> Generator:
    check_nodes(parts.config, plan.space, plan.used)
    sample = parts.prepared(plan.used[0])
    check_sharpness(parts.config, sample, parts.grid.resolving_power)
    lines, cloned = line_table(parts, plan, shelf)
    header = {
        "grid": {"fingerprint": parts.grid.fingerprint(), **parts.config.grid.to_data()},
        "unit": sample.unit,
        "resolving_power": parts.grid.resolving_power,
        "continuum_bands": bands_of(sample),
        "continuum_error": max(c.error for c in cloned),
        "key": shelf.key,
        "nodes": lines.table.nodes.tolist(),
        "counts": [c.clone.meta["found"] for c in cloned],
        "clone_rms": [c.clone.rms for c in cloned],
    }
    tables = {"continuum": _column(lines.table, [c.continuum for c in cloned], "ln_continuum")}
    spacing = parts.config.clone.continuum
    if spacing and cloned[0].clone.bends.size:  # imported clones have none
        tables["bends"] = _column(lines.table, [c.clone.bends for c in cloned], "ln_bend")
        header["bends_knots"] = asdict(PseudoContinuum.of(sample.wavelength, spacing))
    generator = build_generator(
        lines, tables, parts.profile, parts.config, header, sample.wavelength, sample.starts, parts.context
    )
    generator = _completed(parts, shelf.folder, generator, {"lines": lines.table, **tables})
    generator.save(shelf.generator)
    return generator


def _column(like: Table, rows: Sequence[Floats], name: str) -> Table:
    """A table of numbers `[C]` at every node."""
    return replace(like, values=np.stack(rows)[..., None], names=(name,))


def _completed(parts: Parts, folder: Path, generator: Generator, tables: dict[str, Table]) -> Generator:
    """With the residual, and then with its own error, as far as they are wished."""
    config = parts.config.generator
    if config.kept:
        shapes, strengths, left = residual(parts, folder, generator, tables["lines"])
        if len(shapes):
            tables["residual"] = strengths
            generator = with_residual(generator, shapes, strengths, parts.config, parts.context)
        if not config.lines:
            generator = generator.changed({}, header={**generator.header, "clone_rms": left})
    if config.error and parts.config.associate.method != "paper":  # whose table has numbers that mean nothing
        arrays, left_out = error(parts, folder, generator, tables)
        generator = generator.changed(arrays, header={**generator.header, "left_out": left_out})
    return generator
