"""The generator: labels → line parameters → spectrum. One file on disk, one torch module in memory."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hml.core.components import BuildContext
from hml.core.config import RunConfig, parse_config
from hml.core.continuum import expand
from hml.core.errors import ArtefactError, LabelError, SpectrumError
from hml.core.interfaces import LineProfile, Manifold
from hml.core.lines import LineTable, Table
from hml.core.render import Composition, lay_out, reach, render
from hml.core.space import LIGHT, Floats, Space
from hml.core.spectrum import Spectrum
from hml.core.store import read_arrays, write_arrays

log = logging.getLogger(__name__)

KIND = "generator"
NOWHERE = 1e9  # Å: the centre of a line that some labels of a batch do not have
RECIPE = {"find", "profile", "clone", "associate", "interpolator", "generator"}
"""The sections of a config that a generator is made by (its grid has a place of its own in the header)."""


@dataclass(frozen=True)
class Lines:
    """Line parameters at some labels: centre `[B, L]` float64 Å, params `[B, L, K]`."""

    centre: Tensor
    params: Tensor


class Generator(torch.nn.Module):
    """A continuous grid of spectra.

    `generator(labels)` renders normalised flux `[B, N]` for labels `[B, P]`; `generator.spectrum({...})` gives one
    Spectrum. Outside the grid's space a LabelError is raised. Gradients flow to the labels if the manifold has them.
    """

    reference: Tensor  # [L] Å
    span: Tensor  # [L] Å, how far each line's wing is followed
    wavelength: Tensor  # [N] Å
    starts: Tensor  # first pixel of each order
    continuum: Manifold | None  # what preprocessing divided out

    def __init__(
        self,
        space: Space,
        manifold: Manifold,
        continuum: Manifold | None,
        profile: LineProfile,
        arrays: Mapping[str, Tensor],
        header: Mapping[str, Any],
    ):
        super().__init__()
        self.space, self.profile, self.header = space, profile, dict(header)
        self.manifold, self.continuum = manifold, continuum
        for name in ("reference", "span", "wavelength", "starts"):
            self.register_buffer(name, arrays[name], persistent=False)
        self.composition: Composition = header["composition"]
        self.window: int | None = header["window"]
        self.cut = float(header["cut"]) if header["cut"] is not None else -np.inf

    # --- what it holds ---

    @property
    def band(self) -> tuple[float, float]:
        """First and last wavelength of the grid, vacuum Å."""
        return float(self.wavelength[0]), float(self.wavelength[-1])

    @property
    def orders(self) -> list[tuple[float, float]]:
        """The stretches of wavelength that the grid covers without a gap, vacuum Å."""
        wavelength, step = self.wavelength.cpu().numpy(), float(self.wavelength.diff().median())
        starts = [s for s in self.starts.tolist() if s > 0 and wavelength[s] - wavelength[s - 1] > 3 * step]
        return [(float(part[0]), float(part[-1])) for part in np.split(wavelength, starts)]

    @property
    def resolving_power(self) -> float | None:
        """λ/Δλ of the grid's spectra, None for native sampling."""
        return self.header.get("resolving_power")

    def __len__(self) -> int:
        """The number of tracks."""
        return len(self.reference)

    # --- labels → flux ---

    def points(self, labels: Tensor | Floats | Mapping[str, float]) -> Tensor:
        """Labels as `[B, P]` float64 inside the space; LabelError if they are not."""
        if isinstance(labels, Mapping):
            labels = self.space.to_array(labels)
        tensor = torch.as_tensor(labels, dtype=torch.float64, device=self.reference.device)
        tensor = tensor[None] if tensor.ndim == 1 else tensor
        if tensor.ndim != 2:
            raise LabelError(f"labels of shape {tuple(tensor.shape)} given; expected [B, {len(self.space)}]")
        inside = torch.as_tensor(self.space.require(tensor.detach().cpu().numpy()), device=tensor.device)
        return tensor + (inside - tensor).detach()

    def lines(self, labels: Tensor | Floats | Mapping[str, float]) -> Lines:
        """The lines at labels `[B, P]`."""
        values = self.manifold(self.points(labels))
        centre = self.reference + values[..., 0]
        params = values[..., 1:]
        if np.isfinite(self.cut):
            gone = (params[..., :1] < self.cut).expand_as(params)
            params = torch.where(gone, torch.full_like(params, torch.nan), params)
        return Lines(centre, params)

    def window_on(self, low: float, high: float) -> Generator:
        """The same generator for the lines that matter between two wavelengths (Å): what it costs is what it holds."""
        near = (self.reference + self.span >= low) & (self.reference - self.span <= high)
        index = near.nonzero()[:, 0].cpu().numpy()
        first, last = torch.searchsorted(self.wavelength, torch.tensor([low, high + 1e-9]).to(self.wavelength)).tolist()
        starts = (self.starts - first).clamp(min=0).unique()
        arrays = {
            "reference": self.reference[near],
            "span": self.span[near],
            "starts": starts[starts < max(last - first, 1)],
            "wavelength": self.wavelength[first:last],
        }
        return Generator(self.space, self.manifold.subset(index), self.continuum, self.profile, arrays, self.header)

    def forward(
        self,
        labels: Tensor | Floats | Mapping[str, float],
        wavelength: Tensor | None = None,
        velocity: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Normalised flux `[B, N]` at `wavelength` `[N]` (increasing vacuum Å inside the band; default the grid's own
        pixels; outside the band there are no lines to render). `velocity` `[B]` km/s, positive for recession, shifts
        the lines."""
        wavelength = self.wavelength if wavelength is None else wavelength
        lines = self.lines(labels)
        alive = torch.isfinite(lines.params[..., 0])
        some = alive.any(0)
        if not some.all():
            lines, alive = Lines(lines.centre[:, some], lines.params[:, some]), alive[:, some]
        centre = torch.where(alive, lines.centre, torch.full_like(lines.centre, NOWHERE))
        params = torch.where(alive[..., None], lines.params, torch.zeros_like(lines.params))
        factor = torch.ones(len(centre), dtype=torch.float64) if velocity is None else doppler(velocity)
        factor = factor.to(centre.device)
        laid = (centre * factor[:, None]).detach()
        layout = lay_out(wavelength, laid, self.window or self.span[some], dtype)
        # seen from the line's own frame a pixel lies λ/d - c = offset/d - (c - laid/d) from the centre
        stretch = 1 / factor
        moved = centre - laid * stretch[:, None]
        return render(layout, moved, params, self.profile, self.composition, stretch)

    # --- labels → a Spectrum ---

    def spectrum(
        self,
        labels: Mapping[str, float],
        *,
        low: float | None = None,
        high: float | None = None,
        absolute: bool = False,
    ) -> Spectrum:
        """One spectrum on the grid's pixels, normalised, or in the grid's own flux unit (`absolute`)."""
        point = self.points(labels)
        whole = self.band
        low, high = whole[0] if low is None else low, whole[1] if high is None else high
        if low < whole[0] or high > whole[1] or low > high:
            covers = f"{whole[0]:.2f} to {whole[1]:.2f} Å"
            raise SpectrumError(f"wavelengths {low:g} to {high:g} Å: the generator covers {covers} (vacuum), no more")
        part = self.window_on(low, high)
        if len(part.wavelength) == 0:
            raise SpectrumError(f"wavelengths {low:g} to {high:g} Å: no pixel lies between them")
        with torch.no_grad():
            flux = part(point)[0].double().cpu().numpy()
        wavelength = part.wavelength.cpu().numpy()
        meta = {"labels": self.space.to_dict(point[0].cpu().numpy()), "grid": self.header["grid"]["name"]}
        spectrum = Spectrum(
            wavelength,
            flux,
            starts=tuple(part.starts.tolist()),
            meta=meta,
            unit=self.header["unit"],
            divided=self._divided(point, wavelength),
        )
        lost = self.header["continuum_error"]
        if absolute and lost > 1e-3:
            log.warning("what preprocessing divided out is known to %.1e only; absolute flux is no better", lost)
        return spectrum.restore() if absolute else spectrum

    def _divided(self, point: Tensor, wavelength: Floats) -> Floats | None:
        if self.continuum is None:
            return None
        with torch.no_grad():
            coefficients = self.continuum(point)[0, :, 0].cpu().numpy()
        return expand(coefficients, self.header["continuum_bands"], wavelength)

    # --- on disk ---

    def save(self, path: Path) -> None:
        """One file; see `Generator.load`."""
        arrays = {"reference": self.reference, "span": self.span, "wavelength": self.wavelength, "starts": self.starts}
        arrays |= {f"manifold.{k}": v for k, v in self.manifold.state_dict().items()}
        header = {**self.header, "space": self.space.to_json(), "manifold": self.manifold.header()}
        if self.continuum is not None:
            arrays |= {f"continuum.{k}": v for k, v in self.continuum.state_dict().items()}
            header["continuum"] = self.continuum.header()
        write_arrays(path, KIND, {k: v.detach().cpu().numpy() for k, v in arrays.items()}, header)

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> Generator:
        """A generator from its file; ArtefactError if the file is damaged, of another schema, or needs a plugin that is
        not installed."""
        arrays, header = read_arrays(path, KIND)
        try:
            tensors = {k: torch.from_numpy(v).to(device) for k, v in arrays.items()}
            config = parse_config(header["config"], source=str(path))
            context = BuildContext(device=device)
            interpolator = config.interpolator.build(context)
            manifold = _filled(interpolator.empty(header["manifold"]), tensors, "manifold.")
            continuum = None
            if "continuum" in header:
                continuum = _filled(interpolator.empty(header["continuum"]), tensors, "continuum.")
            space = Space.from_json(header["space"])
            made = cls(space, manifold, continuum, config.profile.build(context), tensors, header)
        except (KeyError, RuntimeError, TypeError) as error:
            raise ArtefactError(f"{path}: does not hold what a generator needs ({error}); build it again") from None
        return made.to(device)


def build_generator(
    lines: LineTable,
    continuum: Table,
    profile: LineProfile,
    config: RunConfig,
    header: Mapping[str, Any],
    wavelength: Floats,
    starts: tuple[int, ...],
    context: BuildContext,
) -> Generator:
    """The generator of a line table and of what was divided out at the same nodes (`[M, coefficients, 1]`)."""
    interpolator = config.interpolator.build(context)
    arrays = {
        "reference": torch.as_tensor(lines.reference),
        "span": _farthest(lines, profile, config.generator.tolerance),
        "wavelength": torch.as_tensor(wavelength),
        "starts": torch.as_tensor(starts),
    }
    full = {
        **header,
        "composition": config.clone.composition,
        "window": config.generator.window,
        "cut": float(lines.cut) if np.isfinite(lines.cut) else None,
        "config": config.model_dump(mode="json", include=RECIPE),
    }
    made = Generator(
        lines.table.space, interpolator.fit(lines.table), interpolator.fit(continuum), profile, arrays, full
    )
    return made.to(context.device)


def _farthest(lines: LineTable, profile: LineProfile, tolerance: float) -> Tensor:
    """How far `[L]` (Å) each line's wing reaches at the node where it reaches farthest."""
    span = torch.zeros(len(lines))
    for values, present in zip(lines.table.values, lines.present, strict=True):
        here = torch.as_tensor(present)
        if present.any():
            params = torch.as_tensor(values[present, 1:], dtype=torch.float32)
            span[here] = torch.maximum(span[here], reach(profile, params, tolerance))
    return span


def _filled(module: Manifold, tensors: Mapping[str, Tensor], prefix: str) -> Manifold:
    module.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
    return module


def doppler(velocity: Tensor) -> Tensor:
    """λ_observed / λ_rest for a radial velocity (km/s, positive for recession), special relativity."""
    beta = velocity.to(torch.float64) / LIGHT
    return torch.sqrt((1 + beta) / (1 - beta))
