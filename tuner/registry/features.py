"""What a model reads from a table: columns by name and kind, and their one numeric form.

Training and prediction share this form, so a saved model sees a new table exactly as it saw the one that it was fitted on.
A table becomes a float64 matrix: numbers and booleans as they are, a category as the position of its label, a date as three
numbers; NaN is a missing value and -1 a label that was never seen. The labels are names only: nothing here is learned from
the target or from how often a value occurs.
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from tuner.errors import DataError, closest

__all__ = ["Feature", "Kind", "Matrix", "encode", "label", "positions", "to_frame"]

Kind = Literal["number", "boolean", "category", "date"]
Matrix = np.ndarray[Any, np.dtype[np.float64]]

_DATE_PARTS = ("days", "month", "weekday")
_BOOLEANS = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0}


@dataclass(frozen=True, slots=True)
class Feature:
    """One column that a model reads.

    Attributes:
        name: The column's name.
        kind: How it is read.
        dtype: Its pandas type when the model was fitted; for people.
        categories: Labels of a category, sorted; empty for the other kinds.
    """

    name: str
    kind: Kind
    dtype: str
    categories: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that it takes in the matrix."""
        return tuple(f"{self.name}:{part}" for part in _DATE_PARTS) if self.kind == "date" else (self.name,)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data; ``from_dict`` reads it back, equal."""
        row: dict[str, Any] = {"name": self.name, "kind": self.kind, "dtype": self.dtype}
        return row | ({"categories": list(self.categories)} if self.kind == "category" else {})

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Feature:
        """A feature from what ``to_dict`` made."""
        return cls(row["name"], row["kind"], row["dtype"], tuple(row.get("categories", ())))


def label(value: object) -> str:
    """The label of one value of a category: 3 and 3.0 are both ``3``, so a missing value elsewhere changes no label."""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, numbers.Real) and float(value).is_integer():
        return str(int(float(value)))
    return repr(float(value)) if isinstance(value, numbers.Real) else str(value)


def positions(features: Sequence[Feature]) -> dict[Kind, list[int]]:
    """Matrix columns by kind; the parts of a date count as ``date``."""
    found: dict[Kind, list[int]] = {"number": [], "boolean": [], "category": [], "date": []}
    at = 0
    for feature in features:
        found[feature.kind].extend(range(at, at + len(feature.columns)))
        at += len(feature.columns)
    return found


def encode(table: pd.DataFrame, features: Sequence[Feature]) -> Matrix:
    """The table as a matrix of shape (rows, columns of all features); other columns of the table are ignored.

    Raises:
        DataError: A column is absent, or holds a value that its kind cannot be.
    """
    names = [str(name) for name in table.columns]
    absent = [feature.name for feature in features if feature.name not in names]
    if absent:
        near = closest(absent[0], names)
        raise DataError(
            f"the table lacks {'the column' if len(absent) == 1 else f'{len(absent)} columns:'} "
            f"{', '.join(map(repr, absent[:8]))}{', ...' if len(absent) > 8 else ''}; it has {len(names)} columns",
            hint=f"did you mean {near!r}?" if near else "give the table the columns that the model was fitted on",
        )
    matrix = np.empty((len(table), sum(len(feature.columns) for feature in features)))
    at = 0
    for feature in features:
        column = table.iloc[:, names.index(feature.name)]
        for values in _encode_column(column, feature):
            matrix[:, at] = values
            at += 1
    return matrix


def _encode_column(column: pd.Series[Any], feature: Feature) -> list[Any]:
    if feature.kind == "number":
        return [_numbers(column, feature.name)]
    if feature.kind == "date":
        return _dates(column, feature.name)
    codes, values = pd.factorize(column)
    if feature.kind == "boolean":
        known: dict[str, float] = _BOOLEANS
        labels = [label(value).lower() for value in values]
        strange = [k for k, name in enumerate(labels) if name not in known]
        if strange:
            _refuse(feature.name, "true or false", values[strange[0]], int(np.flatnonzero(codes == strange[0])[0]))
    else:
        known = {name: float(code) for code, name in enumerate(feature.categories)}
        labels = [label(value) for value in values]
    # One more entry at the end: pandas gives the code -1 to missing values.
    lookup = np.array([*(known.get(name, -1.0) for name in labels), np.nan])
    return [lookup[codes]]


def _numbers(column: pd.Series[Any], name: str) -> Matrix:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind == "m":
        return np.asarray(column.dt.total_seconds(), dtype=float)
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    lost = np.isnan(values) & column.notna().to_numpy()
    if lost.any():
        row = int(np.flatnonzero(lost)[0])
        _refuse(name, "numbers", column.iloc[row], row)
    if np.isinf(values).any():
        row = int(np.flatnonzero(np.isinf(values))[0])
        _refuse(name, "finite numbers", values[row], row)
    return values


def _dates(column: pd.Series[Any], name: str) -> list[Any]:
    stamps = pd.to_datetime(column, errors="coerce", utc=True, format=None if _is_dates(column) else "ISO8601")
    lost = stamps.isna() & column.notna()
    if lost.any():
        row = int(np.flatnonzero(lost.to_numpy())[0])
        _refuse(name, "dates as 2026-01-31", column.iloc[row], row)
    days = (stamps - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)
    parts = (days, stamps.dt.month, stamps.dt.day_of_week)
    return [np.asarray(part, dtype=float) for part in parts]


def _is_dates(column: pd.Series[Any]) -> bool:
    return bool(pd.api.types.is_datetime64_any_dtype(column))


def _refuse(name: str, expected: str, value: object, row: int) -> None:
    value = value.item() if isinstance(value, np.generic) else value
    raise DataError(
        f"column {name!r} should hold {expected}; row {row + 1} of the table holds {value!r}",
        hint="mend the value, leave it empty, or leave the column out with data.drop when tuning",
    )


def to_frame(matrix: Matrix, features: Sequence[Feature]) -> pd.DataFrame:
    """The matrix as a table of named columns, categories as pandas categories (labels never seen become missing)."""
    columns: dict[str, Any] = {}
    at = 0
    for feature in features:
        for name in feature.columns:
            values: Any = matrix[:, at]
            at += 1
            if feature.kind == "category":
                codes = np.where(np.isnan(values), -1, values).astype(np.int64)
                values = pd.Categorical.from_codes(codes, categories=pd.Index(feature.categories))
            columns[name] = values
    return pd.DataFrame(columns, copy=False)
