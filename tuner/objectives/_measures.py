"""What is measured of a model besides its scores: how long it takes to fit and to predict, and how large it is."""

from __future__ import annotations

import pickle
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tuner.core.outcomes import MEASURED
from tuner.errors import SweepError
from tuner.registry.predictor import Task, respond
from tuner.study import Metric, StudySpec

__all__ = ["MEASURES", "Meter", "Wanted", "what_is_wanted"]

MEASURES = ("predict_ms", "fit_s", "model_mib")
"""Names that may stand where metrics do; all are better when lower, and none is measured unless it is named."""

_ROWS = 20
_ASKED = ("predict",)
_MIB = float(1 << 20)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a trial must deliver.

    Attributes:
        metrics: The study's that are scores.
        extra: Further scores by name, and where in the sweep each is named.
        measures: Those of ``MEASURES`` that something names.
    """

    metrics: tuple[Metric, ...]
    extra: Mapping[str, str]
    measures: tuple[str, ...]


def what_is_wanted(spec: StudySpec, extra: Sequence[str]) -> Wanted:
    """Sort what the study's metrics, its constraints and ``objective.metrics`` name.

    Raises:
        SweepError: Something measured shall be maximized.
    """
    for metric in spec.metrics:
        if metric.name in MEASURES and metric.goal == "maximize":
            raise SweepError(
                f"{metric.name} is better when it is lower", path="metric.goal", got="maximize", expected="minimize"
            )
    places = {name: f"objective.metrics[{index}]" for index, name in enumerate(extra)}
    for index, constraint in enumerate(spec.constraints):
        if constraint.name not in MEASURED:
            places.setdefault(constraint.name, f"constraints[{index}].name")
    named = {*places, *(metric.name for metric in spec.metrics)}
    return Wanted(
        tuple(metric for metric in spec.metrics if metric.name not in MEASURES),
        {name: place for name, place in places.items() if name not in MEASURES},
        tuple(name for name in MEASURES if name in named),
    )


class Meter:
    """Measures one trial.

    Args:
        names: Those of ``MEASURES`` that are wanted.
        first: The study's first metric, which every report must hold.
        task: What is learned.
    """

    def __init__(self, names: Sequence[str], first: str, task: Task) -> None:
        self._task = task
        self._names = tuple(names)
        self._reported = tuple(name for name in self._names if name == first)
        self.fit_s = 0.0

    @contextmanager
    def fitting(self) -> Iterator[None]:
        """What runs inside is fitting."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.fit_s += time.perf_counter() - began

    def report(self, model: Any, x: Any, n_folds: int) -> dict[str, float]:
        """What a report holds besides scores."""
        return self._measured(self._reported, model, x, n_folds)

    def final(self, model: Any, x: Any, n_folds: int) -> dict[str, float]:
        """Everything that is wanted.

        Args:
            model: The fitted model of one fold.
            x: That fold's validation rows, prepared.
            n_folds: How many folds have been fitted: ``fit_s`` is the mean over them.
        """
        return self._measured(self._names, model, x, n_folds)

    def _measured(self, names: Sequence[str], model: Any, x: Any, n_folds: int) -> dict[str, float]:
        return {name: _MEASURE[name](self, model, x, n_folds) for name in names}

    def _fit_s(self, model: Any, x: Any, n_folds: int) -> float:
        return self.fit_s / n_folds

    def _predict_ms(self, model: Any, x: Any, n_folds: int) -> float:
        """Milliseconds to predict one row by itself, as a saved model does: the median over some, after a call to warm up."""
        rows = [_row(x, index) for index in range(min(_ROWS, x.shape[0]))]
        respond(model, rows[0], self._task, _ASKED)
        took = []
        for row in rows:
            began = time.perf_counter()
            respond(model, row, self._task, _ASKED)
            took.append(time.perf_counter() - began)
        return 1000.0 * statistics.median(took)

    def _model_mib(self, model: Any, x: Any, n_folds: int) -> float:
        """MiB of the model, pickled."""
        return len(pickle.dumps(model, protocol=5)) / _MIB


_MEASURE: Mapping[str, Any] = {
    "predict_ms": Meter._predict_ms,
    "fit_s": Meter._fit_s,
    "model_mib": Meter._model_mib,
}


def _row(x: Any, index: int) -> Any:
    return x.iloc[index : index + 1] if isinstance(x, pd.DataFrame) else x[index : index + 1]
