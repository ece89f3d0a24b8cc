"""Several grids and one spectrum: the right one comes first, and every other says why it does not."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from any_grid import any_generator
from astropy.table import Table
from toy import make

from hml import (
    BuildContext,
    ConfigError,
    Generator,
    GridError,
    RunConfig,
    Spectrum,
    load_config,
    parse_config,
    run,
)
from hml.cli import main
from hml.cli.options import make_config
from hml.core.applicable import LEAST, inside, judge_grids
from hml.core.infer import infer
from hml.core.observe import Target, read_target
from hml.core.parts import Parts
from hml.core.ranking import Trial, rank

NOISE = 0.01
AXES = {"teff": (5000.0, 5400.0, 5800.0), "logg": (4.0, 4.75)}


def seen(generator: Generator, low: float, high: float, seed: int = 0) -> Spectrum:
    wavelength = np.arange(low, high, 0.02)
    flux = generator({"teff": 5444.0, "logg": 4.6}, torch.as_tensor(wavelength), dtype=torch.float64)[0].numpy()
    noisy = flux + NOISE * np.random.default_rng(seed).standard_normal(len(flux))
    return Spectrum(wavelength, noisy, np.full(len(flux), NOISE))


def trial(name: str, generator: Generator, target: Target, **raw) -> Trial:
    config = parse_config({"optimizer": {"name": "lm", "n_initial": 20, "n_starts": 1}, **raw})
    return Trial(name, config, generator, infer(generator, target, config.optimizer.build(BuildContext()), config))


@pytest.fixture(scope="module")
def grids() -> dict[str, Generator]:
    return {"toy": make(), "any": any_generator(AXES)}


# --- the order of grids ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("right", ["toy", "any"])
@pytest.mark.parametrize("outliers", ["none", "student_t"])
def test_the_grid_that_the_spectrum_was_made_from_comes_first(
    grids: dict[str, Generator], right: str, outliers: str
) -> None:
    target = Target([seen(grids[right], 8500.5, 8505), seen(grids[right], 8504, 8509.5)], "made up")
    trials = [trial(name, made, target, objective={"outliers": outliers}) for name, made in grids.items()]
    ranking = rank(trials, target, {"none": "is not here"})
    first, second = ranking.places
    assert first.grid == right
    assert (first.behind, first.error) == (0.0, 0.0)
    assert first.score == pytest.approx(1.0, abs=0.3)  # of pixels that were not fitted, in errors
    assert second.behind == pytest.approx(second.score - first.score)
    assert second.behind > 2 * second.error > 0
    assert first.values["teff"] == pytest.approx(5444, abs=150)
    assert ranking.left_out == {"none": "is not here"}
    assert ranking.note.startswith(f"{right} foretells left-out pixels better than")
    assert "tell the two apart" not in ranking.note


def test_equal_grids_cannot_be_told_apart(grids: dict[str, Generator]) -> None:
    target = Target([seen(grids["toy"], 8502, 8520)], "made up")
    one = trial("a", grids["toy"], target)
    ranking = rank([one, Trial("b", one.config, make(), one.found)], target, {})
    assert [place.grid for place in ranking.places] == ["a", "b"]
    assert ranking.places[1].behind == pytest.approx(0, abs=1e-9)
    assert "too little to tell the two apart" in ranking.note


def test_only_pixels_that_all_can_use_count(grids: dict[str, Generator]) -> None:
    """Where one grid alone has lines the spectrum is spoiled: that must not speak against it."""
    good = seen(grids["toy"], 8501, 8530)
    flux = np.where(good.wavelength > 8512, good.flux + np.sin(good.wavelength * 9), good.flux)
    target = Target([Spectrum(good.wavelength, flux, good.error)], "made up")
    trials = [trial(name, made, target, box={"teff": 5444.0}) for name, made in grids.items()]
    ranking = rank(trials, target, {})
    assert ranking.pixels == int((good.wavelength <= 8509.98 + 1e-6).sum())
    assert ranking.places[0].grid == "toy"
    assert ranking.places[0].score < 2


def test_grids_without_a_pixel_in_common_are_not_compared(grids: dict[str, Generator]) -> None:
    target = Target([seen(grids["any"], 8500.5, 8509), seen(grids["toy"], 8515, 8539)], "made up")
    far = make(grid={"preprocess": []})
    own = Target(target.orders[1:], "made up")
    ranking = rank([trial("any", grids["any"], Target(target.orders[:1], "")), trial("toy", far, target)], target, {})
    assert len(ranking.places) == 2  # they share the first order
    alone = rank([trial("toy", far, own)], own, {})
    assert [place.grid for place in alone.places] == ["toy"]
    assert alone.note == ""
    hidden = [target.orders[0].hide(np.ones(len(target.orders[0]), bool), "all"), target.orders[1]]
    masked = Target(hidden, "made up")
    both = rank([trial("toy", far, masked), trial("any", grids["any"], target)], masked, {})
    assert [place.grid for place in both.places] == ["toy"]
    assert "shares too few pixels with toy" in both.left_out["any"]


# --- which grids apply -----------------------------------------------------------------------------------------------

TINY = {
    "name": "synthetic", "teff": {"nodes": [5000, 5200, 5400]}, "logg": {"nodes": [4.0, 4.5]},
    "feh": {"nodes": [-0.5, 0.0]}, "wavelength": [8700.0, 8715.0],
}  # fmt: skip
OTHER = {**TINY, "seed": 1}
FAR = {**TINY, "wavelength": [8800.0, 8815.0]}
FAST = {
    "clone": {"steps": 10}, "associate": {"rounds": 1, "steps": 3}, "runtime": {"workers": 1},
    "optimizer": {"name": "lm", "n_initial": 20, "n_starts": 1},
}  # fmt: skip


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A star of the tiny grid, as a table."""
    config = parse_config({"grid": TINY})
    spectrum = config.grid.build(BuildContext()).truth({"teff": 5111.0, "logg": 4.2, "feh": -0.2})
    level = np.median(spectrum.flux)
    path = tmp_path_factory.mktemp("star") / "star.csv"
    flux = spectrum.flux / level + 0.01 * np.random.default_rng(0).standard_normal(len(spectrum))
    rows = [f"{w:.6f},{f:.8f},0.01" for w, f in zip(spectrum.wavelength, flux, strict=True)]
    path.write_text("\n".join(["wavelength,flux,error", *rows]))
    return path


