"""The registry: broken plugins are kept as values, names are answered, collisions named."""

from __future__ import annotations

import sys
import textwrap
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path
from typing import Any

import pytest

from hml import Component, ComponentConfig, PluginError, Registry, discover, hookimpl
from hml.core.hookspecs import FAMILIES


class Fake(Distribution):
    """An installed distribution that exists in memory only."""

    def __init__(self, name: str, version: str = "1.0") -> None:
        self._text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"

    def read_text(self, filename: str) -> str | None:
        return self._text if filename == "METADATA" else None

    def locate_file(self, path: Any) -> Any:
        return Path(path)


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a module and returns its entry point."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(module: str, source: str, distribution: str = "", version: str = "1.0") -> EntryPoint:
        (tmp_path / f"{module}.py").write_text(textwrap.dedent(source), encoding="utf-8")
        monkeypatch.delitem(sys.modules, module, raising=False)
        return EntryPoint(module, module, "hml")._for(Fake(distribution or f"hml-{module}", version))

    return write


GOOD = """
    from hml import Component, ComponentConfig, hookimpl

    @hookimpl
    def hml_{family}():
        yield Component("{name}", "for a test", ComponentConfig, lambda config, context: "built")
"""


def good(family: str, name: str) -> str:
    return GOOD.format(family=family, name=name)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_component_of_every_family_is_found_with_its_origin(plugin, family: str) -> None:
    registry = discover([plugin("fine", good(family, "toy"), "hml-fine", "2.1")])
    (entry,) = registry.entries
    assert (entry.family, entry.plugin, entry.distribution, entry.version) == (family, "fine", "hml-fine", "2.1")
    assert registry.get(family, "toy") is entry.component
    assert registry.failures == ()


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("def broken(:", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise ValueError('first line\\nsecond line')", "ValueError: first line"),
        ("raise RuntimeError", "RuntimeError"),
    ],
)
def test_a_plugin_that_does_not_import_is_a_value_and_disturbs_nobody(plugin, source: str, error: str) -> None:
    registry = discover([plugin("bad", source), plugin("fine", good("grids", "toy"))])
    (failure,) = registry.failures
    assert (failure.plugin, failure.distribution, failure.version) == ("bad", "hml-bad", "1.0")
    assert failure.error.startswith(error)
    assert "\n" not in failure.error
    assert registry.get("grids", "toy").name == "toy"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("raise OSError('no disk')", "hml_grids: OSError: no disk"),
        ("import sys; sys.exit(1)", "hml_grids: SystemExit: 1"),
        ("yield 'a string'", "hml_grids: TypeError: a hook must yield Component records, not str"),
        ("return None", "hml_grids: TypeError"),
        ("return 7", "hml_grids: TypeError"),
        (
            "yield Component('toy', '', dict, lambda config, context: None)",
            "hml_grids: TypeError: component 'toy': config must be a subclass of ComponentConfig",
        ),
    ],
)
def test_a_hook_that_fails_leaves_the_other_hooks_of_its_plugin_working(plugin, body: str, error: str) -> None:
    source = textwrap.dedent(good("readers", "kept")) + f"\n@hookimpl\ndef hml_grids():\n    {body}\n"
    registry = discover([plugin("half", source)])
    (failure,) = registry.failures
    assert failure.error.startswith(error)
    assert registry.family("grids") == []
    assert registry.get("readers", "kept").name == "kept"


def test_a_hook_of_an_unknown_signature_is_a_failure(plugin) -> None:
    source = "from hml import hookimpl\n@hookimpl\ndef hml_grids(surplus):\n    return ()\n"
    registry = discover([plugin("wrong", source)])
    assert registry.entries == ()
    assert registry.failures[0].error.startswith("PluginValidationError")


def test_a_misspelt_hook_is_a_failure(plugin) -> None:
    source = textwrap.dedent(good("readers", "kept")) + "\n@hookimpl\ndef hml_gridz():\n    return ()\n"
    registry = discover([plugin("wrong", source)])
    assert [f.plugin for f in registry.failures] == ["wrong"]
    assert registry.failures[0].error.startswith("hml_gridz: LookupError: there is no hook of this name")
    assert registry.get("readers", "kept").name == "kept"


