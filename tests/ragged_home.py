"""`ragged_grid` as an installed distribution, and a home for what is made of it: fixtures to import."""

import pytest

from hml import installed


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A folder that makes `ragged_grid` an installed distribution, and a home for what is made of it."""
    site = tmp_path_factory.mktemp("site")
    info = site / "hml_ragged-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hml-ragged\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[hml]\nragged = ragged_grid\n")
    return site, tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def _installed(places, monkeypatch):
    monkeypatch.syspath_prepend(str(places[0]))
    monkeypatch.setenv("HML_HOME", str(places[1]))
    installed.cache_clear()
    yield
    monkeypatch.undo()
    installed.cache_clear()
