"""A third party's grid that takes its time, talks, fails or dies: what worker processes must cope with."""

import itertools
import logging
import os
import signal
import time
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from hml import Component, GridConfig, GridError, GridSource, PreprocessorSlot, Space, Spectrum, default_steps, hookimpl

NODES = list(itertools.product((5000.0, 5100.0, 5200.0, 5300.0), (4.0, 4.5, 5.0)))
TALKING, REFUSED, BUGGY, KILLED = NODES[2], NODES[6], NODES[7], NODES[11]


class MoodyConfig(GridConfig):
    preprocess: tuple[PreprocessorSlot, ...] = default_steps()
    mood: Literal["calm", "slow", "bad", "torn", "deadly"] = "calm"
    witness: Path | None = None  # a folder: one file a process, one line a node


class Moody(GridSource):
    """Ten lines that deepen with the labels. All moods have one fingerprint: they make the same spectra, if any."""

    resolving_power = None
    space = Space.from_nodes(("teff", "logg"), NODES)

    def __init__(self, config):
        self.config = config

    def nodes(self):
        return NODES

    def fingerprint(self):
        return "moody"

    def load(self, node):
        if self.config.witness is not None:
            with (self.config.witness / str(os.getpid())).open("a") as file:
                file.write(f"{torch.get_num_threads()} {os.environ.get('OMP_NUM_THREADS')}\n")
        if node != NODES[0]:
            self.show_mood(node)
        wavelength = np.arange(8500, 8520, 0.02)
        centre, depth = np.linspace(8501, 8519, 10), np.linspace(0.2, 0.7, 10) * node[1] / 5000 * (9000 - node[0])
        profile = np.exp(-0.5 * ((wavelength[:, None] - centre) / 0.15) ** 2)
        return Spectrum(wavelength, np.exp(-profile @ depth / 4), name=f"moody {node}")

    def show_mood(self, node):
        mood = self.config.mood
        if mood == "slow":
            time.sleep(0.7)
        if mood == "bad" and node == TALKING:
            print("noise")
            logging.getLogger("hml.moody").warning("the dome is dusty")
        if mood in ("bad", "torn") and node == REFUSED:
            raise GridError("moody 5200: the file is torn; fetch it again")
        if mood == "bad" and node == BUGGY:
            raise ZeroDivisionError("a mistake of the plugin")
        if mood in ("bad", "torn", "deadly") and node == KILLED:
            os.kill(os.getpid(), signal.SIGKILL)


@hookimpl
def hml_grids():
    yield Component("moody", "trouble", MoodyConfig, lambda config, context: Moody(config))
