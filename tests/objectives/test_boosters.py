"""The native loops give bit for bit what the libraries' own ``fit`` gives."""

from __future__ import annotations

import time
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from tuner.objectives._boosters import LightGBMStepper, XGBoostStepper, booster_kind
from tuner.objectives._folds import Part, Prepared
from tuner.objectives._steps import Job
from tuner.registry.predictor import Task

TABLES = {"two": load_breast_cancer, "three": load_wine, "numbers": load_diabetes}


def fold_of(x: Any, y: Any, weights: Any = None, key: tuple[Any, ...] = ()) -> Prepared:
    train, valid = np.arange(len(y)) % 3 > 0, np.arange(len(y)) % 3 == 0
    held = None if weights is None else weights[train]
    return Prepared(key, Part(x[train], y[train], held), Part(x[valid], y[valid], None), None)


def job_of(estimator: Any, y: Any, task: Task) -> Job:
    n_classes = len(np.unique(y)) if task == "classification" else 0
    return Job(estimator, task, n_classes, ("predict",), "sample_weight", 0)


def data(name: str) -> tuple[Any, Any, Task, Any]:
    x, y = TABLES[name](return_X_y=True)
    task: Task = "regression" if name == "numbers" else "classification"
    weights = np.linspace(0.2, 3, len(y))
    x = x.copy()
    x[::7, 0] = np.nan
    x.flags.writeable = False
    return x, y.astype(float) if task == "regression" else y, task, weights


def same_as_fit(stepper: Any, estimator: Any, fold: Any, task: Task) -> None:
    for _ in range(stepper.n_steps):
        stepper.advance()
        said = stepper.responses()
    estimator.fit(fold.train.x, fold.train.y, sample_weight=fold.train.weights)
    if task == "regression":
        # Dart weighs old trees anew, so its running sums are added up in another order.
        exact = "dart" not in (estimator.get_params().get("booster"), estimator.get_params().get("boosting_type"))
        assert np.allclose(said.predict, estimator.predict(fold.valid.x), rtol=0.0 if exact else 1e-6, atol=0.0)
    else:
        assert np.abs(said.probabilities - estimator.predict_proba(fold.valid.x)).max() < 1e-7
        assert np.array_equal(said.predict, estimator.predict(fold.valid.x))


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(
    "params",
    [
        {"max_depth": 3, "subsample": 0.7, "colsample_bytree": 0.5, "max_bin": 32},
        {"tree_method": "exact", "reg_lambda": 3.0},
        {"booster": "dart", "rate_drop": 0.3},
        {"booster": "gblinear"},
        {"num_parallel_tree": 3, "subsample": 0.5},
    ],
    ids=lambda params: next(iter(params.values())),
)
def test_xgboost(name, params):
    x, y, task, weights = data(name)
    if params.get("booster") == "gblinear":
        x = np.nan_to_num(x)
    kind = xgboost.XGBRegressor if task == "regression" else xgboost.XGBClassifier
    settings = {"n_estimators": 8, "random_state": 5, "n_jobs": 1, **params}
    if params.get("booster") == "gblinear":
        settings["updater"] = "coord_descent"  # the default shotgun updater races with itself
    fold = fold_of(x, y, weights)
    same_as_fit(XGBoostStepper(job_of(kind(**settings), y, task), fold), kind(**settings), fold, task)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(
    "params",
    [
        {"num_leaves": 7, "subsample": 0.7, "subsample_freq": 1, "colsample_bytree": 0.5},
        {"boosting_type": "dart", "drop_rate": 0.4},
        {"max_bin": 15, "min_child_samples": 40},
        {"n_estimators": 30, "min_child_samples": 60},
    ],
    ids=lambda params: next(iter(params.values())),
)
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_lightgbm(name, params):
    x, y, task, weights = data(name)
    kind = lightgbm.LGBMRegressor if task == "regression" else lightgbm.LGBMClassifier
    fixed = {"force_col_wise": True, "deterministic": True, "verbosity": -1, "feature_pre_filter": False}
    settings = {"n_estimators": 8, "random_state": 5, "n_jobs": 1, **fixed, **params}
    fold = fold_of(x, y, weights)
    same_as_fit(LightGBMStepper(job_of(kind(**settings), y, task), fold), kind(**settings), fold, task)


def test_lightgbm_data_shared_by_trials_do_not_carry_over_the_first_ones_settings():
    x, y, task, _ = data("two")
    said: dict[Any, Any] = {}
    for order in ((60, 2), (2, 60)):
        for least in order:
            estimator = lightgbm.LGBMClassifier(min_child_samples=least, n_estimators=5, n_jobs=1, random_state=1)
            stepper = LightGBMStepper(job_of(estimator, y, task), fold_of(x, y, key=("shared", order)))
            for _ in range(5):
                stepper.advance()
            said[order, least] = stepper.responses().probabilities
    for least in (2, 60):
        assert np.array_equal(said[(60, 2), least], said[(2, 60), least])


def test_scoring_every_round_costs_time_linear_in_the_rounds():
    """With 16 times the trees, the prediction of all trees would cost 16 times as much; of the last one, the same."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40_000, 8)), rng.integers(0, 2, 40_000)
    fold = Prepared((), Part(x[:2000], y[:2000], None), Part(x[2000:], y[2000:], None), None)
    estimator = xgboost.XGBClassifier(n_estimators=320, max_depth=6, n_jobs=1)
    stepper = XGBoostStepper(job_of(estimator, y, "classification"), fold)
    spent = []
    for _ in range(320):
        stepper.advance()
        begin = time.process_time()
        stepper.responses()
        spent.append(time.process_time() - begin)
    assert np.median(spent[-20:]) < 5 * np.median(spent[1:21])


def test_what_only_fit_understands_is_left_to_fit():
    class Mine(xgboost.XGBClassifier):
        pass

    assert booster_kind(xgboost.XGBRFRegressor()) == "xgboost"
    assert booster_kind(lightgbm.LGBMRegressor()) == "lightgbm"
    assert booster_kind(Mine()) is None
    assert booster_kind(xgboost.XGBRegressor(objective=lambda y, p: (p - y, np.ones_like(y)))) is None
    assert booster_kind(xgboost.XGBRanker()) is None
