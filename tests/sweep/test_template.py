"""What ``tuner init`` writes."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest

from tuner import plugins
from tuner.errors import DataError
from tuner.sweep import Sweep, load, template


def write(path: Path, header: list[str], rows: list[list[object]], delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, delimiter=delimiter)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def table(path: Path, target: list[object], delimiter: str = ",") -> Path:
    rng = random.Random(7)
    rows: list[list[object]] = [[rng.random(), rng.choice("abc"), value] for value in target]
    return write(path, ["size", "colour", "target"], rows, delimiter)


def sweep(path: Path, target: str = "target") -> Sweep:
    file = path.parent / "sweep.yaml"
    file.write_text(template(path, target, folder=path.parent), encoding="utf-8")
    return load(file)


@pytest.mark.parametrize(
    ("target", "metric", "task"),
    [
        (["yes", "no"] * 30, "roc_auc", "classifier"),
        ([0, 1] * 30, "roc_auc", "classifier"),
        ([1.5, 2.5] * 30, "roc_auc", "classifier"),
        (["a", "b", "c"] * 20, "balanced_accuracy", "classifier"),
        ([1, 2, 3, 4] * 20, "balanced_accuracy", "classifier"),
        ([n / 7 for n in range(60)], "neg_root_mean_squared_error", "regressor"),
        (list(range(60)), "neg_root_mean_squared_error", "regressor"),
        ([1.5, 2.5, 3.5] * 20, "neg_root_mean_squared_error", "regressor"),
        (["yes", "", "no", "NA"] * 20, "roc_auc", "classifier"),
    ],
)
def test_the_target_decides_the_task(tmp_path: Path, target: list[object], metric: str, task: str) -> None:
    found = sweep(table(tmp_path / "data.csv", target)).spec
    assert found.metric.name == metric
    assert found.metric.goal == "maximize"
    assert found.objective.options["estimator"].lower() == f"xgboost.xgb{task}"
    assert "learning_rate" in found.space
    assert (found.sampler.type, found.pruner.type) == ("auto", "asha")
    assert found.limits.trials is not None


@pytest.mark.parametrize("target", [["yes", "no", "no"] * 30, [n / 7 + n % 3 for n in range(90)]])
def test_what_was_written_can_be_run(tmp_path: Path, target: list[object]) -> None:
    found = sweep(table(tmp_path / "data.csv", target)).spec
    objective = plugins.build("objective", found.objective)
    objective.prepare(found)
    assert objective.describe()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_and_said_where_it_must_be(tmp_path: Path, delimiter: str) -> None:
    found = sweep(table(tmp_path / "data.csv", ["yes", "no"] * 30, delimiter)).spec
    assert found.objective.options["data"].get("separator") == (None if delimiter == "," else delimiter)


def test_rows_without_a_target_are_dropped_and_that_is_said(tmp_path: Path) -> None:
    found = sweep(table(tmp_path / "data.csv", ["yes", "no", ""] * 20)).spec
    assert found.objective.options["data"]["drop_missing_target"] is True


def test_odd_names_are_quoted(tmp_path: Path) -> None:
    path = write(tmp_path / "my data: #1.csv", ["a", 'the "target", {%}'], [[n, n % 2] for n in range(40)])
    found = sweep(path, 'the "target", {%}').spec
    assert found.objective.options["data"] == {"path": "my data: #1.csv", "target": 'the "target", {%}'}
    assert found.name == "my-data-1"


def test_line_breaks_in_values_stay_inside_the_comment(tmp_path: Path) -> None:
    found = sweep(table(tmp_path / "data.csv", ["yes\nseed: 99", "no\x85{x}"] * 30)).spec
    assert found.seed == 17


def test_the_path_is_relative_to_where_the_sweep_will_lie(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    path = table(tmp_path / "data" / "t.csv", ["yes", "no"] * 30)
    assert 'path: "data/t.csv"' in template(path, "target", folder=tmp_path)
    (tmp_path / "else").mkdir()
    assert f'path: "{path.as_posix()}"' in template(path, "target", folder=tmp_path / "else")


def test_a_name_may_be_given(tmp_path: Path) -> None:
    assert 'name: "mine"' in template(table(tmp_path / "data.csv", [0, 1] * 30), "target", name="mine")


def test_a_large_table_is_judged_by_its_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuner.sweep._template._SAMPLE_CHARS", 2000)
    text = template(table(tmp_path / "data.csv", ["yes", "no"] * 3000), "target")
    assert "the first " in text
    assert "xgboost.XGBClassifier" in text


def test_a_missing_file_names_the_closest(tmp_path: Path) -> None:
    table(tmp_path / "adult.csv", [0, 1] * 30)
    with pytest.raises(DataError, match="there is no file") as caught:
        template(tmp_path / "adlt.csv", "target")
    assert "adult.csv" in (caught.value.hint or "")


def test_a_missing_target_names_the_closest_and_the_columns(tmp_path: Path) -> None:
    path = table(tmp_path / "adult.csv", [0, 1] * 30)
    with pytest.raises(DataError, match="it has: size, colour, target") as caught:
        template(path, "traget")
    assert caught.value.hint == "did you mean 'target'?"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"  \n \n", "is empty"),
        (b"a,target\n1,2\n", "too few"),
        (b"target\n" + b"1\n2\n" * 20, "no column but"),
        (b"a,target,target\n" + b"1,2,3\n" * 20, "several columns"),
        (b"a,target\n" + b"1,2\n" * 20, "only one value"),
        (b"a,target\n" + b"1,\n" * 20, "has no value"),
        (b"a,target\n" + b"".join(b"1,t%d\n" % n for n in range(60)), "neither classes nor numbers"),
        (b"a,target\n\xff\xfe1,2\n", "no text in UTF-8"),
        (b"a,target\n\0,2\n", "NUL"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words):
        template(path, "target")


def test_a_folder_and_a_parquet_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        template(tmp_path, "target")
    with pytest.raises(DataError, match="no CSV"):
        template(tmp_path / "data.parquet", "target")
