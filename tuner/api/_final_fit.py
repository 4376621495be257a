"""How long the best model is fitted after the last trial: on more rows than the trials were."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from tuner.api._courses import Course
from tuner.study import Metric
from tuner.trial import Completed

__all__ = ["final_fit"]

BEST = 3  # trials that the final one is believed to be like


def final_fit(courses: Sequence[Course], metric: Metric, facts: Mapping[str, Any], source: str) -> str | None:
    """What to expect of the final fit, in words; None where the objective makes no model.

    Args:
        courses: Trials that ran.
        metric: By which the best are known.
        facts: The provenance of the study that they are of: an estimator says there on how many rows it was fitted.
        source: That study's name.
    """
    described = facts.get("objective") or {}
    rows, folds = described.get("rows") or {}, described.get("folds")
    if not (folds and rows.get("train") and rows.get("tuning")):
        return None
    valued = [
        (course.outcome.values[metric.name], course.wall_s)
        for course in courses
        if isinstance(course.outcome, Completed) and metric.name in course.outcome.values
    ]
    if not valued:
        return None
    best = sorted(valued, reverse=metric.goal == "maximize")[:BEST]
    share = rows["tuning"] / rows["train"]
    fit_s = statistics.fmean(wall_s for _, wall_s in best) / folds * share
    of = "the best trials" if folds == 1 else f"one of the {folds} fits of the best trials"
    return f"about {fit_s:.1f} s after the last trial: {of} of {source}, on {share:.2g} times their rows"
