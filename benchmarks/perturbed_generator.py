"""A generator as large as the paper's: a real clone whose lines follow smooth random functions of the labels over 1,314
nodes, and are missing from nodes where they are too weak to be found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cloning import hml_clone
from numpy.typing import NDArray
from synthetic_node import load, real_data

from hml import BuildContext, Clone, Generator, LineTable, RunConfig, Space, Spectrum, Table, load_config, read_blase
from hml.core.continuum import DEGREE
from hml.core.generator import ERROR, build_generator, with_residual
from hml.core.pseudo import PseudoContinuum
from hml.core.residual import affordable

Floats = NDArray[np.float64]

AXES = {
    "teff": (*np.arange(2300.0, 7001.0, 100.0), *np.arange(7200.0, 12001.0, 200.0)),
    "logg": tuple(np.arange(2.0, 6.1, 0.5)),
    "feh": (-0.5, 0.0),
}  # the paper's 73 × 9 × 2 nodes
BLASE = "emulator_T4700g4p5_prom0p01_HPF.pt"
AS_BLASE = ["profile={name: pseudo_voigt, widths: separate}"]  # what its widths mean; lines combine as hml's do
ABSENT = 0.003  # share of the tracks that a node lacks, all in all: 9,000 lines a node are left
SPREAD = np.array([0.004, 0.5, 0.1, 0.1])  # of centre (Å), ln a, ln sigma, ln gamma, half-way through the grid
TERMS = np.array([1.0, 0.5, 0.3, 0.4, 0.2, 0.2, 0.1])  # weights of t, g, z, t² - ½, g² - ½, t·g, t·z


def build(
    target: Path, node: Path, axes: Mapping[str, Sequence[float]], tracks: int, sets: list[str]
) -> tuple[Perturbed, dict[str, Any]]:
    """Build the generator, on the pixels of the node, and store it: what it was made from, and what it holds."""
    spectrum = load(node)
    config, clone, source = _a_clone(spectrum, sets)
    space = Space.from_nodes(tuple(axes), _nodes(axes))
    known = Perturbed.of(brought(clone, tracks))
    lines = known.table(space)
    _built(lines, config, spectrum.wavelength).save(target)
    each = lines.present.sum(1)
    return known, {
        "nodes": len(each), "tracks": len(lines), "lines_a_node": float(each.mean()),
        "lines_least": int(each.min()), "lines_most": int(each.max()), "clone": source,
    }


def build_complete(target: Path, node: Path, axes: Mapping[str, Sequence[float]], sets: list[str]) -> dict[str, Any]:
    """Build and store what hml makes by default of such a grid: with lines hidden in blends, a pseudo-continuum, a
    residual and its own error. The last two take as many bytes as they would, their values are random."""
    spectrum, config = load(node), load_config(sets=sets)
    clone = hml_clone(spectrum, config)
    space = Space.from_nodes(tuple(axes), _nodes(axes))
    lines = Perturbed.of(clone).table(space)
    generator = _with_rest(_built(lines, config, spectrum.wavelength, clone.bends), config)
    generator.save(target)
    return {"tracks": len(lines), "patterns": len(generator.patterns), "nodes": len(lines.table.nodes)}


def _with_rest(generator: Generator, config: RunConfig) -> Generator:
    """With a residual and an error of random patterns, as many as the config allows."""
    nodes, pixels, rng = np.array(generator.header["nodes"]), len(generator.wavelength), np.random.default_rng(0)
    missed = np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), (len(nodes), pixels), (0, 0))
    count, few = min(affordable(missed, config.generator.kept), len(nodes)), config.generator.error
    shapes = rng.integers(-127, 128, (count + few, pixels), np.int8)
    smooth = 1e-7 * (nodes @ rng.normal(size=(nodes.shape[1], count)) / np.abs(nodes).max())
    strengths = Table(generator.space, nodes, smooth[..., None], ("strength",))
    full = with_residual(generator, shapes[:count], strengths, config, BuildContext())
    known = rng.normal(size=(len(nodes), few)).astype(np.float32) * 1e-6
    arrays = shapes[count:], known, nodes, np.zeros(len(nodes), np.int64)
    return full.changed({name: torch.from_numpy(array) for name, array in zip(ERROR, arrays, strict=True)})


def _a_clone(spectrum: Spectrum, sets: list[str]) -> tuple[RunConfig, Clone, str]:
    """A real clone, the config that renders it, and where it is from: blase's own where there is one, else hml's of the
    synthetic node."""
    folder = real_data()
    if folder is None:
        config = load_config(sets=sets)
        return config, hml_clone(spectrum, config), "hml's own of the synthetic node"
    clone = read_blase(folder / "blase" / BLASE)
    low, high = spectrum.band
    return load_config(sets=[*AS_BLASE, *sets]), _only(clone, (clone.centre > low) & (clone.centre < high)), BLASE


def brought(clone: Clone, count: int) -> Clone:
    """The clone with `count` lines: the strongest of them, or all and more like them at other wavelengths."""
    few = len(clone) - count
    if few >= 0:
        return _only(clone, np.sort(np.argsort(clone.params[:, 0])[few:]))
    rng = np.random.default_rng(0)
    more = rng.integers(len(clone), size=-few)
    centre = np.append(clone.centre, rng.uniform(clone.centre.min(), clone.centre.max(), -few))
    order = np.argsort(centre)
    params = np.concatenate([clone.params, clone.params[more]])
    return replace(clone, centre=centre[order], found=centre[order], params=params[order])


def _only(clone: Clone, chosen: NDArray[Any]) -> Clone:
    return replace(clone, centre=clone.centre[chosen], found=clone.found[chosen], params=clone.params[chosen])


@dataclass(frozen=True)
class Perturbed:
    """reference `[L]` Å, sorted; coefficients `[1 + 7, L, 4]` of the line's shift (Å) and parameters."""

    reference: Floats
    coefficients: Floats

    @classmethod
    def of(cls, clone: Clone, seed: int = 0) -> Perturbed:
        order = np.argsort(clone.centre)
        base = np.concatenate([np.zeros((len(clone), 1)), clone.params[order]], axis=1)
        slopes = np.random.default_rng(seed).normal(size=(len(TERMS), *base.shape)) * SPREAD * TERMS[:, None, None]
        base[:, 1] -= 0.5 * (slopes[..., 1] ** 2).mean()  # as much absorption as before, in the mean over the lines
        return cls(clone.centre[order], np.concatenate([base[None], slopes]))

    def values(self, nodes: Floats, space: Space) -> Floats:
        """nodes `[M, 3]` → `[M, L, 4]`."""
        t, g, z = _scaled(nodes, space).T
        terms = np.stack([np.ones_like(t), t, g, z, t**2 - 0.5, g**2 - 0.5, t * g, t * z], axis=-1)
        return (terms @ self.coefficients.reshape(len(self.coefficients), -1)).reshape(len(nodes), -1, 4)

    def table(self, space: Space) -> LineTable:
        """At every node of the space; the weakest are missing, their values what a smooth fading-out gives."""
        nodes = np.array(_nodes({axis.name: axis.nodes for axis in space.axes}))
        values = self.values(nodes, space)
        present = values[..., 1] > np.quantile(values[..., 1], ABSENT)
        names = ("shift", "ln_amplitude", "ln_sigma", "ln_gamma")
        return LineTable(self.reference, Table(space, nodes, values, names), present)


