"""Where hml keeps things: platformdirs locations, or everything under HML_HOME."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

UserPath = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]
"""A path as users write it in a config: `~` is their home, and the stored config works from any folder."""


def cache_home() -> Path:
    """Files that can be fetched or made again."""
    return _home("cache")


def data_home() -> Path:
    """Artefacts and runs."""
    return _home("data")


def _home(kind: str) -> Path:
    if home := os.environ.get("HML_HOME"):
        return Path(home).expanduser().absolute() / kind
    import platformdirs

    return platformdirs.user_cache_path("hml") if kind == "cache" else platformdirs.user_data_path("hml")
