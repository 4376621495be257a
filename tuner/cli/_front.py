"""The front of a study with several metrics, as it is told."""

from __future__ import annotations

from typing import Any

from tuner.api.study import Study
from tuner.cli._output import params_line, show_table
from tuner.dashboard import text
from tuner.export import iso_time, trial_to_dict

__all__ = ["course_document", "front_document", "front_list", "front_rows", "show_front"]

_POINTS = 24
_MOST_TRIALS = {2: 100_000, 3: 20_000, 4: 2_000}


def front_rows(study: Study) -> dict[str, str]:
    """How large the front is and how the hypervolume grew; nothing for one metric."""
    front = study.pareto if len(study.spec.metrics) > 1 else []
    if not front:
        return {}
    rows = {"front": f"{text.pluralize(len(front), 'trial')} that no other one beats in every metric"}
    course = [volume for _, volume in study.hypervolume()] if _affordable(study) else []
    if course:
        points = tuple(
            course[(i + 1) * len(course) // min(len(course), _POINTS) - 1] for i in range(min(len(course), _POINTS))
        )
        rows["hypervolume"] = f"{text.number(course[-1])} {text.sparkline(points)}".rstrip()
    return rows


def front_document(study: Study) -> dict[str, Any]:
    """The same as plain data: ``pareto``, numbers of trials, and ``hypervolume``; nothing for one metric."""
    course = course_document(study)
    if course is None:
        return {}
    last = course[-1]["hypervolume"] if course else None
    return {"pareto": [trial.number for trial in study.pareto], "hypervolume": last}


def course_document(study: Study) -> list[dict[str, Any]] | None:
    """How the hypervolume grew, as plain data; None for one metric."""
    if len(study.spec.metrics) == 1:
        return None
    if not _affordable(study):
        return []
    return [
        {"trial": trial.number, "finished_at": iso_time(trial.finished_at), "hypervolume": volume}
        for trial, volume in study.hypervolume()
    ]


def _affordable(study: Study) -> bool:
    """Whether the hypervolume takes no more than seconds; its cost is exponential in the number of metrics."""
    return len(study.trials) <= _MOST_TRIALS.get(len(study.spec.metrics), 200)


def show_front(study: Study) -> None:
    """The front as a table."""
    metrics = [metric.name for metric in study.spec.metrics]
    bound = [c.name for c in study.spec.constraints if c.name not in metrics]
    columns = [*metrics, *bound, *(["violation"] if study.spec.constraints else [])]
    rows = []
    for trial in study.pareto:
        values = [text.number(trial.values.get(name)) for name in (*metrics, *bound)]
        broken = [text.number(trial.violation)] if study.spec.constraints else []
        rows.append((str(trial.number), *values, *broken, text.duration(trial.wall_s), params_line(trial.params)))
    show_table(("trial", *columns, "time", "parameters"), rows, right=("trial", *columns, "time"))


def front_list(study: Study) -> list[dict[str, Any]]:
    """The front as a list of trials."""
    return [trial_to_dict(trial, study.spec.constraints) for trial in study.pareto]
