"""Spaces of labels: order, bounds, holes, round trips."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hml import Axis, LabelError, Space

GRID = Space((Axis.of("teff", [5000, 4000, 4500]), Axis.of("logg", [4.0, 5.0]), Axis.of("feh", [0.0])))
values = st.floats(-1e4, 1e4).map(lambda v: round(v, 3))
spaces = st.lists(st.lists(values, min_size=1, max_size=5, unique=True), min_size=1, max_size=4).map(
    lambda axes: Space(tuple(Axis.of(f"l{i}", nodes) for i, nodes in enumerate(axes)))
)


def test_axes_are_sorted_and_know_their_units() -> None:
    axis = Axis.of("teff", [5000, 4000, 4500, 4000])
    assert axis.nodes == (4000.0, 4500.0, 5000.0)
    assert (axis.lower, axis.upper, axis.width, axis.unit) == (4000, 5000, 1000, "K")
    assert Axis.of("f_sed", [1]).unit == ""
    with pytest.raises(LabelError, match="'teff' has no nodes"):
        Axis.of("teff", [])


@given(spaces)
def test_json_round_trip(space: Space) -> None:
    assert Space.from_json(json.loads(json.dumps(space.to_json()))) == space


@given(spaces)
def test_the_full_product_has_no_holes_and_makes_the_same_space(space: Space) -> None:
    full = space.holes([])
    assert len(full) == np.prod(space.shape)
    assert space.holes(full) == []
    assert Space.from_nodes(space.names, full) == space


@given(spaces, st.data())
def test_a_missing_node_is_the_hole(space: Space, data: st.DataObject) -> None:
    full = space.holes([])
    hole = data.draw(st.sampled_from(full))
    assert space.holes([node for node in full if node != hole]) == [hole]


@given(spaces, st.data())
def test_points_inside_pass_and_points_outside_name_the_label(space: Space, data: st.DataObject) -> None:
    share = np.array([data.draw(st.floats(0, 1)) for _ in space.axes])
    point = np.clip(space.lower + share * (space.upper - space.lower), space.lower, space.upper)
    np.testing.assert_array_equal(space.require(point), point)
    np.testing.assert_array_equal(space.require(np.stack([point, point])), np.stack([point, point]))
    axis = data.draw(st.integers(0, len(space) - 1))
    point[axis] = space.upper[axis] + 1.0
    with pytest.raises(LabelError, match=rf"^l{axis} = .* is outside"):
        space.require(point)


@given(spaces)
def test_labels_and_points_are_the_same_thing(space: Space) -> None:
    np.testing.assert_array_equal(space.to_array(space.to_dict(space.lower)), space.lower)


def test_rounding_at_the_edge_is_forgiven_and_clipped() -> None:
    point = GRID.require([5000 * (1 + 1e-12), 4.0, 0.0])
    assert point[0] == 5000.0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_a_number_is_outside(value: float) -> None:
    with pytest.raises(LabelError, match="logg"):
        GRID.require([4500, value, 0.0])


def test_the_message_has_value_unit_and_range() -> None:
    with pytest.raises(LabelError) as error:
        GRID.require([5100, 4.5, 0.0])
    assert str(error.value) == (
        "teff = 5100 K is outside the grid, which holds 4000 to 5000; nothing is extrapolated"
    )


def test_the_wrong_number_of_labels_is_refused_with_both_shapes() -> None:
    with pytest.raises(LabelError, match=r"\(2,\).*must be 3"):
        GRID.require([4500, 4.5])


def test_labels_by_name() -> None:
    np.testing.assert_array_equal(GRID.to_array({"logg": 4.5, "teff": 4200}), [4200, 4.5, 0.0])
    with pytest.raises(LabelError, match="unknown label tef; the labels are teff, logg, feh"):
        GRID.to_array({"tef": 4200, "logg": 4.5})
    with pytest.raises(LabelError, match="label logg is missing"):
        GRID.to_array({"teff": 4200})
    with pytest.raises(LabelError, match="there is no label 'alpha'"):
        GRID["alpha"]
    assert GRID["feh"].nodes == (0.0,)
