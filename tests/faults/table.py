"""Strike with every fault, kill a run a hundred times, and write the table of docs/reliability.md.

    python tests/faults/table.py [--kills 10] [--seed 0] [--write]

`--kills`: how often in each of the ten stages. Without --write the table is printed only. Ends with status 1 if a run
did not survive.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
import traceback
from collections import defaultdict
from pathlib import Path

from faults import FAULTS, Fault
from ground import STAGES, Ground, ground

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- made by tests/faults/table.py -->\n", "<!-- end -->"
TITLES = {
    "SIGKILL": "SIGKILL at a random moment", "SIGINT": "SIGINT (Ctrl-C) at a random moment",
    "full disk": "full disk (a file system of 40, 120, 200 kB)",
    "quota": "quota (files of 2.5, 15 kB at most)", "read-only": "no right to write, before or midway",
    "truncated": "artefact truncated at random", "bit-flipped": "one bit of an artefact flipped",
    "two runs": "two runs in one store, or one of them killed, with and without locks",
    "clock": "clock and file times that jump", "server": "server that misbehaves",
}  # fmt: skip


def tried(fault: Fault, made: Ground, rng: random.Random) -> tuple[bool, str]:
    start = time.monotonic()
    try:
        told, good = fault.strike(made, rng), True
    except Exception:
        told, good = traceback.format_exc(), False
    print(f"{'survived' if good else 'NOT SURVIVED'} {fault.name} ({time.monotonic() - start:.1f} s)", flush=True)
    if not good:
        print(told, flush=True)
    return good, told


def quoted(text: str, folder: Path) -> str:
    """What a run said, without the places of this machine."""
    text = re.sub(re.escape(str(folder)) + r"/home\d+", "…", text.removeprefix("hml: ").removeprefix("error: "))
    text = re.sub(r"http://127\.0\.0\.1:\d+/", "http://…/", text)
    text = re.sub(r"\(\d+\)", "(1234)", text)
    text = re.sub(r"…/\S*/", "…/", text)
    return (text if len(text) < 150 else text[:149] + "…").replace("|", "/")


def all_faults(kills: int) -> list[Fault]:
    more = [FAULTS[f"killed: {stage}"] for stage in STAGES for _ in range(kills - 1)]
    return [*more, *FAULTS.values()]


def lines(outcomes: dict[str, list[tuple[bool, str]]], folder: Path) -> list[str]:
    made = ["| what happened | struck | survived | what the run said, for example |", "|---|---:|---:|---|"]
    for kind, title in TITLES.items():
        rows = outcomes[kind]
        example = next((told for good, told in rows if good), "")
        made.append(f"| {title} | {len(rows)} | {sum(good for good, _ in rows)} | {quoted(example, folder)} |")
    total = [row for rows in outcomes.values() for row in rows]
    return [*made, f"| all | {len(total)} | {sum(good for good, _ in total)} | |"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    rng, outcomes = random.Random(options.seed), defaultdict[str, list[tuple[bool, str]]](list)
    with ground() as made:
        for fault in all_faults(options.kills):
            outcomes[fault.kind].append(tried(fault, made, rng))
        text = "\n".join(lines(outcomes, made.folder)) + "\n"
    print(text)
    if options.write:
        page = PAGE.read_text()
        before, after = page.split(BEGIN)[0], page.split(END)[1]
        PAGE.write_text(before + BEGIN + text + END + after)
    sys.exit(not all(good for rows in outcomes.values() for good, _ in rows))


if __name__ == "__main__":
    main()
