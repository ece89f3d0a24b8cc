"""The config: one YAML, slots looked up in the registry, one clear line for every mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from hml import (
    BuildContext,
    Chosen,
    Component,
    ComponentConfig,
    ConfigError,
    GridConfig,
    Registry,
    RunConfig,
    Selection,
    dump_config,
    load_config,
    parse_config,
)
from hml.core.registry import Entry, Failure


class ToyGrid(GridConfig):
    teff: Selection | None = Field(None, description="Teff, K")
    path: Path | None = Field(None, description="folder")


class OtherGrid(GridConfig):
    size: int = Field(3, ge=1, description="nodes")


class Halve(ComponentConfig):
    by: float = Field(2.0, gt=0, description="divisor")


def registry() -> Registry:
    parts: list[tuple[str, str, type[ComponentConfig]]] = [
        ("grids", "synthetic", ToyGrid), ("grids", "other", OtherGrid),
        ("preprocessors", "blackbody", ComponentConfig), ("preprocessors", "continuum", ComponentConfig),
        ("preprocessors", "halve", Halve), ("profiles", "pseudo_voigt", ComponentConfig),
        ("interpolators", "cubic", ComponentConfig), ("optimizers", "gp", Halve),
        ("readers", "csv", ComponentConfig),
    ]
    entries = [
        Entry(family, Component(name, "", config, lambda c, x: (c, x), traits={"kind": name}), "toy", "hml-toy", "1")
        for family, name, config in parts
    ]
    return Registry(tuple(entries), (Failure("bad", "hml-bad", "1", "ImportError: gone"),))


REGISTRY = registry()


def parse(raw: dict[str, Any]) -> RunConfig:
    return parse_config(raw, registry=REGISTRY)


def load(path: Path | None = None, **more: Any) -> RunConfig:
    return load_config(path, registry=REGISTRY, **more)


def refused(raw: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as error:
        parse(raw)
    assert "\n" not in str(error.value)
    return str(error.value)


# --- slots -------------------------------------------------------------------------------------------------------


def test_the_defaults_are_a_whole_run() -> None:
    config = parse({})
    assert [config.grid.name, config.profile.name, config.interpolator.name, config.optimizer.name] == [
        "synthetic", "pseudo_voigt", "cubic", "gp"]
    assert isinstance(config.grid.config, ToyGrid)


def test_a_bare_name_and_a_mapping_are_the_same() -> None:
    assert parse({"grid": "other"}) == parse({"grid": {"name": "other"}})
    assert parse({"grid": {"teff": 4000}}).grid.name == "synthetic"
    assert parse({"optimizer": {"by": 3}}).optimizer.config == Halve(by=3)


def test_a_slot_validates_with_the_class_of_its_component() -> None:
    assert isinstance(parse({"grid": {"name": "other", "size": 5}}).grid.config, OtherGrid)
    assert "grid: " in refused({"grid": {"name": "synthetic", "size": 5}})


def test_a_chosen_component_reads_its_traits_without_building_and_builds_with_its_config() -> None:
    chosen = parse({"optimizer": {"by": 3}}).optimizer
    assert chosen.trait("kind") == "gp"
    assert chosen.trait("absent", 5) == 5
    context = BuildContext(seed=4)
    assert chosen.build(context) == (Halve(by=3), context)


def test_preprocessors_nest_inside_the_grid_in_order() -> None:
    steps = parse({"grid": {"name": "other", "preprocess": ["continuum", {"name": "halve", "by": 4}]}}).grid.config
    assert [step.name for step in steps.preprocess] == ["continuum", "halve"]
    assert steps.preprocess[1].config == Halve(by=4)
    assert [step.name for step in parse({"grid": "other"}).grid.config.preprocess] == ["blackbody", "continuum"]


def test_the_two_lists_of_preprocessors_are_separate() -> None:
    config = parse({"grid": "other", "spectrum": {"preprocess": ["halve"]}})
    assert [s.name for s in config.spectrum.preprocess] == ["halve"]
    assert [s.name for s in config.grid.config.preprocess] == ["blackbody", "continuum"]


# --- mistakes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        ({"gird": "other"}, ["unknown field 'gird'", "did you mean 'grid'?"]),
        ({"clone": {"stepz": 3}}, ["clone", "unknown field 'stepz'", "did you mean 'steps'?"]),
        ({"grid": {"name": "other", "sizes": 3}}, ["grid", "unknown field 'sizes'", "did you mean 'size'?"]),
        ({"grid": "othr"}, ["grid: there is no grid 'othr'", "did you mean 'other'?", "hml-bad", "ImportError: gone"]),
        ({"optimizer": "newton"}, ["optimizer", "there is no optimizer 'newton'", "Available: gp", "install"]),
        ({"spectrum": {"reader": "docx"}}, ["spectrum.reader", "there is no reader 'docx'", "Available: csv"]),
        ({"grid": {"name": "other", "preprocess": ["half"]}}, ["preprocess.0", "'half'", "did you mean 'halve'?"]),
        ({"grid": {"name": "other", "size": "many"}}, ["grid.size", "integer"]),
        ({"grid": {"name": "other", "size": 0}}, ["grid.size", "greater than or equal to 1"]),
        ({"clone": {"composition": "voodoo"}}, ["clone.composition", "opacity", "product", "sum"]),
        ({"clone": {"learning_rate": float("nan")}}, ["clone.learning_rate", "finite"]),
        ({"box": {"teff": [4000, 3000]}}, ["box.teff", "write the smaller number first"]),
        ({"grid": 5}, ["grid", "expected a name or {name: ..., fields}, got 5"]),
        ({"grid": {"name": None}}, ["grid", "say which one"]),
        ({"grid": ["other"]}, ["grid", "expected a name"]),
        ({"clone": 3}, ["clone"]),
        ({"runtime": {"seed": -1}}, ["runtime.seed", "greater than or equal to 0"]),
    ],
)
def test_a_mistake_names_where_what_was_expected_and_the_way_out(raw: dict[str, Any], parts: list[str]) -> None:
    text = refused(raw)
    assert [part for part in parts if part not in text] == [], text


def test_all_mistakes_are_told_at_once() -> None:
    text = refused({"clone": {"steps": 0}, "runtime": {"seed": -1}})
    assert "clone.steps" in text
    assert "runtime.seed" in text


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"grid: [unclosed", "is not YAML"),
        (b"- a\n- list\n", "expected fields such as `grid: synthetic`, found list"),
        (b"\xff\xfe\x00", "is not YAML"),
        (b"just words", "found str"),
        (b"grid: other\nclon: {}\n", "unknown field 'clon'"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, content: bytes, text: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        load(path)
    assert str(error.value).startswith(str(path))
    assert text in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read \(No such file"):
        load(tmp_path / "none.yaml")


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("# nothing yet\n")
    assert load(tmp_path / "run.yaml") == load()


# --- options -------------------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text("grid: {name: synthetic, teff: [3000, 4000]}\nclone: {steps: 7}\n", encoding="utf-8")
    return path


def test_naming_a_grid_replaces_the_whole_slot(file: Path) -> None:
    assert load(file).grid.config.teff == Selection(lower=3000, upper=4000)
    assert load(file, slots={"grid": "other"}).grid.config == load(slots={"grid": "other"}).grid.config
    assert load(file, slots={"grid": "synthetic"}).grid.config.teff is None
    assert load(file, slots={"grid": "other"}).clone.steps == 7


@pytest.mark.parametrize(
    ("item", "reads", "value"),
    [
        ("grid.teff=[5000,6000]", lambda c: c.grid.config.teff, Selection(lower=5000, upper=6000)),
        ("grid.teff={nodes: [5000, 6000]}", lambda c: c.grid.config.teff, Selection(nodes=(5000, 6000))),
        ("grid.teff=5000:6000", lambda c: c.grid.config.teff, Selection(lower=5000, upper=6000)),
        ("grid.path=/a=b", lambda c: c.grid.config.path, Path("/a=b")),
        ("clone.steps=9", lambda c: c.clone.steps, 9),
        ("clone.window=null", lambda c: c.clone.window, None),
        ("optimizer.by=5", lambda c: c.optimizer.config.by, 5.0),
        ("optimizer=gp", lambda c: c.optimizer.name, "gp"),
        ("spectrum.path=star.csv", lambda c: c.spectrum.path, Path("star.csv").absolute()),
        ("box.teff={around: 5800, half_width: 500}", lambda c: c.box["teff"].bounds, (5300, 6300)),
    ],
)
def test_set_edits_one_field(file: Path, item: str, reads: Any, value: Any) -> None:
    changed = load(file, sets=[item])
    assert reads(changed) == value
    if not item.startswith("clone"):
        assert changed.clone == load(file).clone


def test_set_comes_after_the_slots_and_keeps_the_name(file: Path) -> None:
    config = load(file, slots={"grid": "other"}, sets=["grid.size=8"])
    assert (config.grid.name, config.grid.config.size) == ("other", 8)


def test_set_edits_a_bare_name(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("grid: other\n")
    config = load(tmp_path / "run.yaml", sets=["grid.size=8"])
    assert (config.grid.name, config.grid.config.size) == ("other", 8)


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ("grid.teff", "expected field=value"),
        ("=5", "expected field=value"),
        ("grid.teff=[5000", "is not YAML"),
        ("grid.tef=5000", "did you mean 'teff'?"),
        ("clone.steps.more=3", "clone.steps"),
        ("grid.preprocess.0=halve", "grid"),
        ("nothing.at.all=3", "unknown field 'nothing'"),
    ],
)
def test_a_bad_set_is_one_clear_line(item: str, text: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(sets=[item])
    assert text in str(error.value)
    assert "\n" not in str(error.value)


def test_set_into_a_field_that_is_no_section_is_one_clear_line(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"--set clone\.steps\.more: steps is 7, which has no fields"):
        load(file, sets=["clone.steps.more=3"])
    file.write_text("grid: {preprocess: [halve]}\n")
    with pytest.raises(ConfigError, match=r"--set grid\.preprocess\.0: preprocess is \['halve'\], which has no fields"):
        load(file, sets=["grid.preprocess.0=gp"])


# --- out and in again ------------------------------------------------------------------------------------------------


RUNS = st.fixed_dictionaries({}, optional={
    "grid": st.sampled_from(["other", {"name": "other", "size": 4, "wavelength": [8000.0, 9000.0]},
                             {"teff": 4000, "path": "/somewhere"}, {"teff": [4000, 5000]},
                             {"name": "other", "preprocess": ["continuum", {"name": "halve", "by": 3}]}]),
    "clone": st.fixed_dictionaries({}, optional={
        "steps": st.integers(1, 1000), "learning_rate": st.floats(1e-6, 10), "window": st.none() | st.integers(3, 9),
        "composition": st.sampled_from(["opacity", "product", "sum"])}),
    "spectrum": st.sampled_from([{}, {"path": "star.csv", "reader": "csv"}, {"preprocess": ["halve"]}]),
    "truth": st.sampled_from([{}, {"labels": {"teff": 4321.5, "logg": 4.5}, "snr": None, "rv": -110.5}]),
    "objective": st.sampled_from([{}, {"rv": [-200, 200], "resolving_power": 45000, "continuum_degree": None}]),
    "box": st.dictionaries(st.sampled_from(["teff", "logg"]), st.sampled_from(
        [[1, 2], 5800, {"nodes": [1, 2]}, {"around": 5800, "half_width": 500}])),
    "runtime": st.fixed_dictionaries({}, optional={"seed": st.integers(0, 2**32), "workers": st.integers(1, 64)}),
})


@given(RUNS)
def test_what_is_written_reads_back_equal(raw: dict[str, Any]) -> None:
    config = parse(raw)
    again = parse(yaml.safe_load(dump_config(config)))
    assert again == config
    assert dump_config(again) == dump_config(config)


def test_what_is_written_says_everything() -> None:
    written = yaml.safe_load(dump_config(parse({"grid": "other"})))
    assert list(written) == list(RunConfig.model_fields)
    assert written["grid"] == {"name": "other", "preprocess": [{"name": "blackbody"}, {"name": "continuum"}],
                               "wavelength": None, "size": 3}


def test_a_config_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        parse({}).clone.steps = 3  # type: ignore[misc]


def test_a_chosen_part_passes_a_slot_as_it_is() -> None:
    chosen = parse({"grid": "other"}).grid
    assert isinstance(chosen, Chosen)
    assert parse({"grid": chosen}).grid is chosen


# --- the parts that hml itself brings --------------------------------------------------------------------------------


def test_the_installed_defaults_read_back_equal() -> None:
    config = load_config()
    assert parse_config(yaml.safe_load(dump_config(config))) == config


def test_the_schema_names_every_installed_grid() -> None:
    from hml import installed

    schema = RunConfig.model_json_schema()
    names = {e.component.name for e in installed().family("grids")}
    options = schema["properties"]["grid"]["anyOf"]
    assert {o["const"] for o in options if "const" in o} == names
