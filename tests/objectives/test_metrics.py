"""Metrics by name: all of scikit-learn's, ours with their signs, a user's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, get_scorer, get_scorer_names, log_loss, root_mean_squared_error

from tuner.errors import SweepError
from tuner.objectives._metrics import metric_names, resolve_metrics
from tuner.registry.predictor import Task, respond
from tuner.study import Goal, Metric

TASKS = {
    "two": ("classification", load_breast_cancer, 2),
    "three": ("classification", load_wine, 3),
    "numbers": ("regression", load_diabetes, 0),
}


@pytest.fixture(scope="module")
def fitted():
    found = {}
    for name, (task, table, n_classes) in TASKS.items():
        x, y = table(return_X_y=True)
        x = (x - x.mean(0)) / x.std(0)
        kind = Ridge() if task == "regression" else LogisticRegression(C=0.05)
        found[name] = (kind.fit(x, y), x, y, task, tuple(range(n_classes)))
    return found


def goals(name: str, task: Task, classes: tuple[int, ...]) -> Any:
    goal: Goal
    for goal in ("maximize", "minimize"):
        try:
            resolve_metrics([Metric(name, goal)], {}, task, classes, None)
            return goal
        except SweepError as error:
            reason = str(error)
    return reason


@pytest.mark.parametrize("table", TASKS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_every_scorer_gives_what_scikit_learn_gives_or_says_why_not(fitted, table):
    model, x, y, task, classes = fitted[table]
    scored = 0
    for name in get_scorer_names():
        goal = goals(name, task, classes)
        if goal not in ("maximize", "minimize"):
            assert "does not suit" in goal
            continue
        assert goal == "maximize"
        metrics = resolve_metrics([Metric(name, goal)], {}, task, classes, None)
        said = respond(model, x, task, metrics.wanted(model))
        assert metrics.score(y, said, None)[name] == pytest.approx(get_scorer(name)(model, x, y)), name
        scored += 1
    assert scored >= {"two": 40, "three": 34, "numbers": 13}[table]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("rmse", root_mean_squared_error), ("root_mean_squared_error", root_mean_squared_error)],
)
def test_short_names_report_the_positive_quantity(fitted, name, expected):
    model, x, y, task, classes = fitted["numbers"]
    metrics = resolve_metrics([Metric(name, "minimize")], {}, task, classes, None)
    value = metrics.score(y, respond(model, x, task, ("predict",)), None)[name]
    assert value == pytest.approx(expected(y, model.predict(x)))
    assert value > 0


def test_loss_and_error_of_classes(fitted):
    model, x, y, task, classes = fitted["three"]
    names = ("log_loss", "logloss", "error")
    metrics = resolve_metrics([Metric(name, "minimize") for name in names], {}, task, classes, None)
    values = metrics.score(y, respond(model, x, task, metrics.wanted(model)), None)
    loss = log_loss(y, model.predict_proba(x))
    assert values == pytest.approx(
        {"log_loss": loss, "logloss": loss, "error": 1 - accuracy_score(y, model.predict(x))}
    )


def test_every_name_on_offer_suits_its_task():
    assert {"rmse", "r2", "neg_mean_absolute_error", "mape"} <= set(metric_names("regression"))
    assert {"log_loss", "auc", "neg_log_loss", "error"} <= set(metric_names("classification"))
    assert not set(metric_names("regression")) & set(metric_names("classification"))


def test_row_weights_weigh_the_score(fitted):
    model, x, y, task, classes = fitted["two"]
    weights = np.random.default_rng(0).random(len(y))
    metrics = resolve_metrics([Metric("accuracy", "maximize")], {}, task, classes, None)
    value = metrics.score(y, respond(model, x, task, ("predict",)), weights)["accuracy"]
    assert value == pytest.approx(accuracy_score(y, model.predict(x), sample_weight=weights))


OWN = """
from sklearn.metrics import make_scorer, fbeta_score

def cost(y_true, y_pred):
    return float(((y_true == "bad") & (y_pred == "good")).mean())

def surprise(y_true, y_proba):
    return float(y_proba.max(axis=1).mean())

f2 = make_scorer(fbeta_score, beta=2)
"""


def test_own_functions_see_the_labels_of_the_table(fitted, tmp_path):
    model, x, y, task, _ = fitted["two"]
    module = f"own_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{module}.py").write_text(OWN)
    wanted = [Metric(f"{module}:cost", "minimize"), Metric(f"{module}:surprise", "maximize")]
    metrics = resolve_metrics([*wanted, Metric(f"{module}:f2", "maximize")], {}, task, ("bad", "good"), tmp_path)
    said = respond(model, x, task, metrics.wanted(model))
    values = list(metrics.score(y, said, None).values())
    assert values[0] == pytest.approx(((y == 0) & (model.predict(x) == 1)).mean())
    assert values[1] == pytest.approx(model.predict_proba(x).max(axis=1).mean())
    assert 0.9 < values[2] <= 1
