"""What line parameters in 16 bits cost in flux, on lines that come and go over a wide grid as real ones do."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from test_interpolators import inside

from hml import BuildContext, Clone, LineTable, Space, Table, parse_config
from hml.core.associate import identical
from hml.core.generator import build_generator

NAMES = ("ln_amplitude", "ln_sigma", "ln_gamma")
BAND = (8500.0, 8520.0)
WAVELENGTH = np.arange(*BAND, 0.02)
NODES = [(t, g, z) for t in np.arange(3000.0, 7001, 250) for g in (3.0, 3.5, 4.0, 4.5, 5.0) for z in (-0.5, 0.0)]
SPACE = Space.from_nodes(("teff", "logg", "feh"), NODES)
SLOPES = [[0.01, 6, 0.3, 1], [0.002, 0.3, 0.1, 0.4], [0, 0.8, 0, 0], [0, 3, 0.2, 0.3]]  # in 5040/Teff, logg, feh, …
FITTED = np.array([0.002, 0.05, 0.03, 0.05])  # scatter of fits from node to node: Å and logarithms


def fits(count=150, seed=0):
    """Centres `[L]` of lines of many strengths, and what was fitted at every node `[M, L, 4]`."""
    rng = np.random.default_rng(seed)
    nodes = np.array(NODES)
    theta, gravity, metals = 5040 / nodes[:, 0] - 1.1, nodes[:, 1] - 4, nodes[:, 2]
    terms = np.stack([np.ones_like(theta), theta, gravity, metals, theta**2], 1)
    base = rng.uniform([-0.01, -8, -3.6, -4.5], [0.01, -1, -2.8, -2.5], (count, 4))
    slopes = rng.normal(size=(4, count, 4)) * np.array(SLOPES)[:, None]
    values = np.einsum("mi,ilk->mlk", terms, np.concatenate([base[None], slopes]))
    values[..., 1] = np.minimum(values[..., 1], 0.5)
    values += rng.normal(size=values.shape) * FITTED
    return np.sort(rng.uniform(BAND[0] + 0.2, BAND[1] - 0.2, count)), values


@cache
def table(method):
    centre, values = fits()
    if method == "tracks":  # every track at every node
        tracks = Table(SPACE, np.array(NODES), values, ("shift", *NAMES))
        return LineTable(centre, tracks, np.ones(values.shape[:2], dtype=bool))
    clones = []
    for v in values:
        here = v[:, 1] > -7.0  # what is weaker is not found
        clones.append(Clone((centre + v[:, 0])[here], v[here, 1:], NAMES, centre[here], 1e-3))
    return identical(SPACE, np.array(NODES), clones)


@cache
def flux(interpolator, storage, composition, method="tracks"):
    """At 25 labels, and the generator."""
    slots = {"interpolator": {"name": interpolator, "storage": storage}, "clone": {"composition": composition}}
    config, context = parse_config({"grid": {"preprocess": []}, **slots}), BuildContext()
    header = {
        "grid": {"name": "toy", "fingerprint": "0"}, "unit": "", "resolving_power": None, "continuum_error": 0.0,
        "continuum_bands": [list(BAND)], "key": "", "nodes": NODES, "counts": [], "clone_rms": [],
    }
    continuum = Table(SPACE, np.array(NODES), np.zeros((len(NODES), 2, 1)), ("ln_continuum",))
    profile = config.profile.build(context)
    made = build_generator(table(method), {"continuum": continuum}, profile, config, header, WAVELENGTH, (0,), context)
    with torch.no_grad():
        flux = made(inside(SPACE, 25, seed=2)).double().numpy()
    return flux, made


def test_the_table_is_like_real_ones():
    lines = table("tracks")
    strength = lines.table.values[..., 1]
    assert len(lines) == 150 and strength.min() < -12  # tracks fade far below what can be seen
    missing = table("paper")
    assert 0.2 < missing.present.mean() < 0.9 and missing.table.values.min() < -999
    depth = 1 - flux("linear", "float64", "opacity")[0]
    assert depth.mean() > 0.1
    assert depth.max() > 0.7


@pytest.mark.parametrize("composition", ["opacity", "product"])
@pytest.mark.parametrize("interpolator", ["linear", "cubic"])
def test_16_bits_cost_less_than_1e_4_in_flux(interpolator, composition):
    exact, double = flux(interpolator, "float64", composition)
    packed, made = flux(interpolator, "int16", composition)
    assert (double.manifold.coefficients.dtype, made.manifold.coefficients.dtype) == (torch.float64, torch.int16)
    assert made.series["continuum"].coefficients.dtype == torch.float64
    assert len(made.manifold.wide) < 0.2 * len(made)  # these are kept in float32
    assert 0 < np.abs(packed - exact).max() < 1e-4
    assert np.sqrt(((packed - exact) ** 2).mean()) < 1e-5


def test_the_papers_recipe_gives_what_it_gave():
    """Its tables are full of -1000, which no line may be rounded to the scale of."""
    exact, _ = flux("linear", "float64", "product", "paper")
    packed, made = flux("linear", "int16", "product", "paper")
    missing = np.flatnonzero(~table("paper").present.all(0))
    assert len(missing) > 10
    assert made.manifold.wide.tolist() == missing.tolist()
    assert np.abs(packed - exact).max() < 1e-4
