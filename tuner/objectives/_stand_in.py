"""A stand-in for an estimator that has been asked already, and what can be learned of a scorer by calling it with one.

scikit-learn's scorers take an estimator and rows. Given a stand-in they score predictions that are at hand; given stand-ins
with one method only, they show which methods they need.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import UndefinedMetricWarning

from tuner.registry.predictor import Responses, Task

__all__ = ["Need", "needs_of", "stand_in", "takes_weights"]

Array = np.ndarray[Any, np.dtype[Any]]
Need = Literal["predict", "scores", "probabilities"]


class _Said(BaseEstimator):  # type: ignore[misc]
    """An estimator that has been asked already: it answers with what it was given, whatever the rows."""

    def __init__(self, responses: Responses, n_classes: int) -> None:
        if n_classes:
            self.classes_ = np.arange(n_classes)
        answers = {
            "predict": responses.predict,
            "predict_proba": responses.probabilities,
            "decision_function": responses.scores,
        }
        for method, answer in answers.items():
            if answer is not None:
                setattr(self, method, _answering(method, answer))


def _answering(method: str, answer: Array) -> Callable[[object], Array]:
    def answered(_: object) -> Array:
        return answer

    answered.__name__ = method  # scikit-learn asks a method for its name
    return answered


class _SaidClasses(ClassifierMixin, _Said):  # type: ignore[misc]
    pass


class _SaidNumbers(RegressorMixin, _Said):  # type: ignore[misc]
    pass


def stand_in(responses: Responses, task: Task, n_classes: int) -> BaseEstimator:
    """An estimator that answers with ``responses``, whatever the rows; it has the methods for which there are some."""
    return (_SaidClasses if task == "classification" else _SaidNumbers)(responses, n_classes)


def _example(task: Task, n_classes: int) -> tuple[Array, dict[Need, Array]]:
    """Targets and responses of the shapes that the task has."""
    if task == "regression":
        y = np.array([1.0, 2.0, 3.0, 4.0])
        return y, {"predict": y + 0.25}
    y = np.repeat(np.arange(n_classes), 3)
    said = np.roll(y, 1)  # one row of each class is taken for another: no ratio of right and wrong is undefined
    probabilities = 0.8 * np.eye(n_classes)[said] + 0.2 / n_classes
    scores = probabilities[:, 1] if n_classes == 2 else probabilities
    return y, {"predict": said, "scores": scores, "probabilities": probabilities}


def _responses(parts: Mapping[Need, Array]) -> Responses:
    return Responses(parts.get("predict"), parts.get("probabilities"), parts.get("scores"))


def _call(scorer: Any, task: Task, n_classes: int, parts: Mapping[Need, Array], **options: Any) -> bool:
    y, _ = _example(task, n_classes)
    try:
        with warnings.catch_warnings(action="error", category=UndefinedMetricWarning):
            scorer(stand_in(_responses(parts), task, n_classes), np.empty((len(y), 1)), y, **options)
    except (ValueError, AttributeError, TypeError, UndefinedMetricWarning):
        return False
    return True


def needs_of(scorer: Any, task: Task, n_classes: int) -> tuple[Need, ...]:
    """The responses from which a scorer can be computed, found by trying: scikit-learn has no public way to ask."""
    _, parts = _example(task, n_classes)
    return tuple(need for need in parts if _call(scorer, task, n_classes, {need: parts[need]}))


def takes_weights(scorer: Any, task: Task, n_classes: int) -> bool:
    """Whether a scorer can be called with ``sample_weight``."""
    y, parts = _example(task, n_classes)
    return _call(scorer, task, n_classes, parts, sample_weight=np.ones(len(y)))
