"""What the nodes around tell of each node, where nodes lie on no common lines along the axes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations_with_replacement

import numpy as np

from hml.core.coordinates import Told
from hml.core.space import Floats

AHEAD = 1.0  # of the sum of squared weights: nodes that weigh more are on one side only, and tell nothing
EXACT = 1e-6  # of the polynomials


def in_steps(nodes: Floats) -> Floats:
    """Nodes `[M, P]` in steps along each label: as many as it has values, or as a grid of so many nodes with axes alike
    would have."""
    sizes = np.array([len(np.unique(column)) for column in nodes.T])
    count = np.minimum(sizes - 1.0, len(nodes) ** (1 / max(1, int((sizes > 1).sum()))))
    width = np.ptp(nodes, axis=0)
    return np.asarray((nodes - nodes.min(0)) / np.where(width > 0, width, 1.0) * count)


def told_around(nodes: Floats) -> Iterator[Told]:
    """What the nearest nodes tell of each of nodes `[M, P]`: a mean of theirs that is exact for polynomials of second
    degree, in which nearer ones count more. Of nodes at the edge, and where there are too few, nothing is told."""
    from scipy.spatial import cKDTree

    places = in_steps(nodes)
    places = places[:, np.ptp(places, axis=0) > 0]
    terms = 1 + places.shape[1] * (places.shape[1] + 3) // 2
    if not terms < len(nodes):
        return
    tree = cKDTree(places)
    for m, place in enumerate(places):
        _, near = tree.query(place, k=min(2 * terms + 1, len(nodes)))
        others = near[near != m]
        weights = _weights(places[others] - place)
        if weights is not None:
            yield m, others.astype(np.int64), weights


def _weights(away: Floats) -> Floats | None:
    """Of values at places `[K, P]` away from the one that is told."""
    columns = [np.ones(len(away)), *away.T]
    columns += [away[:, p] * away[:, q] for p, q in combinations_with_replacement(range(away.shape[1]), 2)]
    design, size = np.stack(columns), np.linalg.norm(away, axis=1) ** -3
    wanted = np.append(1.0, np.zeros(len(design) - 1))
    weights: Floats = size * np.linalg.lstsq(design * size, wanted)[0]
    known = np.abs(design @ weights - wanted).max() < EXACT and weights @ weights < AHEAD
    return weights if known else None
