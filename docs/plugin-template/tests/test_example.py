"""The three parts, each against known truth."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hml_example.grid import Gaussians
from hml_example.interpolator import InverseDistance
from hml_example.optimizer import Zoom

from hml import Axis, BuildContext, LabelError, Objective, Space, Table, installed, parse_config


def chosen(slot: str, **fields: object):
    config = parse_config({"grid": "gaussians", "interpolator": "inverse_distance", "optimizer": "zoom",
                           slot: {"name": NAMES[slot], **fields}})
    return getattr(config, slot).build(BuildContext())


NAMES = {"grid": "gaussians", "interpolator": "inverse_distance", "optimizer": "zoom"}


def test_the_parts_are_registered_and_built() -> None:
    assert {e.component.name for e in installed().entries if e.distribution == "hml-example"} == set(NAMES.values())
    assert [type(chosen(slot)) for slot in NAMES] == [Gaussians, InverseDistance, Zoom]


def test_the_grid_is_the_same_at_every_call_and_knows_what_lies_between() -> None:
    grid = chosen("grid", labels={"colour": [0, 1], "size": [1, 2, 4]})
    assert grid.space.names == ("colour", "size")
    assert len(grid.nodes()) == 6
    first, last = grid.load((0.0, 1.0)), grid.load((1.0, 1.0))
    np.testing.assert_array_equal(first.flux, grid.load((0.0, 1.0)).flux)
    between = grid.truth({"colour": 0.5, "size": 1})
    # ln depth is linear in a label: optical depths between two nodes are their geometric mean, line by line
    np.testing.assert_allclose(np.log(between.flux).sum(), -np.sqrt(np.log(first.flux) * np.log(last.flux)).sum(),
                               rtol=0.01)
    with pytest.raises(LabelError, match="colour"):
        grid.truth({"colour": 2, "size": 1})


def test_the_fingerprint_follows_the_config() -> None:
    assert chosen("grid").fingerprint() == chosen("grid").fingerprint()
    assert chosen("grid").fingerprint() != chosen("grid", lines=3).fingerprint()


def table() -> Table:
    space = Space((Axis.of("a", [0, 1, 2]), Axis.of("b", [10, 30])))
    nodes = np.array(space.holes([]))
    return Table(space, nodes, np.random.default_rng(0).normal(size=(len(nodes), 5, 3)))


def test_the_manifold_goes_through_the_nodes_and_stays_within_them() -> None:
    known = table()
    manifold = chosen("interpolator").fit(known)
    np.testing.assert_allclose(manifold(torch.as_tensor(known.nodes)), known.values, atol=1e-10)
    somewhere = manifold(torch.tensor([[0.3, 17.0]], dtype=torch.float64)).numpy()
    assert (somewhere >= known.values.min(0)).all()
    assert (somewhere <= known.values.max(0)).all()


def test_the_manifold_has_gradients_even_at_a_node() -> None:
    manifold = chosen("interpolator").fit(table())
    point = torch.tensor([[0.7, 21.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(manifold, point)
    at_node = torch.tensor([[1.0, 30.0]], dtype=torch.float64, requires_grad=True)
    manifold(at_node).sum().backward()
    assert torch.isfinite(at_node.grad).all()


def test_a_subset_and_a_stored_manifold_give_the_same_numbers() -> None:
    interpolator = chosen("interpolator")
    manifold = interpolator.fit(table())
    labels = torch.tensor([[0.7, 21.0], [1.5, 12.0]], dtype=torch.float64)
    torch.testing.assert_close(manifold.subset([3, 1])(labels), manifold(labels)[:, [3, 1]])
    again = interpolator.empty(manifold.header())
    again.load_state_dict(manifold.state_dict())
    torch.testing.assert_close(again(labels), manifold(labels))


class Bowl(Objective):
    """A quadratic with its minimum at `at`, NaN on one side."""

    differentiable = False

    def __init__(self, space: Space, at: list[float]) -> None:
        self.space, self.at = space, np.array(at)

    def values(self, points):
        assert ((points >= self.space.lower) & (points <= self.space.upper)).all()
        inside = np.where(points[:, 0] < 0.2, np.nan, 0.0)
        return (((points - self.at) / (self.space.upper - self.space.lower)) ** 2).sum(1) + inside

    def value_and_gradient(self, point):
        raise NotImplementedError

    residuals = jacobian = value_and_gradient


def test_the_optimizer_finds_the_minimum_whatever_is_nan() -> None:
    space = Space((Axis("x", 0.0, 2.0), Axis("y", -100.0, 100.0)))
    steps = []
    found = chosen("optimizer", rounds=8).minimize(Bowl(space, [1.7, -33.0]), space, np.random.default_rng(1),
                                                   steps.append)
    np.testing.assert_allclose(found.point, [1.7, -33.0], rtol=0.02)
    assert found.evaluations == len(found.points) == len(found.values) == 8 * 100
    assert [s.evaluations for s in steps] == [100 * (i + 1) for i in range(8)]
