"""`hml plot` on a generator in a file."""

import pytest
from toy import make
from typer.testing import CliRunner

from hml import HmlError
from hml.cli import app


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("plot") / "toy.hml"
    make("cubic").save(path)
    return path


@pytest.fixture
def plot(file, monkeypatch):
    monkeypatch.setattr("hml.core.speed.BATCHES", (1,))
    monkeypatch.setenv("COLUMNS", "400")

    def call(kind, *arguments):
        done = CliRunner().invoke(app, ["plot", kind, "--generator", str(file), *map(str, arguments)])
        if done.exception is not None:
            raise done.exception
        return done.output

    return call


@pytest.mark.parametrize("kind", ["counts", "manifold", "time"])
def test_each_kind_writes_one_picture_and_nothing_else(plot, tmp_path, kind):
    assert f"{kind}.png" in plot(kind, "--output", tmp_path / f"{kind}.png")
    assert [path.name for path in tmp_path.iterdir()] == [f"{kind}.png"]
    assert (tmp_path / f"{kind}.png").read_bytes().startswith(b"\x89PNG")


def test_all_of_them_in_a_folder(plot, tmp_path):
    plot("all", "--output", tmp_path / "all", "--track", 3, "--over", "logg", "--labels", "teff=5300")
    assert sorted(path.stem for path in (tmp_path / "all").iterdir()) == ["counts", "manifold", "profile", "time"]
    plot("profile", "--output", tmp_path / "p.png", "--track", 3, "--over", "logg", "--labels", "teff=5300")
    assert (tmp_path / "p.png").read_bytes() == (tmp_path / "all" / "profile.png").read_bytes()


def test_without_a_track_it_is_the_one_that_is_strong_over_most_of_the_grid(plot, tmp_path):
    from hml.core.tracks import survey

    strongest = survey(make("cubic")).median.argmax()
    plot("profile", "--output", tmp_path / "a.png")
    plot("profile", "--output", tmp_path / "b.png", "--track", strongest)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize(("arguments", "words"), [
    (["counting"], "KIND counting: expected counts, manifold"),
    (["manifold", "--track", "8000.0"], "no track is within"),
    (["profile", "--over", "mass"], "no label 'mass'"), (["manifold", "--labels", "teff=9000"], "outside the grid"),
])  # fmt: skip
def test_mistakes_are_one_clear_line(plot, tmp_path, arguments, words):
    with pytest.raises(HmlError, match=words):
        plot(*arguments, "--output", tmp_path / "x.png")
    assert list(tmp_path.iterdir()) == []
