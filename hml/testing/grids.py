"""The checks of a grid."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from hml import (
    FetchableGrid,
    GridSource,
    HmlError,
    LabelError,
    Node,
    Spectrum,
    TruthGrid,
    installed,
    vacuum_to_air,
)
from hml.testing.base import Checks
from hml.testing.files import Copy, alter, copy_places, replaced
from hml.testing.suite import NotApplicable, expect

NEAR = 0.3  # of the distance from air to vacuum: a line that is farther from its vacuum wavelength is not there
ELSEWHERE = """
import json, sys
from hml import BuildContext, installed
name, fields = sys.argv[1:]
component = installed().get("grids", name)
print(component.build(component.config.model_validate(json.loads(fields)), BuildContext()).fingerprint())
"""


class GridChecks(Checks[GridSource]):
    """A grid. Where it reads files, `configure(folder)` makes some or names those that are there."""

    family = "grids"
    interface = GridSource
    known_lines: ClassVar[Sequence[float]] = ()
    """Vacuum wavelengths (Å) of strong lines that all its spectra show, such as 8544.44 (Ca II). Without them nobody
    knows whether the wavelengths are those of vacuum."""
    others: ClassVar[Sequence[Mapping[str, Any]]] = ()
    """Changes of fields that change the spectra or the nodes, each of which must change the fingerprint."""
    most_nodes: ClassVar[int] = 8
    """How many nodes are loaded, from the first to the last."""
    most_files: ClassVar[int] = 8
    """How many files are altered and cut, from the first to the last by name."""

    # --- what a subclass may replace

    @classmethod
    def alter(cls, content: bytes) -> bytes:
        """A file with other numbers in it, which can still be read."""
        return alter(content)

    # --- what checks use

    def some_nodes(self, grid: GridSource | None = None) -> list[Node]:
        """Nodes from the first to the last."""
        nodes = list((grid or self.part).nodes())
        pick = np.unique(np.linspace(0, len(nodes) - 1, min(self.most_nodes, len(nodes))).astype(int))
        return [nodes[i] for i in pick]

    def spectra(self) -> dict[Node, Spectrum]:
        """Those of some nodes, loaded once."""
        if "spectra" not in self._kept:
            self._kept["spectra"] = {node: self.part.load(node) for node in self.some_nodes()}
        kept: dict[Node, Spectrum] = self._kept["spectra"]
        return kept

    def work(self) -> None:
        self.part.fingerprint()
        for node in self.some_nodes()[:3]:
            self.part.load(node)

    # --- nodes

    def test_axes_hold_their_nodes(self) -> None:
        space = self.part.space
        expect(len(space) > 0, "the space has no axes")
        expect(len(set(space.names)) == len(space), f"two axes have one name: {space.names}")
        for axis in space.axes:
            expect(axis.name.isidentifier(), f"axis {axis.name!r}: a label's name is letters, digits and _")
            nodes = np.array(axis.nodes)
            expect(len(nodes) and np.isfinite(nodes).all() and (np.diff(nodes) > 0).all(),
                   f"axis {axis.name!r}: nodes must be finite and increasing: {axis.nodes}")
            expect((axis.lower, axis.upper) == (nodes[0], nodes[-1]), f"axis {axis.name!r} does not end at its nodes")

    def test_nodes_lie_in_the_space(self) -> None:
        space, nodes = self.part.space, list(self.part.nodes())
        expect(nodes, "nodes() lists none")
        expect(len(set(nodes)) == len(nodes), "nodes() lists a node twice")
        for node in nodes:
            expect(isinstance(node, tuple) and len(node) == len(space), f"{node!r}: not one value a label")
            for axis, value in zip(space.axes, node, strict=True):
                expect(value in axis.nodes, f"node {node}: {axis.name} = {value} is no node of its axis, {axis.nodes}")
        for p, axis in enumerate(space.axes):
            unused = set(axis.nodes) - {node[p] for node in nodes}
            expect(not unused, f"axis {axis.name!r}: no node has {sorted(unused)}")

    def test_nodes_keep_their_order(self) -> None:
        again = self.build()
        expect(list(self.part.nodes()) == list(self.part.nodes()) == list(again.nodes()), "nodes() changes its order")
        expect(again.space == self.part.space, "the space differs in a second part of the same config")

    def test_a_node_that_is_not_there_raises(self) -> None:
        space, last = self.part.space, self.part.nodes()[-1]
        for p, axis in enumerate(space.axes):
            beyond = (*last[:p], axis.upper + max(axis.width, 1.0), *last[p + 1 :])
            try:
                self.part.load(beyond)
            except HmlError as error:
                one_line(error)
                continue
            raise AssertionError(f"load({beyond}) gives a spectrum outside the grid; raise GridError or LabelError")

    # --- spectra

    def test_spectra_can_be_used(self) -> None:
        from astropy import units

        for node, spectrum in self.spectra().items():
            expect(isinstance(spectrum, Spectrum), f"load({node}) gave {type(spectrum).__name__}")
            wavelength, flux = spectrum.wavelength, spectrum.flux[spectrum.used]
            expect((wavelength > 0).all() and (np.diff(wavelength) > 0).all() and np.isfinite(wavelength).all(),
                   f"{node}: wavelengths must be finite, above zero and increasing")
            expect(len(flux) and np.isfinite(flux).all(), f"{node}: flux is not finite in every pixel that is used")
            expect(flux.max() > 0, f"{node}: no flux above zero")
            units.Unit(spectrum.unit)

    def test_all_nodes_have_the_same_pixels(self) -> None:
        first, *others = self.spectra().values()
        for spectrum in others:
            expect(np.array_equal(spectrum.wavelength, first.wavelength), f"{spectrum.name}: other wavelengths")
            expect((spectrum.starts, spectrum.unit, spectrum.frame) == (first.starts, first.unit, first.frame),
                   f"{spectrum.name}: other orders, unit or frame")

    def test_nodes_differ(self) -> None:
        spectra = list(self.spectra().values())
        if len(spectra) < 2:
            raise NotApplicable("the grid has one node")
        expect(not np.array_equal(spectra[0].flux, spectra[-1].flux), "the first and the last node have one spectrum")

    def test_the_band_is_heeded(self) -> None:
        full = next(iter(self.spectra().values()))
        low, high = self.narrow()
        cut = self.build({"wavelength": (low, high)}).load(self.some_nodes()[0])
        expect(cut.band[0] >= low and cut.band[1] <= high, f"wavelength=[{low:g}, {high:g}] gives {cut.band}: is it Å?")
        expected = full.cut(low, high).wavelength
        expect(np.array_equal(cut.wavelength, expected), "a narrower band has other pixels than the whole has there")

    def test_wavelengths_are_vacuum(self) -> None:
        expect(len(self.known_lines), "say which strong lines its spectra have: known_lines = (8544.44,) in vacuum Å, "
               "of Ca II; or, where they are not those of real atoms, leave this check out with the reason")
        spectrum = next(iter(self.spectra().values()))
        for line in self.known_lines:
            expect(spectrum.band[0] < line < spectrum.band[1], f"{line} Å is outside of {spectrum.band}")
            air = float(vacuum_to_air(np.array([line]))[0])
            found = deepest(spectrum, line, 1.5 * (line - air))
            expect(abs(found - line) < NEAR * (line - air),
                   f"the line at {line:.2f} Å (vacuum) is at {found:.2f} Å; in air it would be at {air:.2f} Å")

    def test_load_is_the_same_at_every_call(self) -> None:
        again = self.build()
        for node in reversed(self.spectra()):
            one, two, other = self.spectra()[node], self.part.load(node), again.load(node)
            expect(np.array_equal(one.flux, two.flux, equal_nan=True), f"{node}: a second load gives other flux")
            expect(np.array_equal(one.flux, other.flux, equal_nan=True), f"{node}: a second grid gives other flux")

    def test_resolving_power_is_a_number_or_none(self) -> None:
        power = self.part.resolving_power
        expect(power is None or (np.isfinite(power) and power > 0), f"resolving_power is {power!r}")

    # --- fingerprints

    def test_the_fingerprint_is_stable(self) -> None:
        first, again = self.part.fingerprint(), self.build().fingerprint()
        expect(isinstance(first, str) and re.fullmatch("[0-9a-f]{1,128}", first), f"{first!r} is no hex digest")
        expect(first == self.part.fingerprint() == again, "fingerprint() changes from one call to the next")

    def test_the_fingerprint_is_the_same_in_another_process(self) -> None:
        chosen = self.chosen()
        known = [e.component for e in installed().family("grids") if e.component.name == chosen.name]
        if not any(component.config is chosen.config for component in known):
            raise NotApplicable("the component is not installed, so that no other process knows it")
        fields = json.dumps(self.config().model_dump(mode="json"))
        environment = {**os.environ, "PYTHONHASHSEED": "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"}
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        done = subprocess.run([sys.executable, "-c", ELSEWHERE, chosen.name, fields], capture_output=True,
                              text=True, check=False, env=environment)  # fmt: skip
        expect(done.returncode == 0, f"building it in another process failed: {done.stderr.strip()[-300:]}")
        expect(done.stdout.strip() == self.part.fingerprint(), "another process gives another: is hash() used?")

    def test_the_fingerprint_follows_the_spectra(self) -> None:
        first = self.part.fingerprint()
        for change in ({"wavelength": self.narrow()}, *self.others):
            expect(self.build(change).fingerprint() != first, f"the fingerprint is the same with {change}")

    # --- files

    def test_the_fingerprint_follows_the_files(self) -> None:
        copy = self.copied("altered")
        first, before = self.read(copy)
        changed = 0
        for file in copy.files(self.most_files):
            with replaced(file, self.alter(file.read_bytes())):
                try:
                    fingerprint, now = self.read(copy)
                except HmlError:  # what cannot be read cannot be taken for what was read before
                    continue
            if differ(before, now):
                changed += 1
                expect(fingerprint != first, f"{file.name} holds other spectra, and the fingerprint is the same")
        expect(changed, "no file could be altered so that a spectrum changed and could be read; replace alter(content)")

    def test_a_damaged_file_is_named(self) -> None:
        copy = self.copied("damaged")
        _, before = self.read(copy)
        for file in copy.files(self.most_files):
            for part in (0.0, 0.6):
                content = file.read_bytes()
                with replaced(file, content[: int(part * len(content))]):
                    self._is_named(copy, file, before)

    def _is_named(self, copy: Copy, file: Path, before: Mapping[Node, Spectrum]) -> None:
        try:
            _, now = self.read(copy)
        except HmlError as error:
            one_line(error)
            expect(file.name in str(error), f"{file.name} is cut short, and the error does not name it: {error}")
        except Exception as error:
            raise AssertionError(f"{file.name} is cut short: {type(error).__name__} instead of GridError") from error
        else:
            expect(not differ(before, now), f"{file.name} is cut short, and other spectra are made of it")

    def test_files_are_only_read(self) -> None:
        copy = self.copied("read")
        before = {file: file.stat() for file in copy.files(10**9)}
        self.read(copy)
        for file, status in before.items():
            now = file.stat()
            expect((now.st_size, now.st_mtime_ns) == (status.st_size, status.st_mtime_ns), f"{file.name} has changed")
        expect(set(copy.files(10**9)) == set(before), "files were made among those that are read")

    # --- what a grid may do besides

    def test_traits_say_what_it_can_do(self) -> None:
        for trait, protocol in (("truth", TruthGrid), ("fetches", FetchableGrid)):
            can = isinstance(self.part, protocol)
            expect(can == bool(self.trait(trait)), f"{protocol.__name__}: {can}, the trait {trait!r} says otherwise")

    def test_a_ragged_grid_says_so(self) -> None:
        space, nodes = self.part.space, self.part.nodes()
        holes = int(np.prod(space.shape)) - len(nodes)
        expect(self.trait("ragged") or holes <= len(nodes),
               f"{holes} holes among {holes + len(nodes)} nodes: it is ragged and should say so")

    def test_truth_at_a_node_is_the_node(self) -> None:
        grid = self._truth()
        for node, spectrum in self.spectra().items():
            true = grid.truth(self.part.space.to_dict(node))
            expect(np.array_equal(true.wavelength, spectrum.wavelength), f"{node}: truth and load differ in wavelength")
            same = np.allclose(true.flux, spectrum.flux, rtol=1e-9, atol=0, equal_nan=True)
            expect(same, f"{node}: truth and load differ in flux")

    def test_truth_outside_raises(self) -> None:
        grid, space = self._truth(), self.part.space
        for axis in space.axes:
            labels = {**space.to_dict(self.part.nodes()[0]), axis.name: axis.upper + max(axis.width, 1.0)}
            try:
                grid.truth(labels)
            except LabelError as error:
                expect(axis.name in str(error), f"the error does not name {axis.name}: {error}")
                continue
            raise AssertionError(f"truth at {labels}, outside the space, gives a spectrum; raise LabelError")

    def _truth(self) -> TruthGrid:
        if not isinstance(self.part, TruthGrid):
            raise NotApplicable("the grid knows no spectra between its nodes")
        return self.part

    # --- what checks use

    def narrow(self) -> tuple[float, float]:
        """The middle half of the band, vacuum Å."""
        wavelength = next(iter(self.spectra().values())).wavelength
        first, last = np.linspace(0, len(wavelength) - 1, 5).astype(int)[[1, 3]]
        return float(wavelength[first]), float(wavelength[last])

    def copied(self, where: str) -> Copy:
        """The files that the config names, in a folder of their own."""
        return copy_places(self.config(), self._folder / where)

    def read(self, copy: Copy) -> tuple[str, dict[Node, Spectrum]]:
        """The fingerprint and some spectra of a copy."""
        grid = self.build(copy.fields)
        there = set(grid.nodes())
        nodes = [node for node in self.some_nodes() if node in there]
        return grid.fingerprint(), {node: grid.load(node) for node in nodes}


def differ(before: Mapping[Node, Spectrum], now: Mapping[Node, Spectrum]) -> bool:
    """Whether any spectrum is another, or gone."""
    if before.keys() != now.keys():
        return True
    return any(
        not np.array_equal(getattr(now[node], what), getattr(spectrum, what), equal_nan=True)
        for node, spectrum in before.items()
        for what in ("wavelength", "flux")
    )


def one_line(error: HmlError) -> None:
    """A person reads it as one line."""
    expect(str(error).strip() and "\n" not in str(error), f"the error is not one line: {error!r}")


def deepest(spectrum: Spectrum, line: float, within: float) -> float:
    """Where flux is least near a wavelength, Å: the vertex of the parabola through the lowest pixel and those beside
    it."""
    near = spectrum.cut(line - within, line + within)
    i = int(np.clip(np.argmin(near.flux), 1, len(near) - 2))
    x, y = near.wavelength[i - 1 : i + 2] - near.wavelength[i], near.flux[i - 1 : i + 2]
    curve, slope, _ = np.polyfit(x, y, 2)
    shift = -slope / (2 * curve) if curve > 0 else 0.0
    return float(near.wavelength[i] + np.clip(shift, x[0], x[-1]))
