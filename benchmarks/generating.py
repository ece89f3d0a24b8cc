"""Labels → spectrum, measured: the stored generator of `perturbed_generator.py` against one scipy interpolator a line
and the paper's rendering."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import perturbed_generator
import torch
from measure import resident, side_by_side, threads, timed, typical
from numpy.typing import NDArray
from paper_recipe import UNIQUE_LINES, PaperLines, interpolators, look_up, one_look_up, render
from perturbed_generator import Perturbed
from torch import Tensor
from uncut import difference, sample, uncut

from hml import BuildContext, Generator, installed, load_config

Labels = NDArray[np.float64]


def open_and_use(path: Path) -> dict[str, Any]:
    """In a fresh process: seconds to open a stored generator, and memory after one spectrum, of its own and mapped from
    the file. Before the clock starts everything that opening imports has been imported (torch, scipy, hml and its
    plugins), and the file is in the system's cache; memory counts from when kernels have been compiled as well."""
    config, context = load_config(), BuildContext()
    for slot in (config.profile, config.interpolator):
        slot.build(context)
    installed()
    opened: list[Generator] = []
    took = timed(lambda: opened.append(Generator.load(path)))
    low, high = opened[0].band
    forward(opened[0].window_on(low, low + (high - low) / 100), middle(opened.pop()))  # kernels are compiled
    gc.collect()
    before, mapped = resident("RssAnon"), resident("RssFile")
    generator = Generator.load(path)
    first = timed(lambda: forward(generator, middle(generator)))
    return {
        "bytes": path.stat().st_size, "open_seconds": took.wall, "first_spectrum_seconds": first.wall,
        "memory_used": _above(resident("RssAnon"), before), "memory_mapped": _above(resident("RssFile"), mapped),
    }


def _above(now: int | None, before: int | None) -> int | None:
    return None if now is None or before is None else now - before


def middle(generator: Generator) -> Labels:
    """The labels `[1, P]` in the middle of the space."""
    return np.array([(generator.space.lower + generator.space.upper) / 2])


def forward(generator: Generator, labels: Labels) -> Tensor:
    """Flux `[B, N]`, look-up and rendering."""
    with torch.no_grad():
        flux: Tensor = generator(labels)
    return flux


# --- how fast --------------------------------------------------------------------------------------------------


def speeds(path: Path, count: int, batch: int, budget: float) -> dict[str, Any]:
    """Median seconds over at most `count` random labels, with all threads and with one; each of the three takes about
    `budget` seconds."""
    generator = Generator.load(path)
    rng = np.random.default_rng(0)
    labels = rng.uniform(generator.space.lower, generator.space.upper, size=(count, len(generator.space)))
    many = rng.uniform(generator.space.lower, generator.space.upper, size=(batch, len(generator.space)))
    with_gradient(generator, labels[:1])  # kernels are compiled
    forward(generator, many[:2])
    everyone = torch.get_num_threads()
    found = {"all": _speeds(generator, labels, many, budget), "windows": windows(generator, labels[:9], budget)}
    with threads(1):
        found["one"] = _speeds(generator, labels, many, budget)
    return {**found, "threads": everyone, "labels": count, "batch": batch}


def _speeds(generator: Generator, labels: Labels, many: Labels, budget: float) -> dict[str, float]:
    """Seconds of each work on labels `[1, P]`, one after the other, and a spectrum of a batch (every 20th time)."""
    works = {"single": forward, "gradient": with_gradient, "lookup": only_look_up}
    rounds = [{name: partial(work, generator, one) for name, work in works.items()} for one in labels[:, None]]
    for each in rounds[::20]:
        each["batch"] = partial(forward, generator, many)
    taken = side_by_side(rounds, budget=budget)
    return {**taken, "batch": taken["batch"] / len(many)}


def with_gradient(generator: Generator, labels: Labels) -> Tensor:
    """The gradient `[B, P]` of a number made of the flux with respect to the labels."""
    free = torch.tensor(labels, requires_grad=True)
    flux = generator(free)
    (gradient,) = torch.autograd.grad(flux.square().mean(), free)
    return gradient


