"""What preprocessing divided out, kept as a few coefficients."""

import numpy as np
import pytest
from astropy import units as u
from astropy.modeling.models import BlackBody

from hml import Spectrum
from hml.core.continuum import DEGREE, bands_of, compress, expand


@pytest.mark.parametrize("teff", [2300.0, 5800.0, 12000.0])
def test_a_blackbody_over_the_hpf_band_is_held_to_rounding(teff):
    wavelength = np.arange(8038.0, 12849.0, 0.5)
    divided = BlackBody(teff * u.K)(wavelength * u.AA).value
    spectrum = Spectrum(wavelength, np.ones(len(wavelength)), divided=divided)
    coefficients, error = compress(spectrum)
    assert len(coefficients) == DEGREE + 1
    assert error < 1e-10
    np.testing.assert_allclose(expand(coefficients, bands_of(spectrum), wavelength), divided, rtol=1e-10)


def test_each_order_has_its_own_series_and_its_pixels_go_to_it():
    wavelength = np.concatenate([np.arange(8500.0, 8510, 0.05), np.arange(8512.0, 8530, 0.05)])
    starts = (0, 200)
    divided = np.where(wavelength < 8511, 3.0, 7.0 + 0.01 * (wavelength - 8520))
    spectrum = Spectrum(wavelength, np.ones(len(wavelength)), divided=divided, starts=starts)
    coefficients, error = compress(spectrum)
    assert error < 1e-8
    few = np.array([8500.0, 8509.9, 8512.0, 8529.0])
    np.testing.assert_allclose(expand(coefficients, bands_of(spectrum), few), [3, 3, 6.92, 7.09], rtol=1e-6)


def test_nothing_divided_is_one_and_structure_is_told_by_the_error():
    wavelength = np.arange(8500.0, 8510, 0.01)
    plain = Spectrum(wavelength, np.ones(len(wavelength)))
    assert (expand(compress(plain)[0], bands_of(plain), wavelength) == 1).all()
    wavy = Spectrum(wavelength, np.ones(len(wavelength)), divided=1 + 0.1 * np.sin(40 * wavelength))
    assert compress(wavy)[1] > 0.05
