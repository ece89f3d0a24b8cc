"""The innermost loops, compiled by numba: a Lorentzian plus a Gaussian a line, on pixels and on coarser grids.

All take one spectrum; `shape` `[L, 4]` float32 holds, a line, the Lorentzian's numerator and its half width squared
(s/(x² + g)), and the Gaussian's height and 1/(2σ²) (a·exp(-p·x²)). Loops run over slices, which is what lets the
compiler use vectors; nothing here is bound to a number of threads: callers divide the work by wavelength or by line.

Weights. w(t) = 1 - t³(10 - 15t + 6t²), t clipped to [0, 1], is twice differentiable; as a function of x² it falls from
1 to 0 between a quarter of a radius and the radius itself. A wing is carried by w on pixels and by w_outer - w_inner
on ever coarser grids: the weights add up to one, so that nothing is lost where one grid hands over to the next.
"""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import intrinsic

from hml.core import raster
from hml.core.jit import compiled

CORE, INNER = 6.3, 0.25  # written here too: loops kept on disk are told by this file alone whether they are up to date
if (CORE, INNER) != (raster.CORE, raster.INNER):
    raise ImportError("hml.core.kernels and hml.core.raster disagree on CORE or INNER; write the same in both")

f32 = np.float32
loops, inlined = compiled(), compiled(inline="always")

_RANGE = f32(1 / (1 - INNER**2))
_SHIFT = f32(INNER**2 / (1 - INNER**2))
_FARTHEST = f32(87.0)  # e^-87 is the smallest that float32 holds


@intrinsic
def _as_float(_, bits):
    """The float32 with these bits."""

    def generate(context, builder, signature, arguments):
        from llvmlite import ir

        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


@inlined
def _falling(y):
    """exp(-y) for y ≥ 0, good to 1e-6 of itself and 2e-7 of one: 2^n times a Taylor series, n the nearest integer."""
    z = min(y, _FARTHEST) * f32(-1.4426950408889634)
    n = np.floor(z + f32(0.5))
    r = (z - n) * f32(0.6931471805599453)
    p = f32(0.16666667) + r * (f32(0.041666667) + r * (f32(0.0083333337) + r * f32(0.0013888889)))
    return (f32(1) + r * (f32(1) + r * (f32(0.5) + r * p))) * _as_float((np.int32(n) + np.int32(127)) << np.int32(23))  # type: ignore[call-arg]


@inlined
def _weight(square, scale):
    """w at x², with scale = _RANGE / R²."""
    t = min(max(square * scale - _SHIFT, f32(0)), f32(1))
    return f32(1) - t * t * t * (f32(10) - t * (f32(15) - f32(6) * t))


# --- on pixels -------------------------------------------------------------------------------------------------
#
# start[j] is the first pixel at or beyond origin + j/density: where a window begins is looked up, not searched for.


@inlined
def _window(start, origin, density, low, high, c, reach):
    """Pixels first..last between low and high that hold c - reach to c + reach, and a few more."""
    top = len(start) - 1
    first = start[min(max(np.int64((c - reach - origin) * density), 0), top)]
    last = start[min(max(np.int64((c + reach - origin) * density) + 1, 0), top)]
    first = max(first, low)
    return first, max(min(last, high), first)


@loops
def near_value(wavelength, start, origin, density, low, high, centre, shape, radius, out):
    """Add to out[low:high] what lines put on pixels no farther than `radius` `[L]` from them."""
    for i in range(len(centre)):
        c, s, g, a, p = centre[i], shape[i, 0], shape[i, 1], shape[i, 2], shape[i, 3]
        scale = _RANGE / (radius[i] * radius[i])
        first, last = _window(start, origin, density, low, high, c, radius[i])
        pixels, target = wavelength[first:last], out[first:last]
        for j in range(len(target)):
            x = f32(pixels[j] - c)
            target[j] += _weight(x * x, scale) * s / (x * x + g)
        first, last = _window(start, origin, density, low, high, c, min(radius[i], CORE / np.sqrt(f32(2) * p)))
        pixels, target = wavelength[first:last], out[first:last]
        for j in range(len(target)):
            x = f32(pixels[j] - c)
            target[j] += a * _falling(x * x * p)