def _scaled(nodes: Floats, space: Space) -> Floats:
    """Labels from -1 to 1; temperature as its inverse, in which strengths of lines are nearly linear."""
    lower, upper, points = space.lower.copy(), space.upper.copy(), nodes.copy()
    for array in (lower, upper, points.T):
        array[0] = 5040.0 / array[0]
    return 2 * (points - lower) / np.where(upper == lower, 1.0, upper - lower) - 1


def _nodes(axes: Mapping[str, Sequence[float]]) -> list[tuple[float, ...]]:
    return list(product(*(map(float, axis) for axis in axes.values())))


def _built(lines: LineTable, config: RunConfig, wavelength: Floats, bends: Floats | None = None) -> Generator:
    """With a continuum that brightens with temperature; and the pseudo-continuum `bends` `[C]` of a clone."""
    nodes, context = lines.table.nodes, BuildContext()
    series = np.zeros((len(nodes), DEGREE + 1, 1))
    series[:, 0, 0] = 4 * np.log(nodes[:, 0] / 5000.0)
    header = {
        "grid": {"name": "perturbed", "fingerprint": "perturbed"}, "unit": "erg / (s cm3)", "resolving_power": None,
        "continuum_bands": [[float(wavelength[0]), float(wavelength[-1])]], "continuum_error": 0.0,
        "key": "perturbed", "nodes": nodes.tolist(), "counts": lines.present.sum(1).tolist(),
        "clone_rms": [0.0] * len(nodes),
    }
    tables = {"continuum": Table(lines.table.space, nodes, series, ("ln_continuum",))}
    if bends is not None and len(bends):
        rows = bends * (1 + 0.1 * series[:, :1, 0])
        tables["bends"] = Table(lines.table.space, nodes, rows[..., None], ("ln_bend",))
        header["bends_knots"] = asdict(PseudoContinuum.of(wavelength, config.clone.continuum))
    profile = config.profile.build(context)
    return build_generator(lines, tables, profile, config, header, wavelength, (0,), context)
