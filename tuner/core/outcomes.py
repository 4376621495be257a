"""What the end of an attempt means for its trial: pure functions of the trial, the outcome and the specification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tuner.core.ledger import LiveTrial
from tuner.errors import closest
from tuner.study import Constraint, Metric
from tuner.trial import Completed, Failed, FailureKind, Outcome, Pruned

__all__ = [
    "FREE",
    "LOST",
    "MAX_LOSSES",
    "MEASURED",
    "in_light_of_stop",
    "violation_of",
    "with_constraints",
    "with_last_report",
]

FREE = frozenset({FailureKind.NODE_LOST, FailureKind.PREEMPTED})
"""Failures that do not count as retries."""
MAX_LOSSES = 20
"""Free retries of one trial: one that outlives twenty nodes is better given up than tried for ever."""
LOST = frozenset({FailureKind.WORKER_LOST, FailureKind.NODE_LOST, FailureKind.PREEMPTED, FailureKind.HUNG})
"""Failures that took the worker with them."""
MEASURED = ("peak_memory_mib", "wall_s", "cpu_s")
"""Constraints on these need not be returned by the objective."""
_KILLED = LOST | {FailureKind.OUT_OF_MEMORY}


def in_light_of_stop(live: LiveTrial, outcome: Outcome) -> Outcome:
    """The outcome in the light of what the attempt was asked: one that dies while it is stopped was stopped."""
    if live.stop is None or not isinstance(outcome, Failed) or outcome.kind not in _KILLED:
        return outcome
    if live.stop.prune:
        return Pruned(live.last_step)
    kind = FailureKind.TIMEOUT if live.stop.timeout else FailureKind.STOPPED
    return Failed(kind, live.stop.reason)


def with_last_report(metrics: Sequence[Metric], live: LiveTrial, outcome: Outcome) -> Outcome:
    """A complete outcome that has values: an attempt that went on from the very last checkpoint returns none, and the last
    report of an earlier attempt is the result; ``BAD_REPORT`` when that lacks a metric.
    """
    if not isinstance(outcome, Completed) or outcome.values:
        return outcome
    missing = [metric.name for metric in metrics if metric.name not in live.last_values]
    if missing:
        message = f"it went on from a checkpoint and returned nothing, and no earlier report has {', '.join(missing)}"
        return Failed(FailureKind.BAD_REPORT, message)
    return Completed(live.last_values)


def with_constraints(
    constraints: Sequence[Constraint], outcome: Outcome, measured: Mapping[str, float] | None
) -> Outcome:
    """A complete outcome with a value for every constraint: returned, or measured; ``BAD_REPORT`` when one is missing.

    Args:
        constraints: The study's.
        outcome: What the attempt delivered.
        measured: Usage of the trial by name; None when it could not be measured.
    """
    if not constraints or not isinstance(outcome, Completed):
        return outcome
    values = dict(outcome.values)
    for constraint in constraints:
        name = constraint.name
        if name in values:
            continue
        if measured is None or name not in measured:
            what = "could not be measured" if name in MEASURED else "was not returned"
            returned = ", ".join(outcome.values) or "nothing"
            near = closest(name, [*outcome.values, *MEASURED]) if name not in MEASURED else None
            meant = f"; is {near} meant?" if near else ""
            message = f"the constraint on {name} needs its value, which {what}; returned were {returned}{meant}"
            return Failed(FailureKind.BAD_REPORT, message)
        values[name] = measured[name]
    return Completed(values)


def violation_of(constraints: Sequence[Constraint], values: Mapping[str, float]) -> float:
    """How far values, with one for each constraint, lie outside, each relative to its bound, all together."""
    return sum(constraint.violation(values[constraint.name]) for constraint in constraints)
