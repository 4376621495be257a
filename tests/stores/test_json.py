from __future__ import annotations

import json
import math
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.errors import StoreError
from tuner.stores._json import dumps, loads, plain_text
from tuner.testing.stores import plain

_data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("$float"), inner),
    max_leaves=12,
)


@given(_data)
@settings(derandomize=True, database=None, deadline=None)
def test_any_data_come_back(data):
    assert plain(loads(dumps(data))) == plain(data)


@given(_data)
@settings(derandomize=True, database=None, deadline=None)
def test_the_text_is_standard_json_that_every_database_holds(data):
    def refuse(constant):
        raise AssertionError(constant)

    text = dumps(data)
    json.loads(text, parse_constant=refuse)
    assert text.isascii()
    assert "\0" not in text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, 2), [1, 2]),
        (np.float64(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.float32("nan"), math.nan),
        (Path("a/b"), "a/b"),
        (MappingProxyType({"a": math.inf}), {"a": math.inf}),
    ],
)
def test_what_is_nearly_plain_is_made_plain(value, expected):
    assert plain(loads(dumps({"x": value}))) == plain({"x": expected})


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", {"a": {"b": object()}}, {"a": math.nan, "b": object()}])
def test_what_is_not_is_named(value):
    with pytest.raises(StoreError, match=r"cannot be stored: .* which JSON cannot hold"):
        dumps(value)


def test_a_structure_that_holds_itself_is_refused():
    ring: list[object] = []
    ring.append(ring)
    with pytest.raises(StoreError, match="cannot be stored"):
        dumps(ring)


@pytest.mark.parametrize(
    ("text", "expected"), [("plain ü", "plain ü"), ("a\0b", "a\ufffdb"), ("a\ud800b", "a\ufffdb"), ("", "")]
)
def test_plain_text_is_what_postgresql_can_hold(text, expected):
    assert plain_text(text) == expected
