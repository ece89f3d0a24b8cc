"""Many spectra: the rows of single runs, in the order of the files, whatever goes wrong and however often it stops."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from astropy.table import Table
from toy import make

from hml.core import batch_desk, batch_table, pipeline, workers
from hml.core.batch import infer_many
from hml.core.batch_desk import Desk
from hml.core.batch_table import Heading, Ledger, Row, one_line, read_batch, shown
from hml.core.config import parse_config
from hml.core.errors import ArtefactError, ConfigError
from hml.core.export import write_spectrum
from hml.core.generator import Generator
from hml.core.spectrum import Spectrum
from hml.core.worker import Worker

STARS = 5


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A generator in a file, and noisy spectra of known labels."""
    folder = tmp_path_factory.mktemp("site")
    generator = make()
    generator.save(folder / "toy.hml")
    rng = np.random.default_rng(0)
    truths = []
    for i in range(STARS):
        truth = {"teff": float(rng.uniform(5100, 5700)), "logg": float(rng.uniform(4.1, 4.7))}
        star = generator.spectrum(truth)
        flux = star.flux + 0.01 * rng.standard_normal(len(star))
        write_spectrum(Spectrum(star.wavelength, flux, np.full(len(star), 0.01)), folder / f"star{i}.ecsv")
        truths.append(truth)
    (folder / "broken.ecsv").write_text("nonsense\n")
    (folder / "truths.json").write_text(json.dumps(truths))
    return folder


@pytest.fixture
def stars(site):
    return [site / f"star{i}.ecsv" for i in range(STARS)]


def config(site, **changes):
    search = {"name": "lm", "n_initial": 12, "n_starts": 1}
    return parse_config({"generator": {"path": str(site / "toy.hml")}, "optimizer": search,
                         "runtime": {"workers": 1, "device": "cpu"}, **changes})


def numbers(rows):
    """Everything of rows but how long they took."""
    return [(r.file, r.sha256, r.status, r.message, r.notes, dict(r.values), dict(r.errors), repr(r.objective),
             r.pixels) for r in rows]


@pytest.fixture
def measured(monkeypatch):
    """The names of files that were measured in this process, in turn."""
    seen = []
    real = Desk.result
    monkeypatch.setattr(Desk, "result", lambda desk, file: seen.append(file.name) or real(desk, file))
    return seen


def test_rows_are_those_of_single_runs_in_the_order_of_the_files(site, stars, tmp_path):
    files = [stars[i] for i in (3, 0, 1)]
    made = infer_many(config(site), files, tmp_path / "r.ecsv")
    truths = json.loads((site / "truths.json").read_text())
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for row, file in zip(made.rows, files, strict=True):
            alone = pipeline.run(config(site, spectrum={"path": str(file)}), output=tmp_path / file.stem)
            assert row.file == str(file)
            assert row.values == {p.name: p.value for p in alone.parameters}
            assert row.errors == {p.name: p.error for p in alone.parameters if p.error is not None}
            assert (row.status, row.objective, row.pixels) == (alone.status, alone.objective, alone.counts["pixels"])
            assert set(row.notes) <= set(alone.notes)
            truth = truths[int(file.stem[-1])]
            assert abs(row.values["teff"] - truth["teff"]) < 5 * row.errors["teff"]
    finally:
        torch.set_num_threads(before)
    assert made.counts == {"converged": 3}
    assert (made.asked, made.kept) == (3, 0)


def test_the_table_is_for_everybody(site, stars, tmp_path):
    made = infer_many(config(site), stars[:2], tmp_path / "r.ecsv")
    table = Table.read(tmp_path / "r.ecsv", format="ascii.ecsv")
    assert table.colnames[:5] == ["file", "teff", "teff_error", "logg", "logg_error"]
    assert (str(table["teff"].unit), str(table["logg_error"].unit), str(table["seconds"].unit)) == ("K", "dex", "s")
    assert list(table["teff"]) == [row.values["teff"] for row in made.rows]
    assert table.meta["config"]["optimizer"]["name"] == "lm"
    assert table.meta["generator"] == "toy"
    heading, rows = read_batch(tmp_path / "r.ecsv")
    assert rows == list(made.rows)
    assert heading.parameters == ("teff", "logg")


