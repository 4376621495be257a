"""Metric names -> functions of a model's responses.

A name is one of ``sklearn.metrics.get_scorer_names()`` (higher is better, as scikit-learn has it, so ``neg_log_loss`` is
below 0), a short name of ours that reports the positive quantity (``log_loss``, ``rmse``), or ``pkg.mod:function``. Scorers
are called through a stand-in that already holds the predictions, so a model is asked once a step for all metrics together,
and a booster's running predictions can be scored without asking it again.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from sklearn.metrics import get_scorer, get_scorer_names

from tuner.core.outcomes import MEASURED
from tuner.errors import ObjectiveError, SweepError, closest
from tuner.objectives._imports import import_path
from tuner.objectives._measures import MEASURES
from tuner.objectives._stand_in import Need, needs_of, stand_in, takes_weights
from tuner.registry.predictor import Responses, Task
from tuner.study import Metric

__all__ = ["Metrics", "Need", "metric_names", "resolve_metrics"]

Array = np.ndarray[Any, np.dtype[Any]]

_NEGATED = {name.removeprefix("neg_"): name for name in get_scorer_names() if name.startswith("neg_")}
_SHORT = {
    "auc": "roc_auc",
    "bacc": "balanced_accuracy",
    "mcc": "matthews_corrcoef",
    "brier": "brier_score",
    "brier_score_loss": "brier_score",
    "logloss": "log_loss",
    "mlogloss": "log_loss",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "medae": "median_absolute_error",
    "mse": "mean_squared_error",
    "msle": "mean_squared_log_error",
    "rmse": "root_mean_squared_error",
    "rmsle": "root_mean_squared_log_error",
}
_ERROR_RATES = ("error", "merror", "zero_one_loss")
_OF_CLASSES = frozenset({"neg_brier_score", "neg_log_loss", "neg_negative_likelihood_ratio"})
_OF_NUMBERS = frozenset(name for name in _NEGATED.values() if name not in _OF_CLASSES) | {
    "d2_absolute_error_score",
    "explained_variance",
    "r2",
}
_INSTEAD = {
    "average_precision": "roc_auc_ovr",
    "f1": "f1_macro",
    "jaccard": "jaccard_macro",
    "precision": "precision_macro",
    "recall": "recall_macro",
    "roc_auc": "roc_auc_ovr",
    "f1_samples": "f1_macro",
    "jaccard_samples": "jaccard_macro",
    "precision_samples": "precision_macro",
    "recall_samples": "recall_macro",
}


@dataclass(frozen=True, slots=True, eq=False)
class _Resolved:
    """One metric: its name in the sweep, what computes it, its sign, and the responses that it can be computed from.

    Attributes:
        sign: -1 where the positive quantity of a ``neg_`` scorer is wanted.
        offset: Added after the sign: 1 turns accuracy into an error rate.
        needs: Responses it can do with, in order of preference.
        kind: ``scorer``: called as (stand-in, X, y); ``function``: called as (y_true, y_pred), labels as in the data.
        weighted: Whether it takes ``sample_weight``.
    """

    name: str
    function: Callable[..., Any]
    needs: tuple[Need, ...]
    sign: float = 1.0
    offset: float = 0.0
    kind: Literal["scorer", "function"] = "scorer"
    weighted: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Metrics:
    """All metrics of a study.

    Attributes:
        resolved: One entry a metric.
        task: What is learned.
        classes: The target's labels; empty for regression.
    """

    resolved: tuple[_Resolved, ...]
    task: Task
    classes: tuple[Any, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names as the study has them."""
        return tuple(metric.name for metric in self.resolved)

    def wanted(self, model: Any) -> tuple[Need, ...]:
        """Which responses a model must be asked for.

        Raises:
            ObjectiveError: It has none of those that a metric could be computed from.
        """
        methods = {"predict": "predict", "scores": "decision_function", "probabilities": "predict_proba"}
        found: list[Need] = []
        for metric in self.resolved:
            usable = [need for need in metric.needs if hasattr(model, methods[need])]
            if not usable:
                raise ObjectiveError(
                    f"{metric.name} needs {' or '.join(methods[need] for need in metric.needs)}, "
                    f"which {type(model).__name__} does not have as it is set",
                    hint="use a metric of predicted labels, as balanced_accuracy, or a setting with probabilities",
                )
            if usable[0] not in found:
                found.append(usable[0])
        return tuple(found)

    def score(self, y: Array, responses: Responses, weights: Array | None) -> dict[str, float]:
        """Every metric by name; NaN for all of them when a response is not finite (a model that diverged)."""
        if not responses.finite:
            return dict.fromkeys(self.names, float("nan"))
        return {metric.name: self._one(metric, y, responses, weights) for metric in self.resolved}

    def _one(self, metric: _Resolved, y: Array, responses: Responses, weights: Array | None) -> float:
        if metric.kind == "function":
            said = responses.predict if metric.needs == ("predict",) else responses.probabilities
            assert said is not None
            true: Any = y
            if self.classes:
                labels = np.array(self.classes)
                true = labels[y]
                said = labels[np.asarray(said, dtype=np.int64)] if metric.needs == ("predict",) else said
            return float(metric.function(true, said))
        options = {"sample_weight": weights} if weights is not None and metric.weighted else {}
        value = metric.function(stand_in(responses, self.task, len(self.classes)), np.empty((len(y), 1)), y, **options)
        return metric.offset + metric.sign * float(value)


