"""Generators in files: shipped without secrets, used without a grid, opened at once, and never believed untested."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import event, given
from hypothesis import strategies as st
from toy import make

from hml.core import pipeline
from hml.core.components import Component, ComponentConfig
from hml.core.config import dump_config, load_config, parse_config
from hml.core.errors import ArtefactError, ConfigError, HmlError, LabelError, SpectrumError
from hml.core.generator import Generator
from hml.core.interfaces import Interpolator, Manifold
from hml.core.pack import describe, open_generator, sha256
from hml.core.parts import Parts, plan_nodes
from hml.core.registry import Entry, Registry
from hml.core.shelf import Shelf
from hml.core.store import read_arrays, verify, write_arrays
from hml.core.stored import WIDEST, filled, without_places
from hml.plugins.interpolators.basis import AxisPlan, Basis

HERE = {"teff": 5444.0, "logg": 4.6}
SMALL = {
    "grid": {"name": "synthetic", "teff": {"nodes": [5000, 5200, 5400]}, "logg": {"nodes": [4.0, 4.5]},
             "feh": {"nodes": [-0.5, 0.0]}, "wavelength": [8700, 8715]},
    "clone": {"steps": 10}, "associate": {"rounds": 2, "steps": 3},
    "optimizer": {"name": "lbfgs", "n_initial": 10, "n_starts": 1},
}
SEARCH = {"optimizer": SMALL["optimizer"]}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A built generator in a file: (file, folder of the run that made it)."""
    folder = tmp_path_factory.mktemp("small")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HML_HOME", str(folder / "home"))
        pipeline.run(parse_config(SMALL), output=folder / "run")
        pipeline.build(parse_config(SMALL)).save(folder / "small.hml")
    return folder / "small.hml", folder / "run"


@pytest.fixture
def toy(tmp_path):
    make().save(tmp_path / "toy.hml")
    return tmp_path / "toy.hml"


def changed(path, change, where=None):
    """The file with its header changed by `change`, sealed anew: what somebody may send on purpose."""
    arrays, header = read_arrays(path, "generator")
    change(header)
    write_arrays(where or path, "generator", arrays, header)
    return where or path


# --- a file is the generator ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("interpolator", ["linear", "cubic"])
def test_opened_it_is_the_same_generator(tmp_path, interpolator):
    generator, path = make(interpolator), tmp_path / "g.hml"
    generator.save(path)
    opened = open_generator(path, parse_config({})).generator
    assert torch.equal(opened(HERE), generator(HERE))
    first = sha256(path)
    opened.save(path)  # onto the very file that is mapped
    assert sha256(path) == first
    assert torch.equal(opened(HERE), generator(HERE))


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc, to see what is mapped")
def test_the_numbers_stay_in_the_file(toy):
    loaded = Generator.load(toy).to("cpu")
    maps = Path("/proc/self/maps").read_text().splitlines()
    spans = [line.split()[0].split("-") for line in maps if str(toy) in line]
    inside = [any(int(a, 16) <= tensor.data_ptr() < int(b, 16) for a, b in spans)
              for tensor in (*loaded.manifold.state_dict().values(), loaded.wavelength, loaded.reference)
              if tensor.numel()]
    assert inside
    assert all(inside)


def test_what_is_in_a_file_is_told(toy):
    facts = describe(toy)
    assert facts["grid"] == "toy"
    assert (facts["nodes"], facts["tracks"], facts["pixels"]) == (20, 40, 2000)
    assert facts["labels"] == "teff 5000–5800 K, logg 4–4.75 dex"


def test_the_files_of_a_build_can_be_shipped_as_they_are(small, monkeypatch):
    path, run = small
    monkeypatch.setenv("HML_HOME", str(run.parent / "home"))
    parts = Parts.of(parse_config(SMALL))
    assert sha256(Shelf.of(parts, plan_nodes(parts)).generator) == sha256(path)


