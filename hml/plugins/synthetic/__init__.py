"""The `synthetic` grid: physics-like spectra at any label, made here. Nothing to download."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from hml import Applies, BuildContext, Component, GridConfig, Selection, hookimpl

if TYPE_CHECKING:
    from hml.plugins.synthetic.source import SyntheticGrid

RANGES = {"teff": (2500.0, 8000.0), "logg": (2.0, 5.5), "feh": (-2.0, 0.5), "alpha": (-0.2, 0.8)}
"""Where the formulas behind the grid make sense: K and dex."""
LINES_RANGE = (8000.0, 13000.0)
"""Where the grid has lines, vacuum Å."""
ALPHA_NODES = (-0.2, 0.0, 0.2, 0.4, 0.6, 0.8)
PRESETS: Mapping[str, Mapping[str, tuple[float, ...]]] = {
    "small": {"teff": (5200.0, 5400.0, 5600.0, 5800.0, 6000.0), "logg": (4.0, 4.5, 5.0), "feh": (-0.5, 0.0),
              "band": (8700.0, 8760.0), "lines": (20000,)},
    "full": {"teff": tuple(float(t) for t in range(3000, 7001, 200)), "logg": (3.0, 3.5, 4.0, 4.5, 5.0),
             "feh": (-1.0, -0.5, 0.0, 0.5), "band": (8038.0, 12849.0), "lines": (30000,)},
}


class SyntheticConfig(GridConfig):
    """Lines of atoms and molecules by the formulas of textbooks, at PHOENIX's wavelengths and units. A grid that
    knows its own truth between nodes."""

    preset: Literal["small", "full"] = Field(
        "small", description="small: 30 nodes, 8700–8760 Å, for a first run; full: 420 nodes, 8038–12849 Å"
    )
    teff: Selection | None = Field(None, description="nodes in K: a range of the preset's, or {nodes: [...]} of any")
    logg: Selection | None = Field(None, description="nodes in dex (cm/s²): a range of the preset's, or any {nodes}")
    feh: Selection | None = Field(None, description="[Fe/H] nodes: a range of the preset's, or any {nodes: [...]}")
    alpha: Selection | None = Field(
        None, description="[α/Fe] nodes: a range of -0.2, 0, … 0.8, or any {nodes: [...]}; null: no such label"
    )
    seed: int = Field(0, ge=0, description="of the line list")
    lines: int | None = Field(
        None, ge=1, le=200_000, description="random lines at 8038–12849 Å (a band has its part); null: the preset's"
    )
    resolving_power: float | None = Field(
        None, ge=1000, le=1e6, description="λ/Δλ the spectra are convolved to; null: as they are"
    )

    @model_validator(mode="after")
    def _possible(self) -> SyntheticConfig:
        low, high = self.band
        if not LINES_RANGE[0] <= low < high <= LINES_RANGE[1]:
            raise ValueError(f"wavelength [{low:g}, {high:g}] must lie within {LINES_RANGE[0]:g} to "
                             f"{LINES_RANGE[1]:g} Å, where this grid has lines")
        self.axes()
        return self

    @property
    def band(self) -> tuple[float, float]:
        """Vacuum Å."""
        low, high = self.wavelength or PRESETS[self.preset]["band"]
        return float(low), float(high)

    @property
    def line_count(self) -> int:
        """Random lines at 8038–12849 Å."""
        return self.lines or int(PRESETS[self.preset]["lines"][0])

    def axes(self) -> dict[str, tuple[float, ...]]:
        """Node values of each label; ValueError if a selection leaves nothing or asks for too much."""
        chosen = {"teff": self.teff, "logg": self.logg, "feh": self.feh}
        nodes = {name: _pick(name, by, PRESETS[self.preset][name]) for name, by in chosen.items()}
        return nodes if self.alpha is None else {**nodes, "alpha": _pick("alpha", self.alpha, ALPHA_NODES)}


def _pick(name: str, by: Selection | None, preset: tuple[float, ...]) -> tuple[float, ...]:
    if by is None:
        return preset
    if by.nodes is None:
        try:
            return by.pick(preset, name)
        except ValueError as error:
            raise ValueError(f"{error}; `preset: full` has more, and {{nodes: [...]}} takes any") from None
    low, high = RANGES[name]
    for value in by.nodes:  # there is a truth everywhere, so any value can be a node
        if not low <= value <= high:
            raise ValueError(f"{name} = {value:g} is beyond what this grid can make: {low:g} to {high:g}")
    return tuple(sorted({float(value) for value in by.nodes}))


def _build(config: SyntheticConfig, context: BuildContext) -> SyntheticGrid:
    from hml.plugins.synthetic.source import SyntheticGrid

    return SyntheticGrid(config)


@hookimpl
def hml_grids() -> Iterable[Component]:
    yield Component(
        "synthetic", "physics-like spectra at any label, made here; nothing to download", SyntheticConfig, _build,
        reference="formulas of Gray 2005, The Observation and Analysis of Stellar Photospheres",
        traits={"truth": True}, applies=Applies(labels=RANGES, wavelength=LINES_RANGE),
    )
