"""Results of methods on cases, kept under hml's own folder, so that an interrupted benchmark goes on where it stopped.

A result is found by a digest of case, method, and the code of hml and of the benchmark. The pipeline keeps clones and
generators by a digest of its own, which does not see changes of code: after one, give it another HML_HOME.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import scores
from cases import Case
from label_recovery import Recovered, recover
from measure import say
from methods import Method, Predictor
from scores import Score

import hml
from hml import ArtefactError
from hml.core.components import Progress, quiet
from hml.core.paths import data_home
from hml.core.store import digest, read_arrays, versions, write_arrays

KIND = "accuracy"
Arrays = dict[str, Any]


MODULES = ("cases", "cloning", "label_recovery", "methods", "paper_recipe", "pixel_methods", "scores",
           "synthetic_hardness", "synthetic_node")
"""Of the benchmark, those that decide a result; all of hml does."""


@cache
def code(modules: tuple[str, ...] = MODULES) -> str:
    """A digest of every module that may change a result."""
    files = sorted(Path(hml.__file__).parent.rglob("*.py"))
    files += [Path(__file__).with_name(f"{name}.py") for name in modules]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


@dataclass
class Results:
    """Asks for what is there, and works for what is not. The predictor made last is kept."""

    progress: Progress = quiet
    last: tuple[Any, Predictor] | None = field(default=None, init=False)

    def score(self, case: Case, method: Method) -> Score:
        """A method's score on a case."""
        arrays, header = self._kept(case, method, "score", lambda: self._score(case, method))
        return Score(arrays["squares"], arrays["shown"].astype(np.float64), **header)

    def recovered(self, case: Case, method: Method, snr: float) -> Recovered:
        """The labels that a method finds."""
        arrays, header = self._kept(case, method, f"recovered {snr:g}", lambda: self._recovered(case, method, snr))
        return Recovered(arrays["labels"], arrays["converged"].astype(bool), **header)

    def plain(self, what: str, key: Any, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """A result without arrays."""
        return self._file(digest(code(), what, key), what, lambda: ({}, work()))[1]

    def _score(self, case: Case, method: Method) -> tuple[Arrays, dict[str, Any]]:
        score, made = scores.measured(case, method)
        self.last = (case.key, method.key), made
        header = {name: getattr(score, name) for name in ("bytes", "seconds", "fit_seconds", "lines")}
        return {"squares": score.squares, "shown": score.shown.astype(np.float32)}, header

    def _recovered(self, case: Case, method: Method, snr: float) -> tuple[Arrays, dict[str, Any]]:
        if self.last is None or self.last[0] != (case.key, method.key):
            self.last = (case.key, method.key), method.fit(case)
        found = recover(case, self.last[1], snr, self.progress)
        return {"labels": found.labels, "converged": found.converged.astype(np.uint8)}, {"seconds": found.seconds}

    def _kept(self, case: Case, method: Method, what: str, work: Callable[[], Any]) -> tuple[Arrays, dict[str, Any]]:
        return self._file(digest(code(), case.key, method.key, what), f"{case.name}: {method.name}: {what}", work)

    def _file(self, key: str, what: str, work: Callable[[], Any]) -> tuple[Arrays, dict[str, Any]]:
        path = data_home() / "benchmarks" / f"accuracy-{key[:16]}.safetensors"
        if path.exists() and (found := _read(path)):
            return found
        say(what)
        arrays, header = work()
        write_arrays(path, KIND, arrays or {"none": np.zeros(1)}, {"versions": versions(), "result": header})
        return arrays, header


def _read(path: Path) -> tuple[Arrays, dict[str, Any]] | None:
    """None if the file is damaged: it is made again then."""
    try:
        arrays, header = read_arrays(path, KIND)
    except ArtefactError as error:
        say(str(error))
        return None
    return arrays, header["result"]