def test_where_things_lie_is_nobody_elses_business(tmp_path):
    secrets = ("/home/lovelace/grids", "https://ada:secret@mirror.example/", r"C:\lovelace", "~lovelace/clones")
    grid = {"path": secrets[0], "base_urls": [secrets[1]], "folders": {"one": secrets[2], "two": 3}}
    generator = make(clone={"from_blase": "~/clones", "composition": "product"}, associate={"method": "paper"})
    generator.header["grid"] |= grid
    generator.save(tmp_path / "g.hml")
    content = (tmp_path / "g.hml").read_bytes()
    assert not [word for word in (b"lovelace", b"secret", b"clones", str(Path.home()).encode()) if word in content]
    header = Generator.load(tmp_path / "g.hml").header
    assert header["grid"] == {"name": "toy", "fingerprint": "0", "folders": {"two": 3}}
    assert without_places({"steps": 3, "name": "a/b", "unit": "erg / s", "span": [1, "x"]}) == {
        "steps": 3, "name": "a/b", "unit": "erg / s", "span": [1, "x"]}


# --- in place of a grid --------------------------------------------------------------------------------------------


def test_a_run_with_the_file_is_the_run_that_made_it(small, tmp_path):
    path, before = small
    result = pipeline.run(parse_config({**SEARCH, "generator": {"path": str(path)}}), output=tmp_path / "run")
    first = json.loads((before / "result.json").read_text())
    assert [p.value for p in result.parameters] == [p["value"] for p in first["parameters"]]
    assert [p.truth for p in result.parameters] == [p["truth"] for p in first["parameters"]]
    assert list(result.notes) == first["notes"]
    assert result.fingerprints["generator"] == first["fingerprints"]["generator"]
    assert not list(Path(os.environ["HML_HOME"]).rglob("*"))  # nothing was fetched, built or stored
    told = {**first["config"], "generator": {**first["config"]["generator"], "path": str(path)}}
    assert result.config == told  # what the file decides is in the config that is stored


def test_the_stored_config_runs_again_as_it_is(small, tmp_path):
    config = parse_config({**SEARCH, "generator": {"path": str(small[0])}})
    first = pipeline.run(config, output=tmp_path / "a")
    again = pipeline.run(load_config(tmp_path / "a" / "config.yaml"), output=tmp_path / "b")
    assert [p.value for p in again.parameters] == [p.value for p in first.parameters]
    assert again.notes == first.notes
    assert dump_config(load_config(tmp_path / "a" / "config.yaml")) == dump_config(
        load_config(tmp_path / "b" / "config.yaml"))


@pytest.mark.parametrize(("said", "named"), [
    ({"grid": "phoenix"}, ["grid"]), ({"interpolator": "linear", "clone": {"steps": 11}}, ["clone", "interpolator"]),
    ({"hold_out": {"teff": "alternate"}}, ["hold_out"]), ({"generator": {"tolerance": 1e-3}}, ["generator"]),
    ({"clone": {"steps": 10}, "grid": SMALL["grid"]}, []), ({}, []),
])
def test_the_file_decides_and_says_so_where_the_config_says_otherwise(small, said, named):
    path = str(small[0])
    opened = open_generator(small[0], parse_config({**said, "generator": {**said.get("generator", {}), "path": path}}))
    assert opened.config.grid.name == "synthetic"
    assert opened.config.grid.config.teff.nodes == (5000, 5200, 5400)
    assert opened.config.interpolator.name == "cubic"
    assert opened.config.clone.steps == 10
    assert opened.config.hold_out == {}
    assert opened.config.generator.tolerance == parse_config({}).generator.tolerance
    notes = [f"small.hml decides {', '.join(named)}; what the config says of that has no effect"] if named else []
    assert list(opened.notes) == notes


def test_a_file_given_to_build_warns_of_the_same(small, caplog):
    generator = pipeline.build(parse_config({"clone": {"steps": 11}, "generator": {"path": str(small[0])}}))
    assert len(generator.header["nodes"]) == 12
    assert "small.hml decides clone" in caplog.text


