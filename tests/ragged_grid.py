"""A third party's grids: the synthetic one with nodes taken away, and others too coarse to have lines."""

from collections.abc import Iterable

import numpy as np

from hml import (
    Component,
    GridConfig,
    GridSource,
    PreprocessorSlot,
    Space,
    Spectrum,
    default_steps,
    hookimpl,
    parse_config,
)

AXES = {"teff": (5000.0, 5200.0, 5400.0, 5600.0), "logg": (4.0, 4.5, 5.0), "feh": (-0.5, 0.0)}


class RaggedConfig(GridConfig):
    preprocess: tuple[PreprocessorSlot, ...] = default_steps("blackbody", "continuum")


class Ragged(GridSource):
    """Without its corners, and without a node inside: no box that holds all of an axis is left."""

    resolving_power = None

    def __init__(self, context):
        axes = {name: {"nodes": list(nodes)} for name, nodes in AXES.items()}
        whole = parse_config({"grid": {"name": "synthetic", **axes, "wavelength": [8700, 8715]}})
        self.whole = whole.grid.build(context)
        gone = [(5000.0, 5.0, 0.0), (5000.0, 4.5, 0.0), (5000.0, 5.0, -0.5), (5600.0, 4.0, -0.5), (5400.0, 4.5, 0.0)]
        self._nodes = [node for node in self.whole.nodes() if node not in gone]
        self.truth = self.whole.truth

    @property
    def space(self):
        return Space.from_nodes(tuple(AXES), self._nodes)

    def nodes(self):
        return self._nodes

    def load(self, node):
        return self.whole.load(node)

    def fingerprint(self):
        return f"ragged {self.whole.fingerprint()}"


class CoarseConfig(GridConfig):
    preprocess: tuple[PreprocessorSlot, ...] = default_steps("percentile")
    lost: int = 0  # of the nodes


class Coarse(GridSource):
    """Five bands of 300 Å in steps of 20 Å, over three labels of which one is no star's."""

    resolving_power = 300.0

    def __init__(self, config):
        axes = [[800.0, 900, 1000, 1100, 1300, 1500, 1700], [4.5, 5.0, 5.5], [1.0, 2.0, 4.0, 8.0]]
        nodes = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3).tolist()
        rng = np.random.default_rng(0)
        gone = set(rng.choice(len(nodes), config.lost, replace=False).tolist())
        self._nodes = [tuple(node) for i, node in enumerate(nodes) if i not in gone]
        self.lost = config.lost

    @property
    def space(self):
        return Space.from_nodes(("teff", "logg", "f_sed"), self._nodes)

    def nodes(self):
        return self._nodes

    def load(self, node):
        return self.truth(self.space.to_dict(node))

    def truth(self, labels):
        t, g, f = labels["teff"] / 1000, labels["logg"] - 5, np.log2(labels["f_sed"])
        x = np.arange(10000.0, 18000.0, 20.0)
        depths = 0.8 / t, 0.4 + 0.3 * g, 0.5 * t + 0.2 * g, 0.2 + 0.2 * f, 0.5 / t + 0.1 * f
        centres = 11300, 12600, 14200, 15500, 16800
        bands = sum(deep * np.exp(-(((x - c) / 300) ** 2)) for deep, c in zip(depths, centres, strict=True))
        return Spectrum(x, 1e6 * t**4 * np.exp(-bands), unit="erg / (s cm3)", name="coarse")

    def fingerprint(self):
        return f"coarse {self.lost}"


@hookimpl
def hml_grids() -> Iterable[Component]:
    yield Component("ragged", "a part of the synthetic grid", RaggedConfig, lambda config, context: Ragged(context),
                    traits={"ragged": True, "truth": True})
    yield Component("coarse", "bands and no lines", CoarseConfig, lambda config, context: Coarse(config),
                    traits={"truth": True})
