"""Interpolators and manifolds with one fault each, and the check that must find it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from wrong import Fault, checks

from hml.template.interpolator.interpolator import ExampleInterpolator, ExampleManifold
from hml.testing import (
    InterpolatorChecks,
)

SCATTERED = {"requires_rectilinear": False, "differentiable": True}


def manifold(check: str, words: str, *, traits: Any = None, fit: Any = None, **members: Any) -> Fault:
    """An interpolator whose manifold has these members, or which fits by `fit(self, table)`."""
    made = type("WrongManifold", (ExampleManifold,), members)

    def plain(self: ExampleInterpolator, table: Any) -> ExampleManifold:
        return of_class(made, ExampleInterpolator.fit(self, table))

    def empty(self: ExampleInterpolator, header: Any) -> ExampleManifold:
        return of_class(made, ExampleInterpolator.empty(self, header))

    wrong = type("WrongInterpolator", (ExampleInterpolator,), {"fit": fit or plain, "empty": empty})
    suite = checks(InterpolatorChecks, lambda config, context: wrong(4.0), traits=traits or SCATTERED, between=0.5)
    return Fault(check, words, suite)


def of_class(made: type[ExampleManifold], like: ExampleManifold) -> ExampleManifold:
    return made(like.nodes, like.scale, like.values, like.power)


def forward(change: Any) -> Any:
    """The right values `out` at `labels`, changed."""
    return lambda self, labels: change(self, labels, ExampleManifold.forward(self, labels))


def noisy_fit(self: ExampleInterpolator, table: Any) -> ExampleManifold:
    noise = 1e-4 * np.random.default_rng().normal(size=table.values.shape)
    return ExampleInterpolator.fit(self, replace(table, values=table.values + noise))


def fit_in_place(self: ExampleInterpolator, table: Any) -> ExampleManifold:
    table.values[:] *= 1 + 1e-6
    return ExampleInterpolator.fit(self, table)


def unbuffered(self: ExampleManifold, nodes: Any, scale: Any, values: Any, power: float) -> None:
    ExampleManifold.__init__(self, nodes, scale, values, power)
    del self.scale
    self.scale = scale


def no_epsilon(self: ExampleManifold, labels: torch.Tensor) -> torch.Tensor:
    distance2 = (((labels[:, None] - self.nodes) / self.scale) ** 2).sum(-1)
    weight = distance2**-2
    return torch.einsum("bm,mlk->blk", weight / weight.sum(1, keepdim=True), self.values)


def unchecked(self: ExampleManifold, labels: torch.Tensor) -> torch.Tensor:
    return ExampleManifold.forward(self, labels[:, :1].expand(len(labels), self.nodes.shape[1]))


INTERPOLATORS = [
    manifold("test_the_manifold_says_how_it_is", "must say requires_rectilinear", traits={"differentiable": True}),
    manifold("test_the_manifold_says_how_it_is", "the trait says otherwise", differentiable=False),
    manifold("test_shapes_are_those_of_the_table", "expected", forward=forward(lambda self, x, out: out[..., :1])),
    manifold("test_nodes_are_hit", "off at nodes", forward=forward(lambda self, x, out: out + 0.01)),
    manifold("test_it_is_near_the_truth_between_nodes", "of the spread off",
             forward=forward(lambda self, x, out: out + torch.sin(x.sum(1) * 1e3)[:, None, None])),
    manifold("test_the_order_of_nodes_does_not_matter", "shuffled",
             forward=forward(lambda self, x, out: out + 0.1 * self.values[0])),
    manifold("test_a_batch_is_its_members", "differs from its members",
             forward=forward(lambda self, x, out: out + 1e-3 * x[:, 0].std(correction=0))),
    manifold("test_a_subset_is_those_lines", "subset",
             subset=lambda self, some: ExampleManifold.subset(self, some if isinstance(some, slice) else sorted(some))),
    manifold("test_state_goes_round", "not in a buffer", __init__=unbuffered),
    manifold("test_state_goes_round", "outlines",
             header=lambda self: {**ExampleManifold.header(self), "nodes": [3, 2]}),
    manifold("test_state_goes_round", "other numbers",
             header=lambda self: {**ExampleManifold.header(self), "power": 2}),
    manifold("test_same_table_same_manifold", "second fit", fit=noisy_fit),
    manifold("test_the_table_is_left_as_it_was", "changes the arrays", fit=fit_in_place),
    manifold("test_gradients_are_those_of_finite_differences", "off a finite difference",
             forward=forward(lambda self, x, out: 0.9 * out + 0.1 * out.detach())),
    manifold("test_gradients_are_finite_at_nodes_and_edges", "at a node", forward=no_epsilon),
    manifold("test_wrong_shapes_raise", "are taken for", forward=unchecked),
    manifold("test_a_missing_node_raises", "a node missing is taken",
             traits={"requires_rectilinear": True, "differentiable": True}),
]  # fmt: skip
