"""Gaussian-process minimisation as in scikit-optimize's `gp_minimize`, its random points evaluated as one batch."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from skopt import Optimizer as Proposer
from skopt.learning import GaussianProcessRegressor
from skopt.space import Real
from skopt.space import Space as Box
from skopt.utils import cook_estimator

from hml import Objective, Optimizer, OptimizeResult, Space, Status, Step
from hml.plugins.optimizers import GpConfig
from hml.plugins.optimizers.descent import descend, verdict
from hml.plugins.optimizers.search import Search

Floats = NDArray[np.float64]
_minimize: Any = optimize.minimize

POLISH_STEPS, POLISH_TOLERANCE = 50, 1e-7


class GaussianProcess(Optimizer):
    """A batch of random points, then one point at a time where the process expects most."""

    def __init__(self, config: GpConfig) -> None:
        self.config = config

    def minimize(
        self,
        objective: Objective,
        space: Space,
        rng: np.random.Generator,
        on_step: Callable[[Step], None] = lambda step: None,
    ) -> OptimizeResult:
        """The best point found; deterministic for a given rng."""
        search = Search(objective, space, on_step)
        if search.size == 0:
            return search.only_point()
        unit = rng.random((self.config.n_initial, search.size))
        values = search.ask(unit)
        if not np.isfinite(values).any():
            return search.result(Status.FAILED)
        seed = int(rng.integers(2**31 - 1))
        meta = {"warnings": self._guide(search, unit, values, seed)}
        status = self._verdict(search)
        if self.config.polish and objective.differentiable:
            status = verdict(descend(search, search.unit(search.best[0]), POLISH_STEPS, POLISH_TOLERANCE))
        return search.result(status, meta=meta)

    def _guide(self, search: Search, unit: Floats, values: Floats, seed: int) -> int:
        """Evaluate the guided points; returns how many warnings of the libraries were held back."""
        unit_value = _unit(self.config.scale, values)
        proposer = _proposer(self.config, search.size, seed)
        known = np.where(np.isfinite(values), values, search.worst) / unit_value
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            proposer.tell(unit.tolist(), known.tolist())
            for left in reversed(range(self.config.n_calls)):
                x = proposer.ask()
                value = float(search.ask(np.array([x]))[0])
                proposer.tell(x, (value if np.isfinite(value) else search.worst) / unit_value, fit=left > 0)
        return len(caught)

    def _verdict(self, search: Search) -> Status:
        """Converged if the last third of the guided points found nothing worth mentioning."""
        last = max(self.config.n_calls // 3, 1)
        before, after = min(search.values[:-last]), min(search.values)
        return Status.CONVERGED if before - after <= self.config.tolerance * abs(after) else Status.BUDGET


def _unit(scale: str, values: Floats) -> float:
    """What values are divided by before the process sees them. `best`: the best of them, since the margin by which
    EI and PI want to improve (0.01) is absolute; never so small that the largest overflows."""
    finite = np.abs(values[np.isfinite(values)])
    return 1.0 if scale == "none" else float(max(finite.min(), 1e-6 * finite.max())) or 1.0


def _proposer(config: GpConfig, size: int, seed: int) -> Any:
    """What `gp_minimize` makes of these settings: the process that it would use (Matérn 5/2, one length a label, white
    noise), asked in the unit box of `size` labels. `warm` spares most of the likelihood's evaluations."""
    box = Box([Real(0.0, 1.0, transform="normalize")] * size)
    process = cook_estimator("GP", space=box, random_state=seed, noise="gaussian")
    if config.refit == "warm":
        fields = {**process.get_params(deep=False), "optimizer": _warm_start(seed), "n_restarts_optimizer": 0}
        process = _Batched(**fields)
    return Proposer(
        box, process, n_initial_points=0, acq_func=config.acquisition, acq_optimizer="lbfgs", random_state=seed,
        acq_optimizer_kwargs={"n_points": config.candidates, "n_restarts_optimizer": config.refined},
        model_queue_size=1,
    )


class _Batched(GaussianProcessRegressor):  # type: ignore[misc]
    """The same process. Where no gradient is asked for it predicts as scikit-learn does, by one triangular system for
    all points; scikit-optimize sums over all pairs of known points for each of them, at four times the cost."""

    def predict(self, X: Floats, return_std: bool = False, return_cov: bool = False, **gradients: bool) -> Any:
        if any(gradients.values()):
            return super().predict(X, return_std, return_cov, **gradients)
        return super(GaussianProcessRegressor, self).predict(X, return_std, return_cov)


def _warm_start(seed: int) -> Callable[[Any, Floats, Floats], tuple[Floats, float]]:
    """Hyperparameters from three starts the first time, then a few steps from where they were: one more point moves
    the optimum little."""
    rng = np.random.default_rng(seed)
    last: list[Floats] = []

    def fit(likelihood: Any, initial: Floats, bounds: Floats) -> tuple[Floats, float]:
        options = {"ftol": 1e-6, "maxiter": 5 if last else 100}
        starts = last or [initial, *rng.uniform(bounds[:, 0], bounds[:, 1], size=(2, len(bounds)))]
        ends = [_minimize(likelihood, x, method="L-BFGS-B", jac=True, bounds=bounds, options=options) for x in starts]
        end = min(ends, key=lambda end: float(end.fun))
        last[:] = [end.x]
        return end.x, float(end.fun)

    return fit
