"""The honest competitors: interpolation of preprocessed pixels, by everything that is at hand.

Axes of one, two or three nodes take the polynomial through them, whatever the method (two nodes: a straight line, for
everyone; three: a parabola, but for `pixel-linear`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from cases import Case
from numpy.typing import NDArray
from scipy.interpolate import Akima1DInterpolator, PchipInterpolator

from hml import BuildContext, Interpolator, Manifold, Table, installed
from hml.core.check import checked

Floats = NDArray[np.float64]

COMPONENTS = 30  # of the PCA


def interpolator(name: str, fields: Mapping[str, Any]) -> Interpolator:
    """One of hml's or of a plugin, by its name and config."""
    component = installed().get("interpolators", name)
    made: Interpolator = component.build(component.config(**fields), BuildContext())
    return made


def stored(case: Case, numbers: int) -> int:
    """Bytes of so many float32 numbers with the wavelengths and the labels of the nodes."""
    return 4 * numbers + 8 * (len(case.wavelength) + len(case.plan.used) * len(case.space))


class Pixels:
    """Every pixel through an interpolator of line parameters, told how smooth the grid is if `heeding`."""

    lines: int | None = None

    def __init__(self, case: Case, name: str, fields: Mapping[str, Any], heeding: bool = False) -> None:
        table = case.table()
        if heeding:
            grid = checked(table.space, table.nodes, case.train)
            table = replace(table, breaks=grid.breaks, coordinates=grid.coordinates)
        self.manifold = interpolator(name, fields).fit(table)
        self.bytes = stored(case, case.train.size)

    def predict(self, labels: Floats) -> Floats:
        """labels `[B, P]` → flux `[B, N]`."""
        return evaluate(self.manifold, labels)[..., 0]

    def bytes_on_disk(self) -> int:
        """Of the training pixels."""
        return self.bytes


def evaluate(manifold: Manifold, labels: Floats) -> Floats:
    """`[B, L, K]` in float64."""
    with torch.no_grad():
        return np.asarray(manifold(torch.as_tensor(labels, dtype=torch.float64)).double().numpy())


Through = Callable[[Floats, Floats], Callable[[float], Floats]]
"""nodes `[n]`, values `[n, …]` → a function of the label with values `[…]`."""


def pchip(nodes: Floats, values: Floats) -> Callable[[float], Floats]:
    """Monotone cubics (Fritsch & Butland 1984, SIAM J. Sci. Stat. Comput. 5, 300)."""
    made: Callable[[float], Floats] = PchipInterpolator(nodes, values)
    return made


def makima(nodes: Floats, values: Floats) -> Callable[[float], Floats]:
    """Modified Akima cubics (Akima 1970, J. ACM 17, 589, with the weights of MATLAB's makima)."""
    made: Callable[[float], Floats] = Akima1DInterpolator(nodes, values, method="makima")
    return made


class Sequence1D:
    """Every pixel along one axis after the other, the first axis first."""

    lines: int | None = None

    def __init__(self, case: Case, through: Through) -> None:
        self.through = through
        first, *self.others = (np.array(axis.nodes) for axis in case.space.axes)
        self.along_first = self._along(first, case.table().on_grid()[..., 0])
        self.bytes = stored(case, case.train.size)

    def _along(self, nodes: Floats, values: Floats) -> Callable[[float], Floats]:
        if len(nodes) > 3:
            return self.through(nodes, values)
        return lambda label: np.tensordot(polynomial(nodes, label), values, 1)

    def _one(self, label: Floats) -> Floats:
        values = self.along_first(label[0])
        for nodes, at in zip(self.others, label[1:], strict=True):
            values = self._along(nodes, values)(at)
        return values

    def predict(self, labels: Floats) -> Floats:
        """labels `[B, P]` → flux `[B, N]`."""
        return np.stack([self._one(label) for label in labels])

    def bytes_on_disk(self) -> int:
        """Of the training pixels."""
        return self.bytes


def polynomial(nodes: Floats, label: float) -> Floats:
    """Weights `[n]` of the nodes in the polynomial through them (Lagrange's)."""
    others = [np.delete(nodes, i) for i in range(len(nodes))]
    return np.array([np.prod((label - rest) / (node - rest)) for node, rest in zip(nodes, others, strict=True)])


class Pca:
    """Principal components of the training spectra, their weights by cubic splines in the labels."""

    lines: int | None = None

    def __init__(self, case: Case, components: int = COMPONENTS) -> None:
        self.mean = case.train.mean(0)
        left, size, right = np.linalg.svd(case.train - self.mean, full_matrices=False)
        weights, self.components = (left * size)[:, :components], right[:components]
        table = Table(case.space, np.array(case.plan.used), weights[..., None], ("weight",))
        self.manifold = interpolator("cubic", {"coordinates": {}, "storage": "float64"}).fit(table)
        self.bytes = stored(case, self.components.size + self.mean.size + weights.size)

    def predict(self, labels: Floats) -> Floats:
        """labels `[B, P]` → flux `[B, N]`."""
        return np.asarray(self.mean + evaluate(self.manifold, labels)[..., 0] @ self.components)

    def bytes_on_disk(self) -> int:
        """Of components, mean and weights."""
        return self.bytes
