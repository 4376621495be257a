"""Scikit-learn models on real small tables: mixed and conditional spaces, trained for real at every trial.

Regret is (cross-validation error - low) / (high - low); low lies a little below the smallest error that any search of these
benchmarks found, high is that of a constant guess. Runtimes are drawn as for BBOB: lognormal, median 60 s, sigma 0.5.
"""

from __future__ import annotations

import csv
import math
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.problems.problem import Course, Problem, chance_of
from tuner.space import Categorical, Float, Int, SearchSpace
from tuner.trial import Params

__all__ = ["TABLES", "Table"]

DATA = Path(__file__).parents[3] / "shared/data/tables"
MEDIAN_S, SIGMA = 60.0, 0.5
FOLDS = 3

SVM = SearchSpace(
    {
        "kernel": Categorical(["linear", "rbf", "poly", "sigmoid"]),
        "c": Float(1e-3, 1e3, log=True),
        "gamma": Float(1e-5, 1e1, log=True, when={"kernel": ["rbf", "poly", "sigmoid"]}),
        "degree": Int(2, 4, when={"kernel": "poly"}),
        "coef0": Float(-1.0, 1.0, when={"kernel": ["poly", "sigmoid"]}),
        "class_weight": Categorical([None, "balanced"]),
        "scale": Categorical(["none", "standard", "robust"]),
    }
)
SGD = SearchSpace(
    {
        "loss": Categorical(["hinge", "log_loss", "modified_huber", "perceptron"]),
        "penalty": Categorical(["l1", "l2", "elasticnet"]),
        "l1_ratio": Float(0.0, 1.0, when={"penalty": "elasticnet"}),
        "alpha": Float(1e-6, 1e1, log=True),
        "learning_rate": Categorical(["constant", "optimal", "invscaling", "adaptive"]),
        "eta0": Float(1e-5, 1.0, log=True, when={"learning_rate": ["constant", "invscaling", "adaptive"]}),
        "power_t": Float(0.1, 0.9, when={"learning_rate": "invscaling"}),
        "average": Categorical([False, True]),
        "class_weight": Categorical([None, "balanced"]),
        "scale": Categorical(["none", "standard", "robust"]),
    }
)
TABLES: dict[str, tuple[str, SearchSpace, int, float]] = {
    "svm-german": ("german_credit.csv", SVM, 400, 0.2),
    "sgd-phoneme": ("phoneme.csv", SGD, 500, 0.18),
}
"""Name -> file, space, rows used, the low error."""


class Table(Problem):
    """A model on a table.

    Args:
        name: A key of ``TABLES``.
        data: The tables' folder.
    """

    def __init__(self, name: str, data: Path = DATA) -> None:
        file, space, rows, self._low = TABLES[name]
        super().__init__(f"table-{name}", "table", space)
        self._x, self._y = _read(data / file, rows)
        self._high = 1.0 - float(np.bincount(self._y).max()) / len(self._y)
        self._model = name.split("-")[0]

    def error(self, params: Params) -> float:
        """Mean share of wrong answers over the folds."""
        from sklearn.model_selection import StratifiedKFold, cross_val_score

        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a bad set of parameters may not converge: that is its value
            right = cross_val_score(_pipeline(self._model, params), self._x, self._y, cv=folds, error_score=0.0)
        return 1.0 - float(right.mean())

    def _course(self, params: Params) -> Course:
        took_s = MEDIAN_S * math.exp(SIGMA * chance_of(self.name, params).gauss(0.0, 1.0))
        return Course(((self.error(params) - self._low) / (self._high - self._low),), (took_s,))


def _pipeline(model: str, params: Params) -> Any:
    from sklearn.linear_model import SGDClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import RobustScaler, StandardScaler
    from sklearn.svm import SVC

    options: dict[str, Any] = dict(params)
    scaler = {"none": "passthrough", "standard": StandardScaler(), "robust": RobustScaler()}[options.pop("scale")]
    if model == "svm":
        options["C"] = options.pop("c")
        return make_pipeline(scaler, SVC(max_iter=3000, **options))
    return make_pipeline(scaler, SGDClassifier(max_iter=60, random_state=0, **options))


@cache
def _read(path: Path, rows: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """A random part of a table, choices as columns of 0 and 1."""
    with path.open(encoding="utf-8") as file:
        table = list(csv.reader(file))
    body = np.array(table[1:], dtype=object)
    picked = body[np.random.default_rng(0).permutation(len(body))[:rows]]
    columns = [_numbers(picked[:, j]) for j in range(picked.shape[1] - 1)]
    x = np.column_stack(columns)
    return x, np.unique(picked[:, -1].astype(str), return_inverse=True)[1]


def _numbers(column: NDArray[np.object_]) -> NDArray[np.float64]:
    try:
        return np.asarray(column.astype(float).reshape(-1, 1))
    except ValueError:
        values = np.unique(column.astype(str))
        return np.asarray(column.astype(str)[:, None] == values[None, 1:], dtype=float)
