"""The wavelengths of PHOENIX's high-resolution files (Husser et al. 2013, A&A 553, A6, table 2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SEGMENTS = (
    (500.0, 3000.0, 0.1), (3000.0, 4999.99, 0.006), (5000.0, 10000.0, 0.01), (10000.0, 15000.0, 0.02),
    (15000.0, 20000.0, 0.03), (20000.0, 25000.0, 0.04), (25000.0, 30000.0, 0.125), (30000.0, 35000.0, 0.15),
    (35000.0, 40000.0, 0.175), (40000.0, 45000.0, 0.2), (45000.0, 50000.0, 0.225), (50000.0, 55000.0, 0.25),
)
"""(first, end, step), vacuum Å; pixels lie below `end`. The files leave out 4999.992 and 4999.998 Å."""


def phoenix_wavelengths(low: float = 500.0, high: float = 55000.0) -> Floats:
    """PHOENIX's pixels with low ≤ wavelength ≤ high, vacuum Å `[N]`; 1,569,128 of them in all."""
    parts = [_segment(*segment) for segment in SEGMENTS if segment[0] <= high and segment[1] > low]
    every: Floats = np.concatenate(parts) if parts else np.empty(0)
    first, last = np.searchsorted(every, [low - 1e-9, high + 1e-9])
    return every[first:last]


def _segment(first: float, end: float, step: float) -> Floats:
    count = int(np.ceil((end - first) / step - 1e-6))
    return np.asarray(first + step * np.arange(count, dtype=np.float64))
