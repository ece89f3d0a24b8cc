"""The rules that hold the code together: who imports whom, what is light, what is never done."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

import hml

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "hml").rglob("*.py"))
HEAVY = ("torch", "numba", "skopt", "sklearn", "astropy", "specutils", "scipy", "matplotlib", "h5py", "pandas",
         "emcee", "dynesty", "xarray", "arviz", "distributed", "dask")
HAS_CLI = any(path.relative_to(ROOT / "hml").parts[0].startswith("cli") for path in SOURCES)


def test_import_contracts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == EXIT_STATUS_SUCCESS, capsys.readouterr().out


# --- light to start ------------------------------------------------------------------------------------------------


def heavy_after(code: str) -> list[str]:
    """Which heavy packages a fresh interpreter has loaded after `code`."""
    tail = f"\nimport json, sys\nprint('loaded', json.dumps([m for m in {HEAVY!r} if m in sys.modules]))\n"
    done = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout.rsplit("loaded", 1)[1]))


def run_cli(*arguments: str) -> str:
    return f"import sys\nfrom hml.cli import main\nsys.argv = {['hml', *arguments]!r}\n" \
           "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"


def test_the_check_sees_a_heavy_import() -> None:
    assert heavy_after("import scipy") == ["scipy"]


@pytest.mark.parametrize(
    "code",
    [
        "import hml",
        "import hml; dir(hml); hml.Component; hml.Space",
        "from hml.core.registry import installed; installed().family('grids')",
        "from hml import load_config, dump_config; dump_config(load_config())",
        run_cli("--help"),
        run_cli("plugins"),
        run_cli("run", "--help"),
        run_cli("lines", "--help"),
        run_cli("plot", "--help"),
        run_cli("config", "show"),
    ],
)
def test_starting_loads_nothing_heavy(code: str) -> None:
    assert heavy_after(code) == []


# --- habits --------------------------------------------------------------------------------------------------------


def nodes(kind: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, kind):
                yield f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}", node


def called(node: ast.Call) -> str:
    return ast.unparse(node.func)


def is_cli(where: str) -> bool:
    return where.startswith("hml/cli")


def test_only_the_command_line_prints() -> None:
    printing = [where for where, node in nodes(ast.Call)
                if isinstance(node, ast.Call) and called(node) in ("print", "sys.stdout.write", "rich.print")]
    assert [where for where in printing if not is_cli(where)] == []


def test_only_the_command_line_uses_rich_and_typer() -> None:
    used = [where for where, node in nodes(ast.Import) if isinstance(node, ast.Import)
            for alias in node.names if alias.name.split(".")[0] in ("rich", "typer")]
    used += [where for where, node in nodes(ast.ImportFrom)
             if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("rich", "typer")]
    assert [where for where in used if not is_cli(where)] == []


def test_nothing_is_pickled() -> None:
    modules = {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    for kind in (ast.Import, ast.ImportFrom):
        for where, node in nodes(kind):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            assert not modules & {name.split(".")[0] for name in names}, where
    for where, call in nodes(ast.Call):
        assert isinstance(call, ast.Call)
        keywords = {k.arg: ast.unparse(k.value) for k in call.keywords}
        if called(call) == "torch.load":
            assert keywords.get("weights_only") == "True", where
        if called(call) == "torch.save":
            assert "blase" in where, f"{where}: only clones for blase are written in torch's own format"
        assert keywords.get("allow_pickle", "False") == "False", where


def test_no_file_is_a_god_file() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {path: length for path, length in lengths.items() if length > 600} == {}


def test_every_module_says_what_it_is_for() -> None:
    assert [str(p) for p in SOURCES if not ast.get_docstring(ast.parse(p.read_text(encoding="utf-8")))] == []


def test_nothing_is_left_for_later() -> None:
    later = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|(?i:\bfor now\b|being written)")
    assert [str(p.relative_to(ROOT)) for p in SOURCES if later.search(p.read_text(encoding="utf-8"))] == []


# --- names and files that must agree -------------------------------------------------------------------------------


def test_every_public_name_is_there() -> None:
    assert [name for name in hml.__all__ if getattr(hml, name, None) is None] == []
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        hml.nonsense


def pyproject() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_version_is_said_once_and_the_same_everywhere() -> None:
    version = pyproject()["project"]["version"]
    assert hml.__version__ == version
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_plugin_module_is_an_entry_point() -> None:
    folders = {f"hml.plugins.{p.parent.name}" for p in (ROOT / "hml/plugins").glob("*/__init__.py")}
    assert set(pyproject()["project"]["entry-points"]["hml"].values()) == folders


def test_every_installed_part_of_hml_works() -> None:
    registry = hml.installed()
    assert [f for f in registry.failures if f.distribution == "hml"] == []
    for family in ("grids", "preprocessors", "profiles", "interpolators", "readers", "optimizers", "samplers"):
        names = [e.component.name for e in registry.family(family) if e.distribution == "hml"]
        assert len(names) >= 2, f"{family}: one implementation proves no contract, found {names}"


def test_constraints_pin_every_direct_dependency() -> None:
    project = pyproject()["project"]
    wanted = [*project["dependencies"], *(r for extra in project["optional-dependencies"].values() for r in extra)]
    names = {re.split(r"[\[<>=!~ ;]", text, maxsplit=1)[0].lower().replace("_", "-") for text in wanted} - {"hml"}
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert sorted(names - set(pins)) == []
    assert all(re.fullmatch(r"[0-9][0-9a-z.]*", version) for version in pins.values())
