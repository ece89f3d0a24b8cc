"""What is here: versions, devices, places, grids."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path
from typing import Any

from hml.core.paths import cache_home, data_home
from hml.core.registry import installed
from hml.core.store import versions


def examine() -> dict[str, dict[str, Any]]:
    """Facts for a bug report, by topic."""
    import torch

    devices = {"cpu": f"{torch.get_num_threads()} threads"}
    devices |= {f"cuda:{i}": torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())}
    registry = installed()
    return {
        "versions": {"python": platform.python_version(), **versions()},
        "devices": devices,
        "places": {"cache": _place(cache_home()), "data": _place(data_home())},
        "grids here": _grids(),
        "plugins": {
            "components": len(registry.entries),
            **{f"failed: {f.plugin}": f"{f.distribution} {f.version}: {f.error}" for f in registry.failures},
        },
    }


def _place(path: Path) -> str:
    there = next(p for p in (path, *path.parents) if p.exists())
    return f"{path} ({shutil.disk_usage(there).free / 1e9:.1f} GB free)"


def _grids() -> dict[str, str]:
    """Files that were fetched, and built artefacts, by grid."""
    found = {
        f"{folder.name} (fetched)": f"{sum(f.stat().st_size for f in folder.rglob('*') if f.is_file()) / 1e6:.1f} MB"
        for folder in sorted(cache_home().glob("*/"))
    }
    for folder in sorted((data_home() / "grids").glob("*")):
        built = len(list(folder.glob("generator-*.safetensors")))
        clones = len(list(folder.glob("clones-*/*.safetensors")))
        size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
        found[folder.name] = f"{clones} clones, {built} generators, {size / 1e6:.1f} MB"
    return found or {"none": "hml run builds one"}
