"""What keeps the kit honest: checks are not replaced, not left out without a reason, and counted when they ran."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hml import Component, ConfigError, PluginError
from hml.cli import app
from hml.template import FAMILIES, write_package
from hml.testing import GridChecks, PluginChecks, ProfileChecks, check_package, run_checks
from hml.testing.plugins import registry_of

VACUUM = "test_wavelengths_are_vacuum"


# --- nothing is replaced, and reasons are written --------------------------------------------------------------------


def test_a_check_cannot_be_replaced() -> None:
    with pytest.raises(TypeError, match="replaces the check test_it_falls_to_zero; leave it out by skips"):

        class TestMine(ProfileChecks):
            def test_it_falls_to_zero(self) -> None:
                """It need not."""


def test_nor_by_a_class_beside_it_or_by_nothing() -> None:
    class Easy:
        def test_it_falls_to_zero(self) -> None:
            """It need not."""

    with pytest.raises(TypeError, match="test_it_falls_to_zero"):
        type("TestMine", (Easy, ProfileChecks), {})
    with pytest.raises(TypeError, match="test_it_falls_to_zero"):
        type("TestMine", (ProfileChecks,), {"test_it_falls_to_zero": None})


def test_nor_afterwards() -> None:
    mine = type("TestMine", (ProfileChecks,), {"name": "voigt"})
    mine.test_it_falls_to_zero = lambda self: None  # type: ignore[attr-defined]
    found = run_checks(mine)
    assert not found.passed
    assert {o.text for o in found.outcomes} == {"the check test_it_falls_to_zero was replaced after TestMine was made"}


@pytest.mark.parametrize("reason", ["", "     ", "no", None])
def test_a_check_is_left_out_for_a_reason(reason: object) -> None:
    with pytest.raises(TypeError, match="left out without a reason"):
        type("TestMine", (GridChecks,), {"skips": {VACUUM: reason}})


def test_only_what_there_is_can_be_left_out() -> None:
    with pytest.raises(TypeError, match=r"skips names 'test_vacuum'; the checks are test_it_is_what_its_family_says, "):
        type("TestMine", (GridChecks,), {"skips": {"test_vacuum": "it has no lines of atoms"}})


# --- counted, by pytest ----------------------------------------------------------------------------------------------

HEAD = """
import pytest
from hml.testing import ProfileChecks, expect

class TestVoigt(ProfileChecks):
    name = "voigt"
    skips = {"test_it_falls_to_zero": "written down for this test"}
"""


def summary(pytester: pytest.Pytester, content: str, *arguments: str) -> tuple[list[str], pytest.RunResult]:
    """What the plugin's last lines say."""
    pytester.makeconftest('pytest_plugins = ["hml.testing.plugin"]')
    pytester.makepyfile(content)
    found = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:randomly", *arguments)
    lines = [line for line in found.outlines if line.startswith("Test")]
    return lines, found


def test_the_checks_that_ran_are_counted(pytester: pytest.Pytester) -> None:
    lines, found = summary(pytester, HEAD)
    assert lines == ["TestVoigt (profiles voigt): 11 of 13 checks ran; 1 do not apply; left out: written down for this "
                     "test"]  # fmt: skip
    assert found.ret == 0


def test_those_that_did_not_run_are_counted_too(pytester: pytest.Pytester) -> None:
    lines, _ = summary(pytester, HEAD, "-k", "mixture or zero or amplitude")
    assert lines[0].startswith("TestVoigt (profiles voigt): 1 of 13 checks ran; 1 do not apply; 10 were not asked for")


@pytest.mark.parametrize("mark", ["skip", "skipif(True, reason='')", "xfail"])
def test_a_mark_without_a_reason_is_a_failure(pytester: pytest.Pytester, mark: str) -> None:
    _, found = summary(pytester, HEAD.replace("class", f"@pytest.mark.{mark}\nclass"), "-k", "amplitude")
    found.assert_outcomes(errors=1, deselected=12)
    found.stdout.fnmatch_lines(["*test_it_is_proportional_to_its_amplitude is marked * without a reason; write one*"])


def test_a_mark_with_a_reason_is_told(pytester: pytest.Pytester) -> None:
    lines, _ = summary(pytester, HEAD.replace("class", "@pytest.mark.skip('the machine is busy')\nclass"))
    assert "0 of 13 checks ran" in lines[0]
    assert "left out: the machine is busy" in lines[0]


# --- packages --------------------------------------------------------------------------------------------------------

