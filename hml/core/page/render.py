"""The page of a run, from its result and what was measured: everything in one file, nothing from elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from hml.core.config import RunConfig, dump_config
from hml.core.generator import Generator
from hml.core.infer import Inference
from hml.core.observe import Target
from hml.core.page.citations import citations
from hml.core.page.orders import OrderView, pictured, views
from hml.core.page.panel import panel
from hml.core.page.words import cells, digits, fit_quality, number, status
from hml.core.page.worst import CLEAR, worst_lines
from hml.core.result import RunResult

FEW = 3  # orders that are shown unfolded


def page(
    result: RunResult,
    config: RunConfig,
    generator: Generator,
    target: Target,
    found: Inference,
    pictures: Mapping[str, bytes],
) -> str:
    """HTML. `pictures` are PNG files by name; those that the page knows are put into it."""
    orders = views(found, target)
    values = {p.name: p.value for p in result.parameters}
    return str(
        _template().render(
            result=result,
            title=_title(config),
            status=status(result),
            quality=fit_quality(result),
            rows=[cells(p) for p in result.parameters],
            known=any(p.truth is not None for p in result.parameters),
            orders=[_order(order, order.number in pictured(orders), len(orders) <= FEW) for order in orders],
            worst=worst_lines(orders, generator, values),
            clear=CLEAR,
            pictures={name: _inline(content) for name, content in pictures.items()},
            grid=generator.header["grid"]["name"],
            config=dump_config(config),
            citations=citations(config, result.versions.get("hml", "")),
        )
    )


def _title(config: RunConfig) -> str:
    path: Any = config.spectrum.path
    paths = [] if path is None else list(path) if isinstance(path, list | tuple) else [path]
    return ", ".join(p.name for p in paths) or "a spectrum of known labels"


def _order(order: OrderView, has_picture: bool, unfolded: bool) -> dict[str, Any]:
    """An order as the template shows it."""
    fitted = order.fitted
    return {
        "view": order,
        "open": unfolded,
        "chi2": "" if fitted is None or fitted.chi2 is None else number(fitted.chi2, 2),
        "rms": "" if fitted is None else f"{number(100 * fitted.rms, digits(100 * fitted.rms, 0.0))} %",
        "picture": panel(order) if has_picture else None,
    }


def _inline(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_clean
    )
    environment.filters["number"] = number
    return environment.from_string(files(__package__).joinpath("report.html").read_text(encoding="utf-8"))


def _clean(value: Any) -> Any:
    """Text of files without characters that steer a terminal or turn the direction of writing."""
    if type(value) is not str:
        return value
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in value)
