"""hml: grids of model spectra as generators made of spectral lines. The public names, and nothing else."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "hml.core.barycentre": ["Pointing"],
    "hml.core.blase": ["read_blase", "write_blase"],
    "hml.core.components": ["Applies", "BuildContext", "Component", "ComponentConfig", "Progress", "quiet"],
    "hml.core.config": [
        "Chosen", "GridConfig", "PreprocessorSlot", "RunConfig", "default_slot", "default_steps", "dump_config",
        "load_config", "parse_config",
    ],
    "hml.core.coordinates": ["coordinate"],
    "hml.core.errors": [
        "ArtefactError", "ConfigError", "GridError", "HmlError", "LabelError", "PluginError", "SpectrumError",
    ],
    "hml.core.filegrid": ["FileGrid", "GridFile", "grid_files", "readable"],
    "hml.core.generator": ["Generator"],
    "hml.core.hookspecs": ["hookimpl"],
    "hml.core.interfaces": [
        "FetchableGrid", "GridSource", "Interpolator", "LineProfile", "Manifold", "Missing", "Objective",
        "OptimizeResult", "Optimizer", "Posterior", "Preprocessor", "Reader", "Sampler", "Start", "Status", "Step",
        "TruthGrid",
    ],
    "hml.core.jit": ["compiled"],
    "hml.core.lines": ["Clone", "FoundLines", "LineTable", "Table"],
    "hml.core.lock": ["alone"],
    "hml.core.paths": ["UserPath", "cache_home", "data_home"],
    "hml.core.pipeline": ["build", "run"],
    "hml.core.raster": ["Raster"],
    "hml.core.registry": ["Registry", "discover", "installed"],
    "hml.core.result": ["Measured", "RunResult"],
    "hml.core.selection": ["Selection"],
    "hml.core.space": ["Axis", "Node", "Space"],
    "hml.core.spectrum": ["Frame", "Spectrum"],
    "hml.core.untrusted": ["read_ecsv"],
    "hml.core.wavelength": ["air_to_vacuum", "vacuum_to_air"],
}
_WHERE = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["__version__", *_WHERE]  # noqa: PLE0604 (all of them are strings)


def __getattr__(name: str) -> Any:
    """Public names are loaded when first used, so that `import hml` and the command line stay light."""
    if name not in _WHERE:
        raise AttributeError(f"module 'hml' has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value
