"""Float, Int, Categorical and Constant: bounds, steps, kinds."""

from __future__ import annotations

import enum
import math
from itertools import pairwise
from random import Random
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.spaces.sampling import distributions, draw_value, floats
from tuner.errors import SearchSpaceError
from tuner.space import Categorical, Constant, Distribution, Float, Int


class Color(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Float(2, 1), "low 2.0 is above high 1.0"),
        (lambda: Float(math.nan, 1), "low must be a finite number"),
        (lambda: Float(0, math.inf), "high must be a finite number"),
        (lambda: Float(True, 2), "low must be a finite number"),
        (lambda: Float(0, 10**400), "high is too large"),
        (lambda: Float(-1e308, 1e308), "too wide"),
        (lambda: Float("0", 1), "low must be a finite number"),  # type: ignore[arg-type]
        (lambda: Float(0, 1, log=True), "log needs low above 0"),
        (lambda: Float(-5, -1, log=True), "log needs low above 0"),
        (lambda: Float(0, 1, step=0), "step must be above 0"),
        (lambda: Float(0, 1, step=-0.1), "step must be above 0"),
        (lambda: Float(1e6, 1e6 + 1, step=1e-4), "too small for bounds of that size"),
        (lambda: Float(1, 2, log=True, step=0.1), "log and step exclude each other"),
        (lambda: Float(1, 2, log="yes"), "log must be true or false"),  # type: ignore[arg-type]
        (lambda: Int(1.5, 3), "low of an int must be a whole number"),  # type: ignore[arg-type]
        (lambda: Int(0, math.inf), "high must be a finite number"),  # type: ignore[arg-type]
        (lambda: Int(0, 8, log=True), "log needs low above 0"),
        (lambda: Int(1, 8, log=True, step=2), "log and step exclude each other"),
        (lambda: Int(1, 8, step=0), "step must be above 0"),
        (lambda: Categorical([]), "at least one value"),
        (lambda: Categorical("abc"), "a list of values"),
        (lambda: Categorical({1, 2}), "a list of values"),  # type: ignore[arg-type]
        (lambda: Categorical([1, 1.0]), "two choices are equal"),
        (lambda: Categorical([(1, 2)]), "must be a string, a number"),  # type: ignore[list-item]
        (lambda: Categorical([math.inf]), "must be finite"),
        (lambda: Constant(math.nan), "must be finite"),
        (lambda: Constant([1]), "must be a string, a number"),  # type: ignore[arg-type]
        (lambda: Constant(1, when={"a": []}), "an empty list can never hold"),
        (lambda: Constant(1, when={"a": {}}), "an empty range says nothing"),
        (lambda: Constant(1, when={"a": {"low": 2, "high": 1}}), "low 2 is above high 1"),
        (lambda: Constant(1, when={"a": {"low": "2"}}), "low must be a finite number"),  # type: ignore[dict-item]
        (lambda: Constant(1, when={"a": {"below": 2}}), "unknown key 'below'"),
        (lambda: Constant(1, when={"a": {"low": 1, "min": 2}}), "low is said twice"),
        (lambda: Constant(1, when={"a": [[1]]}), "must be a string, a number"),  # type: ignore[list-item]
        (lambda: Constant(1, when=["a"]), "must map parameter names to conditions"),  # type: ignore[arg-type]
    ],
)
def test_what_makes_no_sense_is_refused(make: Any, message: str) -> None:
    with pytest.raises(SearchSpaceError, match=message):
        make()


def test_a_number_in_quotes_is_named_as_such() -> None:
    with pytest.raises(SearchSpaceError) as caught:
        Float("1e-5", 1)  # type: ignore[arg-type]
    assert caught.value.hint == "write 1e-5 without quotes"


def test_exponents_for_bounds_are_named_as_such() -> None:
    with pytest.raises(SearchSpaceError) as caught:
        Float(-5, -1, log=True)
    assert "never exponents" in str(caught.value)


def test_true_and_one_may_stand_side_by_side() -> None:
    assert Categorical([True, 1]).contains(1)
    assert not Categorical([True]).contains(1)
    assert not Int(0, 1).contains(True)
    assert not Float(0, 1).contains(False)


def test_subclasses_and_numpy_scalars_become_plain() -> None:
    given: list[Any] = [np.int64(3), np.float32(0.5), np.bool_(True), np.str_("a"), Color.RED]
    assert [type(choice) for choice in Categorical(given).choices] == [int, float, bool, str, str]
    low, high, array, three = cast("Any", (np.float32(0.5), np.int64(2), np.arange(3), 3.0))
    assert Categorical(array).choices == (0, 1, 2)
    assert type(Float(low, high).high) is float
    assert type(Int(high, three).high) is int


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400, "1", None, True])
def test_what_is_no_number_in_range_is_not_contained(value: Any) -> None:
    assert not Float(0.5, 1).contains(value)
    assert not Int(2, 3).contains(value)


@given(distribution=distributions, seed=st.integers(0, 2**32))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_every_value_drawn_is_contained(distribution: Distribution, seed: int) -> None:
    assert distribution.contains(draw_value(distribution, Random(seed)))


@given(distribution=floats())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_stepped_float_lists_what_it_contains(distribution: Float) -> None:
    values = distribution.values()
    if values is None:
        assert distribution.n_values is None
        return
    assert len(values) == distribution.n_values
    assert all(distribution.contains(value) for value in values)
    assert all(isinstance(a, float) and isinstance(b, float) and a < b for a, b in pairwise(values))
    assert values[0] == distribution.low


def test_steps_are_counted_in_decimals() -> None:
    assert Float(0.1, 0.5, step=0.1).values() == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert Float(0, 1, step=0.3).values() == [0.0, 0.3, 0.6, 0.9]
    assert not Float(0, 1, step=0.3).contains(1.0)
    assert Float(2, 2).values() == [2.0]
    assert Int(1, 10, step=4).values() == [1, 5, 9]
    assert not Int(1, 10, step=4).contains(10)


def test_more_values_than_a_million_are_counted_but_not_listed() -> None:
    assert Int(0, 10**9).n_values == 10**9 + 1
    with pytest.raises(SearchSpaceError, match="too many to list"):
        Int(0, 10**9).values()
    with pytest.raises(SearchSpaceError, match="too many to list"):
        Float(0, 1, step=1e-7).values()


def test_distributions_say_what_they_are() -> None:
    assert str(Float(1e-3, 0.5, log=True)) == "float from 0.001 to 0.5, log"
    assert str(Float(0, 1, step=0.1)) == "float from 0.0 to 1.0 in steps of 0.1"
    assert str(Int(1, 9)) == "int from 1 to 9"
    assert str(Categorical(["a", None])) == "one of 'a', None"
    assert str(Constant(3)) == "always 3"


def test_distributions_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Float(0, 1).low = 2  # type: ignore[misc]
    assert not hasattr(Float(0, 1), "__dict__")
