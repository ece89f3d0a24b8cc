"""Selections as users write them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hml import Selection

numbers = st.floats(-1e5, 1e5, allow_nan=False)
axes = st.lists(numbers, min_size=1, max_size=20, unique=True).map(sorted)


def read(value: object) -> Selection:
    return Selection.model_validate(value)


written = st.one_of(
    numbers,
    st.tuples(numbers, numbers).map(sorted),
    st.lists(numbers, min_size=1, max_size=5).map(lambda nodes: {"nodes": nodes}),
    st.tuples(numbers, st.floats(0, 1e4)).map(lambda pair: {"around": pair[0], "half_width": pair[1]}),
)


@given(written)
def test_every_form_survives_writing_and_reading(value: object) -> None:
    selection = read(value)
    assert read(json.loads(selection.model_dump_json())) == selection
    low, high = selection.bounds
    assert low <= high


@given(axes, st.data())
def test_a_range_picks_exactly_the_values_inside(values: list[float], data: st.DataObject) -> None:
    low, high = sorted(data.draw(st.tuples(st.sampled_from(values), st.sampled_from(values))))
    picked = read([low, high]).pick(values)
    assert set(picked) == {v for v in values if low <= v <= high}
    assert list(picked) == sorted(picked)


@given(axes, st.data())
def test_named_nodes_are_picked_once_each_in_order(values: list[float], data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from(values), min_size=1, max_size=8))
    assert read({"nodes": names}).pick(values) == tuple(sorted(set(names)))


@given(st.lists(numbers, min_size=2, max_size=2).map(sorted))
def test_two_numbers_are_a_range_always(pair: list[float]) -> None:
    assert read(pair).bounds == (pair[0], pair[1])
    assert read(pair).nodes is None


def test_the_forms_of_the_command_line() -> None:
    assert read("3000:4000") == read([3000, 4000])
    assert read("5800") == read(5800) == read({"nodes": [5800]})
    assert read("-1:-0.5").bounds == (-1.0, -0.5)


def test_around_is_symmetric() -> None:
    assert read({"around": 5800, "half_width": 500}).bounds == (5300, 6300)
    assert read({"around": 5800, "half_width": 500}).pick([5000, 5300, 5800, 6300, 6400]) == (5300, 5800, 6300)


def test_an_open_range_takes_all_on_its_side() -> None:
    assert read({"lower": 4000}).pick([3000.0, 4000.0, 5000.0]) == (4000.0, 5000.0)
    assert read(read({"lower": 4000}).model_dump(mode="json")) == read({"lower": 4000})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([4000, 3000], "write the smaller number first"),
        ([1, 2, 3], "two numbers are a range, 3 were given"),
        ([5], "1 were given"),
        ("a:b", "number"),
        ("hot", "number"),
        (True, "expected a number"),
        (None, "Selection"),
        ({}, "give one of"),
        ({"nodes": []}, "selects nothing"),
        ({"nodes": [1], "around": 2, "half_width": 1}, "give one of"),
        ({"around": 5800}, "give one of"),
        ({"half_width": 500}, "give one of"),
        ({"around": 5800, "half_width": -1}, "is empty"),
        ({"node": [1]}, "node"),
        (float("nan"), "finite"),
        ([float("-inf"), 0], "finite"),
    ],
)
def test_what_cannot_be_meant_is_refused(value: object, text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        read(value)


def test_a_node_that_is_not_there_is_named_with_what_is() -> None:
    with pytest.raises(ValueError, match=r"teff has no node 3050; it has 3000, 3100"):
        read(3050).pick([3000.0, 3100.0], "teff")
    with pytest.raises(ValueError, match="teff has no node from 1 to 2; it has 0, 15"):
        read([1, 2]).pick([0.0, 15.0], "teff")


def test_a_long_axis_is_shortened_in_the_message() -> None:
    with pytest.raises(ValueError, match="…") as error:
        read(1.5).pick([float(v) for v in range(100)])
    assert len(str(error.value)) < 120