@loops
def near_tangent(wavelength, start, origin, density, low, high, centre, shape, radius, move, change, out):
    """Add to out[low:high] how that changes with `move` `[L]` of centres and `change` `[L, 4]` of shapes."""
    for i in range(len(centre)):
        c, s, g, a, p = centre[i], shape[i, 0], shape[i, 1], shape[i, 2], shape[i, 3]
        dc, ds, dg, da, dp = move[i], change[i, 0], change[i, 1], change[i, 2], change[i, 3]
        scale = _RANGE / (radius[i] * radius[i])
        first, last = _window(start, origin, density, low, high, c, radius[i])
        pixels, target = wavelength[first:last], out[first:last]
        for j in range(len(target)):
            x = f32(pixels[j] - c)
            q = f32(1) / (x * x + g)
            target[j] += _weight(x * x, scale) * q * (ds + s * q * (f32(2) * x * dc - dg))
        first, last = _window(start, origin, density, low, high, c, min(radius[i], CORE / np.sqrt(f32(2) * p)))
        pixels, target = wavelength[first:last], out[first:last]
        for j in range(len(target)):
            x = f32(pixels[j] - c)
            target[j] += _falling(x * x * p) * (da + a * x * (f32(2) * p * dc - x * dp))


@loops
def near_gradient(wavelength, start, origin, density, low, high, centre, shape, radius, weight, move, change):
    """The transpose: from the gradient `weight` `[N]` of pixels, add to those of lines low..high."""
    for i in range(low, high):
        c, s, g, a, p = centre[i], shape[i, 0], shape[i, 1], shape[i, 2], shape[i, 3]
        scale = _RANGE / (radius[i] * radius[i])
        first, last = _window(start, origin, density, 0, len(wavelength), c, radius[i])
        pixels, given = wavelength[first:last], weight[first:last]
        ds, dg, dc = f32(0), f32(0), f32(0)
        for j in range(len(given)):
            x = f32(pixels[j] - c)
            q = f32(1) / (x * x + g)
            u = given[j] * _weight(x * x, scale) * q
            ds += u
            dg += u * q
            dc += u * q * x
        first, last = _window(start, origin, density, 0, len(wavelength), c, min(radius[i], CORE / np.sqrt(f32(2) * p)))
        pixels, given = wavelength[first:last], weight[first:last]
        da, dp, dm = f32(0), f32(0), f32(0)
        for j in range(len(given)):
            x = f32(pixels[j] - c)
            u = given[j] * _falling(x * x * p)
            da += u
            dm += u * x
            dp += u * x * x
        move[i] += f32(2) * (s * dc + a * p * dm)
        change[i, 0] += ds
        change[i, 1] -= s * dg
        change[i, 2] += da
        change[i, 3] -= a * dp


