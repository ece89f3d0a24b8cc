"""Everything that makes spectra between nodes, behind one face: `fit(case)`, then `predict(labels)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, Protocol

import numpy as np
import torch
from cases import Case
from numpy.typing import NDArray
from pixel_methods import COMPONENTS, Pca, Pixels, Sequence1D, makima, pchip

from hml import Generator, RunConfig, installed, load_config
from hml.core import pipeline
from hml.core.components import Progress
from hml.core.raster import Raster

Floats = NDArray[np.float64]

PAPER = Path(__file__).resolve().parent.parent / "configs" / "paper.yaml"
AT_ONCE = 8  # spectra rendered together

Role = Literal["published", "pixel", "paper", "lines", "hml"]
"""published: what anyone would take; pixel: what else interpolates pixels; lines: hml's without a residual; hml: its
default. Figures are about the first method of a role."""

OWN: dict[str, tuple[Role, dict[str, Any]]] = {
    "hml, lines alone": ("lines", {"generator.residual": 0.0}),
    "hml": ("hml", {}),
    "hml, residual 2 %": ("hml", {"generator.residual": 0.02}),
    "hml, residual 5 %": ("hml", {"generator.residual": 0.05}),
}
"""hml's generators: the fields of a config that make them what they are."""


class Predictor(Protocol):
    """A continuous grid of spectra on the pixels of its case."""

    lines: int | None  # tracks, where there are any

    def predict(self, labels: Floats) -> Floats:
        """labels `[B, P]` inside the training space → flux `[B, N]`."""

    def bytes_on_disk(self) -> int:
        """What has to be kept to predict."""


@dataclass(frozen=True, eq=False)
class Method:
    """`key` is plain data that decides the result, beside the case and the code."""

    name: str
    role: Role
    key: Any
    fit: Callable[[Case], Predictor]

    @property
    def of_pixels(self) -> bool:
        return self.role in ("published", "pixel")


# --- pixels ----------------------------------------------------------------------------------------------------

EXACT = {"storage": "float64"}


def published() -> list[Method]:
    """Linear, cubic, PCHIP and makima in the labels as they are."""
    through = {"pixel-PCHIP": pchip, "pixel-makima": makima}
    return [
        _plugin("pixel-linear", "published", "linear", EXACT),
        _plugin("pixel-cubic", "published", "cubic", {"coordinates": {}, **EXACT}),
        *(Method(name, "published", name, partial(Sequence1D, through=one)) for name, one in through.items()),
    ]


def other_pixels() -> list[Method]:
    """PCA, and every interpolator of hml and its plugins as it is by default (`linear` is among the published), which
    heeds the breaks that hml finds."""
    pca = Method(f"PCA ({COMPONENTS}) + cubic", "pixel", COMPONENTS, Pca)
    names = sorted({entry.component.name for entry in installed().family("interpolators")} - {"linear"})
    return [pca, *(_plugin(f"pixels, hml {name}", "pixel", name, {}, heeding=True) for name in names)]


def _plugin(label: str, role: Role, name: str, fields: Mapping[str, Any], heeding: bool = False) -> Method:
    made = partial(Pixels, name=name, fields=fields, heeding=heeding)
    return Method(label, role, [name, dict(fields), heeding], made)


# --- lines -----------------------------------------------------------------------------------------------------


class Rendered:
    """Generators side by side, each on its own pixels of the case."""

    def __init__(self, case: Case, generators: Sequence[Generator], *, nan_as_one: bool = False) -> None:
        self.generators, self.nan_as_one = generators, nan_as_one
        self.lines: int | None = sum(map(len, generators))
        ends = [np.searchsorted(case.wavelength, generator.band) for generator in generators]
        self.parts = [slice(int(first), int(last) + 1) for first, last in ends]
        self.rasters = [Raster.of(torch.from_numpy(case.wavelength[part].copy())) for part in self.parts]
        self.size = len(case.wavelength)

    def predict(self, labels: Floats) -> Floats:
        """labels `[B, P]` → flux `[B, N]`."""
        return np.concatenate([self._some(some) for some in np.split(labels, range(AT_ONCE, len(labels), AT_ONCE))])

    def _some(self, labels: Floats) -> Floats:
        flux = np.ones((len(labels), self.size))
        with torch.no_grad():
            for generator, part, raster in zip(self.generators, self.parts, self.rasters, strict=True):
                flux[:, part] = generator(labels, raster).double().numpy()
        return np.nan_to_num(flux, nan=1.0) if self.nan_as_one else flux

    def bytes_on_disk(self) -> int:
        """Of the generators' files."""
        with TemporaryDirectory(prefix="hml-accuracy-") as folder:
            files = [Path(folder) / f"{i}.safetensors" for i in range(len(self.generators))]
            for generator, file in zip(self.generators, files, strict=True):
                generator.save(file)
            return sum(file.stat().st_size for file in files)


def paper(sets: Sequence[str], progress: Progress, epochs: int) -> Method:
    """The paper's recipe, every order by itself. It is hml's own `configs/paper.yaml`, with the continuum of all."""

    def configs(case: Case) -> list[RunConfig]:
        fields = {"clone.steps": epochs, **case.paper}
        return [load_config(PAPER, fields={**order, **fields}, sets=_runtime(sets)) for order in case.by_order()]

    def fit(case: Case) -> Predictor:
        generators = [pipeline.build(config, progress=progress) for config in configs(case)]
        return Rendered(case, generators, nan_as_one=True)

    return Method("paper's recipe", "paper", [PAPER.read_text(encoding="utf-8"), epochs], fit)


def _runtime(sets: Sequence[str]) -> list[str]:
    """What says how the work is done and not what it is."""
    return [item for item in sets if item.startswith("runtime.")]


def ours(sets: Sequence[str], progress: Progress) -> list[Method]:
    """hml's generators."""

    def fit(case: Case, fields: Mapping[str, Any]) -> Predictor:
        config = load_config(fields={**case.fields(), **fields}, sets=sets)
        return Rendered(case, [pipeline.build(config, progress=progress)])

    key = sorted(set(sets) - set(_runtime(sets)))
    return [Method(name, role, [fields, key], partial(fit, fields=fields)) for name, (role, fields) in OWN.items()]


def all_methods(sets: Sequence[str], progress: Progress, epochs: int) -> list[Method]:
    """In the order of tables."""
    return [*published(), *other_pixels(), paper(sets, progress, epochs), *ours(sets, progress)]
