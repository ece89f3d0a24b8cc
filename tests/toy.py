"""A small generator whose truth is analytic: every line parameter is a smooth function of labels."""

from dataclasses import asdict

import numpy as np

from hml.core.components import BuildContext
from hml.core.config import parse_config
from hml.core.generator import build_generator, with_residual
from hml.core.lines import LineTable, Table
from hml.core.pseudo import PseudoContinuum
from hml.core.space import Space

TEFF, LOGG = (5000.0, 5200.0, 5400.0, 5600.0, 5800.0), (4.0, 4.25, 4.5, 4.75)
SPACE = Space.from_nodes(("teff", "logg"), [(t, g) for t in TEFF for g in LOGG])
NODES = np.array([(t, g) for t in TEFF for g in LOGG])
BAND = (8500.0, 8540.0)


def line_values(nodes, count=40, seed=0):
    """Values `[M, L, 4]` (shift, ln_amplitude, ln_sigma, ln_gamma), quadratic in the labels."""
    rng = np.random.default_rng(seed)
    t, g = (nodes[:, 0] - 5400) / 400, (nodes[:, 1] - 4.4) / 0.4
    low, high = np.array([0, -5, -3.2, -4]), np.array([0, -2.8, -2.6, -3])
    base = rng.uniform(low, high, (count, 4))
    slopes = rng.normal(size=(3, count, 4)) * np.array([0.002, 0.4, 0.05, 0.1])
    terms = np.stack([t, g, 0.3 * t**2])
    return base + np.einsum("im,ilk->mlk", terms, slopes)


def make(interpolator="cubic", composition="opacity", resolving_power=None, complete=False, breaks=None, **raw):
    """A generator on 0.02 Å pixels, with a continuum of 1 + 1e-4 (Teff - 5400) and a slope; `complete` has a
    pseudo-continuum and a residual too, quadratic in the labels; `breaks` as in a Table."""
    rng = np.random.default_rng(1)
    reference = np.sort(rng.uniform(BAND[0] + 0.5, BAND[1] - 0.5, 40))
    slots = {"grid": {"preprocess": []}, "interpolator": interpolator, "clone": {"composition": composition}}
    config = parse_config({**slots, **raw})
    context = BuildContext()
    names, breaks = ("shift", "ln_amplitude", "ln_sigma", "ln_gamma"), breaks or {}
    table = Table(SPACE, NODES, line_values(NODES), names, breaks)
    lines = LineTable(reference, table, np.ones((len(NODES), 40), dtype=bool))
    level = np.log(1 + 1e-4 * (NODES[:, 0] - 5400))
    continuum = Table(SPACE, NODES, np.stack([level, 0.01 + 0 * level], -1)[..., None])
    wavelength = np.arange(BAND[0], BAND[1], 0.02)
    header = {
        "grid": {"name": "toy", "fingerprint": "0"}, "unit": "erg / (s cm3)", "resolving_power": resolving_power,
        "continuum_bands": [[wavelength[0], wavelength[-1]]], "continuum_error": 0.0, "key": "toy",
        "nodes": NODES.tolist(), "counts": [40] * len(NODES), "clone_rms": [0.0] * len(NODES),
    }
    profile, tables = config.profile.build(context), {"continuum": continuum}
    if complete:
        knots = PseudoContinuum.of(wavelength, 8.0)
        bends = 0.2 * line_values(NODES, knots.count, seed=3)[..., :1] / 0.002
        tables["bends"] = Table(SPACE, NODES, 0.05 * bends, ("ln_bend",), breaks)
        header["bends_knots"] = asdict(knots)
    made = build_generator(lines, tables, profile, config, header, wavelength, (0,), context)
    if not complete:
        return made
    shapes = (100 * np.sin(np.arange(1, 4)[:, None] * np.arange(len(wavelength)) / 40)).astype(np.int8)
    strengths = 1e-4 * line_values(NODES, 3, seed=4)[..., 1:2]
    table = Table(SPACE, NODES, strengths, ("strength",), breaks)
    return with_residual(made, shapes, table, config, context)
