"""The checks of a preprocessor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np

from hml import HmlError, LabelError, Preprocessor, Spectrum
from hml.testing.base import Checks
from hml.testing.suite import NotApplicable, expect
from hml.testing.toy import ToyGrid


class PreprocessorChecks(Checks[Preprocessor]):
    """One step of normalisation, on the spectrum of a toy star in two orders, with errors."""

    family = "preprocessors"
    interface = Preprocessor
    labels: ClassVar[Mapping[str, float]] = {"teff": 5100.0, "logg": 4.4, "feh": 0.0, "alpha": 0.0}
    """Of the spectrum."""

    # --- what a subclass may replace

    @classmethod
    def spectrum(cls) -> Spectrum:
        """What is given to the step: surface flux in erg/s/cm²/cm with a slope, lines and errors."""
        toy = ToyGrid(band=(8500.0, 8600.0), lines=40).truth({"teff": 5100.0, "logg": 4.4})
        flux = 3e14 * (1 + 1e-3 * (toy.wavelength - 8550)) * toy.flux
        middle = len(toy) // 2
        return replace(toy, flux=flux, error=0.01 * flux, unit="erg / (s cm2 cm)", starts=(0, middle), name="toy star")

    # --- what checks use

    @property
    def given(self) -> Mapping[str, float] | None:
        """Labels, if the step needs them."""
        return self.labels if self.trait("needs_labels") else None

    def done(self) -> Spectrum:
        """The step's result, made once."""
        if "done" not in self._kept:
            self._kept["done"] = self.part(self.spectrum(), self.given)
        kept: Spectrum = self._kept["done"]
        return kept

    def work(self) -> None:
        self.part(self.spectrum(), self.given)

    # --- the checks

    def test_it_says_whether_it_needs_labels(self) -> None:
        expect("needs_labels" in self.chosen().traits, "the component's traits must say needs_labels")
        if self.given is None:
            same = self.part(self.spectrum(), self.labels)
            expect(np.array_equal(same.flux, self.done().flux), "it uses labels, and its trait says that it needs none")

    def test_without_labels_it_says_what_is_missing(self) -> None:
        if not self.trait("needs_labels"):
            raise NotApplicable("the step does without labels")
        without: tuple[Mapping[str, float] | None, ...] = (None, {})
        for labels in without:
            try:
                self.part(self.spectrum(), labels)
            except LabelError:
                continue
            raise AssertionError(f"the step takes labels={labels}, and its trait says that it needs them: LabelError")

    def test_it_gives_a_spectrum_of_the_same_pixels(self) -> None:
        before, after = self.spectrum(), self.done()
        expect(isinstance(after, Spectrum), f"it gave {type(after).__name__}, which is no Spectrum")
        expect(np.array_equal(before.wavelength, after.wavelength), "it changes the wavelengths")
        for what in ("unit", "starts", "frame", "name"):
            expect(getattr(before, what) == getattr(after, what), f"it changes {what}")
        expect(np.isfinite(after.flux).all(), "it makes flux that is not finite")

    def test_what_is_divided_out_can_be_put_back(self) -> None:
        before, after = self.spectrum(), self.done()
        back = after.restore()
        expect(np.allclose(back.flux, before.flux, rtol=1e-9, atol=0),
               "flux × divided is not the flux that was given; divide by Spectrum.divide")
        if before.error is not None:
            same = after.error is not None and np.allclose(
                after.error * np.abs(before.flux), before.error * np.abs(after.flux), rtol=1e-9, atol=0
            )
            expect(same, "the errors are lost, or not divided as the flux is")

    def test_it_adds_to_what_was_divided_before(self) -> None:
        level = 1 + 0.1 * np.sin(np.linspace(0, 3, len(self.spectrum())))
        twice = self.part(self.spectrum().divide(level), self.given)
        expect(np.allclose(twice.restore().flux, self.spectrum().flux, rtol=1e-9, atol=0),
               "what was divided out before is forgotten")

    def test_what_is_given_is_left_as_it_was(self) -> None:
        given, before = self.spectrum(), self.spectrum()
        self.part(given, self.given)
        for what in ("wavelength", "flux", "error"):
            expect(np.array_equal(getattr(given, what), getattr(before, what)), f"it writes into the {what} given")

    def test_it_is_the_same_at_every_call(self) -> None:
        for again in (self.part(self.spectrum(), self.given), self.build()(self.spectrum(), self.given)):
            expect(np.array_equal(again.flux, self.done().flux), "the same spectrum gives other flux the second time")

    def test_unused_pixels_do_not_count(self) -> None:
        given = self.spectrum()
        bad = np.zeros(len(given), dtype=bool)
        bad[100:120] = True
        values = (np.nan, 1e3 * given.flux)
        spoilt = [replace(given, flux=np.where(bad, value, given.flux), mask=~bad) for value in values]
        try:
            first, second = (self.part(one, self.given) for one in spoilt)
        except HmlError as error:
            raise AssertionError(f"pixels that are not used make it fail: {error}") from error
        expect(np.isfinite(first.flux[~bad]).all(), "NaN in pixels that are not used spreads to others")
        expect(np.allclose(first.flux[~bad], second.flux[~bad], rtol=1e-9), "pixels that are not used have an effect")