def metric_names(task: Task) -> list[str]:
    """Every name that can be a metric of the task (some only for two classes)."""
    scorers = {name for name in get_scorer_names() if (name in _OF_NUMBERS) == (task == "regression")}
    short = {name for name, long in (_SHORT | _NEGATED).items() if _scorer_name(long)[0] in scorers}
    return sorted(scorers | short | (set(_ERROR_RATES) if task == "classification" else set()))


def _scorer_name(name: str) -> tuple[str, float, float]:
    """(scikit-learn's scorer, sign, offset) of a name of ours."""
    name = _SHORT.get(name, name)
    if name in _ERROR_RATES:
        return "accuracy", -1.0, 1.0
    return (_NEGATED[name], -1.0, 0.0) if name in _NEGATED else (name, 1.0, 0.0)


def resolve_metrics(
    metrics: Sequence[Metric], extra: Mapping[str, str], task: Task, classes: tuple[Any, ...], base: Path | None
) -> Metrics:
    """Find every metric and check that it suits the task, the number of classes and its goal.

    Args:
        metrics: The study's, with goals.
        extra: Names of metrics that are computed besides, and where in the sweep each is named.
        task: What is learned.
        classes: The target's labels; empty for regression.
        base: Where modules beside the sweep file lie.

    Raises:
        SweepError: A name is unknown, does not suit, or its goal contradicts it.
        ObjectiveError: A user's function cannot be imported.
    """
    goals: Mapping[str, str | None] = {**dict.fromkeys(extra), **{metric.name: metric.goal for metric in metrics}}
    places = {**extra, **{metric.name: "metric.name" for metric in metrics}}
    resolved = []
    for name in dict.fromkeys([*[m.name for m in metrics], *extra]):
        metric = _custom(name, base) if ":" in name else _known(name, task, len(classes), places[name])
        goal = goals[name]
        if ":" not in name and goal is not None:
            _check_goal(name, goal, maximized=metric.sign > 0)
        resolved.append(metric)
    return Metrics(tuple(resolved), task, classes)


def _check_goal(name: str, goal: str, *, maximized: bool) -> None:
    right = "maximize" if maximized else "minimize"
    if goal == right:
        return
    scorer, sign, _ = _scorer_name(name)
    other = (
        scorer
        if sign < 0 and scorer != "accuracy"
        else scorer.removeprefix("neg_")
        if scorer.startswith("neg_")
        else None
    )
    hint = f"set goal: {right}" + (f", or use {other}, whose goal is {goal}" if other else "")
    better = "higher" if maximized else "lower"
    raise SweepError(f"{name} is better when it is {better}", path="metric.goal", got=goal, expected=right, hint=hint)


def _custom(name: str, base: Path | None) -> _Resolved:
    function = import_path(name, base, "metric")
    try:
        arguments = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        arguments = ["y_true", "y_pred"]
    if len(arguments) < 2:
        raise ObjectiveError(f"metric {name!r} must be a function of (y_true, y_pred)", hint="it takes fewer arguments")
    if arguments[0] == "estimator":
        return _Resolved(name, function, ("predict", "scores", "probabilities"))
    needs: Need = "probabilities" if arguments[1] in ("y_proba", "y_prob", "y_score", "probabilities") else "predict"
    return _Resolved(name, function, (needs,), kind="function")


def _known(name: str, task: Task, n_classes: int, place: str) -> _Resolved:
    scorer_name, sign, offset = _scorer_name(name)
    if scorer_name not in get_scorer_names():
        bound = place.startswith("constraints")
        near = closest(name, [*metric_names(task), *MEASURES, *(MEASURED if bound else ())])
        others = f", {', '.join([*MEASURES, *MEASURED])}" if bound else ""
        raise SweepError(
            f"there is no metric {name!r}",
            path=place,
            expected="a name of sklearn.metrics.get_scorer_names(), a short one as rmse or log_loss, or pkg.mod:function"
            + others,
            hint=f"did you mean {near!r}?" if near else None,
        )
    if (scorer_name in _OF_NUMBERS) != (task == "regression"):
        better = "r2 or rmse" if task == "regression" else "balanced_accuracy or roc_auc"
        raise SweepError(
            f"{name} does not suit {task}",
            path=place,
            hint=f"use {better}; the task follows from the estimator",
        )
    scorer = get_scorer(scorer_name)
    needs = needs_of(scorer, task, n_classes)
    if not needs:
        instead = _INSTEAD.get(scorer_name)
        raise SweepError(
            f"{name} does not suit a target of {n_classes} classes",
            path=place,
            hint=f"use {instead}" if instead else "use balanced_accuracy or log_loss",
        )
    return _Resolved(name, scorer, needs, sign, offset, weighted=takes_weights(scorer, task, n_classes))
