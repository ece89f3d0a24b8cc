"""The residual: what lines miss at each node, as a few patterns over the pixels whose strengths follow the labels.

The patterns are the leading singular vectors of what is missed, in eight bits; how many there are is decided by the
bytes they take, a stated part of those of the pixels of all nodes. Without lines all of a spectrum is missed: patterns
are then in float32, and with as many as nodes this is pixel interpolation.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hml.core.jit import compiled
from hml.core.space import Floats, Space

LEVELS = 127  # of an integer of eight bits, to either side
AT_ONCE = 2**22  # numbers of what is missed that are in memory together
NUMBER = 8  # bytes of a pattern's strength at a node
ROUNDING = 1e-12  # of a wavelength that went through other units: the last pixel is still the last
BLOCK = 4096  # pixels whose sum stays in the processor's cache


Kind = type[np.int8] | type[np.float32]
Shapes = NDArray[Any]
"""Patterns `[R, N]`: int8, or float32."""


def affordable(missed: NDArray[np.float32], part: float, kind: Kind = np.int8) -> int:
    """How many patterns of it, with their strengths, take at most `part` of the bytes of what is missed `[M, N]`. All
    of it in float32 is as many as there are, whatever their strengths take."""
    nodes, pixels = missed.shape
    if kind is np.float32 and part == 1:
        return int(min(nodes, pixels))
    size = 4 if kind is np.float32 else 1
    return int(part * missed.nbytes / (size * pixels + NUMBER * nodes))


def patterns(missed: NDArray[np.float32], count: int, kind: Kind = np.int8) -> tuple[Shapes, Floats]:
    """From what lines miss at every node `[M, N]` (may be mapped from a file): R ≤ `count` patterns `[R, N]`, rounded
    to integers for int8, and their strengths at the nodes `[M, R]`."""
    nodes, pixels = missed.shape
    count = min(count, nodes)
    if count == 0:
        return np.zeros((0, pixels), kind), np.zeros((nodes, 0))
    gram = np.zeros((nodes, nodes))
    for some in _slices(nodes, pixels):
        gram += missed[:, some].astype(np.float64) @ missed[:, some].T
    size, vectors = np.linalg.eigh(gram)
    count = min(count, int((size > 1e-12 * size[-1]).sum()))
    turn = vectors[:, ::-1][:, :count].T  # [R, M]
    largest = np.zeros(count)
    for some in _slices(nodes, pixels):
        largest = np.maximum(largest, np.abs(turn @ missed[:, some]).max(1, initial=0.0))
    out = np.empty((count, pixels), kind)
    for some in _slices(nodes, pixels):
        whole = turn @ missed[:, some] * (LEVELS / largest[:, None])
        out[:, some] = np.rint(whole) if kind is np.int8 else whole
    return out, strengths(missed, out)


def strengths(missed: NDArray[np.float32], shapes: Shapes) -> Floats:
    """The strengths `[M, R]` with which patterns `[R, N]`, as they are rounded, come nearest to what is missed
    `[M, N]` (may be mapped from a file)."""
    cross, normal = np.zeros((len(missed), len(shapes))), np.zeros((len(shapes),) * 2)
    for some in _slices(*missed.shape):
        whole = shapes[:, some].astype(np.float64)
        cross += missed[:, some] @ whole.T
        normal += whole @ whole.T
    best: Floats = np.linalg.lstsq(normal, cross.T)[0].T.astype(np.float64)
    return best


def rms_left(missed: NDArray[np.float32], shapes: Shapes, known: Floats) -> list[float]:
    """The root mean square `[M]` of what patterns of known strengths `[M, R]` leave of what is missed."""
    total = np.zeros(len(missed))
    for some in _slices(*missed.shape):
        total += ((missed[:, some] - known @ shapes[:, some]) ** 2).sum(1)
    return [float(rms) for rms in np.sqrt(total / missed.shape[1])]


def _slices(nodes: int, pixels: int) -> list[slice]:
    step = max(1, AT_ONCE // max(nodes, 1))
    return [slice(first, first + step) for first in range(0, pixels, step)]


def summed(strengths: Tensor, shapes: Tensor) -> Tensor:
    """Strengths `[B, R]` times patterns `[R, N]` (int8 or float32): `[B, N]` float32. Differentiable in the former,
    both ways."""
    if shapes.device.type != "cpu":
        return strengths.float() @ shapes.float()
    return cast(Tensor, _Sum.apply(strengths, shapes))  # type: ignore[no-untyped-call]


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(strengths: Tensor, shapes: Tensor) -> Tensor:
        out = np.zeros((len(strengths), shapes.shape[1]), np.float32)
        _add(np.ascontiguousarray(strengths.detach().numpy(), np.float32), shapes.numpy(), out)
        return torch.from_numpy(out)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], _: Tensor) -> None:
        ctx.shapes, ctx.dtype = inputs[1], inputs[0].dtype

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        out = np.zeros((len(gradient), len(ctx.shapes)), np.float32)
        _dot(np.ascontiguousarray(gradient.numpy(), np.float32), ctx.shapes.numpy(), out)
        return torch.from_numpy(out).to(ctx.dtype), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        return summed(tangent, ctx.shapes)


@compiled()
def _add(strengths, shapes, out):  # type: ignore[no-untyped-def]
    """out `[B, N]` += strengths `[B, R]` · shapes `[R, N]`."""
    for first in range(0, out.shape[1], BLOCK):
        last = min(first + BLOCK, out.shape[1])
        for r in range(len(shapes)):
            pattern = shapes[r, first:last]
            for b in range(len(out)):
                target, c = out[b, first:last], strengths[b, r]
                for j in range(len(target)):
                    target[j] += c * np.float32(pattern[j])


@compiled()
def _dot(gradient, shapes, out):  # type: ignore[no-untyped-def]
    """The transpose: out `[B, R]` += gradient `[B, N]` · shapes."""
    for r in range(len(shapes)):
        for b in range(len(gradient)):
            pattern, given, total = shapes[r], gradient[b], np.float32(0)
            for j in range(len(given)):
                total += given[j] * np.float32(pattern[j])
            out[b, r] += total


def nearby(space: Space, point: Floats, strengths: Tensor, nodes: Tensor, axes: Tensor) -> Tensor:
    """Strengths `[E, E]` whose squares add up to the mean covariance of those `[Q, E]` at nodes `[Q, P]` around a point
    `[P]`, summed over the axes `[Q]` that they belong to. Nodes count with exp(-d²/2), d in steps of the grid."""
    steps = [np.arange(float(len(axis.nodes))) for axis in space.axes]
    far = np.stack([
        np.interp(nodes[:, p].cpu().numpy(), axis.nodes, step) - np.interp(point[p], axis.nodes, step)
        for p, (axis, step) in enumerate(zip(space.axes, steps, strict=True))
    ], -1)  # fmt: skip
    distance = (far**2).sum(-1)
    total, known = np.zeros((strengths.shape[1],) * 2), strengths.double().cpu().numpy()
    for p in np.unique(axes.cpu().numpy()):
        here = axes.cpu().numpy() == p
        weight = np.exp(-(distance[here] - distance[here].min()) / 2)
        total += (known[here].T * (weight / weight.sum())) @ known[here]
    size, vectors = np.linalg.eigh(total)
    return torch.from_numpy((vectors * np.sqrt(np.maximum(size, 0))).T[::-1].copy()).float()


def resampled(values: Tensor, pixels: Tensor, wavelength: Tensor) -> Tensor:
    """Values `[B, N]` at pixels `[N]` (Å, increasing), at other wavelengths `[n]` or `[B, n]` by cubics through four
    pixels (Lagrange); zero outside. Differentiable in values and wavelengths."""
    count = len(pixels)
    if count < 4:
        return values.new_zeros(len(values), wavelength.shape[-1])
    i = torch.searchsorted(pixels, wavelength.detach().contiguous(), right=True).clamp(2, count - 2) - 1
    t = ((wavelength - pixels[i]) / (pixels[i + 1] - pixels[i])).to(values.dtype)
    a, b, c = t + 1, t - 1, t - 2
    weights = (-t * b * c / 6, a * b * c / 2, -a * t * c / 2, a * t * b / 6)
    total = torch.zeros((), dtype=values.dtype, device=values.device)
    for k, weight in enumerate(weights):
        chosen = values[:, i + k - 1] if i.ndim == 1 else values.gather(1, i + k - 1)
        total = total + chosen * weight
    inside = (wavelength >= pixels[0] * (1 - ROUNDING)) & (wavelength <= pixels[-1] * (1 + ROUNDING))
    return torch.where(inside, total, torch.zeros_like(total))
