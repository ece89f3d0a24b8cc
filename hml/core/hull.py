"""Which labels the nodes of a ragged grid enclose: their convex hull, and whether there are nodes all around."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hml.core.around import in_steps
from hml.core.space import Floats

SLACK = 1e-9  # of the box: rounding at the edge is forgiven
FLAT = 1e-9  # of the largest extent: nodes that spread less lie in a plane
AROUND = 3  # to the power of the number of labels: how many nodes are near, those of the cells around a node


@dataclass(frozen=True, eq=False)
class Hull:
    """The convex hull of nodes `[M, P]`, labels counted in the box that holds them all."""

    nodes: Floats

    @cached_property
    def low(self) -> Floats:
        return np.asarray(self.nodes.min(0))

    @cached_property
    def width(self) -> Floats:
        """Of the box; 1 where a label has one value."""
        width = np.ptp(self.nodes, axis=0)
        return np.where(width > 0, width, 1.0)

    @cached_property
    def faces(self) -> tuple[Floats, Floats]:
        """Normals `[F, P]` of length 1 and distances `[F]`: inside is where normal · unit ≤ distance on all of them."""
        varied = np.ptp(self.nodes, axis=0) > 0
        unit = ((self.nodes - self.low) / self.width)[:, varied]
        middle = unit.mean(0)
        _, size, turn = np.linalg.svd(unit - middle)
        rank = int((size > FLAT * np.append(size, 1.0).max()).sum())
        normal, distance = _facets((unit - middle) @ turn[:rank].T)
        flat = turn[rank:]  # nodes of a plane: nothing lies beside it
        normal = np.concatenate([normal @ turn[:rank], flat, -flat])
        every = np.zeros((len(normal), len(varied)))
        every[:, varied] = normal
        return every, np.append(distance, np.zeros(2 * len(flat))) + normal @ middle

    @property
    def cut(self) -> NDArray[np.bool_]:
        """Which faces `[F]` are not part of the box's."""
        return np.asarray(np.abs(self.faces[0]).max(1, initial=0) < 1 - SLACK)

    def inside(self, points: Floats) -> NDArray[np.bool_]:
        """Which of points `[B, P]` are."""
        return np.asarray((self._beyond(points) <= SLACK).all(1))

    def _beyond(self, points: Floats) -> Floats:
        """How far beyond each face `[B, F]`."""
        normal, distance = self.faces
        return np.asarray((points - self.low) / self.width @ normal.T - distance)

    def edge(self, point: Floats) -> float:
        """How far `[P]` is from the nearest face that is not one of the box, in parts of the box; infinite if there is
        none."""
        return float(np.min(-self._beyond(point[None])[0, self.cut], initial=np.inf))

    def nearest(self, points: Tensor) -> Tensor:
        """Points `[B, P]`, those outside moved to the nearest point of the hull; differentiable."""
        known = points.detach().cpu().numpy()
        outside = np.flatnonzero(~self.inside(known))
        if len(outside) == 0:
            return points
        low, width = (torch.as_tensor(x).to(points) for x in (self.low, self.width))
        rows = list(points.unbind(0))
        for b in outside.tolist():
            rows[b] = self._moved((rows[b] - low) / width, (known[b] - self.low) / self.width) * width + low
        return torch.stack(rows)

    def _moved(self, unit: Tensor, known: Floats) -> Tensor:
        """Onto the faces that hold the nearest point. Which they are is a problem of least distance (Lawson & Hanson
        1974, Solving Least Squares Problems, chapter 23); on them, the move is linear."""
        from scipy.optimize import nnls

        normal, distance = self.faces
        beyond = normal @ known - distance
        weight, _ = nnls(np.concatenate([-normal.T, beyond[None]]), np.append(np.zeros(len(known)), 1.0))
        on = weight > 0
        back = torch.as_tensor(np.linalg.pinv(normal[on])).to(unit)
        return unit - back @ (torch.as_tensor(normal[on]).to(unit) @ unit - torch.as_tensor(distance[on]).to(unit))

    def surrounds(self, point: Floats) -> bool:
        """Whether the nodes near a point `[P]` are on all sides of it: whether it lies in their hull."""
        from scipy.optimize import nnls

        counts = in_steps(self.nodes).max(0)
        steps = (point - self.nodes) / self.width * counts
        distance = np.linalg.norm(steps, axis=1)
        near = steps[np.argsort(distance, kind="stable")[: AROUND ** int((counts > 0).sum())]]
        weight = 1e3  # of the sum of parts, which is one
        _, missed = nnls(np.append(near, np.full((len(near), 1), weight), 1).T, np.append(np.zeros(len(point)), weight))
        return bool(missed < 1e-6)


def _facets(places: Floats) -> tuple[Floats, Floats]:
    """Of the convex hull of places `[M, R]` that span R dimensions."""
    from scipy.spatial import ConvexHull

    if places.shape[1] == 0:
        return np.zeros((0, 0)), np.zeros(0)
    if places.shape[1] == 1:
        return np.array([[1.0], [-1.0]]), np.array([places.max(), -places.min()])
    faces = ConvexHull(places).equations
    faces = faces[np.unique(faces.round(9), axis=0, return_index=True)[1]]  # a face of many corners is cut in pieces
    return faces[:, :-1], -faces[:, -1]


def hull_of(nodes: Sequence[Sequence[float]]) -> Hull | None:
    """The hull of nodes; None where it is the whole box."""
    array = np.array(nodes, dtype=np.float64)
    hull = _hull(array.tobytes(), array.shape[1])
    return hull if hull.cut.any() else None


@lru_cache(maxsize=4)
def _hull(nodes: bytes, labels: int) -> Hull:
    return Hull(cast(Floats, np.frombuffer(nodes).reshape(-1, labels)))