PROFILE = """
from hml import BuildContext, Component, ComponentConfig, hookimpl

def build(config, context):
    from hml.template.profile.profile import ExampleProfile
    return ExampleProfile()

@hookimpl
def hml_profiles():
    yield Component("{name}", "a Gaussian", ComponentConfig, build)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a module that can be imported, and returns its name."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(text: str, name: str = "") -> str:
        name = name or f"hml_kit_{abs(hash(text)) % 10**8}"
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        return name

    yield write
    registry_of.cache_clear()


@pytest.mark.parametrize(
    ("text", "check", "words"),
    [
        ("import no_such_package", "test_everything_it_offers_is_found", "No module named 'no_such_package'"),
        ("x = 1", "test_everything_it_offers_is_found", "yields a component"),
        (PROFILE.format(name="voigt"), "test_its_names_are_its_own", "profile 'voigt' is offered by hml too"),
        (PROFILE.format(name="a") + "    yield Component('a', 'again', ComponentConfig, build)\n",
         "test_its_names_are_its_own", "offered twice"),
        ("import scipy\n" + PROFILE.format(name="a"), "test_finding_its_parts_loads_nothing_heavy", "loads scipy"),
        ("from hml.core.space import Axis\n" + PROFILE.format(name="a"), "test_it_imports_public_names_only",
         r":1 imports hml\.core\.space"),
        ("from hml import core\n" + PROFILE.format(name="a"), "test_it_imports_public_names_only", "imports hml.core"),
    ],
    ids=["broken", "empty", "taken", "twice", "heavy", "private", "private from hml"],
)
def test_a_wrong_package_is_found_out(package, text: str, check: str, words: str) -> None:
    suite = type("TestPlugin", (PluginChecks,), {"package": package(text)})
    (found,) = [outcome for outcome in run_checks(suite).outcomes if outcome.check == check]
    assert found.status == "failed"
    assert re.search(words, found.text), found.text


def test_a_package_that_is_not_there_is_one_line() -> None:
    with pytest.raises(PluginError, match=r"'hml-nowhere' is no installed distribution.*install it first"):
        list(check_package("hml-nowhere"))


def test_parts_of_a_package_without_checks_of_its_own(package) -> None:
    ours, part = check_package(package(PROFILE.format(name="plain")))
    assert (part.what, part.name, part.passed) == ("profiles", "plain", True)
    assert (part.count("passed"), part.count("failed")) == (13, 0)
    assert "imports hml.template" in next(o.text for o in ours.outcomes if o.status == "failed")


def test_the_command_tells_and_ends_with_1(package) -> None:
    name = package(PROFILE.format(name="plain"))
    shown = CliRunner().invoke(app, ["check-plugin", name])
    assert shown.exit_code == 1
    assert f"package {name}: 3 passed, 1 failed\n  failed: test_it_imports_public_names_only" in shown.output
    assert "profiles plain: 13 passed\n" in shown.output
    facts = json.loads(CliRunner().invoke(app, ["check-plugin", name, "--json"]).output)
    assert [(fact["name"], fact["passed"]) for fact in facts] == [(name, False), ("plain", True)]


def test_fields_are_given_by_set(package) -> None:
    text = PROFILE.format(name="plain").replace("ComponentConfig, build", "Config, build").replace(
        "def build", "from pydantic import Field\n\nclass Config(ComponentConfig):\n"
        "    width: float = Field(gt=0, description='Å')\n\ndef build")  # fmt: skip
    name = package(text)
    without = CliRunner().invoke(app, ["check-plugin", name])
    assert "failed: setup: its fields do not do: width: Field required; give them" in without.output
    given = CliRunner().invoke(app, ["check-plugin", name, "-s", "plain.width=2"])
    assert "profiles plain: 13 passed\n" in given.output
    for wrong, words in (("other.width=2", "has no component other; it has plain"), ("plain=2", "expected part.field")):
        found = CliRunner().invoke(app, ["check-plugin", name, "-s", wrong])
        assert isinstance(found.exception, ConfigError)
        assert words in str(found.exception)


# --- hml plugin new --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "family", "words"),
    [
        ("Sonora", "grid", "small letters"), ("../x", "grid", "small letters"), ("1st", "grid", "small letters"),
        ("hml-", "grid", "small letters"), ("x", "planet", "there are grid, preprocessor"),
    ],
)  # fmt: skip
def test_a_package_cannot_be_called_anything(tmp_path: Path, name: str, family: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        write_package(name, family, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_and_no_name_is_taken_twice(tmp_path: Path) -> None:
    write_package("hml-mine", "grid", tmp_path)
    with pytest.raises(ConfigError, match="hml-mine is there already"):
        write_package("mine", "grid", tmp_path)
    with pytest.raises(PluginError, match="grid 'phoenix' is offered by hml; choose another name"):
        write_package("phoenix", "grid", tmp_path)


def component_of(family: str) -> Component:
    """The template's own component."""
    module = import_module(f"hml.template.{family}")
    (component,) = getattr(module, f"hml_{FAMILIES[family]}")()
    return component


@pytest.mark.parametrize("family", FAMILIES)
def test_every_template_passes_the_kit(family: str) -> None:
    checks = import_module(f"hml.template.{family}.checks").TestExample
    found = run_checks(type(checks.__name__, (checks,), {"component": component_of(family)}))
    assert [outcome for outcome in found.outcomes if outcome.status == "failed"] == []
    assert found.count("passed") > 10


@pytest.mark.parametrize("family", FAMILIES)
def test_a_new_package_holds_nothing_of_the_template_s_name(tmp_path: Path, family: str) -> None:
    files = write_package("hml-two-words", family, tmp_path)
    assert {str(file.relative_to(tmp_path / "hml-two-words")) for file in files} == {
        "pyproject.toml", "README.md", "hml_two_words/__init__.py", f"hml_two_words/{family}.py",
        "hml_two_words/checks.py", "tests/conftest.py", "tests/test_conformance.py",
    }  # fmt: skip
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    assert "xample" not in text and "FAMILY" not in text and "VERSION" not in text
    assert "TwoWords" in text and '"two_words"' in text and "hml-two-words" in text