def only_look_up(generator: Generator, labels: Labels) -> Any:
    with torch.no_grad():
        return generator.lines(labels)


def windows(generator: Generator, labels: Labels, budget: float) -> dict[str, float]:
    """The ten tenths of the band and the whole, one after the other."""
    edges = np.linspace(*generator.band, 11).tolist()
    ends = list(pairwise(edges))
    cut = typical([partial(generator.window_on, *end) for end in ends], budget=budget)
    parts = {f"part {i}": generator.window_on(*end) for i, end in enumerate(ends)} | {"whole": generator}
    rounds = [{name: partial(forward, part, one) for name, part in parts.items()} for one in labels[:, None]]
    taken = side_by_side(rounds, budget=budget)
    whole = taken.pop("whole")
    return {"part": median(taken.values()), "worst": max(taken.values()), "whole": whole, "cut_out": cut}


# --- the reference ---------------------------------------------------------------------------------------------


def paper_speeds(path: Path, axes: dict[str, Sequence[float]], timed_lines: int, window: int) -> dict[str, Any]:
    """The paper's way with the same lines: `timed_lines` interpolators evaluated, scaled to all of the paper's lines;
    rendering with windows of `window` pixels. Medians of five."""
    generator = Generator.load(path)
    rng = np.random.default_rng(0)
    tables = interpolators([np.array(axis) for axis in axes.values()], timed_lines, rng)
    labels = rng.uniform(generator.space.lower, generator.space.upper, size=(5, len(axes)))
    one = typical([partial(look_up, tables, at) for at in labels], least=5) / timed_lines
    lines = generator.lines(middle(generator))
    plain = PaperLines(lines.centre[0].detach().double().numpy(), lines.params[0].detach().double().numpy())
    wavelength = generator.wavelength.numpy()
    units = [one_look_up()]
    rendering = typical([partial(render, wavelength, plain, window)] * 5)
    units.append(one_look_up())
    return {
        "interpolator": one, "lookup": one * UNIQUE_LINES, "timed_lines": timed_lines, "window": window,
        "render": rendering, "lines": len(plain), "unit": mean(unit.wall for unit in units),
        "core": mean(unit.cpu / unit.wall for unit in units),
    }


# --- how exact -------------------------------------------------------------------------------------------------


def build(
    target: Path, node: Path, axes: dict[str, Sequence[float]], tracks: int, sets: list[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Build the generator and store it; what it holds, and how exact it is."""
    known, built = perturbed_generator.build(target, node, axes, tracks, sets)
    return built, accuracy(target, known, load_config(sets=sets).generator.tolerance)


def accuracy(path: Path, known: Perturbed, tolerance: float) -> dict[str, Any]:
    """What the generator's flux differs by from float64 with nothing cut, on pixels spread over the band: at labels
    between the nodes with the line parameters it looks up (`cut`: the rendering alone), and at a node with those it was
    built from (`stored`: how they are kept, too)."""
    generator = Generator.load(path)
    space = generator.space
    between = space.lower + 0.437 * (space.upper - space.lower)
    found = generator.lines(between[None])
    at = np.array([axis.nodes[len(axis.nodes) // 2] for axis in space.axes])
    values = torch.from_numpy(known.values(at[None], space)[0])
    centre = torch.from_numpy(known.reference) + values[:, 0]
    return {
        "cut": _differs(generator, between, found.centre[0].double(), found.params[0].double()),
        "stored": _differs(generator, at, centre, values[:, 1:]),
        "tolerance": tolerance,
    }


def _differs(generator: Generator, label: Labels, centre: Tensor, params: Tensor) -> dict[str, float]:
    pixels = sample(len(generator.wavelength), len(centre))
    with torch.no_grad():
        exact = uncut(generator.wavelength[pixels], centre, params, generator.profile, generator.composition)
        return {**difference(forward(generator, label[None])[0, pixels], exact), "pixels": len(pixels)}
