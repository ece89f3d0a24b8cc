"""What every test gets: a home of its own, and the real spectra where they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["hml.testing.plugin", "pytester"]

# Tests do not depend on the clock: a busy machine is no failure.
settings.register_profile("hml", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hml")


@pytest.fixture(autouse=True)
def _own_home(hml_home: Path) -> None:
    """Nothing a test stores or fetches goes to the user's own folders."""


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real spectra; the test is skipped where there is none."""
    folder = os.environ.get("HML_REAL_DATA")
    if not folder:
        pytest.skip("HML_REAL_DATA is not set: no real spectra to compare with")
    path = Path(folder)
    if not path.is_dir():
        pytest.fail(f"HML_REAL_DATA names {path}, which is not a folder")
    return path
