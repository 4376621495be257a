"""Sources and columns: what is read, which kinds are inferred, what is left out and said."""

from __future__ import annotations

import datetime
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tuner.objectives._data import load
from tuner.objectives._sources import DataOptions
from tuner.objectives._table import infer_task, make_table


@pytest.fixture
def read(tmp_path):
    def go(table, task="classification", suffix=".csv", **options):
        path = tmp_path / f"t{suffix}"
        if suffix == ".parquet":
            table.to_parquet(path, index=False)
        else:
            table.to_csv(path, index=False)
        parsed = DataOptions.parse({"path": path.name, "target": "y", **options})
        return make_table(load(parsed, tmp_path), parsed, task)

    return go


def rows(n: int = 120, **columns: Any) -> Any:
    return pd.DataFrame({**columns, "y": np.arange(n) % 2})


def kinds(table: Any) -> dict[str, str]:
    return {feature.name: feature.kind for feature in table.features}


def test_kinds_follow_the_values(read):
    n = 120
    table = rows(
        whole=range(n),
        real=np.linspace(0, 1, n),
        gaps=[None, 1.0] * 60,
        flag=[True, False] * 60,
        flag_with_gaps=[True, None, False] * 40,
        word=["a", "b"] * 60,
        day=[f"2024-01-{1 + k % 28:02d}" for k in range(n)],
        time=[f"2024-01-02 10:{k % 60:02d}:00" for k in range(n)],
        mixed=["1", "two"] * 60,
    )
    expected = {
        "whole": "number",
        "real": "number",
        "gaps": "number",
        "flag": "boolean",
        "flag_with_gaps": "boolean",
        "word": "category",
        "day": "date",
        "time": "date",
        "mixed": "category",
    }
    assert kinds(read(table)) == expected
    assert kinds(read(table.assign(day=pd.to_datetime(table["day"])), suffix=".parquet")) == expected


def test_parquet_types_are_understood(read):
    table = rows(
        maybe=pd.array([1, None] * 60, dtype="Int64"),
        kind=pd.Categorical(["a", "b"] * 60),
        day=[datetime.date(2024, 1, 1), None] * 60,
    )
    assert kinds(read(table, suffix=".parquet")) == {"maybe": "number", "kind": "category", "day": "date"}


def test_numbers_that_are_names_are_categories_when_told(read):
    table = read(rows(zip=[10115, 20095] * 60), categorical=["zip"])
    assert table.features[0].categories == ("10115", "20095")


def test_what_cannot_help_is_left_out_and_said(read):
    table = rows(empty=[None] * 120, name=[f"person {k}" for k in range(120)], x=range(120))
    found = read(table)
    assert list(kinds(found)) == ["x"]
    assert found.notes == (
        "column 'empty' left out: it is empty",
        "column 'name' left out: nearly every value is different; data.categorical keeps it",
    )
    assert list(kinds(read(table, categorical=["name"]))) == ["name", "x"]


def test_rows_without_a_target_are_left_out_when_told(read):
    table = rows(x=range(120)).assign(y=[None, *(np.arange(119) % 2)])
    found = read(table, drop_missing_target=True)
    assert found.n_rows == 119
    assert found.notes == ("1 of 120 rows without a target left out",)
    assert found.classes == (0, 1)  # the gap had made them floats


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([0, 1], (0, 1)),
        (["yes", "no"], ("no", "yes")),
        ([True, False], (False, True)),
        ([10, 9], (9, 10)),
        (["a", 1], ("1", "a")),
    ],
)
def test_classes_are_sorted_and_keep_their_type(read, labels, classes):
    assert read(rows(x=range(120)).assign(y=labels * 60)).classes == classes


def test_the_positive_class_comes_last(read):
    table = rows(x=range(120)).assign(y=["bad", "good"] * 60)
    found = read(table, positive="bad")
    assert found.classes == ("good", "bad")
    assert found.y[:2].tolist() == [1, 0]


def test_roles_are_no_features(read):
    table = rows(x=range(120), w=np.linspace(0, 1, 120), g=list("abcd") * 30, extra=1)
    found = read(table, weights="w", groups="g", drop=["extra"])
    assert list(kinds(found)) == ["x"]
    assert found.weights[-1] == 1.0
    assert found.groups[:5].tolist() == [0, 1, 2, 3, 0]


def test_the_digest_is_of_the_content(read):
    table = rows(x=range(120))
    one, two = read(table), read(table.assign(x=table["x"] + (table.index == 7)))
    assert one.sha256 == read(table).sha256
    assert one.sha256 != two.sha256
    assert one.origin["sha256"] != two.origin["sha256"]
    assert one.origin["path"].endswith("t.csv")


@pytest.mark.parametrize(
    ("name", "arguments", "shape"),
    [
        ("iris", None, (150, 4)),
        ("load_wine", None, (178, 13)),
        ("make_moons", {"n_samples": 30}, (30, 2)),
        ("classification", {"n_samples": 40}, (40, 20)),
    ],
)
def test_tables_of_scikit_learn_are_the_same_every_time(tmp_path, name, arguments, shape):
    options = DataOptions.parse({"sklearn": name, "arguments": arguments})
    one, two = (make_table(load(options, tmp_path), options, "classification") for _ in range(2))
    assert one.matrix.shape == shape
    assert one.sha256 == two.sha256


def test_loaders_return_arrays_or_a_table(tmp_path):
    name = f"loaders_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{name}.py").write_text(
        "import numpy as np, pandas as pd\n"
        "def arrays(n):\n    return np.ones((n, 2)) * np.arange(n)[:, None], np.arange(n) % 2\n"
        "def frame():\n    return pd.DataFrame({'a': range(30), 'y': ['p', 'q'] * 15})\n"
    )
    try:
        options = DataOptions.parse({"loader": f"{name}:arrays", "arguments": {"n": 30}})
        table = make_table(load(options, tmp_path), options, "classification")
        assert list(kinds(table)) == ["x0", "x1"]
        options = DataOptions.parse({"loader": f"{name}:frame", "target": "y"})
        assert make_table(load(options, tmp_path), options, "classification").classes == ("p", "q")
    finally:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b"], "classification"),
        ([True, False], "classification"),
        ([0, 1, 2], "classification"),
        ([0.5, 1.5], "regression"),
        (range(50), "regression"),
    ],
)
def test_a_task_is_inferred_for_estimators_that_do_not_say(values, task):
    assert infer_task(pd.Series(values)) == task
