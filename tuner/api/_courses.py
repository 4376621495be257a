"""Trials that were run, as courses that others may take, and what else a study tells: what a forecast is drawn from."""

from __future__ import annotations

import bisect
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tuner.api._losses import Losses, losses_of
from tuner.core.events import Checkpointed, Event, NodeJoined, NodeLost, Started, StudyOpened
from tuner.core.ports import Store
from tuner.errors import TunerError
from tuner.trial import Attempt, Completed, Failed, FailureKind, Outcome, Params, Report, Trial, TrialState

__all__ = ["Course", "Learned", "read_courses"]

START_S = 0.05  # from a free place to the beginning of the attempt there, where that was not seen
ALREADY_S = 2.0  # after the opening, until which a node counts as one that was there
FEWEST = 3  # trials to forecast from


@dataclass(frozen=True, slots=True)
class Course:
    """How one trial went.

    Attributes:
        params: Its parameters.
        reports: (seconds since the report before, or since its attempt began; step; values).
        tail_s: Seconds from the last report to the end.
        outcome: How it ended; None for one that was ended before it was done, by the pruner or with the study.
        base_mib: Memory of the worker's process.
        peak_mib: Its peak above that.
        cpu: CPUs that it had.
        busy: CPUs that it kept busy, on average.
    """

    params: Params
    reports: tuple[tuple[float, int, Mapping[str, float]], ...]
    tail_s: float
    outcome: Outcome | None
    base_mib: float
    peak_mib: float
    cpu: float
    busy: float

    @property
    def wall_s(self) -> float:
        """Seconds from begin to end, without what came between attempts."""
        return sum(delay_s for delay_s, _, _ in self.reports) + self.tail_s


@dataclass(frozen=True, slots=True)
class Learned:
    """What a study that ran tells.

    Attributes:
        courses: Of its trials that ended, in the order of their numbers.
        start_s: From an attempt's end to the beginning of the next one, usually.
        ready_s: From when it had nodes to the beginning of its first attempt: workers start, import, get the data.
        losses: Of workers and of nodes.
        filled: (the most CPUs that attempts held at once, the most that its nodes had); None when that is not known.
        checkpoints: Whether its trials saved any, so that those which are lost or paused go on.
        boots_s: By type of node, from the request to the first trial, where it began with none.
    """

    courses: tuple[Course, ...]
    start_s: float
    ready_s: float = 0.0
    losses: Losses = field(default_factory=Losses)
    checkpoints: bool = False
    filled: tuple[float, float] | None = None
    boots_s: Mapping[str, float] = field(default_factory=dict)


def read_courses(store: Store, study: str) -> Learned:
    """The courses of a study's trials that ended, as its attempts and reports tell them.

    Raises:
        TunerError: Too few trials have run to forecast anything.
    """
    attempts: dict[int, list[Attempt]] = {}
    for attempt in store.attempts(study):
        if attempt.started_at is not None:
            attempts.setdefault(attempt.trial, []).append(attempt)
    reports: dict[int, list[Report]] = {}
    for report in store.reports(study):
        reports.setdefault(report.trial, []).append(report)
    courses = [
        _course(trial, attempts[trial.number], reports.get(trial.number, []))
        for trial in store.trials(study)
        if trial.state.finished and trial.number in attempts and not _says_nothing(trial)
    ]
    courses = _without_stumps(courses)
    if len(courses) < FEWEST or not any(isinstance(course.outcome, Completed) for course in courses):
        raise TunerError(
            f"study {study!r} has {len(courses)} trials that ended, too few to forecast from (at least {FEWEST}, one complete)",
            hint="let a longer pilot run: --pilot N --pilot-time TIME",
        )
    began = [attempt for rows in attempts.values() for attempt in rows]
    events = [event for _, event in store.events(study)]
    return Learned(
        tuple(courses),
        _start_s(began),
        _ready_s(events),
        losses_of(began, events),
        any(isinstance(event, Checkpointed) for event in events),
        _filled(began, events),
        _boots_s(events),
    )


def _without_stumps(courses: Sequence[Course]) -> list[Course]:
    """All but those cut off with the study before they told anything: without a report, and not longer than usual yet.

    Those that were longer stay: where long trials are what a limit of time cuts off, the others alone would be too short.
    """
    walls = [course.wall_s for course in courses if isinstance(course.outcome, Completed)]
    usual_s = statistics.median(walls) if walls else 0.0
    return [course for course in courses if course.outcome or course.reports or course.wall_s > usual_s]


