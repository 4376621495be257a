"""A table as numbers: what training and prediction share."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tuner.errors import DataError
from tuner.registry.features import Feature, encode, label, positions, to_frame

NAN: Any = np.nan
DAY_AND_GAP: Any = ["2024-03-01", None]


def same(one: Any, other: Any) -> bool:
    return np.array_equal(one, other, equal_nan=True)


def column(kind: Any, values: Any, categories: tuple[str, ...] = ()) -> Any:
    return encode(pd.DataFrame({"c": values}), [Feature("c", kind, "", categories)])


def test_numbers_of_every_type_are_read_as_numbers():
    assert same(column("number", [1, 2]), [[1], [2]])
    assert same(column("number", ["1.5", None]), [[1.5], [NAN]])
    assert same(column("number", pd.array([1, None], dtype="Int64")), [[1], [NAN]])
    assert same(column("number", [True, False]), [[1], [0]])
    assert same(column("number", pd.to_timedelta(["1min", "2s"])), [[60], [2]])


@pytest.mark.parametrize(
    "values",
    [
        [True, False, None],
        ["True", "false", None],
        pd.array([True, False, None], dtype="boolean"),
        [1, 0, None],
        ["1", "0", None],
    ],
)
def test_booleans_are_read_from_what_files_make_of_them(values):
    assert same(column("boolean", values), [[1], [0], [NAN]])


def test_labels_never_seen_and_missing_ones_differ():
    seen = column("category", ["b", "a", "new", None], ("a", "b"))
    assert same(seen, [[1], [0], [-1], [NAN]])


def test_codes_are_the_same_labels_whether_a_gap_made_them_floats_or_not():
    assert [label(v) for v in (3, 3.0, np.int64(3), "3", True, 2.5)] == ["3", "3", "3", "3", "true", "2.5"]
    for values in ([3, 7], [3.0, 7.0], ["3", "7"], pd.Categorical([3, 7])):
        assert same(column("category", values, ("3", "7")), [[0], [1]])


@pytest.mark.parametrize(
    "values",
    [
        ["2024-03-01", None],
        ["2024-03-01T00:00:00Z", None],
        [datetime.date(2024, 3, 1), None],
        pd.to_datetime(DAY_AND_GAP),
        pd.to_datetime(DAY_AND_GAP).tz_localize("UTC"),
    ],
)
def test_dates_become_days_month_and_weekday(values):
    assert same(column("date", values), [[19783, 3, 4], [NAN, NAN, NAN]])


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        ("number", [1, "x"], "column 'c' should hold numbers; row 2 of the table holds 'x'"),
        ("number", [1, np.inf], "column 'c' should hold finite numbers; row 2 of the table holds inf"),
        ("boolean", [True, "perhaps"], "column 'c' should hold true or false; row 2 of the table holds 'perhaps'"),
        ("date", ["2024-01-01", "soon"], "column 'c' should hold dates as 2026-01-31; row 2 of the table holds 'soon'"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_its_row(kind, values, message):
    with pytest.raises(DataError) as caught:
        column(kind, values)
    assert caught.value.message == message


def test_a_frame_has_the_names_and_categories_back():
    features = [Feature("n", "number", ""), Feature("d", "date", ""), Feature("k", "category", "", ("a", "b"))]
    table = pd.DataFrame({"k": ["b", None, "c"], "d": ["2024-03-01"] * 3, "n": [1, 2, 3]})
    frame = to_frame(encode(table, features), features)
    assert list(frame) == ["n", "d:days", "d:month", "d:weekday", "k"]
    assert frame["k"].astype(object).where(frame["k"].notna(), None).tolist() == ["b", None, None]
    assert list(frame["k"].cat.categories) == ["a", "b"]
    assert positions(features) == {"number": [0], "boolean": [], "category": [4], "date": [1, 2, 3]}


def test_features_round_trip_through_json():
    for feature in (Feature("n", "number", "int64"), Feature("k", "category", "str", ("a", "é"))):
        assert Feature.from_dict(feature.to_dict()) == feature
