"""Preprocessors, and what every family shares, with one fault each, and the check that must find it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import ConfigDict
from wrong import COUNTER, Fault, checks

from hml import (
    ComponentConfig,
    Spectrum,
)
from hml.template.preprocessor.preprocessor import ExamplePreprocessor
from hml.testing import (
    PreprocessorChecks,
)

NO_LABELS = {"needs_labels": False}


def step(check: str, words: str, call: Any = ExamplePreprocessor.__call__, **more: Any) -> Fault:
    made = type("WrongStep", (ExamplePreprocessor,), {"__call__": call})
    more = {"traits": NO_LABELS, "build": lambda config, context: made(95.0), **more}
    return Fault(check, words, checks(PreprocessorChecks, more.pop("build"), **more))


def right(spectrum: Spectrum) -> Spectrum:
    return ExamplePreprocessor(95.0)(spectrum, None)


def in_place(self: Any, spectrum: Spectrum, labels: Any) -> Spectrum:
    spectrum.flux[:] /= 2.0
    return spectrum


def forgets(self: Any, spectrum: Spectrum, labels: Any) -> Spectrum:
    fresh = replace(spectrum, divided=None)
    return right(fresh)


class Loose(ComponentConfig):
    model_config = ConfigDict(extra="allow", frozen=False)


class Undescribed(ComponentConfig):
    q: float = 95.0


def wrote(context: Any) -> Any:
    (context.cache.parent / "log.txt").write_text("built\n")
    return ExamplePreprocessor(95.0)


PREPROCESSORS = [
    step("test_it_is_what_its_family_says", "which is no Preprocessor", build=lambda config, context: np.median),
    step("test_its_config_is_described_frozen_and_strict", "unknown fields", config=Loose),
    step("test_its_config_is_described_frozen_and_strict", "no description", config=Undescribed),
    step("test_it_says_what_it_is", "is no name", name="Half flux"),
    step("test_it_says_what_it_is", "one line", summary=""),
    step("test_it_says_what_it_is", "have no trait", traits={**NO_LABELS, "fast": True}),
    step("test_nothing_is_written_elsewhere", "log.txt", build=lambda config, context: wrote(context)),
    step("test_it_says_whether_it_needs_labels", "must say needs_labels", traits={"evidence": True}),
    step("test_it_says_whether_it_needs_labels", "it uses labels",
         lambda self, s, labels: right(s).divide(labels["teff"] / 5000 if labels else 1.0)),
    step("test_without_labels_it_says_what_is_missing", "takes labels=None", traits={"needs_labels": True}),
    step("test_it_gives_a_spectrum_of_the_same_pixels", "changes the wavelengths",
         lambda self, s, labels: right(s).take(slice(1, None))),
    step("test_it_gives_a_spectrum_of_the_same_pixels", "changes unit",
         lambda self, s, labels: replace(right(s), unit="")),
    step("test_what_is_divided_out_can_be_put_back", "divide by Spectrum.divide",
         lambda self, s, labels: replace(s, flux=s.flux / 2)),
    step("test_what_is_divided_out_can_be_put_back", "errors are lost",
         lambda self, s, labels: replace(right(s), error=None)),
    step("test_it_adds_to_what_was_divided_before", "forgotten", forgets),
    step("test_what_is_given_is_left_as_it_was", "writes into the flux", in_place),
    step("test_it_is_the_same_at_every_call", "second time", lambda self, s, labels: s.divide(1.0 + next(COUNTER))),
    step("test_unused_pixels_do_not_count", "have an effect|make it fail",
         lambda self, s, labels: s.divide(float(np.nanmax(s.flux)))),
]  # fmt: skip
