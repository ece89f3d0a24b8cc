"""What the tracks of a generator amount to over its grid: how strong, where, and at how many nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from math import pi
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hml.core.errors import ConfigError
from hml.core.generator import Generator
from hml.core.generic import Composition
from hml.core.interfaces import LineProfile
from hml.core.space import LIGHT, Floats, Space

Ints = NDArray[np.int64]
Order = Literal["centre", "strength", "presence"]

THRESHOLD = 0.005
"""Central depth from which a line counts as present, by default: the prominence from which lines are found."""
POINTS = 33  # of the quadrature of an equivalent width, good to 1e-3
AT_ONCE = 4_000_000  # values of profiles in memory
FAR = 30.0  # km/s: a wavelength that is further from every track names none


@dataclass(frozen=True, eq=False)
class Tracks:
    """Tracks by centre. Arrays are `[L]`; widths are equivalent widths in Å, depths fractions of the continuum."""

    number: Ints  # of the track in its generator
    centre: Floats  # vacuum Å
    width: Floats  # the largest of all nodes
    where: Floats  # [L, P] the labels there
    depth: Floats  # of the centre, there
    median: Floats  # width, of all nodes
    presence: Ints  # nodes at which the centre is deeper than the threshold
    nodes: int
    threshold: float
    space: Space

    def __len__(self) -> int:
        return len(self.number)

    def take(self, which: Ints) -> Tracks:
        """Some of the tracks, in this order."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        cut: dict[str, Any] = {name: v[which] for name, v in values.items() if isinstance(v, np.ndarray)}
        return replace(self, **cut)

    def strongest(self, count: int) -> Tracks:
        """Those with the largest width anywhere on the grid, by centre."""
        return self.take(np.sort(np.argsort(-self.width, kind="stable")[:count]))

    def sorted_by(self, order: Order) -> Tracks:
        """By centre, or the strongest or the most present first."""
        key = {"centre": self.centre, "strength": -self.width, "presence": -self.presence}[order]
        return self.take(np.argsort(key, kind="stable"))


def survey(generator: Generator, tracks: Ints | None = None, threshold: float = THRESHOLD) -> Tracks:
    """Strength and presence of all tracks, or of some, at the nodes that the generator was made from."""
    number = np.arange(len(generator)) if tracks is None else tracks
    part = generator if tracks is None else generator.only(tracks)
    nodes = np.array(generator.header["nodes"], dtype=np.float64)
    width, depth = np.empty((2, len(nodes), len(number)), dtype=np.float32)
    for rows in _portions(len(nodes), len(number)):
        width[rows], depth[rows] = strengths(part, nodes[rows])
    best = width.argmax(0)
    each = np.arange(len(number))
    return Tracks(
        number, part.reference.cpu().numpy(), width[best, each].astype(np.float64), nodes[best],
        depth[best, each].astype(np.float64), np.median(width, axis=0).astype(np.float64),
        (depth >= threshold).sum(0), len(nodes), threshold, generator.space,
    )  # fmt: skip


def _portions(nodes: int, tracks: int) -> Iterator[slice]:
    step = max(1, AT_ONCE // (POINTS * max(tracks, 1)))
    return (slice(first, first + step) for first in range(0, nodes, step))


def strengths(generator: Generator, labels: Floats) -> tuple[Floats, Floats]:
    """Equivalent width (Å) and central depth, `[B, L]` each, of every line as if it were alone at labels `[B, P]`.

    The integral over offset x = h·tan(u) takes the midpoint rule in u, which converges exponentially for Lorentzians
    and fast for Gaussians, and needs the half width h only roughly.
    """
    with torch.no_grad():
        params = generator.lines(labels).params
        there = torch.isfinite(params).all(-1)  # the paper's generator has lines that end
        params = torch.where(there[..., None], params, torch.zeros_like(params)).to(torch.float32)
        steps = torch.logspace(-4, 2, 13, device=params.device)
        near = absorbed(generator.profile, steps.expand(*there.shape, -1), params, generator.composition)
        scale = steps[(near > near[..., :1] / 2).sum(-1).clamp(max=12)]
        angle = (torch.arange(POINTS, device=params.device) + 0.5) * (pi / POINTS) - pi / 2
        offset = scale[..., None] * torch.tan(angle)
        lost = absorbed(generator.profile, offset, params, generator.composition) * there[..., None]
        width = (lost / torch.cos(angle) ** 2).sum(-1) * scale * (pi / POINTS)
    return width.cpu().numpy(), lost[..., POINTS // 2].cpu().numpy()


def absorbed(profile: LineProfile, offset: Tensor, params: Tensor, composition: Composition) -> Tensor:
    """1 − flux `[..., L, C]` of lines alone, at offsets `[..., L, C]` (Å) with params `[..., L, K]`."""
    values = profile.evaluate(offset, params)
    return -torch.expm1(-values) if composition == "opacity" else values.clamp(max=1)


# --- which track is meant -----------------------------------------------------------------------------------------


def between(generator: Generator, low: float | None, high: float | None) -> Ints:
    """Numbers of the tracks with centres from `low` to `high` (vacuum Å)."""
    centre = generator.reference.cpu().numpy()
    first, last = np.searchsorted(centre, [-np.inf if low is None else low, np.inf if high is None else high + 1e-9])
    return np.arange(first, last)


def find_track(generator: Generator, text: str) -> int:
    """The number of the track that a user names by its number, or by a wavelength (with a decimal point, vacuum Å) near
    its centre. ConfigError if there is none."""
    if text.isdecimal() and text.isascii() and len(text) < 10 and int(text) < len(generator):
        return int(text)
    centre = generator.reference.cpu().numpy()
    try:
        wanted = float(text) if "." in text else np.nan
    except ValueError:
        wanted = np.nan
    if not np.isfinite(wanted) or not len(centre):
        raise ConfigError(
            f"--track {text}: expected a number from 0 to {len(generator) - 1}, or a wavelength with a decimal point, "
            "such as 8691.01; `hml lines` lists them"
        )
    nearest = int(np.abs(centre - wanted).argmin())
    if abs(centre[nearest] / wanted - 1) * LIGHT > FAR:
        near = f"{centre[nearest]:.3f} Å"
        raise ConfigError(f"--track {text}: no track is within {FAR:g} km/s of it; the nearest is at {near}")
    return nearest
