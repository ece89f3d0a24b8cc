"""Cubic splines in every axis: smooth to the second derivative, exact for cubics in each coordinate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hml import Interpolator, Table
from hml.plugins.interpolators.fit import fit
from hml.plugins.interpolators.spline import TensorSpline


class Cubic(Interpolator):
    """The tensor product of not-a-knot cubic splines; axes of 1, 2, 3 nodes are constant, linear, quadratic."""

    def __init__(self, coordinates: Mapping[str, str] | None, storage: str = "float64") -> None:
        """`coordinates` per label; None: those that the table names."""
        self.coordinates = coordinates
        self.storage = storage

    def fit(self, table: Table) -> TensorSpline:
        """The manifold through all nodes; GridError if a node of the product of the axes is missing, or if an axis
        is not positive where its coordinate needs it."""
        coordinates = table.coordinates if self.coordinates is None else self.coordinates
        return fit(table, 3, coordinates, self.storage)

    def empty(self, header: Mapping[str, Any]) -> TensorSpline:
        """A manifold to be filled by `load_state_dict`."""
        return TensorSpline.empty(header)