def _filled(attempts: Sequence[Attempt], events: Sequence[Event]) -> tuple[float, float] | None:
    """The most CPUs that attempts held at once, and the most that there were."""
    nodes: dict[str, float] = {}
    cpus = 0.0
    for event in events:
        if isinstance(event, NodeJoined):
            nodes[event.node.node_id] = event.node.resources.cpu
            cpus = max(cpus, sum(nodes.values()))
        elif isinstance(event, NodeLost):
            nodes.pop(event.node_id, None)
    changes: list[tuple[float, float]] = []
    for attempt in attempts:
        if attempt.started_at is not None and attempt.finished_at is not None:
            changes += [(attempt.started_at, attempt.grant.cpu), (attempt.finished_at, -attempt.grant.cpu)]
    held = most = 0.0
    for _, change in sorted(changes):  # an end before a beginning at the same time
        held += change
        most = max(most, held)
    return (most, cpus) if most > 0 and cpus > 0 else None


def _boots_s(events: Sequence[Event]) -> dict[str, float]:
    """How long the node of the first attempt took to come, where none was there: nodes are requested at once then."""
    opened_s, joined = 0.0, dict[str, tuple[str | None, float]]()
    for event in events:
        if isinstance(event, StudyOpened):
            opened_s = event.at_s
        elif isinstance(event, NodeJoined) and event.node.resources.cpu > 0:
            joined.setdefault(event.node.node_id, (event.node.type, event.at_s))
        elif isinstance(event, Started):
            kind = joined.get(event.node_id or "", (None, 0.0))[0]
            came_later = all(at_s > opened_s + ALREADY_S for _, at_s in joined.values())
            return {kind: event.at_s - opened_s} if kind is not None and came_later else {}
    return {}


def _ready_s(events: Sequence[Event]) -> float:
    """From the study's opening, or its first node with CPUs where that came later, to the first attempt's beginning."""
    node_s: float | None = None
    opened_s = 0.0
    for event in events:
        if isinstance(event, StudyOpened):
            opened_s = event.at_s
        elif isinstance(event, NodeJoined) and event.node.resources.cpu > 0 and node_s is None:
            node_s = event.at_s
        elif isinstance(event, Started):
            return max(0.0, event.at_s - max(opened_s, opened_s if node_s is None else node_s))
    return 0.0


def _start_s(attempts: Sequence[Attempt]) -> float:
    """The median time from an end to the next beginning, wherever; ends after the last beginning do not count."""
    begins = sorted(attempt.started_at for attempt in attempts if attempt.started_at is not None)
    gaps = []
    for attempt in attempts:
        if attempt.finished_at is not None:
            following = bisect.bisect_left(begins, attempt.finished_at)
            if following < len(begins):
                gaps.append(begins[following] - attempt.finished_at)
    return statistics.median(gaps) if gaps else START_S


def _says_nothing(trial: Trial) -> bool:
    """Whether it failed for a reason that has nothing to do with its work, so that it would have gone on."""
    lost = (FailureKind.NODE_LOST, FailureKind.WORKER_LOST, FailureKind.PREEMPTED)
    return trial.failure is not None and trial.failure.kind in lost


def _course(trial: Trial, attempts: Sequence[Attempt], reports: Sequence[Report]) -> Course:
    """Of a trial with several attempts: their reports one after another, the rest of the last one."""
    begins = {attempt.number: attempt.started_at or 0.0 for attempt in attempts}
    rows: list[tuple[float, int, Mapping[str, float]]] = []
    before: dict[int, float] = dict(begins)
    for report in reports:
        if report.attempt in before and (not rows or report.step > rows[-1][1]):
            rows.append((max(0.0, report.at_s - before[report.attempt]), report.step, report.values))
            before[report.attempt] = report.at_s
    last = attempts[-1]
    ends = last.finished_at if last.finished_at is not None else before[last.number]
    measured = [attempt.usage for attempt in attempts if attempt.usage is not None]
    usage = measured[-1] if measured else None
    busy = usage.cpu_s / usage.wall_s if usage is not None and usage.wall_s > 0 else last.grant.cpu
    return Course(
        params=trial.params,
        reports=tuple(rows),
        tail_s=max(0.0, ends - before[last.number]),
        outcome=_outcome(trial),
        base_mib=max((one.base_memory_mib for one in measured), default=0.0),
        peak_mib=max((one.peak_memory_mib for one in measured), default=0.0),
        cpu=max(1.0, last.grant.cpu),
        busy=max(0.05, busy),
    )


def _outcome(trial: Trial) -> Outcome | None:
    if trial.state is TrialState.COMPLETE:
        return Completed(trial.values)
    if trial.state is TrialState.FAIL and trial.failure is not None:
        # Running out of memory is for the simulated nodes to decide; what was cut off with its study would have gone on.
        undecided = trial.failure.kind in (FailureKind.OUT_OF_MEMORY, FailureKind.STOPPED)
        return None if undecided else Failed(trial.failure.kind, "as it went before")
    return None
