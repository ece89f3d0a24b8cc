"""Line parameters → flux. One sum, two engines:

`fused`    CPU, float32, profiles that are a Lorentzian plus a Gaussian: compiled loops with analytic derivatives;
`generic`  any profile with an elementwise torch `evaluate`, on any device, in any precision.

Both follow a line's core on the pixels and its wing on the coarser grids of a raster, see `raster`.
"""

from __future__ import annotations

import logging
from functools import cache, lru_cache

import torch
from torch import Tensor

from hml.core.errors import SpectrumError
from hml.core.generic import Composition, Generic, find_reach
from hml.core.interfaces import LineProfile
from hml.core.raster import CORE, FARTHEST, Raster

log = logging.getLogger(__name__)


def render(
    raster: Raster,
    centre: Tensor,
    params: Tensor,
    profile: LineProfile,
    composition: Composition,
    *,
    tolerance: float,
    window: int | None = None,
    factor: Tensor | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Flux `[B, N]` of lines at `centre` `[B, L]` (float64 Å) with `params` `[B, L, K]`, differentiable in all of them.

    A wing is followed to where it falls below `tolerance`; or to `window` pixels in all (the paper's way). `factor`
    `[B]` is λ_observed / λ_rest. SpectrumError if a parameter is not finite.
    """
    if window is None and has_loops(profile, composition, raster.wavelength.device, dtype):
        from hml.core.fused import flux_of_lines

        seen, shape = _observed(profile, centre, params, factor)
        _check_finite(seen, shape)
        return flux_of_lines(raster, seen, shape, tolerance, composition == "opacity")
    _check_finite(centre, params)
    engine = Generic(raster, profile, composition, tolerance, window, dtype)
    return engine.render(engine.lay_out(centre, params, factor), centre, params, factor)


def _check_finite(centre: Tensor, numbers: Tensor) -> None:
    if not torch.isfinite(centre.detach().sum() + numbers.detach().sum()):
        raise SpectrumError("a line parameter is not finite, or too large, so that no spectrum can be made of it")


def has_loops(profile: LineProfile, composition: Composition, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the fused engine can do this."""
    if device.type != "cpu" or dtype != torch.float32 or composition == "product":
        return False
    return _is_mixture(profile)


@lru_cache(maxsize=16)
def _is_mixture(profile: LineProfile) -> bool:
    if profile.mixture(torch.zeros(1, len(profile.params))) is None:
        _tell(type(profile).__name__)
        return False
    return True


@cache
def _tell(name: str) -> None:
    log.info("%s has no compiled loop (LineProfile.mixture): torch evaluates it, which takes longer", name)


def _observed(profile: LineProfile, centre: Tensor, params: Tensor, factor: Tensor | None) -> tuple[Tensor, Tensor]:
    """Centres and mixtures as seen after a Doppler shift: all lengths times the factor d, and with x' = x·d
    s/(x² + g) = s·d²/(x'² + g·d²)."""
    shape = profile.mixture(params)
    assert shape is not None
    if factor is None:
        return centre, shape
    square = factor[:, None].to(shape.dtype) ** 2
    one = torch.ones_like(square)
    return centre * factor[:, None], shape * torch.stack([square, square, one, 1 / square], -1)


def reach(profile: LineProfile, params: Tensor, tolerance: float) -> Tensor:
    """Distance `[L]` (Å) beyond which lines with `params` `[L, K]` stay below `tolerance`, at most `FARTHEST`."""
    shape = profile.mixture(params)
    if shape is None:
        return find_reach(profile, params, tolerance).far
    lorentz, _, _, narrowness = shape.unbind(-1)
    return torch.maximum((lorentz / tolerance).sqrt(), CORE / (2 * narrowness).sqrt()).clamp(max=FARTHEST)


def half_width(profile: LineProfile, params: Tensor) -> Tensor:
    """Distance `[L]` (Å) from the centre at which lines with `params` `[L, K]` fall below half their peak."""
    steps = torch.logspace(-4, 2, 120, dtype=torch.float32, device=params.device)
    with torch.no_grad():
        lines = profile.evaluate(steps.expand(len(params), -1), params.to(torch.float32))
    return steps[(lines > lines[:, :1] / 2).sum(-1).clamp(max=119)]
