"""Real models whose fits need memory that differs widely by their parameters: what is asked for rightsizing.

Every fit is real: XGBoost's histograms grow with depth, bins and columns, forests with trees and leaves, the kernel cache of
a support vector machine with rows, a network with its width and its batch.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.space import Categorical, Float, Int, SearchSpace
from tuner.trial import Params

__all__ = ["SPACES", "fit"]

ADULT = Path(__file__).parents[3] / "shared/data/tables/adult.csv"
FAMILIES: dict[str, dict[str, Float | Int | Categorical]] = {
    "xgboost": {
        "max_depth": Int(2, 12),
        "n_estimators": Int(5, 30, log=True),
        "max_bin": Int(16, 1024, log=True),
        "learning_rate": Float(0.01, 0.5, log=True),
        "subsample": Float(0.5, 1.0),
        "colsample_bytree": Float(0.3, 1.0),
        "min_child_weight": Float(0.1, 20.0, log=True),
        "grow_policy": Categorical(["depthwise", "lossguide"]),
    },
    "forest": {
        "n_estimators": Int(10, 100, log=True),
        "max_depth": Int(3, 40),
        "max_features": Float(0.02, 0.2),
        "min_samples_leaf": Int(1, 50, log=True),
        "bootstrap": Categorical([True, False]),
    },
    "svm": {
        "C": Float(1e-2, 1e2, log=True),
        "gamma": Float(1e-3, 1.0, log=True),
        "kernel": Categorical(["linear", "rbf", "poly"]),
        "cache_size": Int(10, 800, log=True),
        "rows": Int(1000, 8000, log=True),
    },
    "mlp": {
        "width": Int(16, 2048, log=True),
        "layers": Int(1, 4),
        "batch_size": Int(128, 2000, log=True),
        "alpha": Float(1e-6, 1e-1, log=True),
        "activation": Categorical(["relu", "tanh"]),
    },
}


def _families() -> SearchSpace:
    """One space over all four: which one is a parameter like the others."""
    parts: dict[str, Any] = {"model": Categorical(list(FAMILIES))}
    for model, space in FAMILIES.items():
        parts |= {f"{model}_{name}": replace(d, when={"model": model}) for name, d in space.items()}
    return SearchSpace(parts)


SPACES = {"xgboost": SearchSpace(FAMILIES["xgboost"]), "families": _families()}
"""XGBoost on a wide generated table; all four families, XGBoost and forests on that, the others on ``adult.csv``."""

Table = tuple[NDArray[np.float32], NDArray[np.int64]]


def fit(params: Params) -> float:
    """Fit what the parameters say and give the error on held out rows."""
    model = str(params.get("model", "xgboost"))
    own = {name.removeprefix(f"{model}_"): value for name, value in params.items() if name != "model"}
    x, y = _adult() if model in ("svm", "mlp") else _generated()
    asked = own.pop("rows", None)
    rows = asked if isinstance(asked, int) else {"forest": 6000, "mlp": 2500}.get(model, len(x))
    x, y = x[:rows], (_classes(x) if model == "forest" else y)[:rows]
    train = len(x) * 4 // 5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fits that have not converged are what is wanted here
        fitted = _estimator(model, own).fit(x[:train], y[:train])
        return 1.0 - float(fitted.score(x[train:], y[train:]))


def _estimator(model: str, own: dict[str, Any]) -> Any:
    if model == "forest":
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(n_jobs=1, random_state=0, **own)
    if model == "svm":
        from sklearn.svm import SVC

        return SVC(max_iter=12_000, **own)
    if model == "mlp":
        from sklearn.neural_network import MLPClassifier

        hidden = [own.pop("width")] * own.pop("layers")
        return MLPClassifier(hidden, max_iter=1, random_state=0, **own)
    from xgboost import XGBClassifier

    return XGBClassifier(tree_method="hist", n_jobs=1, random_state=0, **own)


@cache
def _generated() -> Table:
    from sklearn.datasets import make_classification

    x, y = make_classification(20_000, 60, n_informative=20, flip_y=0.3, random_state=3)
    return x.astype(np.float32), y


@cache
def _adult() -> Table:
    import pandas as pd

    frame = pd.read_csv(ADULT).sample(16_000, random_state=1)
    y = frame.pop("income").astype(str).str.contains(">").to_numpy().astype(np.int64)
    numbers = frame.select_dtypes("number")
    dummies = pd.get_dummies(frame.drop(columns=numbers.columns)).to_numpy(dtype=np.float32)
    scaled = ((numbers - numbers.mean()) / numbers.std()).to_numpy(dtype=np.float32)
    return np.nan_to_num(np.hstack([scaled, dummies])), y


def _classes(x: NDArray[np.float32]) -> NDArray[np.int64]:
    """25 classes, whose leaves make a forest large."""
    score = x[:, :8].sum(axis=1) + 3 * x[:, 20]
    classes: NDArray[np.int64] = np.digitize(score, np.quantile(score, np.linspace(0, 1, 26)[1:-1])).astype(np.int64)
    return classes
