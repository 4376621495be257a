"""The sweep that ``tuner init`` writes: commented, and ready to run on a table."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tuner.errors import DataError, closest

__all__ = ["template"]

_SAMPLE_CHARS = 4 * 2**20
_DELIMITERS = ",;\t|"
_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-nan", "<na>", "#n/a"})
_FEWEST_ROWS = 10
_MOST_CLASSES = 20


@dataclass(frozen=True, slots=True)
class _Target:
    """What a sample of the target column shows.

    Attributes:
        classes: Values with their counts when it holds classes; None when it holds numbers to predict.
        missing: Whether some rows have no target.
        rows: Rows in the sample.
        complete: Whether the sample is the whole table.
    """

    classes: Counter[str] | None
    missing: bool
    rows: int
    complete: bool


def template(data_path: str | Path, target: str, *, name: str | None = None, folder: str | Path | None = None) -> str:
    """A commented sweep for a CSV file and a target column, ready to run.

    A sample from the file's beginning decides the task: classes when the target is no number, or a whole number with few
    different values; else regression.

    Args:
        data_path: The CSV file; any delimiter of comma, semicolon, tab and bar.
        target: The column to predict.
        name: The study's name; None for one made of the file's.
        folder: Where the sweep will lie, so that the data's path is relative to it; None for the working directory.

    Raises:
        DataError: There is no such file, it is no text table, the target is not in its header, or nothing can be learned
            from the target.
    """
    path = Path(data_path)
    text, complete = _sample(path)
    delimiter = _delimiter(text)
    rows = _rows(path, text, delimiter, complete)
    column = _column(path, rows[0], target)
    found = _look(path, target, [row[column].strip() for row in rows[1:] if column < len(row)], complete)
    return _write(_Facts(path, Path(folder) if folder else Path.cwd(), target, name or path.stem, delimiter), found)


def _sample(path: Path) -> tuple[str, bool]:
    if path.suffix.lower() in (".parquet", ".pq"):
        raise DataError(
            f"{path} is no CSV file", hint="write objective.data: {path: ..., target: ...} in a sweep yourself"
        )
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            text = stream.read(_SAMPLE_CHARS)
            complete = not stream.read(1)
    except FileNotFoundError as error:
        siblings = sorted(p.name for p in path.parent.iterdir() if p.is_file()) if path.parent.is_dir() else []
        near = closest(path.name, siblings)
        hint = f"did you mean {str(path.parent / near)!r}?" if near else None
        raise DataError(f"there is no file {str(path)!r}", hint=hint) from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is no text in UTF-8 (byte {error.start})", hint="save the table as CSV in UTF-8"
        ) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    if not text.strip():
        raise DataError(f"{path} is empty", hint="a CSV file has a header and at least one row")
    if "\0" in text:
        raise DataError(f"{path} is no text: it holds NUL bytes", hint="save the table as CSV in UTF-8")
    return text, complete


def _delimiter(text: str) -> str:
    """The delimiter: csv's sniffer over the first lines, the header's most frequent candidate where it gives up."""
    head = text[:16_384]
    try:
        return csv.Sniffer().sniff(head, delimiters=_DELIMITERS).delimiter
    except csv.Error:
        header = head.splitlines()[0]
        return max(_DELIMITERS, key=header.count)


def _rows(path: Path, text: str, delimiter: str, complete: bool) -> list[list[str]]:
    if not complete:
        text = text[: text.rfind("\n") + 1] or text  # the last line is cut
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
    except csv.Error as error:
        raise DataError(f"{path} is no CSV file: {error}") from error
    if len(rows) <= _FEWEST_ROWS:
        raise DataError(
            f"{path} has {len(rows) - 1} rows: too few to tune on", hint=f"at least {_FEWEST_ROWS} are needed"
        )
    return rows


def _column(path: Path, header: list[str], target: str) -> int:
    names = [name.strip() for name in header]
    if target not in names:
        near = closest(target, names)
        shown = ", ".join(names[:20]) + (f", ... ({len(names)} in all)" if len(names) > 20 else "")
        raise DataError(
            f"{path} has no column {target!r}; it has: {shown}", hint=f"did you mean {near!r}?" if near else None
        )
    if names.count(target) > 1:
        raise DataError(f"{path} has several columns {target!r}", hint="rename all but one of them")
    if len(names) == 1:
        raise DataError(f"{path} has no column but {target!r}", hint="there must be something to predict it from")
    return names.index(target)


def _look(path: Path, target: str, values: list[str], complete: bool) -> _Target:
    present = [value for value in values if value.lower() not in _MISSING]
    counts = Counter(present)
    if len(counts) < 2:
        what = "has no value" if not counts else f"has only one value, {next(iter(counts))!r}"
        where = "" if complete else " in the part that was looked at"
        raise DataError(f"{path}: the column {target!r} {what}{where}", hint="name another target")
    numbers = [_number(value) for value in counts]
    classes: Counter[str] | None = counts
    if None not in numbers:
        whole = all(number is not None and number == int(number) for number in numbers)
        few = len(counts) == 2 or (whole and len(counts) <= min(_MOST_CLASSES, len(present) // 10))
        classes = counts if few else None
    elif len(counts) > max(_MOST_CLASSES, len(present) // 2):
        raise DataError(
            f"{path}: nearly every row has another text in {target!r}, so it is neither classes nor numbers",
            hint="name another target",
        )
    return _Target(classes, len(present) < len(values), len(values), complete)


def _number(value: str) -> float | None:
    """The finite number that a text holds; None when it holds none."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


