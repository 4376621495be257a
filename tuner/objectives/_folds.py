"""Rows of a fold, prepared: taken out, transformed, weighted; shared by the trials of a process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.class_weight import compute_sample_weight

from tuner.objectives._cache import BoundedCache
from tuner.objectives._preprocess import Choices, make_transformer
from tuner.objectives._splits import Splits
from tuner.objectives._table import Table
from tuner.registry.features import to_frame

__all__ = ["MATRICES", "PREPARED", "Part", "Preparation", "Prepared", "size_of"]

Array = np.ndarray[Any, np.dtype[Any]]
ClassWeight = str | Mapping[Any, float] | None

PREPARED = BoundedCache(limit_bytes=512 * 2**20, limit_entries=64)
"""Prepared folds of this process."""

MATRICES = BoundedCache(limit_bytes=512 * 2**20, limit_entries=64)
"""Boosters' own matrices of this process: ``QuantileDMatrix``, ``lightgbm.Dataset``."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Some rows.

    Attributes:
        x: As the estimator takes them; an array is read-only.
        y: Class positions or numbers.
        weights: What each row counts; None when all count the same. For training rows it includes the class weights.
    """

    x: Any
    y: Array
    weights: Array | None


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """One fold.

    Attributes:
        key: Equal for equal content.
        train: What to fit on.
        valid: What to score on; None when nothing is.
        transformer: What was fitted on the training rows; None when they go to the estimator as they are.
    """

    key: tuple[Any, ...]
    train: Part
    valid: Part | None
    transformer: Any


def size_of(value: Any) -> int:
    """Bytes of an array, a table or a sparse matrix."""
    if isinstance(value, pd.DataFrame):
        return int(value.memory_usage(index=False).sum())
    if hasattr(value, "data") and hasattr(value, "indptr"):
        return int(value.data.nbytes + value.indices.nbytes + value.indptr.nbytes)
    return int(getattr(value, "nbytes", 0))


@dataclass(frozen=True, slots=True, eq=False)
class Preparation:
    """How the rows of one study are prepared.

    Attributes:
        table: All rows.
        splits: Which of them train and validate.
        class_weight: ``balanced``, class position -> weight, or None.
        seed: For the transformers that draw.
    """

    table: Table
    splits: Splits
    class_weight: ClassWeight
    seed: int

    def fold(self, index: int, choices: Choices | None) -> Prepared:
        """Fold ``index`` (training rows, validation rows), from the cache when it is there.

        Args:
            index: The fold's number.
            choices: The preprocessing; None to hand over a table with named columns.
        """
        study = (self.table.sha256, self.splits.sha256, self.seed, repr(self.class_weight))
        key = (*study, index, choices and choices.key)

        def make() -> tuple[Prepared, int]:
            prepared = self.prepare(*self.splits.folds[index], choices, key)
            parts = [part for part in (prepared.train, prepared.valid) if part is not None]
            return prepared, sum(size_of(part.x) + size_of(part.y) + size_of(part.weights) for part in parts)

        return PREPARED.get(key, make)

    def prepare(
        self, train: Array, valid: Array | None, choices: Choices | None, key: tuple[Any, ...] = ()
    ) -> Prepared:
        """Fit the preprocessing on the rows ``train`` and apply it to them and to ``valid``; nothing is kept."""
        table = self.table
        transformer = None
        x_train = self._rows(train, choices is None)
        x_valid = None if valid is None else self._rows(valid, choices is None)
        if choices is not None:
            transformer = make_transformer(choices, table.features, table.task, seed=self.seed, n_rows=len(train))
        if transformer is not None:
            x_train = transformer.fit_transform(x_train, table.y[train])
            x_valid = None if x_valid is None else transformer.transform(x_valid)
        weights = self._train_weights(train)
        held = None if valid is None else Part(_frozen(x_valid), table.y[valid], _at(table.weights, valid))
        return Prepared(key, Part(_frozen(x_train), table.y[train], weights), held, transformer)

    def _rows(self, rows: Array, as_frame: bool) -> Any:
        matrix = self.table.matrix[rows]
        return to_frame(matrix, self.table.features) if as_frame else matrix

    def _train_weights(self, rows: Array) -> Array | None:
        weights = _at(self.table.weights, rows)
        if self.class_weight is None:
            return weights
        by_class = np.asarray(compute_sample_weight(self.class_weight, self.table.y[rows]))
        return by_class if weights is None else by_class * weights


def _at(values: Array | None, rows: Array) -> Array | None:
    return None if values is None else np.asarray(values[rows])


def _frozen(x: Any) -> Any:
    """Read-only, so that no estimator can change what later trials will see."""
    if isinstance(x, np.ndarray):
        x.flags.writeable = False
    return x
