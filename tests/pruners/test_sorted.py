"""The collection behind ranks and medians."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.pruners import _sorted
from tuner.pruners._sorted import SortedValues


@settings(deadline=None, derandomize=True)
@given(st.lists(st.integers(-20, 20), max_size=80), st.integers(-25, 25))
def test_is_a_sorted_list(numbers, probe):
    values = SortedValues()
    for number in numbers:
        values.add(float(number))
    assert len(values) == len(numbers)
    assert [values[k] for k in range(len(values))] == sorted(numbers)
    assert values.below(float(probe)) == sum(number < probe for number in numbers)
    assert values.upto(float(probe)) == sum(number <= probe for number in numbers)


@pytest.mark.parametrize("kind", ["rising", "falling", "random", "equal"])
def test_splits_into_chunks(kind):
    n = 3 * _sorted._FULL + 7
    numbers = {
        "rising": range(n),
        "falling": range(n, 0, -1),
        "random": Random(1).sample(range(10 * n), n),
        "equal": [4] * n,
    }[kind]
    values = SortedValues()
    for number in numbers:
        values.add(float(number))
    assert [values[k] for k in range(n)] == sorted(numbers)
    for probe in (-1, 4, 5, n // 2, 10 * n):
        assert values.below(float(probe)) == sum(number < probe for number in numbers)
        assert values.upto(float(probe)) == sum(number <= probe for number in numbers)


@pytest.mark.parametrize("index", [-1, 0, 3])
def test_positions_that_are_not_there(index):
    values = SortedValues()
    if index:
        values.add(1.0)
    with pytest.raises(IndexError):
        values[index]
