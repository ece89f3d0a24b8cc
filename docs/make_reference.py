"""Writes what must never fall behind the code: docs/config.md, docs/api.md and the type stub of the public names.

    python docs/make_reference.py          # write them
    python docs/make_reference.py --check  # exit code 1 if one is out of date
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

import hml
from hml.core.config import Chosen, Slot
from hml.core.hookspecs import FAMILIES
from hml.core.registry import Entry

ROOT = Path(__file__).resolve().parent.parent
GENERATED = "<!-- Written by docs/make_reference.py; edit the descriptions in the code instead. -->"
WORDS = {float: "number", int: "integer", bool: "true or false", str: "text", Path: "path", NoneType: "null",
         hml.Selection: "[selection](#selections)"}


# --- config ----------------------------------------------------------------------------------------------------


def kind(annotation: Any, metadata: tuple[Any, ...] = ()) -> str:
    """What a user may write there."""
    if slot := next((m for m in metadata if isinstance(m, Slot)), None):
        return f"one of the [{slot.family}](#{slot.family})"
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return kind(inside[0], inside[1:])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inside)
    if origin in (Union, UnionType):
        return " or ".join(kind(part) for part in inside)
    if origin is tuple:
        return f"list of {kind(inside[0])}" if inside[-1] is Ellipsis else f"[{', '.join(map(kind, inside))}]"
    if origin in (dict, Mapping):
        return f"{{{kind(inside[0])}: {kind(inside[1])}}}"
    if origin is list:
        return f"list of {kind(inside[0])}"
    return WORDS.get(annotation, getattr(annotation, "__name__", str(annotation)))


def shown(value: Any) -> str:
    """A default as it would be written in YAML."""
    if isinstance(value, Chosen):
        return value.name
    if isinstance(value, BaseModel):
        return shown(value.model_dump(mode="json"))
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {shown(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(shown, value)) + "]"
    return {"None": "null", "True": "true", "False": "false"}.get(str(value), str(value))


def is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, hml.ComponentConfig)


def table(config: type[BaseModel]) -> Iterator[str]:
    """One row a field. The sections of a run have tables of their own."""
    sections = config is hml.RunConfig
    fields = {name: field for name, field in config.model_fields.items() if not (sections and is_section(field))}
    if not fields:
        yield "No fields."
        return
    yield "| field | what to write | default | meaning |"
    yield "|---|---|---|---|"
    for name, field in fields.items():
        default = "required" if field.is_required() else f"`{shown(field.get_default(call_default_factory=True))}`"
        cells = [f"`{name}`", kind(field.annotation, tuple(field.metadata)), default, field.description or ""]
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def section(name: str, config: type[BaseModel], mark: str) -> Iterator[str]:
    """A section's fields, and below it those of the sections inside."""
    yield from (f"{mark} `{name}`", "", inspect.getdoc(config) or "", "", *table(config), "")
    for field, info in config.model_fields.items():
        for inner in sections_in(info.annotation):
            yield from section(f"{name}.{field}", inner, "###")


def sections_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The configs that an annotation holds, such as `BlazeConfig | None` or `dict[str, MaskConfig]`."""
    if isinstance(annotation, type) and issubclass(annotation, hml.ComponentConfig):
        yield annotation
    for part in get_args(annotation):
        yield from sections_in(part)


def component(entry: Entry) -> Iterator[str]:
    part = entry.component
    yield f"### `{part.name}`"
    yield ""
    yield part.summary[:1].upper() + part.summary[1:].rstrip(".") + "."
    if part.reference:
        yield f"Reference: {part.reference}."
    if part.traits:
        yield "Traits: " + ", ".join(f"`{name}: {shown(value)}`" for name, value in part.traits.items()) + "."
    yield ""
    yield from table(part.config)
    yield ""


def config_page() -> Iterator[str]:
    yield from ("# Config reference", "", GENERATED, "")
    yield "One YAML file decides a run; every field has a default. A mistake is one line that says where it is."
    yield "`hml config init` writes a file to start from, `hml config show` the resolved one, `hml config schema` a"
    yield "JSON schema for editors. `--set field=value` edits one field, `--grid name` replaces the whole slot."
    yield ""
    yield "A *slot* names a component: a bare name, or `{name: …, fields}`. Fields without a name go to the slot's"
    yield "default component."
    yield ""
    yield "## Selections"
    yield ""
    yield from (inspect.getdoc(hml.Selection) or "").splitlines()
    yield ""
    yield from ("## Top level", "", *table(hml.RunConfig), "")
    for name, field in hml.RunConfig.model_fields.items():
        if is_section(field) and isinstance(field.annotation, type):
            yield from section(name, field.annotation, "##")
    for family in FAMILIES:
        yield from (f"## {family}", "")
        for entry in hml.installed().family(family):
            if entry.distribution == "hml":
                yield from component(entry)


# --- public names ----------------------------------------------------------------------------------------------


def summary(name: str) -> str:
    """First line of a public name's docstring (of a constant: the string below it)."""
    value = getattr(hml, name)
    if inspect.isclass(value) or inspect.isroutine(inspect.unwrap(value)):
        return (inspect.getdoc(value) or "").split("\n\n")[0].replace("\n", " ")
    body = ast.parse(inspect.getsource(import_module(hml._WHERE[name]))).body
    for here, below in pairwise(body):
        if isinstance(here, ast.Assign) and [t.id for t in here.targets if isinstance(t, ast.Name)] == [name]:
            return ast.literal_eval(below.value).split("\n")[0] if isinstance(below, ast.Expr) else ""
    return ""


def api_page() -> Iterator[str]:
    yield from ("# Public names", "", GENERATED, "")
    yield "All of these are imported from `hml` itself: `from hml import Spectrum`. Everything else may change."
    for module, names in hml._HOMES.items():
        yield from ("", f"## {module.removeprefix('hml.core.')}", "", "| name | what it is |", "|---|---|")
        for name in sorted(names):
            yield f"| `{name}` | {summary(name).replace('|', chr(92) + '|')} |"


def stub() -> Iterator[str]:
    yield "# Written by docs/make_reference.py: the public names for type checkers; __init__.py loads them lazily."
    for module, names in sorted(hml._HOMES.items()):
        yield from (f"from {module} import {name} as {name}" for name in sorted(names))
    yield from ("", "__version__: str")


PAGES = {"docs/config.md": config_page, "docs/api.md": api_page, "hml/__init__.pyi": stub}


def main(check: bool) -> int:
    stale = 0
    for path, lines in PAGES.items():
        text = "\n".join(lines()).rstrip("\n") + "\n"
        target = ROOT / path
        if target.exists() and target.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        if not check:
            target.write_text(text, encoding="utf-8")
        print(f"{path}: {'out of date; run python docs/make_reference.py' if check else 'written'}")
    return int(check and stale > 0)


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