def test_the_recipe_of_the_file_is_what_must_fit(small, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("hml.core.parts.check_config", lambda config: seen.append(config.interpolator.name))
    config = parse_config({**SEARCH, "interpolator": "linear", "generator": {"path": str(small[0])}})
    pipeline.run(config, output=tmp_path / "run")
    assert seen == ["cubic"]


def _renamed(header):
    header["grid"]["name"] = "a_grid_of_another_plugin"


def _another(header):
    header["grid"]["fingerprint"] = "f" * 64


def _unable(header):
    header["grid"] = {"name": "phoenix", "fingerprint": "0"}


@pytest.mark.parametrize(("change", "words"), [
    (_renamed, "'a_grid_of_another_plugin' is not known here; give --spectrum"),
    (_another, "has other spectra here than those it was made from; give --spectrum"),
    (_unable, "'phoenix' has no spectra between its nodes; give --spectrum"),
])
def test_without_its_grid_a_generator_measures_what_is_given_and_draws_no_truth(small, tmp_path, change, words):
    path = changed(small[0], change, tmp_path / "other.hml")
    config = {**SEARCH, "generator": {"path": str(path)}}
    with pytest.raises(SpectrumError, match=words):
        pipeline.run(parse_config(config), output=tmp_path / "a")
    assert not (tmp_path / "a").exists()
    from hml.core.export import write_spectrum

    write_spectrum(Generator.load(path).spectrum({"teff": 5300, "logg": 4.2, "feh": -0.1}), tmp_path / "star.ecsv")
    star = {"path": str(tmp_path / "star.ecsv"), "reader": "csv"}
    result = pipeline.run(parse_config({**config, "spectrum": star}), output=tmp_path / "b")
    assert abs(result["teff"].value - 5300) < 30


def test_a_truth_lies_inside_the_generator_and_is_refused_outside(small, tmp_path):
    config = {**SEARCH, "generator": {"path": str(small[0])}}
    with pytest.raises(LabelError, match="teff = 5900"):
        labels = {"teff": 5900, "logg": 4.2, "feh": -0.1}
        pipeline.run(parse_config({**config, "truth": {"labels": labels}}), output=tmp_path / "a")

    def smaller(header):  # made from a part of the grid that its config names
        header["space"][0] |= {"upper": 5200, "nodes": [5000, 5200]}

    path = changed(small[0], smaller, tmp_path / "smaller.hml")
    for seed in range(5):
        config = parse_config({"generator": {"path": str(path)}, "runtime": {"seed": seed}})
        opened = open_generator(path, config)
        parts = Parts.of(opened.config)
        assert 5000 < pipeline.observe(parts, opened.plan(parts)).truth["teff"] < 5200


def test_names_of_artefacts_do_not_depend_on_the_file(small):
    """Clones are made from the grid whether a generator is named or not."""
    keys = set()
    for generator in ({}, {"path": str(small[0])}):
        parts = Parts.of(parse_config({**SMALL, "generator": generator}))
        keys.add(Shelf.of(parts, plan_nodes(parts)).clones)
    assert len(keys) == 1


# --- plugins -------------------------------------------------------------------------------------------------------


def test_a_plugin_that_is_not_installed_is_named_and_the_file_described_all_the_same(toy):
    def foreign(header):
        header["config"]["interpolator"] = {"name": "shepard", "power": 3}
        header["plugins"] = ["shepard: hml-shepard 0.3"]

    changed(toy, foreign)
    with pytest.raises(ArtefactError, match=r"toy\.hml: interpolator: there is no interpolator 'shepard'.*"
                                            r"made with shepard: hml-shepard 0\.3"):
        Generator.load(toy)
    assert describe(toy)["interpolator"] == "shepard"
    assert "hml-shepard 0.3" in describe(toy)["made with"]


class Constant(Manifold):
    """The same lines everywhere; `twice` is made anew each time, for it can be."""

    differentiable = True

    def __init__(self, lines):
        super().__init__()
        self.register_buffer("lines", lines)
        self.register_buffer("twice", torch.full((1,), 2.0), persistent=False)

    def forward(self, labels):
        return self.lines.expand(len(labels), -1, -1) * self.twice / 2

    def subset(self, lines):
        return Constant(self.lines[lines])

    def header(self):
        return {"shape": list(self.lines.shape)}


class Constants(Interpolator):
    def fit(self, table):
        return Constant(torch.as_tensor(table.values[0]))

    def empty(self, header):
        return Constant(torch.ones(*header["shape"], dtype=torch.float64))


def test_a_manifold_may_make_what_it_does_not_store():
    numbers = torch.rand(3, 4, dtype=torch.float64)
    made = filled(Constants(), {"shape": [3, 4]}, {"manifold.lines": numbers, "span": torch.ones(1)}, "manifold.")
    assert torch.equal(made(torch.zeros(2, 1)), numbers.expand(2, -1, -1))
    assert made.lines.data_ptr() == numbers.data_ptr()


@pytest.mark.parametrize(("shape", "dtype", "words"), [
    ([3, 5], torch.float64, r"'manifold.lines' is \[3, 4\] float64, and the header tells \[3, 5\] float64"),
    ([10**6, 10**6], torch.float64, "the header tells"), ([3, 4], torch.float32, "float32"),
])
def test_a_header_that_claims_more_than_there_is_gets_no_memory(shape, dtype, words):
    with pytest.raises(ValueError, match=words):
        filled(Constants(), {"shape": shape}, {"manifold.lines": torch.rand(3, 4, dtype=dtype)}, "manifold.")


def test_who_made_a_part_is_in_the_file(tmp_path, monkeypatch):
    ours = Component("constants", "the same everywhere", ComponentConfig, lambda config, context: Constants())
    entry = Entry("interpolators", ours, "constants", "hml-constants", "1.2")
    from hml.core import config, registry

    full = Registry((*registry.installed().entries, entry), ())
    for module in (registry, config):
        monkeypatch.setattr(module, "installed", lambda: full)
    make("constants").save(tmp_path / "g.hml")
    assert describe(tmp_path / "g.hml")["made with"].endswith("constants: hml-constants 1.2")
    assert torch.isfinite(Generator.load(tmp_path / "g.hml")(HERE)).all()


# --- files that lie ------------------------------------------------------------------------------------------------


def use(path):
    """All that a command does with a file."""
    describe(path)
    return open_generator(path, parse_config({})).generator.spectrum(HERE, absolute=True)


def put(*where, value):
    """A change of one field of the header."""

    def change(header):
        for key in where[:-1]:
            header = header[key]
        header[where[-1]] = value

    return change


@pytest.mark.parametrize(("change", "words"), [
    (put("composition", value="sorcery"), "composition"), (put("window", value=2), "window"),
    (put("window", value=WIDEST + 1), "window"), (put("cut", value="x"), "cut"),
    (put("tolerance", value=0), "tolerance"), (put("tolerance", value=True), "tolerance"),
    (put("unit", value="a\x1b[2Jb"), "unit: expected one line of printable text"),
    (put("space", 0, "name", value="te\nff"), "space.0.name"), (put("grid", "name", value="\x07"), "grid.name"),
    (put("space", 0, "upper", value=float("nan")), "space.0.upper"), (put("space", value=[]), "space"),
    (put("space", 0, "nodes", value=[5, 4]), "space.0: expected nodes in increasing order"),
    (put("space", 1, "name", value="teff"), "different names"), (put("space", 0, "lower", value=5100), "space.0"),
    (put("nodes", 3, value=[1.0]), "expected 2 labels in each"), (put("counts", value=[1]), "as many nodes"),
    (put("nodes", value=[]), "nodes"), (put("resolving_power", value=-1), "resolving_power"),
    (put("config", value="x"), "config"), (put("config", "profile", value={"name": "no_such"}), "no_such"),
    (put("config", "clone", "steps", value=-1), "clone.steps"), (put("continuum_bands", value=[]), "continuum_bands"),
    (put("continuum_bands", value=[[1, 2], [3, 4], [5, 6]]), "gives no spectrum|does not hold"),
    (put("manifold", value={}), "does not hold what a generator needs"),
    (put("manifold", "lines", value=39), r"manifold.coefficients' is \[20, 40, 4\]"),
    (put("manifold", "lines", value=10**12), "header tells"), (put("manifold", "lines", value=-1), "does not hold"),
    (put("manifold", "params", value=10**9), "header tells"), (put("manifold", "storage", value="load"), "not hold"),
    (put("manifold", "storage", value="float16"), "not hold"), (put("manifold", "axes", value=[]), "not hold"),
    (put("continuum", "lines", value=3), "header tells"),
    (put("key", value=None), "key"), (put("versions", value={"hml": 1}), "versions"),
    (put("plugins", value=3), "plugins"),
])
def test_a_header_that_lies_is_refused(toy, change, words):
    changed(toy, change)
    with pytest.raises(ArtefactError, match=rf"toy\.hml: .*({words})"):
        use(toy)


def _sorted(values):
    return values[::-1].copy()


@pytest.mark.parametrize(("name", "change", "words"), [
    ("wavelength", _sorted, "each larger"), ("wavelength", lambda w: w * np.nan, "finite"),
    ("wavelength", lambda w: w[:0], "finite"), ("wavelength", lambda w: -w[::-1], "above zero"),
    ("wavelength", lambda w: w[None], "one axis"), ("wavelength", lambda w: w.astype(np.int64), "one axis of float64"),
    ("starts", lambda s: s + 1, "from 0 on"), ("starts", lambda s: np.array([0, 10**9]), "below the 2000 pixels"),
    ("starts", lambda s: np.array([0, 5, 5]), "increasing"), ("starts", lambda s: s.astype(float), "one axis of int64"),
    ("reference", _sorted, "sorted"), ("reference", lambda r: r * np.inf, "finite"),
    ("reference", lambda r: r[1:], "'span': .*each of 39 tracks"), ("span", lambda s: -s, "from 0 on"),
    ("span", lambda s: s * np.nan, "finite"), ("reference", None, "'reference' is missing"),
    ("manifold.coefficients", lambda c: c[:, 1:].copy(), "header tells"),
    ("manifold.coefficients", lambda c: c.astype(np.float16), "header tells"),
    ("manifold.coefficients", None, "nothing"),
])
def test_arrays_that_cannot_be_meant_are_refused(toy, name, change, words):
    arrays, header = read_arrays(toy, "generator")
    arrays |= {name: change(arrays[name])} if change else {}
    if change is None:
        del arrays[name]
    write_arrays(toy, "generator", arrays, header)
    with pytest.raises(ArtefactError, match=rf"toy\.hml: .*{words}"):
        use(toy)


def test_fewer_lines_in_the_manifold_than_tracks_is_an_error_at_the_latest_when_used(toy):
    arrays, header = read_arrays(toy, "generator")
    for name in ("reference", "span"):
        arrays[name] = arrays[name][:-1]
    write_arrays(toy, "generator", arrays, header)
    with pytest.raises(ArtefactError, match=r"manifold gives numbers \[40, 4\] for 39 tracks"):
        use(toy)
    with pytest.raises(ArtefactError, match=r"manifold gives numbers \[40, 4\] for 39 tracks"):
        Generator.load(toy)(HERE)


LEAVES = st.sampled_from([0, -1, 3, 10**6, 10**12, 10**40, 0.5, -1e308, float("nan"), float("inf"), "", "x", "\x1b",
                          None, True, [], {}, [[]], "/etc", [1e308] * 3])


def places(data, where=()):
    """Where every value of the header lies."""
    items = data.items() if isinstance(data, dict) else enumerate(data[:3]) if isinstance(data, list) else ()
    for key, value in items:
        yield (*where, key)
        yield from places(value, (*where, key))


@given(data=st.data())
def test_whatever_a_header_says_it_is_used_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "whatever.hml"
    make().save(path)
    arrays, header = read_arrays(path, "generator")
    known = [p for p in places(header) if p[0] not in ("kind", "schema")]
    before = copy.deepcopy(header)
    put(*data.draw(st.sampled_from(known)), value=data.draw(LEAVES))(header)
    write_arrays(path, "generator", arrays, header)
    try:
        flux = use(path).flux
    except HmlError as error:
        assert str(error).isprintable() or before != header
        event("refused")
        return
    assert len(flux) > 0
    event("used")


@given(at=st.integers(0, 10**6), value=st.integers(1, 255), keep=st.none() | st.floats(0, 1))
def test_a_damaged_file_is_the_same_or_refused(tmp_path_factory, at, value, keep):
    path = tmp_path_factory.getbasetemp() / "damaged.hml"
    generator = make()
    generator.save(path)
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= value
    path.write_bytes(content if keep is None else content[: int(keep * len(content))])
    try:
        spectrum = use(path)
    except HmlError:
        event("refused")
    else:
        event("the same")
        np.testing.assert_array_equal(spectrum.flux, generator.spectrum(HERE, absolute=True).flux)
    try:  # not verified, a number may be another; but nothing worse
        Generator.load(path).spectrum(HERE)
    except HmlError:
        event("refused unverified")


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit of memory that holds")
def test_lies_get_no_memory(toy):
    """A process that may not have more than 300 MB above what it has refuses them as lies, not for lack of memory."""
    script = """
import json, resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_pack
from test_pack import ArtefactError, changed, put, use
path = Path(sys.argv[2])
use(path)
size = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmSize")) * 1024
resource.setrlimit(resource.RLIMIT_AS, (size + 300_000_000,) * 2)
for where, value in ((("manifold", "lines"), 10**9), (("manifold", "lines"), 10**15), (("manifold", "params"), 10**8),
                     (("continuum", "lines"), 10**10), (("window",), 10**9)):
    other = changed(path, put(*where, value=value), path.with_name("lie.hml"))
    try:
        use(other)
    except ArtefactError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", script, str(Path(__file__).parent), str(toy)], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 5
    assert all("header tells" in line or "window" in line or "invalid shape" in line for line in lines), lines


def test_a_file_of_another_kind_is_no_generator(tmp_path):
    write_arrays(tmp_path / "clone", "clone", {"a": np.zeros(1)}, {})
    with pytest.raises(ArtefactError, match="holds another thing than an hml generator"):
        use(tmp_path / "clone")
    with pytest.raises(ArtefactError, match="cannot be read"):
        open_generator(tmp_path / "nowhere.hml", parse_config({}))
    with pytest.raises(ConfigError, match=r"generator\.path"):
        parse_config({"generator": {"path": 3}})


def test_a_whole_file_passes_and_a_changed_number_does_not(toy):
    verify(toy)
    content = bytearray(toy.read_bytes())
    content[-100] ^= 1
    toy.write_bytes(content)
    Generator.load(toy)  # opened without reading it all
    with pytest.raises(ArtefactError, match="damaged"):
        verify(toy)
    with pytest.raises(ArtefactError, match="damaged"):
        open_generator(toy, parse_config({}))


@pytest.mark.parametrize("place", ["../../etc", "~/grids", "/etc", "C:\\grids", "https://example.org/x", "a/../../b"])
def test_places_are_left_out_however_they_look(place):
    assert without_places({"name": "phoenix", "mirrors": [place], "root": place}) == {"name": "phoenix"}
    assert without_places({"path": "grids", "from_blase": "clones", "teff": [1, 2]}) == {"teff": [1, 2]}


def test_a_file_that_asks_for_too_many_neighbours_is_refused():
    plans = [AxisPlan(f"x{i}", tuple(range(6)), 5, "identity") for i in range(9)]
    with pytest.raises(ValueError, match="neighbours of a label"):
        Basis(plans)
