"""The generator: labels → line parameters → spectrum. One file on disk, one torch module in memory."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hml.core.components import BuildContext
from hml.core.config import RunConfig
from hml.core.continuum import expand
from hml.core.errors import ArtefactError, HmlError, LabelError, SpectrumError
from hml.core.generic import Composition
from hml.core.holes import whole
from hml.core.hull import Hull, hull_of
from hml.core.interfaces import Interpolator, LineProfile, Manifold
from hml.core.lines import LineTable, Table
from hml.core.pseudo import PseudoContinuum
from hml.core.raster import Raster
from hml.core.render import reach, render
from hml.core.residual import Shapes, nearby, resampled, summed
from hml.core.space import LIGHT, Floats, Space
from hml.core.spectrum import Spectrum
from hml.core.store import read_arrays, write_arrays
from hml.core.stored import AGAIN, KIND, RECIPE, check, filled, needed, recipe, without_places

log = logging.getLogger(__name__)

ERROR = ("error_patterns", "error_strengths", "error_nodes", "error_axes")
"""Arrays of what is missed between nodes, judged at nodes left out: patterns `[E, N]` int8, strengths `[Q, E]`, these
nodes `[Q, P]` and the numbers of the axes `[Q]` along which the others told of them."""
ARRAYS = ("reference", "span", "wavelength", "starts", "patterns", *ERROR)
SERIES = ("continuum", "bends", "residual")
Break = tuple[int, float, float]  # label number, and the nodes on either side
SLACK = 1.5  # times as many lines as a window needs
NOWHERE = 1e9  # Å: the centre of a line that some labels of a batch do not have


@dataclass(frozen=True)
class Lines:
    """Line parameters at some labels: centre `[B, L]` float64 Å, params `[B, L, K]`."""

    centre: Tensor
    params: Tensor


class Generator(torch.nn.Module):
    """A continuous grid of spectra.

    `generator(labels)` renders normalised flux `[B, N]` for labels `[B, P]`; `generator.spectrum({...})` gives one
    Spectrum. Outside the grid's space a LabelError is raised; inside it, but beyond the nodes of a ragged grid, the
    former takes the nearest labels that these enclose, and the latter raises. Gradients flow to the labels if the
    manifold has them.
    """

    reference: Tensor  # [L] Å
    span: Tensor  # [L] Å, how far each line's wing is followed
    wavelength: Tensor  # [N] Å
    starts: Tensor  # first pixel of each order
    patterns: Tensor  # [R, N] of the residual, int8; of a generator without lines float32
    error_patterns: Tensor
    error_strengths: Tensor
    error_nodes: Tensor
    error_axes: Tensor

    def __init__(
        self,
        space: Space,
        manifold: Manifold,
        series: Mapping[str, Manifold],
        profile: LineProfile,
        arrays: Mapping[str, Tensor],
        header: Mapping[str, Any],
    ):
        """`manifold` gives the parameters of lines; `series` those that are no lines': what preprocessing divided out
        (`continuum`), the pseudo-continuum (`bends`), the residual's strengths (`residual`), each if there is one."""
        super().__init__()
        self.space, self.profile, self.header = space, profile, dict(header)
        self.manifold, self.series = manifold, dict(series)
        self._series = torch.nn.ModuleList(series.values())  # for `to`
        none = _no_error(len(space), len(arrays["wavelength"]))
        for name in ARRAYS:
            self.register_buffer(name, arrays.get(name, none.get(name)), persistent=False)
        self.breaks = [(space.names.index(b["label"]), b["low"], b["high"]) for b in header.get("breaks", ())]
        knots = header.get("bends_knots")
        self.bends = None if knots is None else PseudoContinuum(**knots)
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

    @cached_property
    def hull(self) -> Hull | None:
        """The hull of a ragged grid's nodes; None where nodes are made up instead, or where it is the whole box."""
        return hull_of(self.header["nodes"]) if self.header.get("ragged") else None

    def made_up(self, labels: Floats | Mapping[str, float]) -> bool:
        """Whether a node around labels `[P]` is one that the grid lacks, so that it was made up from others; on a
        ragged grid, whether its nodes are not on all sides of them."""
        point = self.points(labels)[0].cpu().numpy()
        if self.header.get("ragged"):
            return not Hull(np.array(self.header["nodes"])).surrounds(point)
        there = {tuple(node) for node in self.header["nodes"]}
        around = []
        for value, axis in zip(point, self.space.axes, strict=True):
            i, nodes = int(np.searchsorted(axis.nodes, value)), axis.nodes
            around.append([value] if value in nodes else nodes[i - 1 : i + 1])
        return any(corner not in there for corner in product(*around))

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

    def nearest(self, labels: Tensor | Floats | Mapping[str, float]) -> Tensor:
        """As `points`; on a ragged grid labels beyond the hull of its nodes are moved to the nearest of it."""
        points = self.points(labels)
        return points if self.hull is None else self.hull.nearest(points)

    def require(self, labels: Mapping[str, float]) -> Tensor:
        """Labels as `[1, P]`; LabelError if they are outside the space, or beyond the hull of a ragged grid's nodes."""
        points = self.points(labels)
        moved = self.nearest(points)
        if not torch.equal(points, moved):
            told = ", ".join(f"{name} {value:.6g}" for name, value in self.space.to_dict(moved[0].cpu()).items())
            asked = ", ".join(f"{name} {value:g}" for name, value in self.space.to_dict(points[0].cpu()).items())
            raise LabelError(f"{asked}: the grid is ragged, and its nodes do not reach there; the nearest labels that "
                             f"they enclose are {told}")  # fmt: skip
        return points

    def lines(self, labels: Tensor | Floats | Mapping[str, float]) -> Lines:
        """The lines at labels `[B, P]`, see `nearest`."""
        return self._lines(self.nearest(labels))

    def _lines(self, points: Tensor) -> Lines:
        values = self.manifold(points)
        if values.shape[1:] != (len(self), 1 + len(self.profile.params)):
            raise ArtefactError(f"the manifold gives numbers {list(values.shape[1:])} for {len(self)} tracks; {AGAIN}")
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
        hull = slice(int(index[0]), int(index[-1]) + 1) if len(index) else slice(0, 0)
        # neighbours in the table are a view of it; a few lines too many cost less than a copy
        lines = hull if hull.stop - hull.start <= SLACK * len(index) else index
        ends = torch.tensor([low, high + 1e-9], dtype=torch.float64, device=self.wavelength.device)
        first, last = torch.searchsorted(self.wavelength, ends).tolist()
        starts = (self.starts - first).clamp(min=0).unique()
        arrays = {name: getattr(self, name)[lines] for name in ("reference", "span")}
        arrays |= {name: getattr(self, name)[..., first:last] for name in ("wavelength", "patterns", "error_patterns")}
        arrays["starts"] = starts[starts < max(last - first, 1)]
        return self.changed(arrays, self.manifold.subset(lines))

    def lines_alone(self) -> Generator:
        """The same generator without its residual (whose error is not known)."""
        series = {name: part for name, part in self.series.items() if name != "residual"}
        return self.changed(self._nothing_but_lines(), series=series)

    def only(self, tracks: NDArray[np.int64]) -> Generator:
        """The generator of some tracks alone (their numbers `[T]`, increasing), on the same pixels, without
        pseudo-continuum and residual."""
        arrays = {"reference": self.reference[tracks], "span": self.span[tracks], **self._nothing_but_lines()}
        series = {name: part for name, part in self.series.items() if name == "continuum"}
        return self.changed(arrays, self.manifold.subset(tracks), series, {**self.header, "bends_knots": None})

    def changed(
        self,
        arrays: Mapping[str, Tensor],
        manifold: Manifold | None = None,
        series: Mapping[str, Manifold] | None = None,
        header: Mapping[str, Any] | None = None,
    ) -> Generator:
        """The same generator with some of its arrays, and perhaps other parts, replaced."""
        every = {name: getattr(self, name) for name in ARRAYS} | dict(arrays)
        made = Generator(
            self.space, manifold or self.manifold, self.series if series is None else series, self.profile, every,
            header or self.header,
        )  # fmt: skip
        return made.to(self.reference.device)

    def _nothing_but_lines(self) -> dict[str, Tensor]:
        return {"patterns": self.patterns[:0], **_no_error(len(self.space), len(self.wavelength))}

    def forward(
        self,
        labels: Tensor | Floats | Mapping[str, float],
        wavelength: Tensor | Raster | None = None,
        velocity: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Normalised flux `[B, N]` at `wavelength` `[N]`: increasing vacuum Å inside the band (outside there are no
        lines to render), as a Raster where the same is asked for often; default the grid's own pixels. `velocity` `[B]`
        km/s, positive for recession, shifts the lines."""
        raster = Raster.of(wavelength) if isinstance(wavelength, Tensor) else wavelength or self.raster
        points = self.nearest(labels)
        factor = None if velocity is None else doppler(velocity).to(points.device)
        return self._bridged(points, raster, factor, dtype, self.breaks)

    def _bridged(
        self, points: Tensor, raster: Raster, factor: Tensor | None, dtype: torch.dtype, breaks: Sequence[Break]
    ) -> Tensor:
        """The flux `[B, N]`. Between the nodes of a break it is straight in the flux itself: where on the way spectra
        jump nobody knows, and halfway the half of both is the least wrong."""
        if not breaks:
            return self._rendered(points, raster, factor, dtype)
        (p, low, high), *more = breaks
        inside = (points[:, p] > low) & (points[:, p] < high)
        part = ((points[:, p] - low) / (high - low)).to(dtype)[:, None]
        out = torch.zeros(len(points), len(raster), dtype=dtype, device=points.device)
        axis = torch.tensor([p], device=points.device)
        for here, at, share in (
            (~inside, points, torch.ones_like(part)),
            (inside, points.index_fill(1, axis, low), 1 - part),
            (inside, points.index_fill(1, axis, high), part),
        ):
            index = here.nonzero()[:, 0]
            if len(index):
                moved = None if factor is None else factor[index]
                out = out.index_add(0, index, share[index] * self._bridged(at[index], raster, moved, dtype, more))
        return out

    def _rendered(self, points: Tensor, raster: Raster, factor: Tensor | None, dtype: torch.dtype) -> Tensor:
        lines = self._lines(points)
        centre, params = lines.centre, lines.params
        if np.isfinite(self.cut):
            alive = torch.isfinite(params[..., 0])
            some = alive.any(0)
            centre, params, alive = centre[:, some], params[:, some], alive[:, some]
            centre = torch.where(alive, centre, torch.full_like(centre, NOWHERE))
            params = torch.where(alive[..., None], params, torch.zeros_like(params))
        flux = render(
            raster, centre, params, self.profile, self.composition, tolerance=self.header["tolerance"],
            window=self.window, factor=factor, dtype=dtype,
        )  # fmt: skip
        return self._completed(flux, points, raster, factor)

    def errors(self, labels: Floats | Mapping[str, float]) -> Tensor:
        """The generator's own error near labels `[P]`: patterns `[E, N]` on its own pixels, each as large as one
        standard deviation in normalised flux, so that the covariance of two pixels is the sum of their products. It is
        judged by what is missed at nodes around when they are left out (nearer ones count more), added over the axes;
        see `hml.core.left_out`. No patterns where none were kept."""
        point = self.points(labels)[0]
        strengths = nearby(self.space, point.cpu().numpy(), *(getattr(self, name) for name in ERROR[1:]))
        return strengths.to(self.error_patterns.device) @ self.error_patterns.float()

    def _completed(self, flux: Tensor, points: Tensor, raster: Raster, factor: Tensor | None) -> Tensor:
        """The flux `[B, N]` of lines times the pseudo-continuum, plus the residual."""
        rest = raster.wavelength if factor is None else raster.wavelength / factor[:, None]
        if self.bends is not None:
            coefficients = self.series["bends"](points)[..., 0]
            flux = flux * self.bends.logarithm(coefficients, rest).exp().to(flux.dtype)
        if len(self.patterns):
            missed = summed(self.series["residual"](points)[..., 0], self.patterns)
            own = factor is None and (raster is self.__dict__.get("raster"))
            flux = flux + (missed if own else resampled(missed, self.wavelength, rest)).to(flux.dtype)
        return flux

    @cached_property
    def raster(self) -> Raster:
        """The grid's own pixels; SpectrumError if there are none."""
        return Raster.of(self.wavelength)

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
        point = self.require(labels)
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
        if "continuum" not in self.series:
            return None
        with torch.no_grad():
            coefficients = self.series["continuum"](point)[0, :, 0].cpu().numpy()
        return expand(coefficients, self.header["continuum_bands"], wavelength)

    # --- on disk ---

    def save(self, path: Path) -> None:
        """One file, which is all that `Generator.load` needs. Paths and addresses are left out of it."""
        arrays = {name: getattr(self, name) for name in ARRAYS}
        arrays |= {f"manifold.{k}": v for k, v in self.manifold.state_dict().items()}
        header = {**self.header, "space": self.space.to_json(), "manifold": self.manifold.header()}
        header |= {"plugins": needed(self.header["config"])}
        header |= {name: without_places(self.header[name]) for name in ("grid", "config")}
        for name, part in self.series.items():
            arrays |= {f"{name}.{k}": v for k, v in part.state_dict().items()}
            header[name] = part.header()
        write_arrays(path, KIND, {k: v.detach().cpu().numpy() for k, v in arrays.items()}, header)

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> Generator:
        """A generator from its file; ArtefactError if the file is damaged, of another schema, or needs a plugin that is
        not installed. Its numbers stay in the file, mapped into memory, and are read where they are needed.

        The file may come from anywhere: it holds no code, and what it says is checked before it is used. Whether its
        content is what was written, `hml.core.store.verify` tells.
        """
        arrays, header = read_arrays(path, KIND, mapped=True)
        check(path, header, arrays)
        try:
            config, context = recipe(path, header), BuildContext(device=device)
            tensors = {k: torch.from_numpy(v).to(device) for k, v in arrays.items()}
            interpolator = config.interpolator.build(context)
            manifold = filled(interpolator, header["manifold"], tensors, "manifold.")
            series = {
                name: filled(interpolator, header[name], tensors, f"{name}.") for name in SERIES if header.get(name)
            }
            space, profile = Space.from_json(header["space"]), config.profile.build(context)
            return cls(space, manifold, series, profile, tensors, header).to(device)
        except HmlError:
            raise
        except Exception as error:  # plugins meet the header's words here: what they make of nonsense is their own
            text = f"{type(error).__name__}: {error}".splitlines()[0]
            raise ArtefactError(f"{path}: does not hold what a generator needs ({text}); {AGAIN}") from None


def build_generator(
    lines: LineTable,
    tables: Mapping[str, Table],
    profile: LineProfile,
    config: RunConfig,
    header: Mapping[str, Any],
    wavelength: Floats,
    starts: tuple[int, ...],
    context: BuildContext,
) -> Generator:
    """The generator of a line table and of `tables` `[M, C, 1]` at the same nodes: what was divided out (`continuum`),
    the pseudo-continuum (`bends`, whose knots are in the header). It has no residual yet, see `with_residual`."""
    arrays = {
        "reference": torch.as_tensor(lines.reference),
        "span": _farthest(lines, profile, config.generator.tolerance),
        "wavelength": torch.as_tensor(wavelength),
        "starts": torch.as_tensor(starts),
        "patterns": torch.zeros((0, len(wavelength)), dtype=torch.int8),
    }
    space, breaks = lines.table.space, lines.table.breaks
    full = {
        **header,
        "composition": config.clone.composition,
        "window": config.generator.window,
        "tolerance": config.generator.tolerance,
        "cut": float(lines.cut) if np.isfinite(lines.cut) else None,
        "ragged": not config.interpolator.trait("requires_rectilinear"),
        "config": config.model_dump(mode="json", include=RECIPE),
        "breaks": [
            {"label": label, "low": space[label].nodes[i], "high": space[label].nodes[i + 1]}
            for label, intervals in breaks.items() for i in intervals
        ],
    }  # fmt: skip
    series = {name: _manifold(table, config, context) for name, table in tables.items()}
    manifold = _manifold(lines.table, config, context)
    return Generator(space, manifold, series, profile, arrays, full).to(context.device)


def _manifold(table: Table, config: RunConfig, context: BuildContext) -> Manifold:
    """Through all nodes, and those that have to be made up."""
    interpolator: Interpolator = config.interpolator.build(context)
    return interpolator.fit(whole(table) if config.interpolator.trait("requires_rectilinear") else table)


def with_residual(
    generator: Generator, shapes: Shapes, strengths: Table, config: RunConfig, context: BuildContext
) -> Generator:
    """The generator with a residual of patterns `[R, N]` that have strengths `[M, R, 1]` at the nodes."""
    series = {**generator.series, "residual": _manifold(strengths, config, context)}
    return generator.changed({"patterns": torch.from_numpy(shapes)}, series=series)


def _no_error(labels: int, pixels: int) -> dict[str, Tensor]:
    """Arrays of an error that is not known."""
    shapes = ((0, pixels), torch.int8), ((0, 0), torch.float32), ((0, labels), torch.float64), ((0,), torch.int64)
    return {name: torch.zeros(shape, dtype=dtype) for name, (shape, dtype) in zip(ERROR, shapes, strict=True)}


def _farthest(lines: LineTable, profile: LineProfile, tolerance: float) -> Tensor:
    """How far `[L]` (Å) each line's wing reaches at the node where it reaches farthest."""
    span = torch.zeros(len(lines), dtype=torch.float64)
    for values, present in zip(lines.table.values, lines.present, strict=True):
        here = torch.as_tensor(present)
        if present.any():
            params = torch.as_tensor(values[present, 1:])
            span[here] = torch.maximum(span[here], reach(profile, params, tolerance))
    return span


def doppler(velocity: Tensor) -> Tensor:
    """λ_observed / λ_rest for a radial velocity (km/s, positive for recession), special relativity."""
    beta = velocity.to(torch.float64) / LIGHT
    return torch.sqrt((1 + beta) / (1 - beta))
