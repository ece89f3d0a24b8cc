"""The benchmark of profiles works at its small size, and compares what it says it compares."""

import json
from contextlib import redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def bench():
    """Modules of the benchmark by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield import_module


@pytest.fixture(scope="module")
def found(bench):
    """What the small size measures."""
    with redirect_stdout(StringIO()) as printed:
        bench("profiles").main(["--size", "small", "--json"])
    return json.loads(printed.getvalue().splitlines()[-1])


def test_every_figure_is_a_ratio_of_what_was_measured(found):
    assert len(found["figures"]) == 14
    for name, row in found["figures"].items():
        assert 0 < row["value"] < 0.1 and row["ratio"] == pytest.approx(row["value"] / row["reference"]), name
    rms = {(row["shape"], row["composition"], row["solver"], row["stage"]): row["rms"] for row in found["pieces"]}
    assert len(rms) == len(found["pieces"]) == 28
    row = found["figures"]["asymmetric_equal_numbers_hidden"]
    assert row["value"] == pytest.approx(rms["asymmetric", "opacity", "adam", "hidden"])
    assert row["reference"] == pytest.approx(rms["pseudo_voigt", "opacity", "adam", "hidden + quarter"])


def test_all_have_the_same_lines_and_a_quarter_more_makes_numbers_equal(found):
    for stage in ("found", "hidden"):
        rows = [row for row in found["pieces"] if row["stage"] == stage]
        assert len({row["lines"] for row in rows}) == 1
        for row in rows:
            assert row["numbers"] == row["lines"] * (5 if row["shape"] == "asymmetric" else 4)
        for row in (row for row in found["pieces"] if row["stage"] == f"{stage} + quarter"):
            assert row["shape"] == "pseudo_voigt" and row["numbers"] <= rows[0]["lines"] * 5
    assert len({row["lines"] for row in found["nodes"]}) > 0


def test_figures_that_were_not_asked_for_are_null_and_tables_leave_them_out(bench, found, capsys):
    table = bench("profiles_table")
    figures = table.figures([], found["nodes"])
    assert {name for name, row in figures.items() if row is not None} == {
        f"{name}_between" for name in ("asymmetric", "voigt", "blase", "product", "default")
    }
    table.show({**found, "pieces": [], "figures": figures})
    shown = capsys.readouterr().out
    assert "nodes left out" in shown and "rms of clones" not in shown and "equal_numbers" not in shown
    table.show(found)
    shown = capsys.readouterr().out
    assert "rms of clones" in shown and "asymmetric_equal_numbers_hidden" in shown


def test_strongest_lines_stay_in_order_and_more_lines_are_sorted_in(bench):
    from hml import BuildContext, FoundLines, load_config

    run = bench("profiles_run")
    centre, strength = np.array([5000.0, 5001.0, 5002.0, 5003.0]), np.array([0.1, 0.4, 0.2, 0.3])
    lines = FoundLines(centre, strength, strength, np.full(4, 0.1))
    two = run.strongest(lines, 2)
    assert two.centre.tolist() == [5001, 5003] and two.depth.tolist() == [0.4, 0.3]
    profile = load_config().profile.build(BuildContext())
    one = run.strongest(FoundLines(centre - 0.5, *[strength] * 3), 1)
    start = run.more(run.Start.from_found(two, profile), one, profile)
    assert start.centre.tolist() == [5000.5, 5001, 5003] and start.params.shape == (3, 3)
    assert start.width.tolist() == [0.4, 0.1, 0.1]