def test_what_cannot_be_measured_has_a_row_too(site, stars, tmp_path):
    files = [stars[0], site / "broken.ecsv", tmp_path / "missing.fits", stars[1]]
    made = infer_many(config(site), files, tmp_path / "r.ecsv")
    assert [row.status for row in made.rows] == ["converged", "failed", "failed", "converged"]
    assert [row.file for row in made.rows] == [str(file) for file in files]
    assert "no column looks like a wavelength" in made.rows[1].message
    assert "there is no such file" in made.rows[2].message
    assert made.rows[1].values == {}
    assert numbers(read_batch(tmp_path / "r.ecsv")[1])[1][:3] == numbers(made.rows)[1][:3]


def test_a_bug_in_one_spectrum_is_its_own_and_tried_again(site, stars, tmp_path, monkeypatch, measured):
    real = batch_desk.infer

    def buggy(generator, target, *rest):
        if "star1" in target.story:
            raise ZeroDivisionError("a mistake\nof a plugin \x1b[31m")
        return real(generator, target, *rest)

    monkeypatch.setattr(batch_desk, "infer", buggy)
    made = infer_many(config(site), stars[:3], tmp_path / "r.ecsv")
    assert [row.status for row in made.rows] == ["converged", "crashed", "converged"]
    assert made.rows[1].message == "ZeroDivisionError: a mistake of a plugin ?[31m"
    monkeypatch.setattr(batch_desk, "infer", real)
    measured.clear()
    made = infer_many(config(site), stars[:3], tmp_path / "r.ecsv")
    assert measured == ["star1.ecsv"]
    assert made.counts == {"converged": 3}


def test_an_interrupted_batch_goes_on_from_where_it_was(site, stars, tmp_path, monkeypatch, measured):
    whole = infer_many(config(site), stars, tmp_path / "whole.ecsv")
    measured.clear()
    real = Ledger.put

    def interrupted(ledger, rows):
        if len(ledger.rows) == 2:
            raise KeyboardInterrupt
        real(ledger, rows)

    monkeypatch.setattr(Ledger, "put", interrupted)
    with pytest.raises(KeyboardInterrupt):
        infer_many(config(site), stars, tmp_path / "r.ecsv")
    monkeypatch.setattr(Ledger, "put", real)
    assert [Path(row.file).name for row in read_batch(tmp_path / "r.ecsv")[1]] == ["star0.ecsv", "star1.ecsv"]
    measured.clear()
    again = infer_many(config(site), stars, tmp_path / "r.ecsv")
    assert measured == ["star2.ecsv", "star3.ecsv", "star4.ecsv"]
    assert again.kept == 2
    assert numbers(again.rows) == numbers(whole.rows)
    assert not list(tmp_path.glob(".r.ecsv*"))


def test_rows_follow_the_content_of_files(site, stars, tmp_path, measured):
    moved, changed = tmp_path / "moved.ecsv", tmp_path / "changed.ecsv"
    moved.write_bytes(stars[0].read_bytes())
    changed.write_bytes(stars[1].read_bytes())
    infer_many(config(site), [stars[0], changed, stars[2]], tmp_path / "r.ecsv")
    measured.clear()
    changed.write_bytes(stars[3].read_bytes())
    made = infer_many(config(site), [changed, moved], tmp_path / "r.ecsv")
    assert measured == ["changed.ecsv"]
    # the row of a file that was not asked for stays, behind the others
    assert [row.file for row in made.rows] == [str(changed), str(moved), str(stars[2])]
    assert (made.asked, made.kept) == (2, 1)


def test_two_workers_make_the_rows_of_one(site, stars, tmp_path, monkeypatch):
    crew = []

    class Seen(Worker):
        def __init__(self, *rest):
            super().__init__(*rest)
            crew.append(self)

    monkeypatch.setattr(workers, "Worker", Seen)
    files = [*stars[:2], site / "broken.ecsv", *stars[2:]]
    one = infer_many(config(site), files, tmp_path / "one.ecsv")
    assert crew == []
    monkeypatch.setattr(workers, "START_UP", 0.0)
    runtime = {"workers": 2, "device": "cpu"}
    two = infer_many(config(site, runtime=runtime), files, tmp_path / "two.ecsv")
    assert len(crew) == 2
    assert all(worker.process.returncode is not None for worker in crew)
    assert numbers(two.rows) == numbers(one.rows)
    # and neither is another config than the other
    assert infer_many(config(site, runtime=runtime), files, tmp_path / "one.ecsv").kept == len(files)


