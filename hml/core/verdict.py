"""What is wrong with a measurement, if anything: flags, each a word for programs and a line for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from hml.core.infer import Inference
from hml.core.interfaces import Status
from hml.core.observe import Target
from hml.core.space import Axis, Floats, Space

AT_BOUND = 1e-3  # of a parameter's range: nearer to its end than that is at the end
POOR = 2.0  # χ² per pixel above this is more than errors explain
COHERENT = 3.0  # how many times the squared sums of stretches may exceed those of independent pixels
STRETCH, STRETCHES = 50, 8  # pixels of one, and the fewest by which that is judged
OVERLAP = 0.3  # of the pixels that were not masked, or of the orders: less is little
FEW = 500  # pixels
FROM_ZERO = ("vsini", "macroturbulence")  # whose lower bound is no end of what is known
NORMAL = 0.4549  # median square of a normal deviate


class Flag(NamedTuple):
    """`word` names it (`at_bound:logg`); `line` says what it means and what to try."""

    word: str
    line: str


def verdict(found: Inference, target: Target, grid: Space) -> tuple[Flag, ...]:
    """All that a reader of the result must know before using it; empty where nothing is wrong. `grid`: the labels that
    the generator has."""
    bounds = *_bounds(found, grid), *_edge(found, grid)
    return (*bounds, *_rivals(found), *_search(found), *_fit(found), *_overlap(found, target))


def _bounds(found: Inference, grid: Space) -> Iterator[Flag]:
    for axis in found.objective.space.axes:
        unit = (found.values[axis.name] - axis.lower) / axis.width
        low, high = unit <= AT_BOUND, unit >= 1 - AT_BOUND
        if high or (low and not (axis.lower == 0 and axis.name in FROM_ZERO)):
            yield Flag(f"at_bound:{axis.name}", _at_bound(axis, "lower" if low else "upper", grid))


def _at_bound(axis: Axis, end: str, grid: Space) -> str:
    bound = axis.lower if end == "lower" else axis.upper
    if axis.name not in grid.names:
        whose, ways = f"objective.{axis.name}", f"widen objective.{axis.name}"
    elif bound in (grid[axis.name].lower, grid[axis.name].upper):
        whose, ways = "the grid", "take a grid that reaches further; the other labels are drawn along"
    else:
        whose, ways = f"box.{axis.name}", f"widen box.{axis.name}"
    text = f"{axis.name} is at the {end} bound of {whose}, {bound:g} {axis.unit}".rstrip()
    return f"{text}: the star may lie beyond it, and the error means little; {ways}"


def _edge(found: Inference, grid: Space) -> Iterator[Flag]:
    hull = found.objective.hull
    if hull is not None and hull.edge(np.array([found.values[name] for name in grid.names])) <= AT_BOUND:
        yield Flag("at_edge", "the labels are at the edge of what the nodes of this ragged grid enclose: the star may "
                   "lie beyond it, and the errors mean little; take a grid that reaches further")  # fmt: skip


def _rivals(found: Inference) -> Iterator[Flag]:
    rivals = found.search.meta.get("rivals", [])
    if rivals or found.search.status is Status.MULTIMODAL:
        told = "; ".join(", ".join(f"{name} {value:.4g}" for name, value in rival.items()) for rival in rivals[:3])
        where = f" at {told}" if told else ""
        yield Flag("multimodal", f"another minimum is nearly as good{where}: a prior or a smaller box may decide")


def _search(found: Inference) -> Iterator[Flag]:
    if found.search.status is Status.BUDGET:
        yield Flag("not_converged", Status.BUDGET.value)
    if found.covariance is None:
        yield Flag("undetermined", "the data do not determine all free parameters, so there are no errors: fix one")


def _fit(found: Inference) -> Iterator[Flag]:
    objective = found.objective
    missed = objective.missed(found.search.point)
    squares = np.concatenate(missed) ** 2
    typical = float(np.mean(squares))
    if objective.robust:  # outliers are expected, and counted out
        typical = min(typical, float(np.median(squares)) / NORMAL)
    if objective.metric == "chi2" and typical > POOR:
        yield Flag("poor_fit", f"χ² per pixel is {typical:.3g} after the generator's own error is counted, more than "
                   f"{POOR:g}: look at fit.png; errors may be too small, pixels bad, or no model of the grid is like "
                   "this star")  # fmt: skip
    shared = coherence(missed)
    if shared > COHERENT:
        yield Flag("coherent_residuals", f"residuals are alike over many pixels ({shared:.1f} times as much in sums of "
                   f"{STRETCH} as if they were independent): errors of labels are too small by up to "
                   f"{np.sqrt(shared):.1f} times; try objective.continuum_degree, masks or a better grid")  # fmt: skip


def coherence(missed: list[Floats]) -> float:
    """The mean square of sums over stretches of 50 pixels, over 50 times the mean square of pixels: 1 where residuals
    of neighbours have nothing in common, 50 where stretches miss as a whole. `missed`: residuals `[N]` of each order,
    in errors. 1 also where there are too few stretches to tell."""
    whole = [order[: len(order) // STRETCH * STRETCH].reshape(-1, STRETCH) for order in missed]
    stretches = np.concatenate(whole)
    if len(stretches) < STRETCHES or not (stretches**2).mean() > 0:
        return 1.0
    # of one outlier is not a trend: no stretch counts for more than what is usual
    weight = 1 / np.maximum((stretches**2).mean(1), np.median((stretches**2).mean(1)))
    return float((stretches.sum(1) ** 2 * weight).sum() / (STRETCH * ((stretches**2).mean(1) * weight).sum()))


def _overlap(found: Inference, target: Target) -> Iterator[Flag]:
    used, orders = found.objective.pixels, len(found.objective.orders)
    given = int(sum(order.used.sum() for order in target.orders))
    told = f"{used:,} of {given:,} pixels in {orders} of {len(target.orders)} orders could be used"
    if used < OVERLAP * given or orders < OVERLAP * len(target.orders):
        yield Flag("little_overlap", f"{told}, less than {OVERLAP:.0%}: the grid covers little of this spectrum")
    if used < FEW and found.objective.forward.rendering.lines:
        yield Flag("few_pixels", f"{told}, fewer than {FEW}: single lines decide")
