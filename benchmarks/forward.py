"""What a star costs: one evaluation of the forward model, beside interpolating native pixels and convolving them.

    python benchmarks/forward.py                     # HPF's 28 orders of 2048 pixels; a minute
    python benchmarks/forward.py --size small --json # a piece of the band, to see that all of it works

The generator is that of `engine.py`: 1,314 nodes, 9,028 tracks (blase's own where HML_REAL_DATA is set), native pixels
of PHOENIX. Both ways begin with labels, a radial velocity, v sin i and a resolving power, and end with normalised flux
on the pixels of all orders. The reference has the spectra of the 4 × 4 × 2 nodes around the labels as pixels in memory;
a cubic takes as many of any grid. It is written with numpy and scipy as one would, at its fastest: one weighted sum of
the nodes' pixels (float32, BLAS), shifted and brought on even ln λ as dense as the pixels (by `np.interp`, or by a
cubic spline), convolved with kernels as long as they need be (`oaconvolve`), averaged over the data's pixels through
its running integral. Medians of alternating runs, with as many threads as torch takes by itself.

`--json` prints one object as the last line: `{size, machine, figures: {name: {value, reference, ratio, unit, …}}}`.
Differences are the largest of any pixel at a node, where all ways begin with the same native spectrum, from hml's own
model on points four times as dense, and at R = 60,000 without rotation.

    name         value                                  reference                                       ratio
    forward      s, hml's forward model                 s, interpolated pixels, np.interp, convolved    reference/value
    spline       s, the same                            s, interpolated pixels, spline, convolved       reference/value
    optics       s, the same                            s, interpolated pixels through hml's optics     reference/value
    jacobian     s, value and Jacobian, all parameters  s, the value alone                              value/reference
    difference   of hml's forward model                 of interpolated pixels, np.interp, convolved    value/reference
    differences  of hml's forward model                 of interpolated pixels, spline, convolved       value/reference
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import perturbed_generator
import synthetic_node
import torch
from measure import machine, say, side_by_side
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.signal import oaconvolve

from hml import Generator, Spectrum
from hml.core.broaden import FWHM
from hml.core.config import ObjectiveConfig
from hml.core.forward import ForwardModel, Rendering
from hml.core.likelihood import SpectrumObjective, parameters
from hml.core.optics import Optics
from hml.core.pixels import Pixels
from hml.core.space import LIGHT

Floats = NDArray[np.float64]
Row = dict[str, Any]

SEEN = {"rv": 23.4, "vsini": 8.0, "resolving_power": 55_000.0}
SHARP = {"rv": 23.4, "vsini": 0.0, "resolving_power": 60_000.0}
CONFIG = {"rv": [-150, 150], "vsini": [0, 50], "resolving_power": [50_000, 60_000]}
SETS = ["clone.rounds=0", "clone.continuum=null"]
DARKENING = 0.6


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    node: tuple[float, float] = synthetic_node.BAND
    band: tuple[float, float] = (8079.0, 12786.0)  # HPF's
    orders: int = 28
    pixels: int = 2048
    tracks: int = 9028
    axes: dict[str, Sequence[float]] | None = None
    budget: float = 30.0


FULL = Size()
SMALL = Size((8700.0, 8760.0), (8710.0, 8750.0), 2, 256, 80, {"teff": (5000.0, 5200.0, 5400.0, 5600.0),
             "logg": (3.5, 4.0, 4.5, 5.0), "feh": (-0.5, 0.0)}, 0.5)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=["small", "full"], default="full")
    parser.add_argument("--json", action="store_true", help="one object as the last line instead of the table")
    options = parser.parse_args(arguments)
    size = {"small": SMALL, "full": FULL}[options.size]
    with TemporaryDirectory(prefix="hml-forward-") as folder:
        figures = Bench(built(size, Path(folder)), size).figures()
    result = {"size": options.size, "machine": machine(), "figures": figures}
    if options.json:
        print(json.dumps(result, allow_nan=False))
    else:
        show(figures)


def built(size: Size, folder: Path) -> Generator:
    say("generator: built")
    node = synthetic_node.save(synthetic_node.synthetic_node(size.node), folder / "node.npz")
    target = folder / "generator.safetensors"
    perturbed_generator.build(target, node, size.axes or perturbed_generator.AXES, size.tracks, SETS)
    return Generator.load(target)


@dataclass(frozen=True)
class Bench:
    """All that is compared; labels `[P]` near the middle of the grid."""

    generator: Generator
    size: Size

    def figures(self) -> dict[str, Row]:
        say("both ways, one after the other")
        rng = np.random.default_rng(0)
        works = {"hml": self.hml, "forward": self.reference.convolved, "optics": self.reference.through_optics,
                 "spline": partial(self.reference.convolved, spline=True), "value": self.objective.residuals_at,
                 "jacobian": self.objective.with_jacobian}  # fmt: skip
        for work in works.values():
            work(self.labels(rng))  # loops are compiled
        rounds = [{name: partial(work, self.labels(rng)) for name, work in works.items()} for _ in range(300)]
        took = side_by_side(rounds, budget=self.size.budget)
        hml = took["hml"]
        rows = {
            "forward": _row(hml, took["forward"], took["forward"] / hml, goal=3,
                            points=self.model.rendering.points, tracks=self.model.rendering.lines),
            "spline": _row(hml, took["spline"], took["spline"] / hml),
            "optics": _row(hml, took["optics"], took["optics"] / hml),
            "jacobian": _row(took["jacobian"], took["value"], took["jacobian"] / took["value"],
                             parameters=len(self.objective.made.space.axes)),
        }  # fmt: skip
        return rows | self.differences()

    def labels(self, rng: np.random.Generator) -> Floats:
        """Some within the cell of the reference's nodes."""
        low, high = np.array([(axis[len(axis) // 2 - 1], axis[len(axis) // 2]) for axis in self.around]).T
        return np.asarray(rng.uniform(low, high))

    @cached_property
    def around(self) -> list[Floats]:
        """Four nodes of every axis, or as many as it has."""
        return [np.array(axis.nodes[max(0, len(axis.nodes) // 2 - 2) :][:4]) for axis in self.generator.space.axes]

    @cached_property
    def orders(self) -> list[Pixels]:
        return layout(self.size.band, self.size.orders, self.size.pixels)

    @cached_property
    def config(self) -> ObjectiveConfig:
        return ObjectiveConfig.model_validate({**CONFIG, "limb_darkening": DARKENING})

    @cached_property
    def model(self) -> ForwardModel:
        space = self.generator.space
        return ForwardModel.of(self.generator, self.orders, self.config, np.linspace(space.lower, space.upper, 3))

    def hml(self, labels: Floats, seen: Mapping[str, float] = SEEN) -> Floats:
        with torch.no_grad():
            return np.asarray(self.model(torch.tensor(labels)[None], _tensors(seen))[0])

    def exact(self, labels: Floats, seen: Mapping[str, float]) -> Floats:
        """On points four times as dense."""
        assert self.model.optics is not None
        step = float(np.diff(np.log(self.model.rendering.parts[0][1].numbers[:2]))[0]) / 4
        points, optics = Optics.of(self.generator, self.orders, self.config, step, step)
        rendering, values = Rendering.of(self.generator, points, self.config), _tensors(seen)
        with torch.no_grad():
            return np.asarray(optics(rendering(torch.tensor(labels)[None], values["rv"]), values)[0])

    @cached_property
    def reference(self) -> Reference:
        nodes = np.array(list(product(*self.around)))
        with torch.no_grad():
            flux = np.concatenate([self.generator(node[None]).numpy() for node in nodes])
        return Reference(self.around, flux, self.generator.wavelength.numpy(), self.orders, self.model)

    @cached_property
    def objective(self) -> Objective:
        spectra = [Spectrum(o.wavelength, np.ones(len(o)), np.full(len(o), 0.01)) for o in self.orders]
        search = parameters(self.generator.space, {}, self.config)
        return Objective(SpectrumObjective(self.generator, spectra, search, self.config))

    def differences(self) -> dict[str, Row]:
        node = np.array([axis[len(axis) // 2] for axis in self.around])
        exact = self.exact(node, SHARP)
        ours = np.abs(self.hml(node, SHARP) - exact)
        rows = {}
        for name, spline in (("difference", False), ("differences", True)):
            theirs = np.abs(self.reference.convolved(node, SHARP, spline=spline) - exact)
            most, ratio = float(ours.max()), float(ours.max() / theirs.max())
            more = {"rms": _rms(ours), "rms_reference": _rms(theirs)}
            rows[name] = _row(most, float(theirs.max()), ratio, unit="", **more)
        return rows


@dataclass(frozen=True)
class Objective:
    """The whole objective, continuum and all."""

    made: SpectrumObjective

    def _point(self, labels: Floats) -> Floats:
        return np.array([*labels, *SEEN.values()])

    def residuals_at(self, labels: Floats) -> Floats:
        return self.made.residuals(self._point(labels))

    def with_jacobian(self, labels: Floats) -> tuple[Floats, Floats]:
        return self.residuals_at(labels), self.made.jacobian(self._point(labels))


@dataclass(frozen=True)
class Reference:
    """Native pixels `[nodes, N]` of nodes on a small grid."""

    axes: list[Floats]
    flux: NDArray[np.float32]
    wavelength: Floats
    orders: list[Pixels]
    model: ForwardModel

    def interpolated(self, labels: Floats) -> NDArray[np.float32]:
        """Lagrange's cubic through four nodes of each axis (fewer: what they allow)."""
        weights = np.ones(1)
        for axis, x in zip(self.axes, labels, strict=True):
            each = [np.prod([(x - b) / (a - b) for b in axis if b != a]) for a in axis]
            weights = np.outer(weights, each).ravel()
        return np.asarray(weights.astype(np.float32) @ self.flux)

    @cached_property
    def even(self) -> tuple[Floats, float]:
        ln = np.log(self.wavelength)
        step = float(np.median(np.diff(ln)))
        return np.arange(ln[0] + 1e-3, ln[-1] - 1e-3, step), step

    @cached_property
    def native(self) -> Floats:
        return np.log(self.wavelength)

    @cached_property
    def edges(self) -> tuple[Floats, Floats, Floats]:
        low = np.concatenate([np.log(o.wavelength - o.width / 2) for o in self.orders])
        high = np.concatenate([np.log(o.wavelength + o.width / 2) for o in self.orders])
        return low, high, high - low

    def convolved(self, labels: Floats, seen: Mapping[str, float] = SEEN, *, spline: bool = False) -> Floats:
        points, step = self.even
        flux = self.interpolated(labels)
        at = points - shift(seen["rv"])
        moved = CubicSpline(self.native, flux)(at) if spline else np.interp(at, self.native, flux)
        smooth = 1 + oaconvolve(moved - 1, kernel(step, seen), mode="same")
        total = np.cumsum(smooth) * step
        low, high, width = self.edges
        ends = points + step / 2
        return np.asarray((np.interp(high, ends, total) - np.interp(low, ends, total)) / width)

    def through_optics(self, labels: Floats) -> Floats:
        """The same pixels, brought on hml's points, through hml's optics."""
        flux = self.interpolated(labels)
        fine = np.concatenate([np.interp(points - shift(SEEN["rv"]), self.native, flux) for points in self.places])
        assert self.model.optics is not None
        with torch.no_grad():
            return np.asarray(self.model.optics(torch.as_tensor(fine, dtype=torch.float32)[None], _tensors(SEEN))[0])

    @cached_property
    def places(self) -> list[Floats]:
        return [np.log(raster.numbers) for _, raster in self.model.rendering.parts]


def layout(band: tuple[float, float], orders: int, pixels: int) -> list[Pixels]:
    """Orders one after the other, of pixels that are nearly even in ln λ, wider in the middle."""
    ends = np.linspace(*np.log(band), orders + 1)
    x = np.linspace(-1, 1, pixels, endpoint=False)
    bent = (x - 0.08 * (x**3 - x) + 1) / 2
    return [Pixels.of(np.exp(low + (high - low) * bent)) for low, high in pairwise(ends)]


def shift(velocity: float) -> float:
    """In ln λ."""
    return float(np.arctanh(velocity / LIGHT))


def kernel(step: float, seen: Mapping[str, float]) -> Floats:
    """Rotation and a Gaussian, sampled in ln λ."""
    sigma = 1 / seen["resolving_power"] / FWHM
    count = np.ceil(5 * sigma / step)
    gauss = np.exp(-0.5 * (step * np.arange(-count, count + 1) / sigma) ** 2)
    if not seen["vsini"]:
        return np.asarray(gauss / gauss.sum())
    edge = seen["vsini"] / LIGHT
    x = step * np.arange(-np.ceil(edge / step), np.ceil(edge / step) + 1) / edge
    inside = np.clip(1 - x**2, 0, None)
    disc = 2 * (1 - DARKENING) * np.sqrt(inside) + np.pi * DARKENING / 2 * inside
    return np.asarray(np.convolve(disc / disc.sum(), gauss / gauss.sum()))


def _tensors(values: Mapping[str, float]) -> dict[str, torch.Tensor]:
    return {name: torch.tensor([value], dtype=torch.float64) for name, value in values.items()}


def _rms(values: Floats) -> float:
    return float(np.sqrt((values**2).mean()))


def _row(value: float, reference: float, ratio: float, unit: str = "s", goal: float | None = None, **more: Any) -> Row:
    row = {"value": value, "reference": reference, "ratio": ratio, "unit": unit, **more}
    return row if goal is None else {**row, "target": f"≥ {goal:g} ×", "met": ratio >= goal}


def show(figures: dict[str, Row]) -> None:
    for name, row in figures.items():
        factor, unit = (1e3, "ms") if row["unit"] == "s" else (1, "")
        met = {True: "  met", False: "  not met", None: ""}[row.get("met")]
        print(f"{name:12}{factor * row['value']:12.4g} {unit:3}{factor * row['reference']:12.4g} {unit:3}"
              f"{row['ratio']:9.3g}  {row.get('target', '')}{met}")  # fmt: skip


if __name__ == "__main__":
    main()
