"""Where in label space a picture is: the axes that it is drawn over, and the values of the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from hml.core.errors import LabelError
from hml.core.figures.canvas import valued
from hml.core.space import Floats, Space

FINER = 12  # points between two nodes of an axis, at least
MOST = 160  # points of an axis, at most
LEAST = 61
MANY = 100  # values of nodes along an axis, at most


def axes_over(space: Space, over: Sequence[str] | None, most: int) -> list[int]:
    """Which axes to draw over: those named, else the `most` with most nodes. LabelError where nothing varies."""
    if over is None:
        varying = [p for p, axis in enumerate(space.axes) if axis.width > 0]
        if not varying:
            raise LabelError("the generator has a single node: there is nothing to draw over")
        return sorted(sorted(varying, key=lambda p: -len(space.axes[p].nodes))[:most])
    if not 1 <= len(over) <= most or len(set(over)) < len(over):
        raise LabelError(f"--over {','.join(over)}: expected {'one label' if most == 1 else 'one label, or two'}")
    if flat := [name for name in over if space[name].width == 0]:
        raise LabelError(f"{flat[0]} has one value only ({space[flat[0]].lower:g}); draw over another label")
    return [space.names.index(name) for name in over]


def point(space: Space, labels: Mapping[str, float]) -> Floats:
    """Labels `[P]`: as given, else at the middle node of each axis. LabelError for what the space does not hold."""
    middle = {axis.name: axis.nodes[(len(axis.nodes) - 1) // 2] for axis in space.axes}
    return space.require(space.to_array({**middle, **labels}))


def fixed(space: Space, at: Floats, over: Sequence[int]) -> str:
    """The labels that are not drawn over, in words."""
    return ", ".join(valued(a.name, v) for p, (a, v) in enumerate(zip(space.axes, at, strict=True)) if p not in over)


def drawn(space: Space, axis: int) -> Floats:
    """The nodes' values along an axis; of scattered nodes some of them."""
    values = np.array(space.axes[axis].nodes)
    return values[:: -(-len(values) // MANY)]


def finer(space: Space, axis: int) -> Floats:
    """Values along an axis, much closer than its nodes."""
    steps = len(space.axes[axis].nodes) - 1
    count = min(MOST, max(FINER * steps, LEAST - LEAST % steps) + 1)
    return np.linspace(space.lower[axis], space.upper[axis], count)


def product(at: Floats, over: Sequence[int], values: Sequence[Floats]) -> Floats:
    """Labels `[n1·n2·…, P]`: all combinations of `values` on the axes `over`, the others as in `at`."""
    mesh = np.stack(np.meshgrid(*values, indexing="ij"), -1).reshape(-1, len(over))
    points = np.repeat(at[None], len(mesh), axis=0)
    points[:, list(over)] = mesh
    return points


def are_nodes(points: Floats, nodes: Floats) -> Iterator[bool]:
    """Whether each of the points `[B, P]` is one of the nodes `[M, P]`."""
    there = set(map(tuple, nodes.tolist()))
    return (tuple(p) in there for p in points.tolist())


def nearest_node(space: Space, at: Floats) -> Floats:
    """The labels `[P]` of the nodes' values that are nearest on each axis."""
    return np.array([a.nodes[int(np.abs(np.array(a.nodes) - v).argmin())] for a, v in zip(space.axes, at, strict=True)])
