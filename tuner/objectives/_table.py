"""A raw table -> features of known kinds, a float64 matrix and an encoded target."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tuner.errors import DataError
from tuner.objectives._data import RawTable
from tuner.objectives._sources import DataOptions
from tuner.registry.features import Feature, Kind, Matrix, encode, label
from tuner.registry.predictor import Task

__all__ = ["Table", "infer_task", "make_table"]

Array = np.ndarray[Any, np.dtype[Any]]
Label = str | int | float | bool

_DATE = r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}.*)?"
_NAMES_ROWS_SHARE = 0.9
_NAMES_ROWS_FROM = 100
_FEW_CLASSES = 20


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """All rows as the objective holds and ships them: NumPy arrays, so workers share one copy.

    Attributes:
        matrix: Encoded features, ``tuner.registry.features.encode``.
        features: What its columns are.
        y: Class positions from 0, or numbers.
        task: What is to be learned.
        classes: Labels by class position; empty for regression.
        weights: Row weights; None for none.
        groups: Group positions; None for none.
        target: The target's name; None when it had none.
        origin: Where it came from, plain JSON data.
        notes: What was done to it, for people.
        sha256: Of columns, classes, matrix, target, weights and groups.
    """

    matrix: Matrix
    features: tuple[Feature, ...]
    y: Array
    task: Task
    classes: tuple[Label, ...]
    weights: Array | None
    groups: Array | None
    target: str | None
    origin: Mapping[str, Any]
    notes: tuple[str, ...]
    sha256: str

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return len(self.y)


def make_table(raw: RawTable, options: DataOptions, task: Task) -> Table:
    """Infer the kinds of the columns, and encode them and the target.

    Raises:
        DataError: No usable column is left, or the target does not suit the task.
    """
    notes = list(raw.notes)
    features = _infer_features(raw.features, set(options.categorical), notes)
    if not features:
        raise DataError(f"{options.source} has no column to learn from: {'; '.join(notes)}")
    if task == "classification":
        y, classes = _encode_classes(raw.target, options)
    else:
        y, classes = _numbers(raw.target, options), ()
    matrix = encode(raw.features, features)
    digest = hashlib.sha256(repr((features, classes)).encode())
    for array in (matrix, y, raw.weights, raw.groups):
        if array is not None:
            digest.update(np.ascontiguousarray(array).data)
    return Table(
        matrix=matrix,
        features=features,
        y=y,
        task=task,
        classes=classes,
        weights=raw.weights,
        groups=raw.groups,
        target=raw.target_name,
        origin=raw.origin,
        notes=tuple(notes),
        sha256=digest.hexdigest(),
    )


def infer_task(target: pd.Series[Any]) -> Task:
    """Classification for labels, booleans and few different whole numbers; for estimators that do not say what they do."""
    if pd.api.types.is_bool_dtype(target) or not pd.api.types.is_numeric_dtype(target):
        return "classification"
    values = np.unique(target.to_numpy(dtype=float))
    whole = bool((values == np.floor(values)).all())
    return "classification" if whole and len(values) <= _FEW_CLASSES else "regression"


def _infer_features(table: pd.DataFrame, categorical: Collection[str], notes: list[str]) -> tuple[Feature, ...]:
    features = []
    for name in table.columns:
        column = table[name]
        if column.isna().all():
            notes.append(f"column {name!r} left out: it is empty")
            continue
        kind = "category" if name in categorical else _kind(column)
        categories: tuple[str, ...] = ()
        if kind == "category":
            categories = _categories(column)
            present = int(column.notna().sum())
            if (
                name not in categorical
                and present >= _NAMES_ROWS_FROM
                and len(categories) > _NAMES_ROWS_SHARE * present
            ):
                notes.append(f"column {name!r} left out: nearly every value is different; data.categorical keeps it")
                continue
        features.append(Feature(name, kind, str(column.dtype), categories))
    return tuple(features)


def _kind(column: pd.Series[Any]) -> Kind:
    if pd.api.types.is_bool_dtype(column):
        return "boolean"
    if pd.api.types.is_datetime64_any_dtype(column):
        return "date"
    if pd.api.types.is_complex_dtype(column):
        raise DataError(f"column {column.name!r} holds complex numbers", hint="leave it out with data.drop")
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_timedelta64_dtype(column):
        return "number"
    present = column.dropna()
    if pd.api.types.is_object_dtype(column):
        odd = next((value for value in present if isinstance(value, list | tuple | dict | set | np.ndarray)), None)
        if odd is not None:
            raise DataError(
                f"column {column.name!r} holds a {type(odd).__name__} in a cell", hint="leave it out with data.drop"
            )
        inferred = pd.api.types.infer_dtype(present, skipna=True)
        if inferred == "boolean":
            return "boolean"
        if inferred in ("integer", "floating", "mixed-integer-float", "decimal"):
            return "number"
        if inferred in ("date", "datetime", "datetime64"):
            return "date"
    texts = present.astype(str)
    return "date" if bool(texts.str.fullmatch(_DATE).all()) else "category"


def _categories(column: pd.Series[Any]) -> tuple[str, ...]:
    return tuple(sorted({label(value) for value in column.dropna().unique()}))


def _plain(value: Any) -> Label:
    """A label as JSON can hold it: a NumPy scalar becomes Python's own, a whole float an int (pandas' gaps make floats)."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, str | int | float | bool) else str(value)


