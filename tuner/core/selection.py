"""Which trial is the best."""

from __future__ import annotations

from collections.abc import Iterable

from tuner.study import Metric
from tuner.trial import Trial, TrialState

__all__ = ["best"]


def best(trials: Iterable[Trial], metric: Metric) -> Trial | None:
    """The COMPLETE trial with the best value of ``metric``; None when there is none.

    Equal values are told apart by cost (fewer wall seconds first), then by order of suggestion.
    """
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE and metric.name in trial.values]
    sign = 1.0 if metric.goal == "minimize" else -1.0
    return min(complete, key=lambda t: (sign * t.values[metric.name], t.wall_s, t.number), default=None)
