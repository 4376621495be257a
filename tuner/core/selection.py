"""Which trial is the best, and which are, where there is more than one metric."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tuner.core.pareto import Front, exclusive, reference_point
from tuner.study import Metric
from tuner.trial import Trial, TrialState

__all__ = ["best", "feasible", "hypervolumes", "losses", "pareto", "standing"]


def best(trials: Iterable[Trial], metric: Metric) -> Trial | None:
    """The COMPLETE trial with the best value of ``metric`` among those that keep to the constraints; None when none completed.

    While no trial keeps to them, the one that violates them least. Equal values are told apart by cost (fewer wall
    seconds first), then by order of suggestion.
    """
    return min(_complete(trials, (metric,)), key=lambda trial: standing(trial, metric), default=None)


def standing(trial: Trial, metric: Metric) -> tuple[float, float, float, int]:
    """What complete trials are ranked by, smaller is better: violation, loss, wall seconds, number."""
    return (trial.violation, losses(trial, (metric,))[0], trial.wall_s, trial.number)


def feasible(trials: Iterable[Trial]) -> list[Trial]:
    """The COMPLETE trials that keep to the constraints."""
    return [trial for trial in trials if trial.state is TrialState.COMPLETE and trial.violation == 0.0]


def losses(trial: Trial, metrics: Sequence[Metric]) -> tuple[float, ...]:
    """The trial's values of the metrics, each turned so that less is better."""
    return tuple(trial.values[m.name] if m.goal == "minimize" else -trial.values[m.name] for m in metrics)


def pareto(trials: Iterable[Trial], metrics: Sequence[Metric]) -> list[Trial]:
    """The COMPLETE trials that no other one beats: as good in every metric and better in one.

    Only trials that keep to the constraints are compared; while none does, only those that violate them least
    (constrained domination, Deb, Pratap, Agarwal, Meyarivan 2002, section VI). Equal trials are all there.

    Returns:
        Best value of the first metric first; empty when none completed.
    """
    complete = _complete(trials, metrics)
    least = min((trial.violation for trial in complete), default=0.0)
    candidates = [(losses(trial, metrics), trial.number, trial) for trial in complete if trial.violation == least]
    front = Front(len(metrics))
    for point, _, _ in candidates:
        front.add(point)
    held = set(front.points)
    return [trial for point, _, trial in sorted(candidates, key=lambda row: row[:2]) if point in held]


def hypervolumes(
    trials: Iterable[Trial], metrics: Sequence[Metric], reference: Sequence[float] | None = None
) -> list[tuple[Trial, float]]:
    """How much of the space of metrics the trials had covered after each that covered more.

    Args:
        trials: Any; those that completed and keep to the constraints count, in the order in which they finished.
        metrics: The study's.
        reference: Values of the metrics, in their own sense, from which the volume is measured; None for the worst of each that
            a trial reached, and a tenth of the range beyond.

    Returns:
        (trial, hypervolume after it), the volume rising; empty when no such trial is there.
    """
    finished = sorted(feasible(_complete(trials, metrics)), key=lambda t: (t.finished_at or 0.0, t.number))
    points = [losses(trial, metrics) for trial in finished]
    if not points:
        return []
    corner = reference_point(points) if reference is None else _corner(reference, metrics)
    front, course = Front(len(metrics)), list[tuple[Trial, float]]()
    volume = 0.0
    for trial, point in zip(finished, points, strict=True):
        before = front.points
        if front.add(point) and (gain := exclusive(point, before, corner)) > 0.0:
            volume += gain
            course.append((trial, volume))
    return course


def _corner(reference: Sequence[float], metrics: Sequence[Metric]) -> tuple[float, ...]:
    return tuple(r if m.goal == "minimize" else -r for r, m in zip(reference, metrics, strict=True))


def _complete(trials: Iterable[Trial], metrics: Sequence[Metric]) -> list[Trial]:
    """Those that completed with a number for every metric (NaN, which only foreign stores hold, is none)."""
    return [
        trial
        for trial in trials
        if trial.state is TrialState.COMPLETE
        and all((value := trial.values.get(m.name)) is not None and value == value for m in metrics)
    ]