def _encode_classes(target: pd.Series[Any], options: DataOptions) -> tuple[Array, tuple[Label, ...]]:
    codes, values = pd.factorize(target)
    labels = [_plain(value) for value in values]
    if any(isinstance(name, float) for name in labels):
        raise DataError(
            f"the target {target.name!r} holds numbers such as {next(n for n in labels if isinstance(n, float))!r}, "
            "but the estimator is a classifier",
            hint="use a regressor, or a target of labels",
        )
    if len(labels) < 2:
        raise DataError(
            f"the target {target.name!r} of {options.source} has one class only: {labels[0]!r}",
            hint="a classifier needs two; was another column meant?",
        )
    if len(labels) > max(_FEW_CLASSES, len(codes) // 2):
        raise DataError(
            f"the target {target.name!r} has {len(labels)} classes in {len(codes)} rows",
            hint="use a regressor, or another target",
        )
    classes = _order(labels, options)
    place = {name: position for position, name in enumerate(classes)}
    return np.array([place[name] for name in labels], dtype=np.int64)[codes], tuple(classes)


def _order(labels: Sequence[Label], options: DataOptions) -> list[Label]:
    """Sorted; ``data.positive``, where there are two classes, comes last, for scikit-learn's positive class is number 1."""
    same = len({str if isinstance(name, str) else float for name in labels}) == 1
    ordered = sorted(labels) if same else sorted(labels, key=str)
    if options.positive is None:
        return list(ordered)
    wanted = _plain(options.positive)
    if len(labels) != 2 or wanted not in labels:
        raise DataError(
            f"data.positive is {options.positive!r}, but the classes of the target are {', '.join(map(repr, ordered[:8]))}",
            hint="name one of two classes",
        )
    return [name for name in ordered if name != wanted] + [wanted]


def _numbers(target: pd.Series[Any], options: DataOptions) -> Array:
    values = pd.to_numeric(target, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    if pd.api.types.is_bool_dtype(target) or np.isnan(values).any():
        odd = target.iloc[int(np.flatnonzero(np.isnan(values))[0])] if np.isnan(values).any() else target.iloc[0]
        raise DataError(
            f"the target {target.name!r} of {options.source} holds {odd!r}, but the estimator is a regressor",
            hint="use a classifier, or a target of numbers",
        )
    if np.isinf(values).any():
        raise DataError(f"the target {target.name!r} of {options.source} holds an infinite value")
    if np.ptp(values) == 0:
        raise DataError(f"the target {target.name!r} of {options.source} has one value only: {_plain(values[0])!r}")
    return values
