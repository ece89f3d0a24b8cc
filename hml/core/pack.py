"""A generator in a file of its own: described to those who get it, and used in place of a grid."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hml.core.config import RunConfig, parse_config
from hml.core.errors import ArtefactError, ConfigError, HmlError, SpectrumError
from hml.core.generator import Generator
from hml.core.interfaces import TruthGrid
from hml.core.parts import Parts, Plan, choose_device
from hml.core.space import Space
from hml.core.store import read_arrays, verify
from hml.core.stored import AGAIN, KIND, RECIPE, check, recipe, without_places

DECIDED = RECIPE | {"grid", "hold_out"}
"""The sections of a config that the file of a generator decides."""


# --- what is in one ------------------------------------------------------------------------------------------------


def describe(path: Path) -> dict[str, Any]:
    """What a generator's file holds, for a person. The plugins that it needs need not be installed."""
    arrays, header = read_arrays(path, KIND, mapped=True)
    known = check(path, header, arrays)
    wavelength, rms = arrays["wavelength"], sorted(known.clone_rms)
    axes = Space.from_json(header["space"]).axes
    return {
        "grid": known.grid.name,
        "nodes": len(known.nodes),
        "tracks": len(arrays["reference"]),
        "band": f"{wavelength[0]:.1f}–{wavelength[-1]:.1f} Å",
        "pixels": len(wavelength),
        "labels": ", ".join(f"{a.name} {a.lower:g}–{a.upper:g} {a.unit}".strip() for a in axes),
        "resolving power": known.resolving_power or "native sampling",
        "profile": known.config.profile.name,
        "interpolator": known.config.interpolator.name,
        "median clone rms": rms[len(rms) // 2],
        "median rms at nodes left out": float(np.median(known.left_out)) if known.left_out else "not known",
        "made with": ", ".join([f"hml {known.versions.get('hml', '?')}", *known.plugins]),
    }


def sha256(path: Path) -> str:
    """By which those who get a file can tell that it is the one that was sent."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- in place of a grid --------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Opened:
    """A generator from a file, and the config of a run with it, in which the file's own recipe stands."""

    generator: Generator
    config: RunConfig
    notes: tuple[str, ...]  # what of the config that was given has no effect

    def plan(self, parts: Parts) -> Plan:
        """The generator's nodes. If a truth is to be drawn, an error unless its grid has one inside its space."""
        labels = parts.config.truth.labels
        if parts.config.spectrum.path is None:
            self._need_truths(parts)
            if labels is not None:
                self.generator.require(labels)
        return Plan(self.generator.space, tuple(map(tuple, self.generator.header["nodes"])), ())

    def _need_truths(self, parts: Parts) -> None:
        grid = self.generator.header["grid"]
        try:
            if parts.config.grid.name != grid["name"]:
                why = "is not known here"
            elif not isinstance(parts.grid, TruthGrid):
                why = "has no spectra between its nodes"
            elif parts.grid.fingerprint() != grid["fingerprint"]:
                why = "has other spectra here than those it was made from"
            else:
                return
        except HmlError as error:
            why = f"cannot be used here ({error})"
        raise SpectrumError(
            f"{parts.config.generator.path}: no truth can be drawn: grid {grid['name']!r} {why}; give --spectrum FILE"
        )


def open_generator(path: Path, config: RunConfig) -> Opened:
    """The generator of a file, whose content is compared with its digest, for the run of `config`."""
    verify(path)
    generator = Generator.load(path, choose_device(config.runtime.device))
    _try(path, generator)
    decided, notes = _decided(path, generator)
    said = without_places(config.model_dump(mode="json", include=DECIDED, exclude_unset=True))
    if differ := [name for name in said if name in decided and not said[name].items() <= decided[name].items()]:
        notes += [f"{path.name} decides {', '.join(differ)}; what the config says of that has no effect"]
    decided["generator"]["path"] = str(path)
    whole = parse_config({**config.model_dump(mode="json"), **decided}, source=str(path))
    return Opened(generator, whole, tuple(notes))


def _try(path: Path, generator: Generator) -> None:
    """ArtefactError unless a corner of the space has a spectrum: the last check of a file that came from anywhere."""
    corner = generator.space.to_dict(generator.space.lower)
    low, high = generator.wavelength[[0, min(99, len(generator.wavelength) - 1)]].tolist()
    try:
        generator.lines(corner)
        if np.isfinite(generator.spectrum(corner, low=low, high=high).flux).all():
            return
        problem = "it is not finite"
    except Exception as error:  # plugins meet the numbers of the file here: what they make of nonsense is their own
        problem = f"{type(error).__name__}: {error}".splitlines()[0]
    raise ArtefactError(f"{path}: gives no spectrum at {corner} ({problem}); {AGAIN}")


def _decided(path: Path, generator: Generator) -> tuple[dict[str, Any], list[str]]:
    """The sections of a config that the file decides, and what there is to say of them."""
    decided: dict[str, Any] = recipe(path, generator.header).model_dump(mode="json", include=RECIPE)
    decided["hold_out"] = {}
    told = without_places(generator.header["grid"])
    try:
        grid = parse_config({"grid": {k: v for k, v in told.items() if k != "fingerprint"}})
    except ConfigError as error:
        return decided, [f"the grid of {path.name} is not needed, and not known here ({error})"]
    return {**decided, **grid.model_dump(mode="json", include={"grid"})}, []
