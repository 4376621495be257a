"""Distributions as plain data: our words, those of W&B and Determined, and the mends for what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from tests.spaces.sampling import distributions, exact
from tuner.errors import SearchSpaceError
from tuner.space import Categorical, Constant, Distribution, Float, Int, distribution_from_dict, distribution_to_dict


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"low": 1, "high": 8}, Int(1, 8)),
        ({"low": 1, "high": 8.0}, Float(1, 8)),
        ({"low": 1.0, "high": 8, "type": "int"}, Int(1, 8)),
        ({"low": 1, "high": 8, "type": "float"}, Float(1, 8)),
        ({"low": 1, "high": 8, "step": 2}, Int(1, 8, step=2)),
        ({"low": 1, "high": 8, "step": 0.5}, Float(1, 8, step=0.5)),
        ({"low": 1, "high": 8, "step": None, "when": None}, Int(1, 8)),
        ({"low": 1e-5, "high": 0.1, "log": True}, Float(1e-5, 0.1, log=True)),
        ({"values": ["a", None, 3]}, Categorical(["a", None, 3])),
        ({"value": None}, Constant(None)),
        ({"value": 3, "when": {"a": {"low": 1}}}, Constant(3, when={"a": {"low": 1}})),
        # W&B
        ({"min": 1, "max": 8}, Int(1, 8)),
        ({"min": 0.0, "max": 1.0}, Float(0, 1)),
        ({"distribution": "uniform", "min": 0, "max": 1}, Float(0, 1)),
        ({"distribution": "int_uniform", "min": 1, "max": 8}, Int(1, 8)),
        ({"distribution": "q_uniform", "min": 0.0, "max": 1.0, "q": 0.25}, Float(0, 1, step=0.25)),
        ({"distribution": "q_uniform", "min": 0, "max": 10, "q": 5}, Int(0, 10, step=5)),
        ({"distribution": "q_uniform", "min": 0, "max": 10}, Int(0, 10)),
        ({"distribution": "log_uniform_values", "min": 1e-5, "max": 0.1}, Float(1e-5, 0.1, log=True)),
        ({"distribution": "log_uniform_values", "min": 1, "max": 100}, Float(1, 100, log=True)),
        ({"distribution": "q_log_uniform_values", "min": 1, "max": 512}, Int(1, 512, log=True)),
        ({"distribution": "q_log_uniform_values", "min": 1, "max": 512, "q": 1}, Int(1, 512, log=True)),
        ({"distribution": "constant", "value": 3}, Constant(3)),
        ({"distribution": "categorical", "values": [1, 2]}, Categorical([1, 2])),
        # Determined
        ({"type": "int", "minval": 1, "maxval": 8}, Int(1, 8)),
        ({"type": "double", "minval": 0, "maxval": 1}, Float(0, 1)),
        ({"type": "categorical", "vals": ["a", "b"]}, Categorical(["a", "b"])),
        ({"type": "const", "val": 3}, Constant(3)),
    ],
)
def test_rows_are_read(row: dict[str, Any], expected: Distribution) -> None:
    read = distribution_from_dict(row)
    assert read == expected
    assert type(read) is type(expected)
    assert exact(distribution_to_dict(read)) == exact(distribution_to_dict(expected))


@pytest.mark.parametrize(
    ("row", "path", "message", "hint"),
    [
        ({"distribution": "log_uniform", "min": -9.21, "max": -2.3}, "distribution", "exponents",
         "write {low: 0.0001, high: 0.1003, log: true}"),
        ({"distribution": "q_log_uniform", "min": 0, "max": 2, "q": 1}, "distribution", "exponents",
         "write {low: 1, high: 7.389, log: true}"),
        ({"type": "log", "minval": -5, "maxval": 1, "base": 10}, "type", "exponents",
         "write {low: 1e-05, high: 10, log: true}"),
        ({"type": "log", "minval": -3, "maxval": 3, "base": 2}, "type", "exponents",
         "write {low: 0.125, high: 8, log: true}"),
        ({"type": "loguniform", "low": "a"}, "type", "exponents", "write low and high as real values, and log: true"),
        ({"low": -5, "high": -1, "log": True}, "low", "log needs low above 0",
         "ranges are real values, never exponents: write low: 1e-5, not -5"),
        ({"distribution": "q_log_uniform_values", "min": 8, "max": 512, "q": 8}, "q", "no equal here",
         "drop q, or list the values"),
        ({"distribution": "normal", "mu": 0, "sigma": 1}, "distribution", "normal has no equal here", None),
        ({"distribution": "log_uniform_value", "min": 1, "max": 2}, "distribution", "unknown kind",
         "did you mean 'log_uniform_values'?"),
        ({"type": 3, "low": 1, "high": 2}, "type", "must be a name", None),
        ({"lo": 1, "high": 2}, None, "unknown key 'lo'", "did you mean 'low'?"),
        ({"low": 1, "high": 2, "steps": 2}, None, "unknown key 'steps'", "did you mean 'step'?"),
        ({"parameters": {"a": {"value": 1}}}, None, "unknown key 'parameters'",
         "parameters do not nest: give each its own name, as group.name, and a condition with when"),
        ({"values": [1, 2], "probabilities": [0.5, 0.5]}, None, "unknown key 'probabilities'",
         "the sampler weighs the values: drop the probabilities"),
        ({"min": 1, "low": 2, "max": 4}, None, "low is said twice", "keep one of min and low"),
        ({"low": 1}, None, "high is missing", None),
        ({"high": 1}, None, "low is missing", None),
        ({}, None, "needs exactly one shape", None),
        ({"values": [1], "value": 1}, None, "needs exactly one shape", None),
        ({"values": [1], "low": 1, "high": 2}, None, "needs exactly one shape", None),
        ({"values": [1], "log": True}, "log", "log belongs to a range",
         "drop it, or give low and high for values"),
        ({"value": 1, "type": "int"}, "type", "type belongs to a range", "drop it, or give low and high for value"),
        ({"values": "abc"}, "values", "values must be a list", None),
        ({"low": 1, "high": 2, "log": "true"}, "log", "log must be true or false", None),
        ({"low": 1, "high": 2, "step": 0}, "step", "step must be above 0", None),
        ({"low": "1e-5", "high": 2}, "low", "low must be a finite number", "write 1e-5 without quotes"),
        ({"low": 1, "high": 2, "when": ["a"]}, "when", "must map parameter names to conditions", None),
        ({"low": 1.5, "high": 2, "type": "int"}, "low", "low of an int must be a whole number", None),
        ([1, 2], None, "not a parameter", "write {values: [1, 2]}"),
        (3, None, "not a parameter", "write {value: 3}"),
        (None, None, "not a parameter", None),
    ],
)  # fmt: skip
def test_what_is_refused_says_where_and_how_to_mend_it(
    row: Any, path: str | None, message: str, hint: str | None
) -> None:
    with pytest.raises(SearchSpaceError) as caught:
        distribution_from_dict(row)
    assert message in caught.value.message
    assert caught.value.path == path
    assert caught.value.hint == hint


@given(distribution=distributions)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_a_distribution_reads_back_equal(distribution: Distribution) -> None:
    row = distribution_to_dict(distribution)
    back = distribution_from_dict(row)
    assert back == distribution
    assert exact(distribution_to_dict(back)) == exact(row)