@dataclass(frozen=True, slots=True)
class _Facts:
    path: Path
    folder: Path
    target: str
    name: str
    delimiter: str


def _write(facts: _Facts, found: _Target) -> str:
    classes = found.classes
    task, estimator = ("regressor", "XGBRegressor") if classes is None else ("classifier", "XGBClassifier")
    data = {"path": _relative(facts), "target": facts.target}
    if facts.delimiter != ("\t" if facts.path.suffix.lower() == ".tsv" else ","):
        data["separator"] = facts.delimiter
    shown = ", ".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in data.items())
    if found.missing:
        shown += ", drop_missing_target: true"
    metric, why = _metric(classes)
    seen = f"{found.rows:,} rows" if found.complete else f"the first {found.rows:,} rows"
    return _TEXT.format(
        name=json.dumps(_study_name(facts.name)),
        why=_comment(f"{seen}: {why}"),
        data=shown,
        estimator=estimator,
        metric=metric,
        task=task,
        stratify="" if classes is None else ", stratify: true",
        others=_OTHERS["regression" if classes is None else "classification"],
    )


_OTHERS = {
    "classification": "balanced_accuracy, f1_macro, neg_log_loss, ...",
    "regression": "r2, neg_mean_absolute_error, ...",
}


def _metric(classes: Counter[str] | None) -> tuple[str, str]:
    if classes is None:
        return "neg_root_mean_squared_error", "the target is a number, so this is regression"
    most = classes.most_common(3)
    shown = ", ".join(f"{value!r} {count / classes.total():.0%}" for value, count in most)
    more = f" and {len(classes) - 3} more" if len(classes) > 3 else ""
    if len(classes) == 2:
        return "roc_auc", f"2 classes ({shown})"
    ordered = all(_number(value) is not None for value in classes)
    instead = "; if their order matters, xgboost.XGBRegressor and xgboost/regressor may serve better" if ordered else ""
    return "balanced_accuracy", f"{len(classes)} classes ({shown}{more}){instead}"


def _comment(text: str) -> str:
    """A text that stays one comment line, whatever the table holds."""
    return re.sub(r"[^\x20-\x7e\u00a0-\ud7ff]", "?", text)[:200]


def _relative(facts: _Facts) -> str:
    path = facts.path.resolve()
    folder = facts.folder.resolve()
    return Path(os.path.relpath(path, folder)).as_posix() if path.is_relative_to(folder) else path.as_posix()


def _study_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:100] or "sweep"


_TEXT = """\
# Written by `tuner init`. Check it with `tuner validate`, start it with `tuner run`, then `tuner best`.
name: {name}

objective:
  # {why}
  estimator: xgboost.{estimator}
  data: {{{data}}}
  validation: {{kind: holdout, size: 0.2{stratify}}} # or {{kind: cv, folds: 5}}: slower, steadier
  test: {{size: 0.2}} # set aside; the best model is measured on it once, at the end
  fidelity: boosting_rounds # a report every few rounds, so that poor trials stop early

metric: {{name: {metric}, goal: maximize}} # or {others}
space: xgboost/{task} # `tuner spaces` lists the others
# parameters: # what differs from the named space
#   max_depth: {{low: 2, high: 8}}
#   subsample: 1.0

sampler: auto
pruner: {{type: asha, min: 10, eta: 3}}
limits: {{trials: 60, time: 30m}} # whichever comes first; `patience: 20` stops when nothing gets better
resources: {{cpu: auto, memory: auto}}
seed: 17
"""
