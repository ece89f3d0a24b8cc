"""Configs as users write them, before anything is checked: YAML files, and edits such as `grid.teff=[3000,4000]`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hml.core.errors import ConfigError
from hml.core.untrusted import LONGEST, parse_yaml


def read_yaml(path: Path) -> dict[str, Any]:
    """The fields of a YAML file; ConfigError names it."""
    try:
        with path.open(encoding="utf-8") as file:
            raw = parse_yaml(file.read(LONGEST + 1))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise ConfigError(f"{path}: is not YAML: {' '.join(str(error).split())}") from None
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected fields such as `grid: synthetic`, found {type(raw).__name__}")
    return raw


def read_edits(items: Sequence[str]) -> dict[str, Any]:
    """Plain data made of `"part.field=value"` alone, the values in YAML; ConfigError names the item."""
    raw: dict[str, Any] = {}
    for item in items:
        put(raw, *read_edit(item))
    return raw


def read_edit(item: str) -> tuple[str, Any]:
    """`field=value` as a user writes it, the value in YAML."""
    where, sign, text = item.partition("=")
    if not sign or not where:
        raise ConfigError(f"--set {item}: expected field=value, such as grid.teff=[3000,4000]")
    try:
        return where, parse_yaml(text)
    except ValueError:
        raise ConfigError(f"--set {item}: {text!r} is not YAML") from None


def put(raw: dict[str, Any], where: str, value: Any) -> None:
    """Set a field, in place, by its place as users write it; a bare name of a part becomes its `name`."""
    *parents, last = where.split(".")
    here = raw
    for key in parents:
        inner = here.get(key)
        if inner is not None and not isinstance(inner, str | Mapping):
            raise ConfigError(f"--set {where}: {key} is {inner!r}, which has no fields; set {key} itself")
        here[key] = {"name": inner} if isinstance(inner, str) else dict(inner or {})
        here = here[key]
    here[last] = value
