"""Grids with one fault each, and the check that must find it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import Field
from wrong import COUNTER, Fault, checks

from hml import (
    Axis,
    GridConfig,
    GridError,
    PreprocessorSlot,
    Space,
    Spectrum,
    default_steps,
    vacuum_to_air,
)
from hml.plugins.synthetic import SyntheticConfig
from hml.template.grid import ExampleConfig as FilesConfig
from hml.template.grid.checks import TestExample as _Files
from hml.template.grid.grid import ExampleGrid
from hml.testing import (
    GridChecks,
    ToyGrid,
)


class ToyConfig(GridConfig):
    preprocess: tuple[PreprocessorSlot, ...] = default_steps()
    seed: int = Field(0, description="of the lines")


class Good(ToyGrid):
    def __init__(self, config: ToyConfig) -> None:
        super().__init__(seed=config.seed)
        self.band = config.wavelength

    def fingerprint(self) -> str:
        return super().fingerprint()[:60] + (f"{sum(self.band):.0f}" if self.band else "")

    def truth(self, labels: Mapping[str, float]) -> Spectrum:
        spectrum = super().truth(labels)
        return spectrum.cut(*self.band) if self.band else spectrum


def grid(check: str, words: str, _base: type = Good, *, traits: Any = None, more: Any = None, **members: Any) -> Fault:
    """A grid with these members."""
    made = type("WrongGrid", (_base,), members)
    traits = {"truth": True} if traits is None else traits
    more = {"others": ({"seed": 1},), **(more or {})}
    suite = checks(GridChecks, lambda config, context: made(config), ToyConfig, traits, **more)
    return Fault(check, words, suite)


def files(check: str, words: str, **members: Any) -> Fault:
    """A grid that reads files, with these members."""
    made = type("WrongFiles", (ExampleGrid,), members)
    suite = checks(GridChecks, lambda config, context: made(config), FilesConfig, configure=_Files.configure)
    return Fault(check, words, suite)


class Calcium(Good):
    """A line at 8544.44 Å."""

    def truth(self, labels: Mapping[str, float]) -> Spectrum:
        wavelength = np.arange(8535.0, 8555.0, 0.02)
        return Spectrum(wavelength, 1 - 0.5 * np.exp(-(((wavelength - 8544.44) / 0.3) ** 2)))


def in_air(self: Calcium, labels: Mapping[str, float]) -> Spectrum:
    spectrum = Calcium.truth(self, labels)
    return replace(spectrum, wavelength=vacuum_to_air(spectrum.wavelength))


def unsorted(self: Good) -> Space:
    return Space((Axis("teff", 4800.0, 5400.0, (4800.0, 5200.0, 5000.0, 5400.0)), ToyGrid().space["logg"]))


def zeros_for_lost(self: ExampleGrid, node: Any) -> Spectrum:
    try:
        return ExampleGrid.load(self, node)
    except GridError:
        return Spectrum(np.arange(8500.0, 8520.0, 0.02), np.zeros(1000))


def unhandled(self: ExampleGrid, node: Any) -> Spectrum:
    wavelength, flux = np.array([line.split() for line in self.files[node].read_text().splitlines()], dtype=float).T
    return Spectrum(wavelength, flux)


def load_beside(self: ExampleGrid, node: Any) -> Spectrum:
    (self.files[node].parent / "read.log").write_text("read\n")
    return ExampleGrid.load(self, node)


def sparse() -> list[tuple[float, float]]:
    return [node for i, node in enumerate(ToyGrid().nodes()) if i % 3 == 0]


SYNTHETIC = checks(
    GridChecks, lambda config, context: Good(ToyConfig()), SyntheticConfig, {"truth": True}, name="synthetic"
)

GRIDS = [
    grid("test_axes_hold_their_nodes", "finite and increasing", space=property(unsorted)),
    grid("test_axes_hold_their_nodes", "does not end at its nodes",
         space=property(lambda self: Space((Axis("teff", 0.0, 1e4, (4800.0, 5000.0)),)))),
    grid("test_nodes_lie_in_the_space", "is no node of its axis", nodes=lambda self: [(4850.0, 4.0)]),
    grid("test_nodes_lie_in_the_space", "twice", nodes=lambda self: [(4800.0, 4.0)] * 2),
    grid("test_nodes_lie_in_the_space", "no node has", nodes=lambda self: [(4800.0, 4.0)]),
    grid("test_nodes_keep_their_order", "order",
         nodes=lambda self: sorted(ToyGrid().nodes(), reverse=next(COUNTER) % 2 == 0)),
    grid("test_a_node_that_is_not_there_raises", "outside the grid",
         load=lambda self, node: ToyGrid().load((4800.0, 4.0))),
    grid("test_spectra_can_be_used", "not finite",
         load=lambda self, node: Spectrum(np.arange(1.0, 4.0), np.array([1, np.nan, 1]))),
    grid("test_spectra_can_be_used", "unit",
         truth=lambda self, labels: replace(Good.truth(self, labels), unit="parsnip")),
    grid("test_all_nodes_have_the_same_pixels", "other wavelengths",
         load=lambda self, node: Spectrum(np.arange(node[0], node[0] + 9), np.ones(9))),
    grid("test_nodes_differ", "one spectrum", load=lambda self, node: ToyGrid().load((4800.0, 4.0))),
    grid("test_the_band_is_heeded", "is it Å", truth=ToyGrid.truth),
    grid("test_wavelengths_are_vacuum", "say which strong lines"),
    grid("test_wavelengths_are_vacuum", r"is at 8542\.09 Å", Calcium, truth=in_air, more={"known_lines": (8544.44,)}),
    grid("test_load_is_the_same_at_every_call", "second load gives other flux",
         load=lambda self, node: Spectrum(np.arange(1.0, 9.0), np.full(8, next(COUNTER)))),
    grid("test_resolving_power_is_a_number_or_none", "is -1", resolving_power=-1),
    grid("test_the_fingerprint_is_stable", "changes", fingerprint=lambda self: f"{next(COUNTER):x}"),
    grid("test_the_fingerprint_is_stable", "no hex digest", fingerprint=lambda self: "the toy grid"),
    Fault("test_the_fingerprint_is_the_same_in_another_process", "another process", SYNTHETIC),
    grid("test_the_fingerprint_follows_the_spectra", "wavelength", fingerprint=ToyGrid.fingerprint),
    grid("test_the_fingerprint_follows_the_spectra", "seed",
         fingerprint=lambda self: f"{sum(self.band):.0f}" if self.band else "abc"),
    files("test_the_fingerprint_follows_the_files", "the fingerprint is the same",
          fingerprint=lambda self: "".join(f"{int(t):x}" for t, _ in self.nodes())),
    files("test_a_damaged_file_is_named", "other spectra are made of it", load=zeros_for_lost),
    files("test_a_damaged_file_is_named", "ValueError instead of GridError", load=unhandled),
    files("test_files_are_only_read", "files were made", load=load_beside),
    grid("test_traits_say_what_it_can_do", "'truth'", traits={"truth": False}),
    grid("test_a_ragged_grid_says_so", "should say so", nodes=lambda self: sparse()),
    grid("test_truth_at_a_node_is_the_node", "differ in flux", load=lambda self, node: ToyGrid(seed=3).load(node)),
    grid("test_truth_outside_raises", "outside the space", truth=lambda self, labels: ToyGrid().load((4800.0, 4.0))),
]
