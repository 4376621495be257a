"""Events, trials and attempts as rows of the tables and back. Pure; the order of columns is that of the constants."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tuner.core.codec import encode
from tuner.core.events import Event, Reported
from tuner.resources import Resources, Usage
from tuner.stores._json import dumps, loads, plain_text
from tuner.trial import Attempt, Completed, Failed, FailureKind, Outcome, Pruned, Trial, TrialState

__all__ = [
    "ATTEMPT_COLUMNS",
    "EVENT_COLUMNS",
    "REPORT_COLUMNS",
    "TRIAL_COLUMNS",
    "Batch",
    "attempt_from_row",
    "batch_of",
    "group_reports",
    "trial_from_row",
]

Row = tuple[Any, ...]
T = TypeVar("T")
_NAN = float("nan")

EVENT_COLUMNS = ("study_id", "n", "at_s", "kind", "payload")
REPORT_COLUMNS = ("study_id", "n", "at_s", "trial", "attempt", "step", "metric", "value")
TRIAL_COLUMNS = (
    *("study_id", "number", "state", "value", "params", "metrics", "attempts", "steps", "last_step"),
    *("started_at", "finished_at", "wall_s", "failure_kind", "failure_message", "violation"),
)
ATTEMPT_COLUMNS = (
    *("study_id", "trial", "number", "node_id", "started_at", "finished_at"),
    *("grant_cpu", "grant_gpu", "grant_memory_mib"),
    *("outcome", "outcome_metrics", "outcome_step", "failure_kind", "failure_message", "stop_reason"),
    *("used_peak_memory_mib", "used_cpu_s", "used_wall_s", "used_gpu_util", "used_peak_gpu_memory_mib"),
    *("used_base_memory_mib", "used_mean_memory_mib", "used_threads", "used_received_mib", "used_gpu_memory_mib"),
)
_USED = tuple(name.removeprefix("used_") for name in ATTEMPT_COLUMNS if name.startswith("used_"))  # as Usage has them
_SURE = (
    3  # the first of them are numbers in every version, so NULL there is NaN; in the others it is what was not measured
)
_UNMEASURED = tuple(Usage.__dataclass_fields__[name].default for name in _USED)


@dataclass(slots=True)
class Batch:
    """What one transaction writes.

    Attributes:
        next_n: The position after the last event.
        events: Rows of ``event``.
        reports: Rows of ``report``.
        trials: Rows of ``trial``, one a trial.
        attempts: Rows of ``attempt``, one an attempt.
    """

    next_n: int
    events: list[Row] = field(default_factory=list)
    reports: list[Row] = field(default_factory=list)
    trials: list[Row] = field(default_factory=list)
    attempts: list[Row] = field(default_factory=list)


def batch_of(
    study_id: int, next_n: int, metric: str, events: Sequence[Event], entries: Sequence[Trial | Attempt]
) -> Batch:
    """The rows for ``events`` at the positions from ``next_n`` on, and for the last entry of each trial and attempt.

    Args:
        study_id: The study.
        next_n: Position of the first event.
        metric: Name of the study's first metric, whose value is a trial's ``value``.
        events: In order.
        entries: Trials and attempts; of several of the same key the last one counts.

    Raises:
        StoreError: Something in them is no plain data.
    """
    batch = Batch(next_n + len(events))
    add_event, add_report = batch.events.append, batch.reports.append
    for n, event in enumerate(events, next_n):
        if type(event) is Reported and (values := _typed(event.values)) is not None:
            at_s, trial, attempt, step = event.at_s, event.trial, event.attempt, event.step
            for name, value in values:
                add_report((study_id, n, at_s, trial, attempt, step, name, value))
        else:
            kind, payload = encode(event)
            add_event((study_id, n, event.at_s, kind, dumps(payload)))
    trials: dict[int, Trial] = {}
    attempts: dict[tuple[int, int], Attempt] = {}
    for entry in entries:
        if isinstance(entry, Trial):
            trials[entry.number] = entry
        elif isinstance(entry, Attempt):
            attempts[entry.trial, entry.number] = entry
        else:
            raise TypeError(f"an entry must be a Trial or an Attempt, not {type(entry).__name__}")
    batch.trials = [_trial_row(study_id, trial, metric) for trial in trials.values()]
    batch.attempts = [_attempt_row(study_id, attempt) for attempt in attempts.values()]
    return batch


def _typed(values: Mapping[str, float]) -> list[tuple[str, float | None]] | None:
    """A report's rows, NaN as None; None when rows cannot say it and it must be a payload.

    That is a report without any value (no row, no position) and one with a name that PostgreSQL's TEXT cannot hold.
    """
    if not values:
        return None
    rows: list[tuple[str, float | None]] = []
    for name, value in values.items():
        if (not name.isascii() or "\0" in name) and plain_text(name) != name:
            return None
        rows.append((name, _number(value)))
    return rows


def _number(value: float | None) -> float | None:
    """A float for a column; None for NaN, which is what differs from itself."""
    return None if value is None or value != value else float(value)


def _trial_row(study_id: int, trial: Trial, metric: str) -> Row:
    failure, value = trial.failure, trial.values.get(metric)
    return (
        study_id,
        trial.number,
        trial.state.value,
        _number(value),
        dumps(trial.params),
        dumps(trial.values) if trial.values else "{}",
        trial.attempts,
        trial.steps,
        trial.last_step,
        trial.started_at,
        trial.finished_at,
        trial.wall_s,
        None if failure is None else failure.kind.value,
        None if failure is None else plain_text(failure.message),
        float(trial.violation),
    )


def trial_from_row(row: Sequence[Any]) -> Trial:
    """A trial from the values of ``TRIAL_COLUMNS``.

    Raises:
        ValueError: The row cannot be understood.
    """
    _, number, state, _, params, values, attempts, steps, last_step, started, finished, wall_s, *rest = row
    kind, message, violation = rest
    failure = None if kind is None else Failed(FailureKind(kind), message)
    return Trial(
        number=number,
        state=TrialState(state),
        params=loads(params),
        values=loads(values),
        attempts=attempts,
        steps=steps,
        last_step=last_step,
        started_at=started,
        finished_at=finished,
        wall_s=wall_s,
        failure=failure,
        violation=violation,
    )


def _outcome_row(outcome: Outcome | None) -> Row:
    if outcome is None:
        return (None, None, None, None, None)
    if isinstance(outcome, Completed):
        return ("completed", dumps(outcome.values), None, None, None)
    if isinstance(outcome, Pruned):
        return ("pruned", None, outcome.step, None, None)
    return ("failed", None, None, outcome.kind.value, plain_text(outcome.message))


def _outcome_from_row(row: Sequence[Any]) -> Outcome | None:
    outcome, values, step, kind, message = row
    if outcome is None:
        return None
    if outcome == "completed":
        return Completed(loads(values))
    return Pruned(step) if outcome == "pruned" else Failed(FailureKind(kind), message)


def _attempt_row(study_id: int, attempt: Attempt) -> Row:
    grant, usage = attempt.grant, attempt.usage
    used: Row = (None,) * len(_USED)
    if usage is not None:
        used = tuple([getattr(usage, name) for name in _USED])
    return (
        study_id,
        attempt.trial,
        attempt.number,
        None if attempt.node_id is None else plain_text(attempt.node_id),
        attempt.started_at,
        attempt.finished_at,
        grant.cpu,
        grant.gpu,
        grant.memory_mib,
        *_outcome_row(attempt.outcome),
        None if attempt.stop_reason is None else plain_text(attempt.stop_reason),
        *used,
    )


def attempt_from_row(row: Sequence[Any]) -> Attempt:
    """An attempt from the values of ``ATTEMPT_COLUMNS``.

    Raises:
        ValueError: The row cannot be understood.
    """
    _, trial, number, node_id, started, finished, cpu, gpu, memory_mib, *rest = row
    outcome, stop_reason, used = _outcome_from_row(rest[:5]), rest[5], rest[6:]
    usage = None
    if used != [None] * len(_USED):
        sure = [_NAN if value is None else value for value in used[:_SURE]]
        others = zip(used[_SURE:], _UNMEASURED[_SURE:], strict=True)
        measured: list[Any] = [*sure, *(old if value is None else value for value, old in others)]
        usage = Usage(*measured)
    return Attempt(
        trial, number, Resources(cpu, gpu, memory_mib), node_id, started, finished, outcome, usage, stop_reason
    )


def group_reports(
    rows: Iterable[Sequence[Any]], make: Callable[[float, int, int, int, dict[str, float]], T]
) -> Iterator[tuple[int, T]]:
    """(position, report) for each report, of rows (n, at_s, trial, attempt, step, metric, value) ordered by n.

    Args:
        rows: A report's rows follow one another.
        make: ``Report`` or ``Reported``: called with at_s, trial, attempt, step, values.
    """
    last, values = 0, dict[str, float]()
    for n, at_s, trial, attempt, step, metric, value in rows:
        if n == last:
            values[metric] = _NAN if value is None else value
            continue
        last, values = n, {metric: _NAN if value is None else value}
        # The mapping is filled further by the report's next rows.
        yield n, make(at_s, trial, attempt, step, values)
