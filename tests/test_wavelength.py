"""Air and vacuum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hml import SpectrumError, air_to_vacuum, vacuum_to_air


@given(st.floats(2001.0, 60_000.0))
def test_round_trip(vacuum: float) -> None:
    assert abs(float(air_to_vacuum(vacuum_to_air(np.array(vacuum)))) - vacuum) < 1e-9


@pytest.mark.parametrize(
    ("air", "vacuum"), [(5889.9510, 5891.5833), (5895.9242, 5897.5581), (6562.79, 6564.60), (8542.09, 8544.44)]
)
def test_known_lines(air: float, vacuum: float) -> None:
    """Na D (NIST), Hα and a Ca II line in air and in vacuum, to the digits of the tables."""
    assert float(air_to_vacuum(np.array(air))) == pytest.approx(vacuum, abs=0.006)


def test_agrees_with_ciddor() -> None:
    """Ciddor (1996, Appl. Opt. 35, 1566) for the same standard air: within 1e-8 of the wavelength."""
    vacuum = np.linspace(3000.0, 20_000.0, 500)
    square = (1e4 / vacuum) ** 2
    index = 1 + 0.05792105 / (238.0185 - square) + 0.00167917 / (57.362 - square)
    np.testing.assert_allclose(vacuum_to_air(vacuum), vacuum / index, rtol=1e-8)


def test_no_air_below_2000() -> None:
    with pytest.raises(SpectrumError, match="1500 Å: no wavelength in air is defined below 2000 Å"):
        air_to_vacuum(np.array([1500.0, 3000.0]))
