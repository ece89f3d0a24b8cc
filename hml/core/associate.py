"""Lines of different nodes become tracks: one line followed across the grid, a row of the line table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hml.core.lines import Clone, LineTable, Table
from hml.core.space import Floats, Space

SENTINEL = -1000.0  # the paper's filling of all four parameters where a line is missing
PAPER_CUT = -100.0  # the paper renders lines with ln a above this
BIN, BLUR = 0.05, 0.1  # line widths: of the pile of all lines, and how far it is smoothed
APART = 0.3  # line widths: no two tracks are nearer
ENOUGH = 0.1  # opacity: a line deeper than this counts no more than one that has it


def pile(centres: Sequence[Floats], peaks: Sequence[Floats], width: float) -> Floats:
    """Where the lines of all nodes pile up: the wavelengths `[L]` of tracks, sorted.

    A line keeps its wavelength from node to node, but for its blends; so tracks are the maxima of the sum of all nodes'
    lines, each as high as its central opacity and a small part of a line's width wide. A failed detection at some node
    only makes the pile a little lower.
    """
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import find_peaks

    place = np.log(np.concatenate([*centres, np.zeros(0)])) / (BIN * width)
    if len(place) == 0:
        return np.zeros(0)
    first = np.floor(place.min()) - 5
    weight = np.minimum(np.concatenate(list(peaks)), ENOUGH)
    heap = np.bincount((place - first).round().astype(np.int64), weight, int(place.max() - first) + 7)
    top, _ = find_peaks(gaussian_filter1d(heap, BLUR / BIN, mode="constant"), distance=max(1, round(APART / BIN)))
    return np.asarray(np.exp((top + first) * BIN * width))


def identical(space: Space, nodes: Floats, clones: Sequence[Clone]) -> LineTable:
    """The paper's line table of clones at `nodes` `[M, P]`: lines of identical centres before the fit are one track;
    sentinels fill it where one is missing."""
    found, track = np.unique(np.concatenate([c.found for c in clones]), return_inverse=True)
    values = np.full((len(clones), len(found), 1 + len(clones[0].names)), SENTINEL)
    rows = np.split(track, np.cumsum([len(c) for c in clones])[:-1])
    for m, (row, clone) in enumerate(zip(rows, clones, strict=True)):
        values[m, row] = np.concatenate([(clone.centre - found[row])[:, None], clone.params], -1)
    present = values[..., 1] != SENTINEL
    values[..., 0] -= np.where(present, 0.0, found)
    return LineTable(found, Table(space, nodes, values, ("shift", *clones[0].names)), present, PAPER_CUT)
