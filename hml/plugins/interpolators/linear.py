"""Multilinear interpolation: the numbers of scipy's RegularGridInterpolator, for all lines at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hml import Interpolator, Table
from hml.plugins.interpolators.fit import fit
from hml.plugins.interpolators.spline import TensorSpline


class Linear(Interpolator):
    """Straight lines between neighbouring nodes of every axis."""

    def __init__(self, storage: str = "float64") -> None:
        self.storage = storage

    def fit(self, table: Table) -> TensorSpline:
        """The manifold through all nodes; GridError if a node of the product of the axes is missing."""
        return fit(table, 1, {}, self.storage)

    def empty(self, header: Mapping[str, Any]) -> TensorSpline:
        """A manifold to be filled by `load_state_dict`."""
        return TensorSpline.empty(header)
