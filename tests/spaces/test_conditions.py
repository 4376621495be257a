"""What meets a condition, and whether conditions can hold, against trying every value."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.spaces.sampling import scalars
from tuner.space import Categorical, Condition, Constant, Distribution, Float, Int, matches
from tuner.space.conditions import freeze_conditions
from tuner.space.reach import always_holds, can_hold, widened


@pytest.mark.parametrize(
    ("value", "condition", "expected"),
    [
        ("dart", "dart", True), ("dart", "gbtree", False), ("dart", ["gbtree", "dart"], True),
        (1, 1.0, True), (1, True, False), (True, 1, False), (True, True, True), (None, None, True), (None, "None", False),
        (0, False, False), (3, {"low": 3}, True), (3, {"high": 2.9}, False), (3, {"low": 1, "high": 3}, True),
        (True, {"low": 0}, False), ("3", {"low": 0}, False), (None, {"low": 0}, False), ("d", "dart", False),
    ],
)  # fmt: skip
def test_a_value_meets_a_condition_by_its_value_and_kind(value: Any, condition: Any, expected: bool) -> None:
    assert matches(value, condition) is expected


finite: st.SearchStrategy[Distribution] = st.one_of(
    st.builds(lambda low, n, step: Int(low, low + n, step=step), st.integers(-5, 5), st.integers(0, 12), st.integers(1, 4)),
    st.builds(
        lambda low, n, step: Float(low, low + n * step / 2, step=step),
        st.integers(-4, 4), st.integers(0, 12), st.sampled_from([0.25, 0.5, 1.0]),
    ),
    st.lists(scalars, min_size=1, max_size=4, unique_by=lambda v: (type(v) is bool, v)).map(Categorical),
    scalars.map(Constant),
)  # fmt: skip
halves = st.integers(-12, 12).map(lambda n: n / 2)
ranges = st.builds(
    lambda a, b, ends: {
        k: v for k, v in {"low": min(a, b), "high": max(a, b)}.items() if k in ends
    },
    halves, halves, st.sampled_from([("low",), ("high",), ("low", "high")]),
)  # fmt: skip
conditions: st.SearchStrategy[Condition] = st.one_of(scalars, st.lists(scalars, min_size=1, max_size=3), ranges)


@given(distribution=finite, asked=st.lists(conditions, min_size=1, max_size=3))
@settings(max_examples=500, deadline=None, derandomize=True)
def test_can_hold_agrees_with_trying_every_value(distribution: Distribution, asked: list[Condition]) -> None:
    values = distribution.values()
    assert values is not None
    exactly = [widened(distribution, condition) for condition in asked]
    assert can_hold(distribution, asked) == any(all(matches(value, c) for c in exactly) for value in values)


@given(distribution=finite, asked=conditions)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_what_always_holds_holds_for_every_value(distribution: Distribution, asked: Condition) -> None:
    if always_holds(distribution, asked):
        assert all(matches(value, asked) for value in distribution.values() or [])


def test_an_unstepped_range_holds_where_it_overlaps() -> None:
    assert can_hold(Float(0, 1), [{"low": 0.5}, {"high": 0.5}])
    assert not can_hold(Float(0, 1), [{"low": 0.6}, {"high": 0.5}])
    assert can_hold(Float(0, 1), [0.25, {"high": 0.5}])
    assert not can_hold(Float(0, 1), [0.75, {"high": 0.5}])
    assert always_holds(Float(0, 1), {"low": 0, "high": 2})
    assert not always_holds(Float(0, 1), {"low": 0.1})


def test_min_and_max_are_understood_in_conditions() -> None:
    assert freeze_conditions({"a": {"min": 1, "max": 2}}, "when") == {"a": {"low": 1, "high": 2}}
