"""Spoil files for a while and see whether everything that reads them uses or refuses them.

    python tests/faults/fuzz.py [--seconds 120] [--seed 0] [--only NAME] [--atheris NAME] [--keep FOLDER]

All targets in turn, in a process with no more than `MEMORY` beside what it needs itself, and no more than `PATIENCE`
for a file. Each kind of crash is told once, its file kept and the status 1. `--atheris` lets atheris choose the files
of one target (where that package is installed; coverage decides what it tries next).
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
import traceback
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).resolve().parent
MEMORY = 3 * 2**30  # bytes
PATIENCE = 60  # s; the machine may be busy
NUMBERS = [
    b"\x00" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"9" * 20, b"-1", b"1e999",
    b"nan", b"\x1b[31m", b"../../", b"*a", b"&a", b"\xc2\x9b", b"{}", b"[" * 50, b"\n", b"'",
]  # fmt: skip


def spoilt(content: bytes, rng: random.Random) -> bytes:
    """A file with one to four wounds."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at, length = rng.randrange(len(content) + 1), rng.choice((1, 1, 2, 8, 40, 400))
        part = content[at : at + length]
        wound = rng.randrange(7)
        new = {
            0: bytes(b ^ (1 << rng.randrange(8)) for b in part), 1: b"", 2: part + part, 3: rng.choice(NUMBERS),
            4: rng.randbytes(len(part)), 5: part + rng.choice(NUMBERS), 6: None,
        }[wound]  # fmt: skip
        content = content[:at] if new is None else content[:at] + new + content[at + length :]
    return content


class TooSlowError(Exception):
    """A file took longer than anybody waits."""


def _late(*_: object) -> None:
    raise TooSlowError


def tried(name: str, content: bytes, place: Path) -> bool:
    """Whether the file was used; False: refused in one line. What else is raised is a bug."""
    from targets import TARGETS

    from hml import HmlError

    place.write_bytes(content)
    signal.alarm(PATIENCE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            TARGETS[name](place)
    except HmlError as error:
        if "\n" in str(error):
            raise AssertionError(f"an error of several lines: {error}") from None
        return False
    finally:
        signal.alarm(0)
    return True


def worker(seconds: float, seed: int, only: str | None, folder: Path) -> int:
    """The process that reads, and how many kinds of crashes it had; what it reads lies in `folder` if it dies of it."""
    from targets import TARGETS, seeds

    logging.disable(logging.CRITICAL)
    files = seeds(folder / "seeds")
    names = [only] if only else list(TARGETS)
    for name in names:
        for path in files[name]:  # everything that is needed is loaded, and the seeds are good
            assert tried(name, path.read_bytes(), path) or name in ("digests",), (name, path)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, resource.RLIM_INFINITY))
    signal.signal(signal.SIGALRM, _late)
    rng, counts, end = random.Random(seed), {name: [0, 0] for name in names}, time.monotonic() + seconds
    crashes: set[tuple[str, ...]] = set()
    contents = {path: path.read_bytes() for paths in files.values() for path in paths}
    while time.monotonic() < end:
        for name in names:
            path = rng.choice(files[name])
            content = spoilt(contents[path], rng)
            (folder / "last").write_text(json.dumps([name, path.name]))
            (folder / "content").write_bytes(content)
            try:
                counts[name][tried(name, content, path)] += 1
            except Exception as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                kind = (name, type(error).__name__, where.filename, str(where.lineno))
                if kind not in crashes:
                    crashes.add(kind)
                    traceback.print_exc()
                    (folder / f"crash{len(crashes)}-{path.name}").write_bytes(content)
            path.write_bytes(contents[path])
    for name, (refused, used) in counts.items():
        print(f"{name}: {refused + used} files, {refused} refused, {used} used")
    return len(crashes)


def with_atheris(name: str, folder: Path) -> None:
    import atheris

    with atheris.instrument_imports():
        from targets import seeds
    paths = seeds(folder / "seeds")[name]

    def once(data: bytes) -> None:
        tried(name, data, paths[0])

    signal.signal(signal.SIGALRM, _late)
    atheris.Setup([sys.argv[0], str(paths[0].parent)], once)
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only")
    parser.add_argument("--atheris")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-crash"))
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker is not None:
        try:
            sys.exit(worker(options.seconds, options.seed, options.only, options.worker) > 0)
        except Exception:
            traceback.print_exc()
            sys.exit(1)
    with TemporaryDirectory() as place:
        folder = Path(place)
        if options.atheris:
            with_atheris(options.atheris, folder)
            return
        status = subprocess.run([sys.executable, __file__, *sys.argv[1:], "--worker", place], check=False).returncode
        if status:
            options.keep.mkdir(parents=True, exist_ok=True)
            for path in (folder / "last", folder / "content", *folder.glob("crash*")):
                if path.is_file():
                    shutil.copy(path, options.keep)
            print(f"crashed (status {status}); the files are in {options.keep}")
            sys.exit(1)


if __name__ == "__main__":
    main()
