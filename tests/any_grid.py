"""Generators with any axes and holes, whose line parameters are known functions of the labels."""

import numpy as np
import torch

from hml import BuildContext, Manifold, Space
from hml.core.config import parse_config
from hml.core.generator import Generator

BAND = (8500.0, 8510.0)
NAMES = ("shift", "ln_amplitude", "ln_sigma", "ln_gamma")


class Analytic(Manifold):
    """Parameters linear in the labels scaled to 0–1: `base + slope · x`."""

    differentiable = True

    def __init__(self, space, base, slope):
        super().__init__()
        self.space = space
        self.register_buffer("base", torch.as_tensor(base))
        self.register_buffer("slope", torch.as_tensor(slope))

    def forward(self, labels):
        low, wide = torch.as_tensor(self.space.lower), torch.as_tensor(self.space.upper - self.space.lower)
        x = (labels - low) / torch.where(wide > 0, wide, torch.ones_like(wide))
        return self.base + torch.einsum("bp,plk->blk", x, self.slope)

    def subset(self, lines):
        return Analytic(self.space, self.base[lines], self.slope[:, lines])

    def header(self):
        return {}


def any_generator(axes, holes=(), lines=6, seed=0, cut=None, **raw):
    """`axes` {name: nodes}; `holes` are nodes that are not there."""
    rng = np.random.default_rng(seed)
    mesh = np.stack(np.meshgrid(*axes.values(), indexing="ij"), -1).reshape(-1, len(axes))
    space = Space.from_nodes(tuple(axes), [tuple(node) for node in mesh.tolist()])
    nodes = [node for node in mesh.tolist() if tuple(node) not in holes]
    low, high = np.array([-0.01, -4.5, -3.2, -4]), np.array([0.01, -2.8, -2.6, -3])
    slope = rng.normal(size=(len(axes), lines, 4)) * np.array([0.003, 0.5, 0.1, 0.1])
    manifold = Analytic(space, rng.uniform(low, high, (lines, 4)), slope)
    config = parse_config({"grid": {"preprocess": []}, **raw})
    arrays = {
        "reference": torch.linspace(BAND[0] + 1, BAND[1] - 1, lines, dtype=torch.float64),
        "span": torch.full((lines,), 400.0, dtype=torch.float64),
        "wavelength": torch.arange(*BAND, 0.02, dtype=torch.float64),
        "starts": torch.zeros(1, dtype=torch.int64),
        "patterns": torch.zeros((0, len(torch.arange(*BAND, 0.02))), dtype=torch.int8),
    }
    header = {
        "grid": {"name": "any", "fingerprint": "0"}, "unit": "", "resolving_power": None, "continuum_error": 0.0,
        "continuum_bands": [list(BAND)], "key": "any", "nodes": nodes, "clone_rms": [0.0] * len(nodes),
        "counts": [10 + i for i in range(len(nodes))], "composition": config.clone.composition, "window": None,
        "tolerance": 1e-7, "cut": cut, "config": config.model_dump(mode="json"),
    }  # fmt: skip
    return Generator(space, manifold, {}, config.profile.build(BuildContext()), arrays, header)