@loops
def near_curvature(wavelength, start, origin, density, low, high, centre, shape, radius, weight, out):
    """For lines low..high, out `[L, 5, 5]`: the sums over pixels of weight `[N]` times the product of any two of the
    five derivatives of a line, with respect to its centre and the four numbers of its shape."""
    for i in range(low, high):
        c, s, g, a, p = centre[i], shape[i, 0], shape[i, 1], shape[i, 2], shape[i, 3]
        core = min(radius[i], max(CORE / np.sqrt(f32(2) * p), f32(5) * np.sqrt(g)))
        first, last = _window(start, origin, density, 0, len(wavelength), c, core)
        pixels, given = wavelength[first:last], weight[first:last]
        cc, cs, cg, ca, cp = f32(0), f32(0), f32(0), f32(0), f32(0)
        ss, sg, sa, sp, gg = f32(0), f32(0), f32(0), f32(0), f32(0)
        ga, gp, aa, ap, pp = f32(0), f32(0), f32(0), f32(0), f32(0)
        for j in range(len(given)):
            x = f32(pixels[j] - c)
            ds = f32(1) / (x * x + g)
            da = _falling(x * x * p)
            dg, dp = -s * ds * ds, -a * x * x * da
            dc = f32(2) * x * (s * ds * ds + a * p * da)
            wc, ws, wg, wa = given[j] * dc, given[j] * ds, given[j] * dg, given[j] * da
            cc, cs, cg, ca, cp = cc + wc * dc, cs + wc * ds, cg + wc * dg, ca + wc * da, cp + wc * dp
            ss, sg, sa, sp, gg = ss + ws * ds, sg + ws * dg, sa + ws * da, sp + ws * dp, gg + wg * dg
            ga, gp, aa, ap, pp = ga + wg * da, gp + wg * dp, aa + wa * da, ap + wa * dp, pp + given[j] * dp * dp
        o = out[i]
        o[0, 0], o[0, 1], o[0, 2], o[0, 3], o[0, 4] = cc, cs, cg, ca, cp
        o[1, 0], o[1, 1], o[1, 2], o[1, 3], o[1, 4] = cs, ss, sg, sa, sp
        o[2, 0], o[2, 1], o[2, 2], o[2, 3], o[2, 4] = cg, sg, gg, ga, gp
        o[3, 0], o[3, 1], o[3, 2], o[3, 3], o[3, 4] = ca, sa, ga, aa, ap
        o[4, 0], o[4, 1], o[4, 2], o[4, 3], o[4, 4] = cp, sp, gp, ap, pp


# --- far wings, on grids of even steps -------------------------------------------------------------------------


@inlined
def _ring(origin, step, low, high, c, reach):
    """Points first..last between low and high that lie within c - reach to c + reach."""
    first = max(np.int64(np.ceil((c - reach - origin) / step)), low)
    return first, max(min(np.int64((c + reach - origin) / step) + 1, high), first)


@loops
def far_value(origin, step, low, high, centre, shape, inner, outer, out):
    """Add to out[low:high], points of a grid, the Lorentzians between `inner` and `outer` `[L]` (outer 0: none)."""
    for i in range(len(centre)):
        if outer[i] <= 0:
            continue
        c, s, g = centre[i], shape[i, 0], shape[i, 1]
        inside, outside = _RANGE / (inner[i] * inner[i]), _RANGE / (outer[i] * outer[i])
        first, last = _ring(origin, step, low, high, c, outer[i])
        x0, h, target = f32(origin + first * step - c), f32(step), out[first:last]
        for j in range(len(target)):
            x = x0 + h * f32(np.int32(j))
            target[j] += (_weight(x * x, outside) - _weight(x * x, inside)) * s / (x * x + g)


@loops
def far_tangent(origin, step, low, high, centre, shape, inner, outer, move, change, out):
    """As `near_tangent`, for those."""
    for i in range(len(centre)):
        if outer[i] <= 0:
            continue
        c, s, g, dc, ds, dg = centre[i], shape[i, 0], shape[i, 1], move[i], change[i, 0], change[i, 1]
        inside, outside = _RANGE / (inner[i] * inner[i]), _RANGE / (outer[i] * outer[i])
        first, last = _ring(origin, step, low, high, c, outer[i])
        x0, h, target = f32(origin + first * step - c), f32(step), out[first:last]
        for j in range(len(target)):
            x = x0 + h * f32(np.int32(j))
            q = f32(1) / (x * x + g)
            w = _weight(x * x, outside) - _weight(x * x, inside)
            target[j] += w * q * (ds + s * q * (f32(2) * x * dc - dg))


