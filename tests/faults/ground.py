"""The toy run that is disturbed, the server it fetches from, and what an undisturbed one finds."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent))

import numpy as np
from loopback import Loopback, serve
from zygote import Forked, Zygote

from hml import Spectrum, parse_config
from hml.core.export import write_spectrum
from hml.core.parts import Parts

NODES = {"teff": {"nodes": [5000, 5100, 5200, 5300]}, "logg": {"nodes": [4.0, 4.5]}, "feh": 0.0}
BAND, TREE = (8700, 8706), (8698, 8708)  # vacuum Å: what is fetched, and what the server has
TRUTH = {"teff": 5140.0, "logg": 4.3, "feh": 0.0}
FIELDS = {
    "grid.teff": "[5000,5300]", "grid.logg": "[4,4.5]", "grid.feh": "0.0", "grid.wavelength": str(list(BAND)),
    "grid.timeout": "2", "grid.retries": "1", "clone.rounds": "0", "associate": "{rounds: 2, steps: 8}",
    "optimizer": "{name: lm, n_initial: 6, n_starts: 1}", "sampler": "{name: emcee, walkers: 8, steps: 20}",
    "runtime.workers": "1", "runtime.device": "cpu",
}  # fmt: skip
STAGES = (
    "fetching phoenix wavelengths", "fetching phoenix", "finding lines", "fitting, round 1 of 2",
    "fitting, round 2 of 2", "residual", "left out", "infer", "sample", "report",
)  # fmt: skip


@dataclass
class Ground:
    """Where runs are disturbed."""

    folder: Path
    server: Loopback
    zygote: Zygote
    seconds: dict[str, float] = field(default_factory=dict)  # of each stage of an undisturbed run
    count: int = 0

    def home(self, used: bool = False) -> Path:
        """A new home; `used`: as the undisturbed run left it."""
        self.count += 1
        home = self.folder / f"home{self.count}"
        if used:
            shutil.copytree(self.folder / "calm", home)
        else:
            home.mkdir()
        return home

    def arguments(self, home: Path, output: str = "output") -> list[str]:
        """Of the toy run, with its results in the home."""
        fields = {**FIELDS, "grid.base_urls": f"[{self.server.url}]", "spectrum.path": str(self.folder / "star.ecsv")}
        sets = [word for name, value in fields.items() for word in ("--set", f"{name}={value}")]
        return ["run", "--grid", "phoenix", "--output", str(home / output), *sets]

    def start(self, home: Path, output: str = "output", **twists: Any) -> Forked:
        """The toy run."""
        return self.zygote.start(self.arguments(home, output), home, self.folder, twists)

    def finish(self, home: Path, output: str = "output", **twists: Any) -> Forked:
        """A run that must finish, with the result of the undisturbed one, and leave nothing lying about."""
        run = self.start(home, output, **twists)
        assert run.wait() == 0, run.err
        assert result(home, output) == result(self.folder / "calm"), f"another result after a fault\n{run.err}"
        assert store(home) == store(self.folder / "calm"), f"other artefacts after a fault\n{run.err}"
        left = [path for path in home.rglob("*") if path.name.endswith((".part", ".part.json", ".lock", ".claim"))]
        assert left == [], left
        return run


def result(home: Path, output: str = "output") -> dict[str, Any]:
    """What was found and from what, as far as it does not tell of times and places."""
    data: dict[str, Any] = json.loads((home / output / "result.json").read_text())
    posterior = json.dumps(data["posterior"], sort_keys=True)
    names = ("parameters", "objective", "status", "notes", "counts", "versions", "fingerprints", "flags")
    return {**{name: data[name] for name in names}, "posterior": posterior}


def store(home: Path) -> dict[str, str]:
    """Digests of all artefacts of grid and cache."""
    files = [path for kind in ("data/grids", "cache") for path in (home / kind).rglob("*") if path.is_file()]
    kept = [path for path in files if path.suffix in (".safetensors", ".fits")]
    return {str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest() for path in kept}


@contextmanager
def ground(scratch: Path | None = None) -> Iterator[Ground]:
    """Everything that is needed, and one undisturbed run."""
    with TemporaryDirectory(dir=scratch) as place:
        folder = Path(place)
        folder.chmod(0o755)  # for runs of another user
        _prepare(folder)
        zygote = Zygote()
        try:
            with serve(folder / "tree") as server:
                made = Ground(folder, server, zygote)
                (folder / "calm").mkdir()
                zygote.warm(made.arguments(folder / "calm"), folder / "calm", STAGES)
                again = made.home()
                made.seconds = zygote.warm(made.arguments(again), again, STAGES)
                assert tuple(made.seconds) == STAGES, made.seconds
                yield made
        finally:
            zygote.end()


def _prepare(folder: Path) -> None:
    """Spectra in PHOENIX's own format for the server, and a star."""
    grid: Mapping[str, Any] = {"name": "synthetic", "wavelength": list(TREE), **NODES}
    source = Parts.of(parse_config({"grid": grid})).grid
    source.write_phoenix_tree(folder / "tree")  # type: ignore[attr-defined]
    star = source.truth(TRUTH).cut(*BAND)  # type: ignore[attr-defined]
    level = float(np.median(star.flux))
    noise = 0.01 * np.random.default_rng(0).standard_normal(len(star))
    observed = Spectrum(star.wavelength, star.flux / level + noise, np.full(len(star), 0.01))
    write_spectrum(observed, folder / "star.ecsv")


def own(path: Path, number: int) -> None:
    """Give a tree to a user."""
    for each in (path, *path.rglob("*")):
        os.chown(each, number, number)
