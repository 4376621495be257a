"""The ``data`` option of a sweep file -> a table: from a file, from scikit-learn or from a function."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sklearn.datasets

from tuner.errors import DataError, SweepError, closest
from tuner.objectives._imports import import_path
from tuner.registry.tables import read_table

__all__ = ["DataOptions", "read_source"]

# load_linnerud has three targets, load_files and load_svmlight need a path, load_sample_image(s) are no tables.
_LOADERS = ("breast_cancer", "diabetes", "digits", "iris", "wine")
_MAKERS = (
    "make_blobs",
    "make_circles",
    "make_classification",
    "make_friedman1",
    "make_friedman2",
    "make_friedman3",
    "make_gaussian_quantiles",
    "make_hastie_10_2",
    "make_moons",
    "make_regression",
    "make_s_curve",
    "make_sparse_uncorrelated",
    "make_swiss_roll",
)
_KINDS = ("path", "sklearn", "loader")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOptions:
    """The keys of the ``data`` option.

    Attributes:
        path: A CSV, TSV or Parquet file; relative paths count from the sweep file's folder.
        sklearn: A table of ``sklearn.datasets`` that needs no network: ``breast_cancer``, ``make_moons``, ...
        loader: Import path of a function that returns ``(X, y)`` or a DataFrame that holds the target.
        target: The column to predict; needed unless the source brings its own.
        positive: Of two classes, the one that ``f1``, ``precision``, ``recall`` and the like look at; None for the last in
            sorted order.
        drop: Columns to leave out.
        groups: Column whose rows with equal values never lie on both sides of a split; no feature.
        weights: Column of row weights, at least 0, for fitting and for scoring; no feature.
        categorical: Columns of numbers that are names (codes, zip codes), and texts to keep although they name rows.
        drop_missing_target: Whether rows without a target are left out instead of refused.
        missing: Values of a text file that mean "missing", besides the usual ones.
        separator: Between the values of a text file; None for what its suffix says.
        arguments: Keyword arguments for ``sklearn`` or ``loader``.
    """

    path: str | None = None
    sklearn: str | None = None
    loader: str | None = None
    target: str | None = None
    positive: str | int | float | bool | None = None
    drop: Sequence[str] = ()
    groups: str | None = None
    weights: str | None = None
    categorical: Sequence[str] = ()
    drop_missing_target: bool = False
    missing: Sequence[str] = ()
    separator: str | None = None
    arguments: Mapping[str, Any] | None = None

    @property
    def source(self) -> str:
        """What the table is called in messages."""
        return str(self.path or self.sklearn or self.loader)

    @property
    def reading(self) -> dict[str, Any]:
        """How a text file is read, for a saved model to read others in the same way."""
        return {"separator": self.separator, "missing": list(self.missing)}

    @classmethod
    def parse(cls, data: object) -> DataOptions:
        """The options from the sweep file's mapping.

        Raises:
            SweepError: A key is unknown, or not exactly one source is named.
        """
        if not isinstance(data, Mapping):
            raise SweepError(
                "data must be a mapping",
                path="objective.data",
                got=data,
                expected="{path: table.csv, target: column}, {sklearn: breast_cancer} or {loader: pkg.mod:load}",
            )
        known = list(cls.__dataclass_fields__)
        for key in data:
            if key not in known:
                near = closest(str(key), known)
                raise SweepError(
                    f"data has no key {key!r}",
                    path=f"objective.data.{key}",
                    expected=f"some of {', '.join(known)}",
                    hint=f"did you mean {near!r}?" if near else None,
                )
        sources = [kind for kind in _KINDS if data.get(kind) is not None]
        if len(sources) != 1:
            raise SweepError(
                "data must name one source",
                path="objective.data",
                got=dict(data),
                expected="one of path, sklearn, loader",
            )
        lists = {
            key: _strings(key, data[key]) for key in ("drop", "categorical", "missing") if data.get(key) is not None
        }
        return cls(**{key: value for key, value in data.items() if value is not None} | lists)


def _strings(key: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, Sequence) or not all(isinstance(item, str | int | float) for item in value):
        raise SweepError("must be a list of names", path=f"objective.data.{key}", got=value)
    return tuple(str(item) for item in value)


Read = tuple[pd.DataFrame, "pd.Series[Any] | None", Mapping[str, Any]]


def read_source(options: DataOptions, base: Path) -> Read:
    """Read the table that ``data`` names.

    Returns:
        The table, the target when the source keeps it apart, and where it came from (plain JSON data).

    Raises:
        DataError: It cannot be read; says where, and how to mend it.
        ObjectiveError: The loader cannot be imported.
    """
    if options.path is not None:
        path = (base / Path(options.path).expanduser()).resolve()
        table = read_table(path, separator=options.separator, missing=options.missing)
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return table, None, {"kind": "file", "path": str(path), "sha256": digest}
    if options.sklearn is not None:
        return _from_sklearn(options.sklearn, dict(options.arguments or {}))
    assert options.loader is not None
    found = import_path(options.loader, base, "data loader")
    try:
        loaded = found(**(options.arguments or {}))
    except Exception as error:  # a user's function may raise anything
        raise DataError(
            f"the data loader {options.loader!r} failed with {type(error).__name__}: {error}",
            hint="call it by hand; it gets data.arguments as keywords and returns (X, y) or a DataFrame",
        ) from error
    return _from_loader(loaded, options)


def _from_loader(loaded: object, options: DataOptions) -> Read:
    origin = {"kind": "loader", "name": options.loader, "arguments": dict(options.arguments or {})}
    if isinstance(loaded, pd.DataFrame):
        return loaded, None, origin
    if isinstance(loaded, tuple) and len(loaded) == 2:
        table, target = loaded
        frame = table if isinstance(table, pd.DataFrame) else _frame(table, options)
        series = target if isinstance(target, pd.Series) else pd.Series(np.asarray(target).ravel(), name="target")
        if len(frame) != len(series):
            raise DataError(f"the data loader {options.loader!r} returned {len(frame)} rows but {len(series)} targets")
        return frame, series, origin
    raise DataError(
        f"the data loader {options.loader!r} returned a {type(loaded).__name__}",
        hint="return (X, y), or one pandas DataFrame that holds the target column",
    )


def _frame(table: object, options: DataOptions) -> pd.DataFrame:
    values = np.asarray(table.toarray() if hasattr(table, "toarray") else table)
    if values.ndim != 2:
        raise DataError(f"the data loader {options.loader!r} returned X with shape {values.shape}, not (rows, columns)")
    return pd.DataFrame(values, columns=[f"x{k}" for k in range(values.shape[1])])


def _from_sklearn(name: str, arguments: dict[str, Any]) -> Read:
    short = name.removeprefix("load_")
    origin = {"kind": "sklearn", "name": name, "arguments": arguments, "sklearn": sklearn.__version__}
    if short in _LOADERS:
        bunch = getattr(sklearn.datasets, f"load_{short}")(as_frame=True)
        return bunch.data, bunch.target, origin
    made = name if name.startswith("make_") else f"make_{name}"
    if made not in _MAKERS:
        known = [*_LOADERS, *_MAKERS]
        near = closest(name, known)
        net = name.startswith("fetch_") or hasattr(sklearn.datasets, f"fetch_{name}")
        raise DataError(
            f"scikit-learn's {name!r} is downloaded from the network"
            if net
            else f"there is no scikit-learn table {name!r}",
            hint="fetch it once yourself and save it as CSV or Parquet"
            if net
            else f"did you mean {near!r}?"
            if near
            else f"there are: {', '.join(known)}",
        )
    maker = getattr(sklearn.datasets, made)
    if "random_state" in inspect.signature(maker).parameters:
        arguments = {"random_state": 0} | arguments
    try:
        table, target = maker(**arguments)
    except (TypeError, ValueError) as error:
        raise DataError(f"sklearn.datasets.{made} refused data.arguments: {error}") from error
    frame = pd.DataFrame(table, columns=[f"x{k}" for k in range(table.shape[1])])
    return frame, pd.Series(target, name="target"), {**origin, "arguments": arguments}
