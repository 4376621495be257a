"""The ``validation`` and ``test`` options -> which rows train, validate and test; decided by the study's seed alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
)

from tuner.errors import DataError, SweepError, closest
from tuner.objectives._table import Table

__all__ = ["SplitOptions", "Splits", "make_splits", "parse_test"]

Rows = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitOptions:
    """The keys of the ``validation`` option.

    Attributes:
        kind: ``holdout`` (one split) or ``cv`` (cross-validation).
        size: Share of the tuning rows that a holdout validates on, above 0 and below 1.
        folds: Folds of one cross-validation, at least 2.
        repeats: How many cross-validations, each with another shuffle, at least 1.
        stratify: Whether the classes have the same share in every part; ignored for regression.
        groups: As ``data.groups``.
    """

    kind: Literal["holdout", "cv"] = "holdout"
    size: float = 0.2
    folds: int = 5
    repeats: int = 1
    stratify: bool = True
    groups: str | None = None

    @classmethod
    def parse(cls, value: object) -> SplitOptions:
        """The options from the sweep file's mapping; None for a holdout of a fifth.

        Raises:
            SweepError: A key or a value is wrong.
        """
        if value is None:
            return cls()
        where = "objective.validation"
        if not isinstance(value, Mapping):
            raise SweepError("must be a mapping", path=where, got=value, expected="{kind: holdout, size: 0.2}")
        by_kind = {
            "holdout": ["kind", "size", "stratify", "groups"],
            "cv": ["kind", "folds", "repeats", "stratify", "groups"],
        }
        kind = value.get("kind", "cv" if "folds" in value else "holdout")
        if kind not in by_kind:
            near = closest(str(kind), by_kind)
            hint = f"did you mean {near!r}?" if near else None
            raise SweepError("unknown kind", path=f"{where}.kind", got=kind, expected="holdout or cv", hint=hint)
        for key in value:
            if key not in by_kind[kind]:
                near = closest(str(key), by_kind[kind])
                raise SweepError(
                    f"{kind} has no key {key!r}",
                    path=f"{where}.{key}",
                    expected=f"some of {', '.join(by_kind[kind])}",
                    hint=f"did you mean {near!r}?" if near else None,
                )
        options = cls(**{**value, "kind": kind})
        _check_size(options.size, f"{where}.size")
        for key, low in (("folds", 2), ("repeats", 1)):
            number = getattr(options, key)
            if isinstance(number, bool) or not isinstance(number, int) or number < low:
                raise SweepError(
                    "must be a whole number", path=f"{where}.{key}", got=number, expected=f"at least {low}"
                )
        if not isinstance(options.stratify, bool):
            raise SweepError("must be true or false", path=f"{where}.stratify", got=options.stratify)
        return options


def _check_size(size: object, path: str) -> None:
    if isinstance(size, bool) or not isinstance(size, int | float) or not 0 < size < 1:
        raise SweepError("must be a share", path=path, got=size, expected="a number above 0 and below 1, as 0.2")


def parse_test(value: object) -> float:
    """The share of rows to set aside from the ``test`` option: ``{size: 0.2}`` or a number; None for a fifth, false or 0 for
    none.

    Raises:
        SweepError: It is none of these.
    """
    if value is None:
        return 0.2
    if value is False or (value == 0 and not isinstance(value, bool)):
        return 0.0
    if isinstance(value, Mapping):
        if extra := [key for key in value if key != "size"]:
            raise SweepError(f"test has no key {extra[0]!r}", path=f"objective.test.{extra[0]}", expected="size")
        value = value.get("size", 0.2)
        if value == 0 and not isinstance(value, bool):
            return 0.0
    _check_size(value, "objective.test.size")
    assert isinstance(value, int | float)
    return float(value)


@dataclass(frozen=True, slots=True, eq=False)
class Splits:
    """Row positions.

    Attributes:
        tuning: All rows but the test rows.
        test: Rows set aside; empty for none.
        folds: (training rows, validation rows), one pair for a holdout.
        sha256: Of all of them.
    """

    tuning: Rows
    test: Rows
    folds: tuple[tuple[Rows, Rows], ...]
    sha256: str


def make_splits(table: Table, options: SplitOptions, test_size: float, seed: int) -> Splits:
    """Set the test rows aside, then split the rest for validation.

    Stratified holdouts by group take one fold of a ``StratifiedGroupKFold`` with about 1 / size folds.

    Raises:
        DataError: There are too few rows, members of a class or groups.
    """
    _check_counts(table, options, test_size)
    everything = np.arange(table.n_rows)
    cut = _Cut(table, options.stratify and table.task == "classification")
    tuning, test = cut.holdout(everything, test_size, seed) if test_size else (everything, everything[:0])
    if options.kind == "holdout":
        folds = [cut.holdout(tuning, options.size, seed)]
    else:
        folds = [pair for k in range(options.repeats) for pair in cut.folds(tuning, options.folds, seed + k)]
    parts = [("the test rows", test, tuning)] if test_size else []
    parts += [(f"validation fold {k + 1}", valid, train) for k, (train, valid) in enumerate(folds)]
    _check_classes(table, parts)
    digest = hashlib.sha256()
    for rows in (test, *(side for pair in folds for side in pair)):
        digest.update(len(rows).to_bytes(8, "little") + rows.tobytes())
    return Splits(tuning, test, tuple(folds), digest.hexdigest())


@dataclass(frozen=True, slots=True)
class _Cut:
    table: Table
    stratify: bool

    def holdout(self, rows: Rows, size: float, seed: int) -> tuple[Rows, Rows]:
        splitter: Any
        if self.table.groups is not None and self.stratify:
            return self.folds(rows, max(2, round(1 / size)), seed)[0]
        if self.table.groups is not None:
            splitter = GroupShuffleSplit(1, test_size=size, random_state=seed)
        else:
            kind = StratifiedShuffleSplit if self.stratify else ShuffleSplit
            splitter = kind(1, test_size=size, random_state=seed)
        return self._split(splitter, rows)[0]

    def folds(self, rows: Rows, count: int, seed: int) -> list[tuple[Rows, Rows]]:
        if self.table.groups is not None:
            kind: Any = StratifiedGroupKFold if self.stratify else GroupKFold
        else:
            kind = StratifiedKFold if self.stratify else KFold
        return self._split(kind(count, shuffle=True, random_state=seed), rows)

    def _split(self, splitter: Any, rows: Rows) -> list[tuple[Rows, Rows]]:
        groups = None if self.table.groups is None else self.table.groups[rows]
        try:
            pairs = splitter.split(np.zeros(len(rows)), self.table.y[rows], groups)
            return [(rows[np.sort(a)], rows[np.sort(b)]) for a, b in pairs]
        except ValueError as error:
            raise DataError(
                f"the rows cannot be split: {error}", hint="use fewer folds, or validate on more rows"
            ) from error


def _check_counts(table: Table, options: SplitOptions, test_size: float) -> None:
    parts = (options.folds if options.kind == "cv" else 2) + (1 if test_size else 0)
    if table.n_rows < 2 * parts:
        raise DataError(
            f"{table.n_rows} rows are too few for {parts} parts (training, validation and test)",
            hint="give more rows, use fewer folds, or set test: false",
        )
    if table.groups is not None and len(np.unique(table.groups)) < parts:
        raise DataError(
            f"{len(np.unique(table.groups))} groups are too few for {parts} parts that share no group",
            hint="use fewer folds, or set test: false",
        )
    if table.task == "classification":
        counts = np.bincount(table.y, minlength=len(table.classes))
        rare = int(counts.argmin())
        if counts[rare] < parts:
            members = "1 row" if counts[rare] == 1 else f"{counts[rare]} rows"
            raise DataError(
                f"class {table.classes[rare]!r} has {members}, but the rows are split into {parts} parts and each needs one",
                hint="merge or leave out rare classes, use fewer folds, or set test: false",
            )


def _check_classes(table: Table, parts: Sequence[tuple[str, Rows, Rows]]) -> None:
    if table.task != "classification":
        return
    for name, held, rest in parts:
        for where, rows in ((name, held), (f"the rest beside {name}", rest)):
            counts = np.bincount(table.y[rows], minlength=len(table.classes))
            if not counts.all():
                raise DataError(
                    f"no row of class {table.classes[int(counts.argmin())]!r} fell into {where}",
                    hint="set validation.stratify: true, use fewer folds, or choose groups that hold every class",
                )
