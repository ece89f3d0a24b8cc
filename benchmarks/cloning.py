"""Cloning one spectrum, measured in a fresh process: with hml, and by the paper's recipe."""

from __future__ import annotations

import time
from functools import partial
from math import sqrt
from pathlib import Path
from statistics import mean, median
from typing import Any

import paper_recipe
import torch
from measure import forget_peak, peak_above, repeated, timed
from paper_recipe import PaperFit, one_look_up
from synthetic_node import load
from uncut import difference, sample, uncut

from hml import BuildContext, Clone, RunConfig, Spectrum, load_config
from hml.core.clone import OnStep, Start, clone_rms, clone_spectrum
from hml.core.find import find_lines

WARM = 3000  # pixels cloned before anything is measured: kernels are compiled by then
PATIENCE = 15.0  # s after which a clone is not repeated


def ours(path: Path, sets: list[str], edge: float, repeats: int) -> dict[str, Any]:
    """hml's clone of the spectrum in `path`: seconds from flux to clone (lines are found in them), memory, and rms over
    the pixels that the paper fits, those more than `edge` Å from the ends."""
    config = load_config(sets=sets)
    spectrum = load(path)
    middle = len(spectrum) // 2
    hml_clone(spectrum.take(slice(max(middle - WARM // 2, 0), middle + WARM // 2)), config)
    del spectrum
    before = forget_peak()
    spectrum = load(path)
    made: list[Clone] = []
    first = timed(lambda: made.append(hml_clone(spectrum, config)))
    peak, clone = peak_above(before), made[0]
    again = [lambda: hml_clone(spectrum, config)] * (repeats - 1)
    taken = [first, *repeated(again, least=0, budget=PATIENCE - first.wall)]
    profile = config.profile.build(BuildContext())
    inner = config.clone.model_copy(update={"edge": edge})
    return {
        "seconds": median(took.wall for took in taken), "cpu": median(took.cpu for took in taken),
        "rms": clone_rms(spectrum, clone, profile, inner), "rms_uncut": _rms_uncut(spectrum, clone, config, edge),
        "lines": len(clone), "steps": clone.meta.get("steps"), "memory_before": before, "memory_above": peak,
        "descent": descent(spectrum, config),
    }


def hml_clone(spectrum: Spectrum, config: RunConfig, on_step: OnStep = lambda step, loss: None) -> Clone:
    """Find the lines and fit them."""
    profile = config.profile.build(BuildContext())
    start = Start.from_found(find_lines(spectrum, config.find), profile)
    return clone_spectrum(spectrum, start, profile, config.clone, on_step=on_step)


def descent(spectrum: Spectrum, config: RunConfig) -> list[tuple[float, float]]:
    """After how many seconds the rms (of all pixels) was what."""
    start, seen = time.perf_counter(), []
    hml_clone(spectrum, config, lambda step, loss: seen.append((time.perf_counter() - start, sqrt(loss))))
    return seen


def _rms_uncut(spectrum: Spectrum, clone: Clone, config: RunConfig, edge: float) -> float:
    """The same rms in float64 with nothing cut, on pixels spread over the band."""
    inner = spectrum.cut(spectrum.band[0] + edge, spectrum.band[1] - edge)
    pixels = sample(len(inner), len(clone))
    at, centre, params = map(torch.from_numpy, (inner.wavelength[pixels], clone.centre, clone.params))
    flux = uncut(at, centre, params, config.profile.build(BuildContext()), config.clone.composition)
    return difference(flux, torch.from_numpy(inner.flux[pixels]))["rms"]


def paper(path: Path, window: int, epochs: int, edges: tuple[float, float]) -> dict[str, Any]:
    """The paper's clone: seconds of a median epoch and of all, memory, rms over the pixels it fits. `edges`: Å from the
    ends within which lines are dropped, and pixels not fitted."""
    spectrum = load(path)
    few = paper_recipe.find(spectrum.wavelength[:WARM], spectrum.flux[:WARM], 0.0)
    paper_recipe.clone(spectrum.wavelength[:WARM], spectrum.flux[:WARM], few, min(window, WARM) // 2, 1, 0.0)
    del spectrum
    units = [one_look_up()]
    before = forget_peak()
    spectrum = load(path)
    lines = paper_recipe.find(spectrum.wavelength, spectrum.flux, edges[0])
    made: list[PaperFit] = []
    work = partial(paper_recipe.clone, spectrum.wavelength, spectrum.flux, lines, window, epochs, edges[1])
    took = timed(lambda: made.append(work()))
    fit, above = made[0], peak_above(before)
    units.append(one_look_up())
    return {
        "epoch": median(fit.epochs), "epochs": epochs, "seconds": sum(fit.epochs), "cpu": took.cpu, "rms": fit.rms,
        "lines": len(lines), "window": window, "memory_before": before, "memory_above": above,
        "unit": mean(unit.wall for unit in units), "core": mean(unit.cpu / unit.wall for unit in units),
    }


