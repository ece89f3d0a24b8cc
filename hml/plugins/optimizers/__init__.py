"""Optimizers: `gp`, `differential_evolution`, `lbfgs`, `lm`. Light to import; scipy and skopt come with `build`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from hml import BuildContext, Component, ComponentConfig, hookimpl

if TYPE_CHECKING:
    from hml import Optimizer


class GpConfig(ComponentConfig):
    """Random points, then points proposed by a Gaussian process. The plain `gp_minimize` of scikit-optimize is
    `{acquisition: gp_hedge, scale: none, refit: restarts, candidates: 10000, refined: 5}`."""

    n_initial: int = Field(100, ge=2, description="random points, uniform in the box, evaluated as one batch")
    n_calls: int = Field(20, ge=1, description="guided evaluations after the random ones")
    acquisition: Literal["EI", "LCB", "PI", "gp_hedge"] = Field(
        "EI", description="what the next point maximises; gp_hedge draws among the other three, at three times the work"
    )
    scale: Literal["best", "none"] = Field(
        "best", description="values are divided by the best random one, so that the acquisition's margin of 0.01 means "
        "1 % whatever the metric; none: as they are"
    )
    refit: Literal["warm", "restarts"] = Field(
        "warm", description="hyperparameters are searched from the last optimum, or from three starts at every point"
    )
    candidates: int = Field(2000, ge=10, description="random candidates for the next point")
    refined: int = Field(1, ge=1, le=10, description="how many of the best candidates are refined by descent")
    tolerance: float = Field(
        0.01, ge=0, description="converged if the last third of guided points lowered the best value by less than this "
        "fraction of it"
    )
    polish: bool = Field(
        True, description="end with a descent (L-BFGS-B) from the best point, where the objective has gradients"
    )


class DifferentialEvolutionConfig(ComponentConfig):
    """Differential evolution of a population; each generation is one batch."""

    population: int = Field(15, ge=5, description="members for each free label")
    generations: int = Field(60, ge=1, description="most generations after the first")
    tolerance: float = Field(
        0.01, ge=0, description="converged if the population's values scatter by less than this fraction of their mean"
    )
    polish: bool = Field(False, description="end with L-BFGS-B on numerical derivatives")


class LbfgsConfig(ComponentConfig):
    """Gradient descent (L-BFGS-B) from the best of many random points."""

    n_initial: int = Field(100, ge=1, description="random points, uniform in the box, evaluated as one batch")
    n_starts: int = Field(4, ge=1, description="descents, from the best of the random points")
    max_steps: int = Field(100, ge=1, description="most steps of one descent")
    tolerance: float = Field(1e-9, gt=0, description="a descent ends when a step lowers the value by less than this "
                             "fraction of it")


class LmConfig(ComponentConfig):
    """Least squares from several starts."""

    n_initial: int = Field(60, ge=1, description="random points, uniform in the box, evaluated as one batch")
    n_starts: int = Field(3, ge=1, description="descents, from the best of the random points that are apart")
    max_steps: int = Field(60, ge=1, description="most evaluations of one descent")
    tolerance: float = Field(1e-9, gt=1e-15, description="a descent ends when a step lowers the sum of squares by "
                             "less than this fraction of it")
    rival: float = Field(9.0, ge=0, description="another minimum is told of if its sum of squares is larger by less "
                         "than this many mean squared residuals")


def _gp(config: GpConfig, _: BuildContext) -> Optimizer:
    from hml.plugins.optimizers.gp import GaussianProcess

    return GaussianProcess(config)


def _differential_evolution(config: DifferentialEvolutionConfig, _: BuildContext) -> Optimizer:
    from hml.plugins.optimizers.differential_evolution import DifferentialEvolution

    return DifferentialEvolution(config)


def _lbfgs(config: LbfgsConfig, _: BuildContext) -> Optimizer:
    from hml.plugins.optimizers.lbfgs import Lbfgs

    return Lbfgs(config)


def _lm(config: LmConfig, _: BuildContext) -> Optimizer:
    from hml.plugins.optimizers.lm import LeastSquares

    return LeastSquares(config)


@hookimpl
def hml_optimizers() -> Iterable[Component]:
    """The optimizers of hml itself."""
    yield Component("gp", "random points, then Gaussian-process minimisation (scikit-optimize); few evaluations",
                    GpConfig, _gp, traits={"needs_gradient": False})
    yield Component("differential_evolution", "global search by a population (scipy); many evaluations, in batches",
                    DifferentialEvolutionConfig, _differential_evolution, traits={"needs_gradient": False},
                    reference="Storn & Price 1997, J. Global Optimization 11, 341")
    yield Component("lbfgs", "gradient descent from several starts (scipy); precise, needs gradients",
                    LbfgsConfig, _lbfgs, traits={"needs_gradient": True},
                    reference="Byrd et al. 1995, SIAM J. Sci. Comput. 16, 1190")
    yield Component("lm", "least squares with analytic derivatives from several starts (scipy); a second or so a star",
                    LmConfig, _lm, traits={"needs_gradient": False},
                    reference="Branch, Coleman & Li 1999, SIAM J. Sci. Comput. 21, 1")
