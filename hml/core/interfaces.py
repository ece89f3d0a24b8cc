"""What the parts must do: one abstract class a family. A plugin's `build` returns one of these.

Shapes: B a batch, P labels, L lines (tracks), K line parameters without the centre, N pixels, M nodes, C pixels
around a line.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from hml.core.components import Progress
from hml.core.lines import FoundLines, Table
from hml.core.space import Node, Space
from hml.core.spectrum import Spectrum

Floats = NDArray[np.float64]


# --- grids -----------------------------------------------------------------------------------------------------


class GridSource(ABC):
    """A grid of model spectra: rectilinear, with holes, or ragged; any axis names."""

    @property
    @abstractmethod
    def space(self) -> Space:
        """The axes, with their nodes."""

    @property
    @abstractmethod
    def resolving_power(self) -> float | None:
        """λ/Δλ (FWHM) the spectra were already convolved to, or None for native sampling."""

    @abstractmethod
    def nodes(self) -> Sequence[Node]:
        """Every node that can be loaded, in a fixed order. Holes of the product of the axes are not listed."""

    @abstractmethod
    def load(self, node: Node) -> Spectrum:
        """The spectrum of one node (vacuum Å, in the chosen band), the same at every call. All nodes share one
        wavelength array. Raises GridError naming the file if it cannot be read."""

    @abstractmethod
    def fingerprint(self) -> str:
        """A hex digest of what `load` would return for all nodes: selection and content. Computed without loading
        every spectrum where files tell enough (size and time)."""


@dataclass(frozen=True)
class Missing:
    """What a grid would have to fetch."""

    files: tuple[str, ...]
    bytes: int  # 0 if unknown
    sources: tuple[str, ...]  # where from

    @property
    def size(self) -> str:
        """How much it is, for a person."""
        return f"{len(self.files):,} files ({f'{self.bytes / 1e6:,.1f} MB' if self.bytes else 'size unknown'})"


@runtime_checkable
class FetchableGrid(Protocol):
    """A grid that can download what it lacks. `nodes()` and `load` work without `fetch` when nothing is missing."""

    def missing(self) -> Missing | None:
        """What is not here, without any network access; None if all is."""

    def fetch(self, progress: Progress) -> None:
        """Get it; resumes where an earlier call stopped. Raises GridError if it cannot."""


@runtime_checkable
class TruthGrid(Protocol):
    """A grid that knows the truth at any label in its space, not only at nodes."""

    def truth(self, labels: Mapping[str, float]) -> Spectrum:
        """The true spectrum, as `load` would give it if there were a node."""


# --- preprocessors -----------------------------------------------------------------------------------------------


class Preprocessor(ABC):
    """One step of normalisation. What it divides out must go through `Spectrum.divide`, so that it can be undone."""

    @abstractmethod
    def __call__(self, spectrum: Spectrum, labels: Mapping[str, float] | None) -> Spectrum:
        """The processed spectrum; `labels` are those of the node, None for an observation."""


# --- line profiles ----------------------------------------------------------------------------------------------


class LineProfile(ABC):
    """The shape of one line."""

    params: tuple[str, ...]
    """Names of the K parameters. The first is `ln_amplitude`: the profile is proportional to its exponential."""

    @abstractmethod
    def initial(self, found: FoundLines) -> Floats:
        """Start values `[L, K]` for a fit."""

    @abstractmethod
    def evaluate(self, offset: torch.Tensor, params: torch.Tensor) -> torch.Tensor:
        """The profile at `offset` (Å from the centre) `[..., L, C]` with params `[..., L, K]` → `[..., L, C]`.
        Elementwise torch, differentiable in both; falls towards zero away from the centre."""

    def mixture(self, params: torch.Tensor) -> torch.Tensor | None:
        """The same profile as a Lorentzian plus a Gaussian, s/(x² + g) + a·exp(-p·x²) at offset x, if it is one:
        (s, g, a, p) `[..., L, 4]` for params `[..., L, K]`. p is above
        zero unless a is zero. Compiled loops then take the place of `evaluate` on the CPU."""
        return None


# --- interpolators ----------------------------------------------------------------------------------------------


class Manifold(torch.nn.Module, ABC):
    """labels `[B, P]` → line parameters `[B, L, K]`. All state is in buffers and parameters (`state_dict`)."""

    differentiable: bool
    """Whether gradients flow from the output to the labels."""

    @abstractmethod
    def forward(self, labels: torch.Tensor) -> torch.Tensor:
        """labels `[B, P]` float64 inside the space (the caller has checked) → `[B, L, K]`."""

    @abstractmethod
    def subset(self, lines: Sequence[int] | slice | NDArray[np.int64]) -> Manifold:
        """The same manifold for some of the lines only."""

    @abstractmethod
    def header(self) -> dict[str, Any]:
        """All that `Interpolator.empty` needs to rebuild the module before `load_state_dict`; JSON values only."""


class Interpolator(ABC):
    """Makes manifolds."""

    @abstractmethod
    def fit(self, table: Table) -> Manifold:
        """The manifold through a table's nodes (no NaN in its values)."""

    @abstractmethod
    def empty(self, header: Mapping[str, Any]) -> Manifold:
        """A manifold of the shape that `header` tells, to be filled by `load_state_dict`. It is called under
        `torch.device("meta")`, so that a file's claims cost no memory: all state must be buffers or parameters."""