def test_a_spectrum_that_kills_its_process_takes_nobody_with_it(site, stars, tmp_path, monkeypatch):
    trials = []

    class Fragile(Worker):
        def do(self, work, task):
            if task.file.name == "star3.ecsv":
                trials.append(self.process.pid)
                self.process.kill()
            return super().do(work, task)

    monkeypatch.setattr(workers, "Worker", Fragile)
    monkeypatch.setattr(workers, "START_UP", 0.0)
    made = infer_many(config(site, runtime={"workers": 2, "device": "cpu"}), stars, tmp_path / "r.ecsv")
    assert made.counts == {"converged": 4, "crashed": 1}
    assert "killed by SIGKILL" in made.rows[3].message
    assert len(set(trials)) == 3  # and two more that it was given


@pytest.mark.skipif(os.name == "nt", reason="sends signals")
def test_ctrl_c_keeps_every_finished_row(site, stars, tmp_path):
    # a shell's background jobs ignore Ctrl-C, and so would what they start
    slow = ("import signal, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "from hml.core import workers\nfrom hml.core.batch_desk import Desk\nworkers.START_UP = 0.0\n"
            "real = Desk.result\n"
            "Desk.result = lambda desk, file: time.sleep(0.5) or real(desk, file)\n"
            "from hml.cli import main; main()")
    arguments = ["infer", *map(str, stars), "--generator", str(site / "toy.hml"), "--output", "r.ecsv",
                 "--set", "optimizer={name: lm, n_initial: 12, n_starts: 1}", "--set", "runtime.device=cpu"]
    process = subprocess.Popen([sys.executable, "-c", slow, *arguments, "--set", "runtime.workers=2"], cwd=tmp_path,
                               text=True, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not (tmp_path / "r.ecsv").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "the same command goes on from there" in err
    kept = numbers(read_batch(tmp_path / "r.ecsv")[1])
    assert 1 <= len(kept) < STARS
    calm = [sys.executable, "-c", "from hml.cli import main; main()", *arguments, "--json"]
    done = subprocess.run(calm, cwd=tmp_path, text=True, capture_output=True, check=True)
    told = json.loads(done.stdout)
    assert (told["asked"], told["kept"], told["counts"]) == (STARS, len(kept), {"converged": STARS})
    assert [row["file"] for row in told["rows"]] == [str(star) for star in stars]
    assert [row for row in numbers(read_batch(tmp_path / "r.ecsv")[1]) if row in kept] == kept


# --- mistakes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("change", "word"), [
    ({"objective": {"rv": [-5, 5]}}, "objective"), ({"box": {"teff": [5100, 5700]}}, "box"),
    ({"optimizer": "gp"}, "optimizer"), ({"runtime": {"seed": 3}}, "seed"),
    ({"spectrum": {"bad_pixels": "mask"}}, "spectrum"),
])
def test_a_table_of_another_config_is_refused_and_kept(site, stars, tmp_path, change, word):
    infer_many(config(site), stars[:1], tmp_path / "r.ecsv")
    before = (tmp_path / "r.ecsv").read_bytes()
    with pytest.raises(ArtefactError, match=rf"r\.ecsv: holds results of another config \(.*{word}.*--output"):
        infer_many(config(site, **change), stars[:1], tmp_path / "r.ecsv")
    assert (tmp_path / "r.ecsv").read_bytes() == before


def test_a_table_of_another_generator_is_refused(site, stars, tmp_path):
    infer_many(config(site), stars[:1], tmp_path / "r.ecsv")
    other = Generator.load(site / "toy.hml")
    other.header["key"] = "another"
    other.save(tmp_path / "other.hml")
    with pytest.raises(ArtefactError, match="another generator"):
        infer_many(config(site, generator={"path": str(tmp_path / "other.hml")}), stars[:1], tmp_path / "r.ecsv")


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "# %ECSV 1.0\n# ---\n# datatype: [}\nx\n", "\x00\xff" * 50])
def test_a_file_that_is_no_table_of_results_is_refused_and_kept(site, stars, tmp_path, content):
    output = tmp_path / "r.ecsv"
    output.write_text(content)
    with pytest.raises(ArtefactError, match=r"r\.ecsv: .*--output"):
        infer_many(config(site), stars[:1], output)
    assert output.read_text() == content
    write_spectrum(Spectrum(np.arange(3.0) + 1, np.ones(3)), tmp_path / "s.ecsv")
    for path in (tmp_path, tmp_path / "s.ecsv"):
        with pytest.raises(ArtefactError, match="--output"):
            infer_many(config(site), stars[:1], path)