def test_a_collision_names_both_distributions_and_only_when_that_name_is_asked_for(plugin) -> None:
    registry = discover([
        plugin("one", good("grids", "sonora"), "hml-sonora", "1.0"),
        plugin("two", good("grids", "sonora"), "astro-grids", "0.3"),
        plugin("three", good("grids", "atlas")),
    ])
    assert registry.get("grids", "atlas").name == "atlas"
    with pytest.raises(PluginError) as error:
        registry.get("grids", "sonora")
    assert str(error.value) == (
        "grid 'sonora' is offered by astro-grids 0.3 and by hml-sonora 1.0; uninstall one of them"
    )


def test_the_same_name_in_two_families_is_no_collision(plugin) -> None:
    registry = discover([plugin("one", good("grids", "same")), plugin("two", good("readers", "same"))])
    assert registry.get("grids", "same") is not registry.get("readers", "same")


def test_an_unknown_name_tells_the_close_match_and_what_there_is(plugin) -> None:
    registry = discover([plugin("one", good("grids", "phoenix")), plugin("two", good("grids", "synthetic"))])
    with pytest.raises(PluginError, match=r"no grid 'fenix'; did you mean 'phoenix'\? Available: phoenix, synthetic\."):
        registry.get("grids", "fenix")


def test_an_unknown_name_tells_what_failed_and_what_to_install(plugin) -> None:
    registry = discover([plugin("bad", "import no_such_package", "hml-sonora", "0.2")])
    with pytest.raises(PluginError) as error:
        registry.get("grids", "sonora")
    text = str(error.value)
    assert "Available: none." in text
    assert "Failed to load: bad (hml-sonora 0.2): ModuleNotFoundError: No module named 'no_such_package'." in text
    assert "pip install hml-sonora" in text
    assert "\n" not in text


def test_an_unknown_name_has_one_line_whatever_it_is() -> None:
    with pytest.raises(PluginError, match="no optimizer ''"):
        Registry((), ()).get("optimizers", "")


def test_an_entry_point_may_name_an_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "holder.py").write_text(
        "from hml import Component, ComponentConfig, hookimpl\n"
        "class Plugin:\n"
        "    @hookimpl\n"
        "    def hml_readers(self):\n"
        "        return [Component('toy', '', ComponentConfig, lambda c, x: None)]\n"
        "plugin = Plugin()\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = discover([EntryPoint("mine", "holder:plugin", "hml")._for(Fake("hml-holder"))])
    assert registry.get("readers", "toy").name == "toy"


def test_one_distribution_may_bring_several_plugins_and_order_does_not_matter(plugin) -> None:
    points = [plugin("a", good("grids", "first"), "hml-many"), plugin("b", good("grids", "second"), "hml-many")]
    there, back = discover(points), discover(points[::-1])
    assert [e.component.name for e in there.family("grids")] == ["first", "second"]
    assert [e.plugin for e in there.entries] == [e.plugin for e in back.entries]


def test_the_same_module_under_two_names_is_a_failure_not_a_crash(plugin) -> None:
    point = plugin("a", good("grids", "first"), "hml-a")
    again = EntryPoint("again", "a", "hml")._for(Fake("hml-z"))
    registry = discover([point, again])
    assert [e.component.name for e in registry.family("grids")] == ["first"]
    assert [f.plugin for f in registry.failures] == ["again"]


def test_hooks_only_register() -> None:
    built: list[object] = []

    class Plugin:
        @hookimpl
        def hml_grids(self) -> list[Component]:
            return [Component("toy", "", ComponentConfig, lambda config, context: built.append(config))]

    class Point:
        name, dist = "toy", Fake("hml-toy")

        def load(self) -> object:
            return Plugin()

    registry = discover([Point()])  # type: ignore[list-item]
    assert registry.get("grids", "toy").name == "toy"
    assert built == []
