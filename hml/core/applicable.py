"""Which grids can speak of a spectrum, judged without a fit; and why others cannot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from hml.core.components import BuildContext, Component
from hml.core.config import Chosen, RunConfig
from hml.core.errors import HmlError
from hml.core.interfaces import FetchableGrid, GridSource
from hml.core.registry import installed
from hml.core.space import Space
from hml.core.spectrum import Spectrum

LEAST = 200  # pixels inside a grid's band, below which it has nothing to say

Ranges = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Judged:
    """A grid, the part of the spectrum's used pixels that it covers, and why it cannot be used ("" where it can)."""

    name: str  # its own among all that are judged
    chosen: Chosen | None
    share: float
    reason: str
    told: str = ""  # its labels, where they are known


def judge_grids(config: RunConfig, orders: Sequence[Spectrum], context: BuildContext) -> list[Judged]:
    """The grids of `config.grids`, those first that cover most. Where it is `auto`, these are all that are installed,
    with their defaults (`config.grid` as it is there), and none is used that would have to be fetched."""
    auto = config.grids == "auto"
    names: list[str] = []
    judged = []
    for name, chosen, reason in _candidates(config):
        names.append(name)
        called = name if names.count(name) == 1 else f"{name}-{names.count(name)}"
        judged.append(Judged(called, None, 0.0, reason) if chosen is None
                      else _judge(called, chosen, config, orders, context, fetch=not auto))  # fmt: skip
    return sorted(judged, key=lambda one: (bool(one.reason), -one.share))


def _candidates(config: RunConfig) -> Iterator[tuple[str, Chosen | None, str]]:
    """Name, grid with its fields, or why it has none."""
    if config.grids != "auto":
        yield from ((chosen.name, chosen, "") for chosen in config.grids)
        return
    for name in dict.fromkeys(entry.component.name for entry in installed().family("grids")):
        if name == config.grid.name:
            yield name, config.grid, ""
            continue
        try:
            yield name, _by_default(installed().get("grids", name)), ""
        except ValidationError as error:
            fields = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors())
            yield name, None, f"needs {fields}: name it with its fields, as in --set 'grids=[{{name: {name}, …}}]'"
        except HmlError as error:
            yield name, None, _line(error)


def _by_default(component: Component) -> Chosen:
    return Chosen(component, component.config.model_validate({}, context={"registry": installed()}))


def _judge(
    name: str, chosen: Chosen, config: RunConfig, orders: Sequence[Spectrum], context: BuildContext, *, fetch: bool
) -> Judged:
    applies = chosen.component.applies
    if applies is not None and applies.wavelength is not None and inside([applies.wavelength], orders) < LEAST:
        return Judged(name, chosen, 0.0, _beyond([applies.wavelength], orders))
    try:
        grid: GridSource = chosen.build(context)
        told, reason = _labels(grid.space), _unlike(grid, config)
        missing = grid.missing() if isinstance(grid, FetchableGrid) else None
        if missing is not None and not fetch:
            reason = reason or f"{missing.size} are missing: `hml grid fetch {chosen.name}` gets them"
            return Judged(name, chosen, 0.0, reason)
        bands = [applies.wavelength] if missing and applies and applies.wavelength else _bands(grid)
    # whatever a plugin's grid raises must not spoil those beside it
    except Exception as error:
        return Judged(name, chosen, 0.0, _line(error))
    count = inside(bands, orders)
    share = count / max(1, sum(int(order.used.sum()) for order in orders))
    return Judged(name, chosen, share, reason or (_beyond(bands, orders) if count < LEAST else ""), told)


def _bands(grid: GridSource) -> Ranges:
    sample = grid.load(grid.nodes()[0])
    return [sample.take(pixels).band for pixels in sample.order_slices()]


def inside(bands: Ranges, orders: Sequence[Spectrum]) -> int:
    """Used pixels of the orders that lie in the bands (vacuum Å)."""
    return sum(
        int((order.used & (order.wavelength >= low) & (order.wavelength <= high)).sum())
        for order in orders
        for low, high in bands
    )


def _beyond(bands: Ranges, orders: Sequence[Spectrum]) -> str:
    low, high = bands[0][0], bands[-1][1]
    mine = min(order.band[0] for order in orders), max(order.band[1] for order in orders)
    return (f"has {low:.0f}–{high:.0f} Å, the spectrum {mine[0]:.0f}–{mine[1]:.0f} Å: fewer than {LEAST} pixels that "
            "can be used are inside")  # fmt: skip


def _unlike(grid: GridSource, config: RunConfig) -> str:
    """What the config asks for that a grid does not have; "" if there is nothing."""
    for name, wish in config.box.items():
        if name not in grid.space.names:
            return f"has no label {name}, which box asks for"
        (low, high), axis = wish.bounds, grid.space[name]
        if high < axis.lower or low > axis.upper:
            return f"has {name} {axis.lower:g} to {axis.upper:g}, box asks for {low:g} to {high:g}"
    power, own = config.objective.resolving_power, grid.resolving_power
    if power is not None and own is not None and power.bounds[1] > own * (1 + 1e-9):
        wished = f"the {power.bounds[1]:g} that objective.resolving_power asks for"
        return f"has a resolving power of {own:g}, below {wished}"
    return ""


def _labels(space: Space) -> str:
    return ", ".join(f"{axis.name} {axis.lower:g}–{axis.upper:g}" for axis in space.axes)


def _line(error: BaseException) -> str:
    """The first line of an error, which of one of hml's says it all."""
    text = (str(error).splitlines() or [""])[0]
    return text if isinstance(error, HmlError) else f"{type(error).__name__}: {text}"
