"""How long `hml --help` and `hml plugins` take, beside starting Python alone.

    python benchmarks/startup.py [--runs 10] [--json]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from statistics import median

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "hml --help": ["-c", "from hml.cli import main; main()", "--help"],
    "hml plugins": ["-c", "from hml.cli import main; main()", "plugins"],
}


def seconds(arguments: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = {name: median(seconds(command) for _ in range(options.runs)) for name, command in COMMANDS.items()}
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:16} {value:.2f} s (median of {options.runs})")


if __name__ == "__main__":
    main()
