"""A fitted model with all that stands before it, and what it says of rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from tuner.registry.features import Feature, Matrix, to_frame

__all__ = [
    "Predictor",
    "Responses",
    "Task",
    "boosted",
    "booster_input",
    "is_lightgbm_booster",
    "is_xgboost_booster",
    "respond",
]

Task = Literal["classification", "regression"]
Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Responses:
    """What a model says of some rows.

    Attributes:
        predict: Class positions (from 0) or numbers, one a row; None when not asked for.
        probabilities: One column a class; None when not asked for or when the model has none.
        scores: ``decision_function``; None as above.
    """

    predict: Array | None = None
    probabilities: Array | None = None
    scores: Array | None = None

    @property
    def finite(self) -> bool:
        """Whether no NaN or infinity is among them."""
        return all(p is None or bool(np.isfinite(p).all()) for p in (self.predict, self.probabilities, self.scores))


def is_xgboost_booster(model: object) -> bool:
    """Whether it is an ``xgboost.Booster`` (asked without importing xgboost)."""
    return type(model).__module__.startswith("xgboost") and type(model).__name__ == "Booster"


def is_lightgbm_booster(model: object) -> bool:
    """Whether it is a ``lightgbm.Booster`` (asked without importing lightgbm)."""
    return type(model).__module__.startswith("lightgbm") and type(model).__name__ == "Booster"


def boosted(output: Array, task: Task) -> Responses:
    """Responses from a booster's own prediction: one probability a row for two classes, a column a class for more."""
    output = np.asarray(output, dtype=np.float64)
    if task == "regression":
        return Responses(predict=output)
    both = np.column_stack([1.0 - output, output]) if output.ndim == 1 else output
    return Responses(predict=both.argmax(axis=1), probabilities=both)


def respond(model: Any, x: Any, task: Task, wanted: Collection[str]) -> Responses:
    """Ask a fitted model about prepared rows.

    Args:
        model: An estimator fitted on class positions or numbers, or a native booster.
        x: Rows as the model takes them (after preprocessing); an ``xgboost.DMatrix`` is used as it is.
        task: What it was fitted for.
        wanted: Some of ``predict``, ``probabilities``, ``scores``; what the model does not have is left out.
    """
    if is_xgboost_booster(model):
        return boosted(model.predict(_dmatrix(x)), task)
    if is_lightgbm_booster(model):
        return boosted(model.predict(booster_input(x)), task)
    return Responses(
        predict=np.asarray(model.predict(x)) if "predict" in wanted else None,
        probabilities=model.predict_proba(x) if "probabilities" in wanted and hasattr(model, "predict_proba") else None,
        scores=model.decision_function(x) if "scores" in wanted and hasattr(model, "decision_function") else None,
    )


def _dmatrix(x: Any) -> Any:
    import xgboost

    if isinstance(x, xgboost.DMatrix):
        return x
    return xgboost.DMatrix(booster_input(x), enable_categorical=isinstance(x, pd.DataFrame))


def booster_input(x: Any) -> Any:
    """A table with plain column names: both boosters refuse some characters in them. Anything else stays as it is."""
    return x.set_axis([f"c{k}" for k in range(x.shape[1])], axis=1) if isinstance(x, pd.DataFrame) else x


@dataclass(frozen=True, slots=True, eq=False)
class Predictor:
    """Preprocessing and model, fitted.

    Attributes:
        model: As for ``respond``.
        preprocess: A fitted transformer that stands before it; None for none.
        features: The columns that they read.
        task: What it was fitted for.
        classes: The target's labels by class position; empty for regression.
        as_frame: Whether the rows are handed over as a table of named columns and not as a matrix.
    """

    model: Any
    preprocess: Any
    features: Sequence[Feature]
    task: Task
    classes: tuple[str | int | float | bool, ...] = ()
    as_frame: bool = False

    def responses(self, matrix: Matrix, wanted: Collection[str]) -> Responses:
        """What the model says of encoded rows (``tuner.registry.features.encode``)."""
        x = to_frame(matrix, self.features) if self.as_frame else matrix
        return respond(self.model, x if self.preprocess is None else self.preprocess.transform(x), self.task, wanted)

    def table(self, matrix: Matrix) -> pd.DataFrame:
        """Columns ``prediction`` (a label of the target, or a number) and ``probability_<class>`` where there are any."""
        if not len(matrix):
            return pd.DataFrame({"prediction": []})
        said = self.responses(matrix, ("predict", "probabilities"))
        assert said.predict is not None
        if self.task == "regression":
            return pd.DataFrame({"prediction": np.asarray(said.predict, dtype=float).reshape(-1)})
        labels = np.array(self.classes, dtype=None if len({type(c) for c in self.classes}) == 1 else object)
        columns: dict[str, Any] = {"prediction": labels[np.asarray(said.predict, dtype=np.int64)]}
        if said.probabilities is not None:
            columns |= {f"probability_{c}": said.probabilities[:, k] for k, c in enumerate(self.classes)}
        return pd.DataFrame(columns)