def test_files_are_named_once_and_not_in_the_config(site, stars, tmp_path):
    (tmp_path / "link.ecsv").symlink_to(stars[0])
    for files, text in (([*stars, stars[0]], "named more than once"), ([], "no file"),
                        ([stars[0], tmp_path / "link.ecsv"], "named more than once")):
        with pytest.raises(ConfigError, match=text):
            infer_many(config(site), files, tmp_path / "r.ecsv")
    with pytest.raises(ConfigError, match=r"spectrum\.path"):
        infer_many(config(site, spectrum={"path": str(stars[0])}), stars[:1], tmp_path / "r.ecsv")
    with pytest.raises(ConfigError, match="box"):  # once, and not in every row
        infer_many(config(site, box={"feh": [0, 1]}), stars[:1], tmp_path / "r.ecsv")
    assert not (tmp_path / "r.ecsv").exists()


def test_no_place_for_results_is_said_before_anything_is_measured(site, stars, tmp_path, measured):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtefactError, match="cannot be written"):
        infer_many(config(site), stars[:1], tmp_path / "file" / "r.ecsv")
    assert measured == []


# --- the table itself --------------------------------------------------------------------------------------------


def test_any_row_survives_the_file(tmp_path):
    hostile = one_line('a "quoted"\n name\twith , and ; é \x1b[0m # - {x: y} \udcff')
    heading = Heading(("teff", "rv"), "key", {"box": {"teff": [1.5, None]}, "seed": 0}, {"hml": "1"})
    rows = [
        Row(hostile, "f" * 64, "converged", hostile, ("one", hostile.replace(";", "")), {"teff": 1 / 3, "rv": -0.0},
            {"teff": 1e-300}, "chi2", 1.0, 7, 0.125),
        Row("", "", "failed", '""'),
        Row(shown(Path("#x")), "", "crashed", "nan"),
    ]
    ledger = Ledger(tmp_path / "t.ecsv", heading)
    ledger.put({5: rows[1]})
    ledger.put({0: rows[0], 9: rows[2]})
    ledger.flush()
    told, again = read_batch(tmp_path / "t.ecsv")
    assert told == heading
    assert [row.to_json() | {"seconds": 0, "objective": 0} for row in again] == [
        row.to_json() | {"seconds": 0, "objective": 0} for row in rows]
    assert again[0].objective == 1.0
    assert np.isnan(again[1].objective)


def test_a_large_table_is_not_written_for_every_row(tmp_path, monkeypatch):
    clock, written = [0.0], []
    monkeypatch.setattr(batch_table.time, "monotonic", lambda: clock[0])

    def write(path, text):
        clock[0] += 1.0  # s
        written.append(text.count("row"))

    monkeypatch.setattr(batch_table, "write_text", write)
    ledger = Ledger(tmp_path / "t.ecsv", Heading(("teff",), "key", {}))
    for number in range(201):
        ledger.put({number: Row(f"row{number}", "", "converged")})
        clock[0] += 0.5
    ledger.flush()
    ledger.flush()
    assert written == [1, 101, 201]  # whenever fifty times as long has passed, and at the end


def test_the_command_line_tells_one_star_from_many(site, stars, tmp_path):
    def call(*arguments, code=0):
        command = [sys.executable, "-c", "from hml.cli import main; main()", "infer", *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, check=False,
                              env={**os.environ, "COLUMNS": "200"})
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    common = ("--generator", site / "toy.hml", "--set", "optimizer={name: lm, n_initial: 12, n_starts: 1}",
              "--set", "runtime.workers=1")
    text = call(stars[0], site / "broken.ecsv", *common, "--output", "r.ecsv")
    for word in ("teff", "converged", "failed: ", "no column looks like", "1 converged, 1 failed", "r.ecsv"):
        assert word in text
    call(stars[0], *common, "--output", "alone")
    assert json.loads((tmp_path / "alone" / "result.json").read_text())["status"] == "converged"
    assert "--output results.ecsv" in call(*stars, *common, code=1)
    assert "not both" in call(stars[0], "--spectrum", stars[1], *common, code=1)
    assert "name the files" in call(*common, code=1)
