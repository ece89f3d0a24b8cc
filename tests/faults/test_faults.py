"""After every fault the next run finishes, with the result of an undisturbed one, and what could not be used was named.

The ordinary part strikes once in every stage and once with every other fault that costs little; `table.py`, and the
slow tests here, strike a hundred times and more.
"""

import random
import signal

import pytest
from faults import FAULTS, NEED_ANOTHER_USER, ROOT, reachable, struck
from ground import STAGES, result

SLOW = {f"interrupted: {stage}" for stage in STAGES if stage not in ("fetching phoenix", "fitting, round 1 of 2")} | {
    "disk of 40 kB", "disk of 200 kB", "files of 2500 bytes at most",
    "gone read-only midway", "tracks of round 1 truncated", "tracks of round 2 bit-flipped",
    "fetched wavelengths bit-flipped", "fetched spectrum truncated", "list of digests truncated",
    "the first of two killed", "two runs in one store, no locks", "server stalls", "server stalls midway",
}  # fmt: skip


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in FAULTS
])
def test_the_next_run_finishes_with_the_same_result(ground, name):
    if ROOT and name in NEED_ANOTHER_USER and not reachable():
        pytest.skip("another user cannot read hml where it is installed")
    told = FAULTS[name].strike(ground, random.Random(name))
    assert told


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("turn", range(10))
def test_a_hundred_kills(ground, stage, turn):
    FAULTS[f"killed: {stage}"].strike(ground, random.Random(f"{stage} {turn}"))


def test_a_difference_would_be_seen(ground):
    """The harness compares what it says that it compares."""
    home, _ = struck(ground, random.Random(0), "report", signal.SIGKILL, -signal.SIGKILL)
    with pytest.raises(FileNotFoundError):
        result(home)
    home = ground.home(used=True)
    path = home / "output" / "result.json"
    path.write_text(path.read_text().replace('"converged"', '"budget"'))
    assert result(home) != result(ground.folder / "calm")