@loops
def far_gradient(origin, step, low, high, centre, shape, inner, outer, weight, move, change):
    """As `near_gradient`, for those."""
    for i in range(low, high):
        if outer[i] <= 0:
            continue
        c, s, g = centre[i], shape[i, 0], shape[i, 1]
        inside, outside = _RANGE / (inner[i] * inner[i]), _RANGE / (outer[i] * outer[i])
        first, last = _ring(origin, step, 0, len(weight), c, outer[i])
        x0, h, given = f32(origin + first * step - c), f32(step), weight[first:last]
        ds, dg, dc = f32(0), f32(0), f32(0)
        for j in range(len(given)):
            x = x0 + h * f32(np.int32(j))
            q = f32(1) / (x * x + g)
            u = given[j] * (_weight(x * x, outside) - _weight(x * x, inside)) * q
            ds += u
            dg += u * q
            dc += u * q * x
        move[i] += f32(2) * s * dc
        change[i, 0] += ds
        change[i, 1] -= s * dg


# --- from grid to grid -----------------------------------------------------------------------------------------


@inlined
def _lagrange(t):
    """Weights of six even points at -2 … 3 for 0 ≤ t < 1."""
    a, b, c, d, e, f = t + f32(2), t + f32(1), t, t - f32(1), t - f32(2), t - f32(3)
    ab, ef, cd = a * b, e * f, c * d
    return (
        b * cd * ef * f32(-1 / 120), a * cd * ef * f32(1 / 24), ab * d * ef * f32(-1 / 12),
        ab * c * ef * f32(1 / 12), ab * cd * f * f32(-1 / 24), ab * cd * e * f32(1 / 120),
    )  # fmt: skip


@loops
def to_flux(low, high, saturate, out):
    """out[low:high] turns from a sum of lines Σ into flux: exp(-Σ) or, if not `saturate`, 1 - Σ."""
    target = out[low:high]
    if saturate:
        for j in range(len(target)):
            target[j] = _falling(target[j])
    else:
        for j in range(len(target)):
            target[j] = f32(1) - target[j]


@loops
def to_pixels(cell, part, low, high, grid, out):
    """Add to out[low:high] a grid's values at cell + part `[N]`."""
    one = np.uint64(1)
    cells, parts, target = cell[low:high], part[low:high], out[low:high]
    for j in range(len(target)):
        k = np.uint64(cells[j]) - np.uint64(2)  # without a sign: the compiler need not think of indices from the end
        u, v, w, x, y, z = _lagrange(parts[j])
        left = u * grid[k] + v * grid[k + one] + w * grid[k + one + one]
        k += np.uint64(3)
        target[j] += left + x * grid[k] + y * grid[k + one] + z * grid[k + one + one]


@loops
def from_pixels(start, part, low, high, weight, grid):
    """The transpose of `to_pixels`, for the pixels of cells low..high."""
    for k in range(low, high):
        a, b, c, d, e, f = f32(0), f32(0), f32(0), f32(0), f32(0), f32(0)
        for j in range(start[k], start[k + 1]):
            g, (u, v, w, x, y, z) = weight[j], _lagrange(part[j])
            a, b, c, d, e, f = a + g * u, b + g * v, c + g * w, d + g * x, e + g * y, f + g * z
        grid[k - 2] += a
        grid[k - 1] += b
        grid[k] += c
        grid[k + 1] += d
        grid[k + 2] += e
        grid[k + 3] += f


@loops
def to_finer(coarse, weights, low, high, fine):
    """Add to fine[low:high] the values of a grid with steps four times as long, three of them more at the front."""
    for i in range(low, high):
        k = i // 4 + 3
        w = weights[i % 4]
        fine[i] += (w[0] * coarse[k - 2] + w[1] * coarse[k - 1] + w[2] * coarse[k] + w[3] * coarse[k + 1]
                    + w[4] * coarse[k + 2] + w[5] * coarse[k + 3])  # fmt: skip


@loops
def from_finer(fine, weights, coarse):
    """The transpose of `to_finer`."""
    for i in range(len(fine)):
        k = i // 4 + 3
        w = weights[i % 4]
        for m in range(6):
            coarse[k - 2 + m] += w[m] * fine[i]