# --- readers ----------------------------------------------------------------------------------------------------


class Reader(ABC):
    """Reads observed spectra from one kind of file."""

    @abstractmethod
    def sniff(self, path: Path) -> bool:
        """Whether this file looks like mine. Cheap; never raises on a foreign file."""

    @abstractmethod
    def read(self, path: Path) -> list[Spectrum]:
        """One Spectrum per order (vacuum Å, frame recorded). Raises SpectrumError naming file and column."""


# --- optimizers -------------------------------------------------------------------------------------------------


class Objective(ABC):
    """A function of P parameters to be minimised, with whatever derivatives it has."""

    space: Space
    differentiable: bool

    @abstractmethod
    def values(self, points: Floats) -> Floats:
        """points `[B, P]` → values `[B]`."""

    @abstractmethod
    def value_and_gradient(self, point: Floats) -> tuple[float, Floats]:
        """point `[P]` → value and gradient `[P]`."""

    @abstractmethod
    def residuals(self, point: Floats) -> Floats:
        """point `[P]` → weighted residuals `[N]` (model minus data, in standard deviations where errors are known)."""

    @abstractmethod
    def jacobian(self, point: Floats) -> Floats:
        """point `[P]` → derivatives of the residuals `[N, P]`."""


class Status(Enum):
    """How a search ended. The value tells what to do next."""

    CONVERGED = "converged"
    BUDGET = "all evaluations used; allow more of them if the objective was still falling"
    AT_BOUND = "best point at the edge of the search box; widen the box or use a larger grid"
    MULTIMODAL = "another minimum is nearly as good; see the others before you believe this one"
    FAILED = "no finite objective value found; check the spectrum and the search box"


@dataclass(frozen=True)
class Step:
    """One progress report of an optimizer."""

    evaluations: int
    best_point: Floats
    best_value: float


@dataclass(frozen=True, eq=False)
class OptimizeResult:
    """Where a search ended and how it got there."""

    point: Floats  # [P]
    value: float
    status: Status
    points: Floats  # [E, P] every point asked for, in turn (for gradient methods: every accepted step)
    values: Floats  # [E]
    evaluations: int  # spectra that were rendered
    message: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)


class Optimizer(ABC):
    """Finds the minimum of an objective inside a box."""

    @abstractmethod
    def minimize(
        self,
        objective: Objective,
        space: Space,
        rng: np.random.Generator,
        on_step: Callable[[Step], None] = lambda step: None,
    ) -> OptimizeResult:
        """The best point found; NaN values count as worse than any number; points never leave the box."""


# --- samplers ---------------------------------------------------------------------------------------------------

LogProbability = Callable[[Floats], Floats]
"""points `[B, P]` → ln of the posterior density `[B]`, up to a constant; -inf or NaN where there is none."""


@dataclass(frozen=True, eq=False)
class Start:
    """What the point fit tells a sampler."""

    point: Floats  # [P]
    covariance: Floats | None  # [P, P] by the curvature there; None if the data leave a parameter undetermined


@dataclass(frozen=True, eq=False)
class Posterior:
    """Draws from a posterior: `points` are independent (or nearly), and equally likely unless there are `weights`."""

    points: Floats  # [S, P]
    log_probability: Floats  # [S]
    evaluations: int  # spectra that were rendered
    converged: bool
    message: str = ""  # what to try where it has not converged
    weights: Floats | None = None  # [S], their sum is 1
    chains: Floats | None = None  # [C, D, P] the same points, in the order in which each of C chains drew them
    evidence: tuple[float, float] | None = None  # ln of the mean probability over the box, and its standard deviation
    diagnostics: Mapping[str, float] = field(default_factory=dict)  # such as `acceptance`, `autocorrelation_time`


class Sampler(ABC):
    """Draws from a probability inside a box."""

    @abstractmethod
    def sample(
        self,
        log_probability: LogProbability,
        space: Space,
        start: Start,
        rng: np.random.Generator,
        on_step: Callable[[int], None] = lambda evaluations: None,
    ) -> Posterior:
        """Draws from exp(log_probability) inside the box; it is never asked outside. `on_step` is told how many
        points were asked for so far. SpectrumError if no point has a finite probability."""
