"""What a publication that rests on a run should cite: hml, its method, and the parts of the run."""

from __future__ import annotations

from hml.core.config import Chosen, RunConfig

SOFTWARE = "hml: grids of model spectra as differentiable generators made of spectral lines"
METHOD = {
    "the method": "Shankar, Gully-Santiago & Morley, Using Hybrid Machine Learning for Fundamental Stellar Parameter "
    "Inference",
    "line-by-line clones (blasé)": "Gully-Santiago & Morley 2022, ApJ 941, 200, doi:10.3847/1538-4357/aca0a2",
}
"""As in CITATION.cff."""


def citations(config: RunConfig, version: str) -> list[tuple[str, str]]:
    """What for, and what to cite; every text once."""
    found = {f"the hml authors, {SOFTWARE}, version {version}": "hml"}
    found |= {text: what for what, text in METHOD.items()}
    for what, part in _parts(config):
        if part.component.reference:
            found.setdefault(part.component.reference, f"{what} {part.name}")
    return [(what, text) for text, what in found.items()]


def _parts(config: RunConfig) -> list[tuple[str, Chosen]]:
    slots = ("grid", "profile", "interpolator", "optimizer")
    steps = [*config.grid.config.preprocess, *config.spectrum.preprocess]
    return [(slot, getattr(config, slot)) for slot in slots] + [("preprocessor", step) for step in steps]
