"""The documentation says what the code does: every hook and field is in it, and its code runs."""

from __future__ import annotations

import inspect
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel, Field

import hml
from hml.cli import app
from hml.core import hookspecs, interfaces
from hml.core.hookspecs import FAMILIES
from hml.template import write_package

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
WITH_CODE = [page for page in PAGES if BLOCK.search(page.read_text(encoding="utf-8"))]


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_the_code_of_a_page_runs_from_top_to_bottom(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = page.read_text(encoding="utf-8")
    namespace: dict[str, Any] = {"__name__": "page"}
    for block in BLOCK.finditer(content):
        line = content[: block.start()].count("\n") + 1
        exec(compile("\n" * line + block.group(1), str(page), "exec"), namespace)


def test_the_pages_with_code_are_seen() -> None:
    assert {"README.md", "docs/plugins.md", "docs/tour.md"} <= {name_of(page) for page in WITH_CODE}


@pytest.mark.parametrize(("page", "family", "name", "most"), [("docs/grid-plugin.md", "grid", "tiles", 60),
                                                              ("docs/manifold.md", "interpolator", "shepard", 100)])
def test_a_page_shows_what_hml_plugin_new_writes(tmp_path: Path, page: str, family: str, name: str, most: int) -> None:
    written = write_package(name, family, tmp_path)
    files = [file for file in written if file.parent.name == f"hml_{name}" and file.name != "checks.py"]
    shown = BLOCK.findall(text(page))[: len(files)]
    assert shown == [file.read_text(encoding="utf-8") for file in files]
    assert len([line for block in shown for line in block.splitlines() if line.strip()]) <= most


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{name_of(page)} links to {target}"


def commands(page: Path) -> list[list[str]]:
    """Every `hml …` that the page shows, in its indented and bash blocks, as arguments."""
    lines = re.sub(r"\\\n\s*", "", page.read_text(encoding="utf-8")).splitlines()
    shown = [m.group(1) for line in lines for m in re.finditer(r"(?:^    |/bin/)hml ([a-z].*)", line)]
    return [shlex.split(line, comments=True) for line in shown]


COMMANDS = [(page, arguments) for page in PAGES for arguments in commands(page)]


@pytest.mark.parametrize(("page", "arguments"), COMMANDS, ids=lambda v: " ".join(v) if isinstance(v, list) else v.name)
def test_commands_in_the_pages_are_understood(page: Path, arguments: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        assert arguments[0] in command.commands, f"{name_of(page)}: hml has no command {arguments[0]}"
        command, *arguments = command.commands[arguments[0]], *arguments[1:]
    command.make_context("hml", list(arguments))  # UsageError where an option or argument is not known


def test_the_commands_of_the_pages_are_seen() -> None:
    assert {"run", "grid", "infer", "reconstruct", "config", "plugins"} <= {arguments[0] for _, arguments in COMMANDS}


def test_the_generated_pages_are_up_to_date() -> None:
    done = subprocess.run([sys.executable, ROOT / "docs/make_reference.py", "--check"], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("family", "hook"), FAMILIES.items())
def test_every_hook_is_documented_with_an_example(family: str, hook: str) -> None:
    page = text("docs/plugins.md")
    assert f"`{hook}`" in page
    assert f"@hookimpl\ndef {hook}()" in "\n".join(BLOCK.findall(page))


@pytest.mark.parametrize(("family", "hook"), FAMILIES.items())
def test_the_example_in_the_docstring_of_every_hook_registers(family: str, hook: str) -> None:
    prose, _, example = (inspect.getdoc(getattr(hookspecs, hook)) or "").partition("\n\n")
    assert prose.endswith(".")
    namespace = {name: getattr(hml, name) for name in hml.__all__}
    namespace |= {"Path": Path, "Field": Field, "RandomConfig": hml.ComponentConfig}
    exec(textwrap.dedent(example), namespace)
    (component,) = namespace[hook]()
    assert isinstance(component, hml.Component)
    assert issubclass(component.config, hml.ComponentConfig)


def test_every_trait_is_documented() -> None:
    page = text("docs/plugins.md")
    known = re.findall(r"`(\w+)`", (hml.Component.__doc__ or "").split("|---|---|")[1])
    used = {trait for entry in hml.installed().entries for trait in entry.component.traits}
    assert sorted(used - set(known)) == [], "a trait that Component does not document"
    assert [trait for trait in known if f"| `{trait}` |" not in page] == []


def test_every_interface_is_named_and_every_method_says_what_it_does() -> None:
    page = text("docs/plugins.md")
    for name in ("GridSource", "Preprocessor", "LineProfile", "Interpolator", "Manifold", "Reader", "Optimizer",
                 "Objective", "Sampler", "TruthGrid", "FetchableGrid"):
        assert f"`{name}`" in page
        methods = [m for m in vars(getattr(interfaces, name)).values()
                   if getattr(m, "__isabstractmethod__", False)]
        assert [m for m in methods if not (m.fget if isinstance(m, property) else m).__doc__] == []


def configs() -> list[tuple[str, type[BaseModel]]]:
    sections = [(name, field.annotation) for name, field in hml.RunConfig.model_fields.items()]
    found = [("top level", hml.RunConfig)]
    found += [(name, c) for name, c in sections if isinstance(c, type) and issubclass(c, BaseModel)]
    return found + [(f"{e.family} {e.component.name}", e.component.config)
                    for e in hml.installed().entries if e.distribution == "hml"]


def test_every_config_field_is_described_and_in_the_reference() -> None:
    page = text("docs/config.md")
    for where, config in configs():
        for name, field in config.model_fields.items():
            section = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
            if where == "top level" and section and issubclass(field.annotation, hml.ComponentConfig):
                assert f"\n## `{name}`\n" in page
                continue
            assert field.description, f"{where}: {name} has no description"
            assert f"| `{name}` |" in page, f"{where}: {name}"


def test_every_component_is_in_the_reference() -> None:
    page = text("docs/config.md")
    for entry in hml.installed().entries:
        if entry.distribution == "hml":
            assert f"\n### `{entry.component.name}`\n" in page
            assert entry.component.summary, f"{entry.component.name} has no summary"


def test_every_public_name_is_documented() -> None:
    page = text("docs/api.md")
    for name in set(hml.__all__) - {"__version__"}:
        assert re.search(rf"\| `{name}` \| \S", page), name


def test_the_readme_and_the_checks_use_the_same_two_commands() -> None:
    commands = re.findall(r"^```bash\n(.*?)\n```", text("README.md"), re.MULTILINE | re.DOTALL)[:2]
    assert len(commands) == 2
    assert "hml run" in commands[0]
    assert "pytest" in commands[1]
    assert all("\n" not in command for command in commands), "two commands, one line each"
    assert "README.md" in text(".ci/run")