def judged(file: Path, **raw) -> dict[str, tuple[str, float]]:
    config = parse_config({"spectrum": {"path": str(file)}, **raw})
    orders = read_target(config, BuildContext()).orders
    return {one.name: (one.reason, one.share) for one in judge_grids(config, orders, BuildContext())}


def test_what_keeps_a_grid_from_being_used(file: Path) -> None:
    low = {**TINY, "resolving_power": 30000}
    found = judged(
        file, grids=[TINY, FAR, low, "phoenix", {"name": "starfish_hdf5", "path": "nowhere"}],
        objective={"resolving_power": 50000},
    )  # fmt: skip
    assert next(iter(found)) == "synthetic"
    assert found["synthetic"] == ("", pytest.approx(1.0))
    assert "has 8800–8815 Å, the spectrum 8700–8715 Å" in found["synthetic-2"][0]
    assert "resolving power of 30000, below the 50000" in found["synthetic-3"][0]
    assert "no such file or folder" in found["starfish_hdf5"][0]
    assert found["phoenix"][0] == ""  # named: it will be fetched
    assert "box asks for 7000 to 8000" in judged(file, grids=[TINY], box={"teff": [7000, 8000]})["synthetic"][0]
    assert "no label alpha" in judged(file, grids=[TINY], box={"alpha": [0, 0.2]})["synthetic"][0]


def test_auto_takes_what_is_here_and_fetches_nothing(file: Path) -> None:
    found = judged(file, grids="auto", grid=TINY)
    assert found["synthetic"][0] == ""
    assert "are missing: `hml grid fetch phoenix` gets them" in found["phoenix"][0]
    assert "needs path" in found["starfish_hdf5"][0]
    assert all("\n" not in reason for reason, _ in found.values())


