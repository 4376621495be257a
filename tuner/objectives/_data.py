"""A table as its source has it -> its columns by role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tuner.errors import DataError, closest
from tuner.objectives._sources import DataOptions, read_source

__all__ = ["RawTable", "load"]


@dataclass(frozen=True, slots=True, eq=False)
class RawTable:
    """A table as it was read, its columns by role.

    Attributes:
        features: All columns that may be features.
        target: The column to predict, nothing missing.
        target_name: Its name; None when it had none.
        weights: Row weights; None for none.
        groups: Group positions from 0; None for none.
        origin: Where it came from: kind, name, path, SHA-256; plain JSON data.
        notes: What was done to it, for people.
    """

    features: pd.DataFrame
    target: pd.Series[Any]
    target_name: str | None
    weights: np.ndarray[Any, Any] | None
    groups: np.ndarray[Any, Any] | None
    origin: Mapping[str, Any]
    notes: tuple[str, ...]


def load(options: DataOptions, base: Path, groups: str | None = None) -> RawTable:
    """Read the table and take its columns apart.

    Args:
        options: What the sweep file says.
        base: The folder from which relative paths count.
        groups: Column of the groups as ``validation.groups`` names it; None when it does not.

    Raises:
        DataError: The table cannot be read or used; says where, and how to mend it.
        ObjectiveError: The loader cannot be imported.
    """
    table, target, origin = read_source(options, base)
    table = table.set_axis([str(name) for name in table.columns], axis=1).reset_index(drop=True)
    if table.columns.has_duplicates:
        twice = table.columns[table.columns.duplicated()][0]
        raise DataError(f"{options.source} has two columns called {twice!r}", hint="rename one of them")
    if not len(table):
        raise DataError(f"{options.source} has no rows")
    if options.target is not None and target is None:
        target = _column(table, options.target, options, "target")
    if target is None:
        raise DataError(
            f"{options.source}: which column is to be predicted?",
            hint=f"add target to data; the columns are {', '.join(map(repr, table.columns[-12:]))}",
        )
    return _take_apart(options, table, target.reset_index(drop=True), groups or options.groups, origin)


def _take_apart(
    options: DataOptions, table: pd.DataFrame, target: pd.Series[Any], groups: str | None, origin: Mapping[str, Any]
) -> RawTable:
    notes: list[str] = []
    lost = target.isna()
    if lost.any():
        count = int(lost.sum())
        if not options.drop_missing_target:
            raise DataError(
                f"the target {target.name!r} is missing in {count} of {len(target)} rows of {options.source}",
                hint="fill them in, or set data.drop_missing_target: true to leave these rows out",
            )
        notes.append(f"{count} of {len(target)} rows without a target left out")
        table, target = table[~lost.to_numpy()], target[~lost.to_numpy()]
        if not len(table):
            raise DataError(f"{options.source} has no row with a target {target.name!r}")
    weights = _weights(_column(table, options.weights, options, "weights")) if options.weights else None
    group_codes = pd.factorize(_column(table, groups, options, "groups"), use_na_sentinel=False)[0] if groups else None
    used = {options.target, options.weights, groups}
    for role in ("drop", "categorical"):
        for name in getattr(options, role):
            _column(table, name, options, role)
    features = table.drop(columns=[name for name in table.columns if name in used or name in options.drop])
    if not features.shape[1]:
        raise DataError(f"{options.source} has no column left to learn from")
    name = str(target.name) if target.name is not None else None
    return RawTable(features, target, name, weights, group_codes, origin, tuple(notes))


def _column(table: pd.DataFrame, name: str, options: DataOptions, role: str) -> pd.Series[Any]:
    if str(name) not in table.columns:
        near = closest(str(name), table.columns)
        columns = ", ".join(map(repr, table.columns[:12])) + (", ..." if len(table.columns) > 12 else "")
        raise DataError(
            f"{options.source} has no column {name!r}, which data.{role} names",
            hint=f"did you mean {near!r}?" if near else f"the columns are {columns}",
        )
    return table[str(name)]


def _weights(column: pd.Series[Any]) -> np.ndarray[Any, Any]:
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    if not np.isfinite(values).all() or (values < 0).any() or not values.any():
        bad = int(np.count_nonzero(~(np.isfinite(values) & (values >= 0))))
        raise DataError(
            f"the weights in column {column.name!r} must be numbers of at least 0, not all 0; {bad} of {len(values)} are not"
        )
    return values