def test_masked_pixels_do_not_count() -> None:
    order = Spectrum(np.arange(8500.05, 8520, 0.1), np.ones(200))
    half = order.hide(order.wavelength < 8510, "mask")
    assert (inside([(8505, 8515)], [order]), inside([(8505, 8515)], [half])) == (100, 50)
    assert LEAST == 200


def test_hml_grid_list_for_a_spectrum(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def listed(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["hml", "grid", "list", "--for", str(file), *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code
        return capsys.readouterr().out

    rows = json.loads(listed("--json"))
    assert (rows[0]["grid"], rows[0]["applies"], rows[0]["share"]) == ("synthetic", True, 1.0)
    assert {row["grid"]: row["applies"] for row in rows}["phoenix"] is False
    assert "hml grid fetch phoenix" in next(row["reason"] for row in rows if row["grid"] == "phoenix")
    assert "box asks for 9000" in listed("--set", "box.teff=[9000, 10000]", "--json")
    assert "applies" in listed()


def test_how_grids_are_named_on_the_command_line(tmp_path: Path) -> None:
    assert make_config(None, "auto").grids == "auto"
    assert [grid.name for grid in make_config(None, "phoenix, synthetic").grids] == ["phoenix", "synthetic"]
    (tmp_path / "run.yaml").write_text("grids: auto\n")
    one = make_config(tmp_path / "run.yaml", "phoenix")
    assert (one.grids, one.grid.name) == ((), "phoenix")
    assert make_config(tmp_path / "run.yaml").grids == "auto"
    with pytest.raises(ConfigError, match="name one with --grid"):  # as `hml build --grid auto` says
        Parts.of(make_config(None, "auto"))


# --- the whole -------------------------------------------------------------------------------------------------------


def chosen(file: Path, **raw) -> RunConfig:
    return parse_config({"spectrum": {"path": str(file)}, **FAST, **raw})


def test_a_run_with_several_grids(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    result = run(chosen(file, grids=[OTHER, TINY, FAR]), output=folder)
    assert result.ranking is not None
    assert [place["grid"] for place in result.ranking["places"]] == ["synthetic-2", "synthetic"]
    assert list(result.ranking["left_out"]) == ["synthetic-3"]
    assert abs(result["teff"].value - 5111) < 5 * (result["teff"].error or 0) + 20
    assert result.folder == str(folder / "synthetic-2")
    table = Table.read(folder / "ranking.ecsv")
    assert list(table["grid"]) == ["synthetic-2", "synthetic", "synthetic-3"]
    assert table["teff"][0] == pytest.approx(result["teff"].value)
    assert "8800–8815 Å" in table["left_out"][2]
    for name in ("synthetic", "synthetic-2"):
        own = json.loads((folder / name / "result.json").read_text())
        assert own["ranking"] is None
        assert own["config"]["grids"] == []
    assert json.loads((folder / "result.json").read_text())["ranking"] == json.loads(json.dumps(result.ranking))
    assert load_config(folder / "config.yaml").grids == chosen(file, grids=[OTHER, TINY, FAR]).grids


@pytest.mark.parametrize(
    ("raw", "error", "text"),
    [
        ({"grids": [FAR]}, GridError, "no grid can be used: synthetic has 8800"),
        ({"grids": [TINY], "spectrum": {}}, ConfigError, "give --spectrum FILE"),
        ({"grids": [TINY], "generator": {"path": "a.hml"}}, ConfigError, "leave one of the two out"),
    ],
)
def test_what_cannot_be_done_is_one_line(file: Path, tmp_path: Path, raw: dict, error: type, text: str) -> None:
    with pytest.raises(error, match=text) as caught:
        run(chosen(file, **raw), output=tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("grids", "text"), [
    ("all", "auto"), ([{"name": "synthetic", "tef": 1}], "grids.0"), (3, "grids"),
])  # fmt: skip
def test_lists_as_people_write_them(grids: object, text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        parse_config({"grids": grids})
    assert "(list)" not in str(caught.value)
    assert "(auto)" not in str(caught.value)
