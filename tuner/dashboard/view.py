"""What every display shows: a fold of a study's events and entries.

No clock, no I/O, no threads: time comes in with the events and with ``snapshot``. Folding one event takes a fixed time,
and memory grows with the attempts in flight only, so a view keeps up with thousands of trials a second for days.

How trials stand comes from the entries (``Trial``, ``Attempt``), which the core has judged already; events add what no
entry says: reports, nodes, commands. A display that goes on with a study folds the trials that its store holds first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from tuner.core.events import CommandReceived, Event, NodeJoined, NodeLost, Reported, StudyOpened, StudyResumed
from tuner.core.pareto import Front
from tuner.core.selection import losses
from tuner.dashboard import notes
from tuner.dashboard._meters import Curve, DriversClock
from tuner.dashboard.snapshot import Best, Counts, FailureNote, Progress, RunningTrial, Snapshot, headline
from tuner.resources import Node, Resources
from tuner.study import Limits, Metric, StudySpec
from tuner.trial import Attempt, Failed, FailureKind, Pruned, Trial, TrialState

__all__ = ["View"]


@dataclass(slots=True)
class _Live:
    attempt: int
    started_at: float
    grant: Resources
    step: int | None = None
    value: float | None = None
    stopping: bool = False


class View:
    """Folds a study into what displays show. Not locked: one thread at a time."""

    def __init__(self) -> None:
        self._spec: StudySpec | None = None
        self._limits = Limits()
        self._phase = ""
        self._ended: str | None = None
        self._draining: str | None = None
        self._details: dict[str, str] = {}
        self._clock = DriversClock()
        self._live: dict[int, _Live] = {}
        self._nodes: dict[str, Resources] = {}
        self._used = Resources(0.0)
        self._n_suggested = self._n_retried = self._n_promoted = self._n_feasible = self._n_cut = 0
        self._tries: dict[int, int] = {}  # of unfinished trials: the number of the last attempt, and who is paused
        self._paused: set[int] = set()
        self._states: Counter[TrialState] = Counter()
        self._failures: Counter[str] = Counter()
        self._best: tuple[int, float, int] | None = None
        self._violation = float("inf")
        self._front = Front(1)
        self._curve: Curve | None = None
        self._failure: FailureNote | None = None
        self._fold: dict[type, Callable[[Any], None]] = {
            StudyOpened: self._opened,
            StudyResumed: self._resumed,
            NodeJoined: self._node_joined,
            NodeLost: self._node_lost,
            Reported: self._reported,
            CommandReceived: self._commanded,
            Trial: self._trial,
            Attempt: self._attempt,
        }

    def phase(self, text: str) -> None:
        """The driver is about something."""
        self._phase = text

    def opened(self, spec: StudySpec, details: Mapping[str, str]) -> None:
        """What is being done, and where; from now on trials run."""
        if self._spec is None:
            self._front = Front(len(spec.metrics))
        self._spec, self._limits, self._details, self._phase = spec, spec.limits, dict(details), ""

    def restore(self, spec: StudySpec, trials: Sequence[Trial], attempts: Sequence[Attempt] = ()) -> None:
        """A study that is about to be taken up again, with the trials and attempts that it has."""
        self._spec, self._limits, self._front = spec, spec.limits, Front(len(spec.metrics))
        self._n_promoted = notes.promotions(attempts)
        self._n_retried = max(sum(max(trial.attempts - 1, 0) for trial in trials) - self._n_promoted, 0)
        last = {attempt.trial: attempt for attempt in attempts}
        for trial in trials:
            if not trial.state.finished:
                self._tries[trial.number] = trial.attempts
                if trial.number in last and isinstance(last[trial.number].outcome, Pruned):
                    self._paused.add(trial.number)
        self.fold((), trials)

    def closed(self, state: str, reason: str | None) -> None:
        """The study ended in ``state``."""
        self._ended, self._phase = state, reason or ""

    @property
    def draining(self) -> str | None:
        """``drain`` or ``stop`` once a person asked for it."""
        return self._draining

    def fold(self, events: Iterable[Event], entries: Iterable[Trial | Attempt]) -> None:
        """Take in what happened and how trials and attempts stand after it."""
        fold, clock = self._fold, self._clock
        at_s = clock.last_s
        for event in events:
            at_s = event.at_s
            handler = fold.get(type(event))
            if handler is not None:
                handler(event)
        if at_s > 0:
            clock.see(at_s)
        for entry in entries:
            fold[type(entry)](entry)

    def _opened(self, event: StudyOpened) -> None:
        self._clock.see(event.at_s)
        if self._spec is None:
            self._spec, self._limits, self._front = event.spec, event.spec.limits, Front(len(event.spec.metrics))

    def _resumed(self, event: StudyResumed) -> None:
        self._clock.resume(event.at_s)
        self._nodes.clear()
        self._draining = None
        self._limits = event.limits or self._limits

    def _node_joined(self, event: NodeJoined) -> None:
        node: Node = event.node
        self._nodes[node.node_id] = node.resources

    def _node_lost(self, event: NodeLost) -> None:
        self._nodes.pop(event.node_id, None)

    def _commanded(self, event: CommandReceived) -> None:
        if event.command != "end":  # which is no person's wish, and is told as the reason once it has ended
            self._draining = event.command

    def _reported(self, event: Reported) -> None:
        live = self._live.get(event.trial)
        if live is None or live.attempt != event.attempt or (live.step is not None and event.step <= live.step):
            return
        live.step = event.step
        name = self._spec.metric.name if self._spec else ""
        live.value = event.values[name] if name in event.values else next(iter(event.values.values()), None)

    def _attempt(self, attempt: Attempt) -> None:
        if attempt.number > self._tries.get(attempt.trial, 0):
            self._tries[attempt.trial] = attempt.number
            if attempt.trial in self._paused:
                self._paused.discard(attempt.trial)
                self._n_promoted += 1
            elif attempt.number > 1:
                self._n_retried += 1
        if attempt.outcome is not None:
            self._end(attempt.trial, attempt.number)
            self._clock.cpu_s += attempt.usage.cpu_s if attempt.usage is not None else 0.0
            if isinstance(attempt.outcome, Pruned):
                self._paused.add(attempt.trial)  # unless its trial ends with it, which is the next thing that is told
            elif isinstance(attempt.outcome, Failed) and attempt.outcome.kind is not FailureKind.STOPPED:
                self._note(attempt.trial, attempt.number, attempt.outcome, final=False)
        elif attempt.started_at is not None:
            live = self._live.get(attempt.trial)
            if live is None or live.attempt < attempt.number:
                self._end(attempt.trial, attempt.number)
                self._live[attempt.trial] = _Live(attempt.number, attempt.started_at, attempt.grant)
                self._use(attempt.grant, 1)
            elif live.attempt == attempt.number:
                live.stopping = attempt.stop_reason is not None

    def _end(self, trial: int, attempt: int) -> None:
        live = self._live.get(trial)
        if live is not None and live.attempt <= attempt:
            del self._live[trial]
            self._use(live.grant, -1)

    def _use(self, grant: Resources, sign: int) -> None:
        used = self._used
        self._used = Resources(
            used.cpu + sign * grant.cpu, used.gpu + sign * grant.gpu, used.memory_mib + sign * grant.memory_mib
        )

    def _note(self, trial: int, attempt: int, failed: Failed, *, final: bool) -> None:
        self._failure = FailureNote(trial, attempt, failed.kind.value, headline(failed.message), final)

    def _trial(self, trial: Trial) -> None:
        self._n_suggested = max(self._n_suggested, trial.number + 1)
        if not trial.state.finished:
            return
        self._end(trial.number, trial.attempts)
        self._states[trial.state] += 1
        self._tries.pop(trial.number, None)
        self._paused.discard(trial.number)
        self._clock.finish(trial.finished_at or self._clock.last_s)
        if trial.failure is not None and trial.failure.kind is FailureKind.STOPPED:
            self._n_cut += 1
        elif trial.state is TrialState.FAIL and trial.failure is not None:
            self._failures[trial.failure.kind.value] += 1
            self._note(trial.number, trial.attempts, trial.failure, final=True)
        elif trial.state is TrialState.COMPLETE and self._spec is not None:
            self._n_feasible += trial.violation == 0.0
            self._consider(trial, self._spec.metrics)

    def _consider(self, trial: Trial, metrics: Sequence[Metric]) -> None:
        metric = metrics[0]
        value = trial.values.get(metric.name)
        if value is None:
            return
        if trial.violation == 0.0 and all(m.name in trial.values for m in metrics):
            self._front.add(losses(trial, metrics))
        if trial.violation > self._violation:
            return
        if trial.violation == self._violation and self._best is not None and not metric.better(value, self._best[1]):
            return
        if trial.violation < self._violation:  # values of those that violated more say nothing of how it got better
            self._violation, self._curve = trial.violation, None
        at_s = trial.finished_at or self._clock.last_s
        if self._curve is None:
            self._curve = Curve(at_s)
        self._curve.add(at_s, value)
        self._best = (trial.number, value, self._states.total())

    def snapshot(self, now_s: float | None = None, rows: int = 8, points: int = 24) -> Snapshot:
        """How things stand.

        Args:
            now_s: The time now, in the events' clock; None for the last event's (a simulation's virtual time).
            rows: How many running trials at most.
            points: How many points of the history at most.
        """
        clock = self._clock
        now_s = max(now_s if now_s is not None else clock.last_s, clock.last_s)
        session_s = now_s - clock.since_s if clock.since_s is not None else 0.0
        elapsed_s = clock.earlier_s + session_s
        counts, per_minute = self._counts(), clock.per_minute(now_s)
        return Snapshot(
            name=self._spec.name if self._spec else None,
            metric=self._spec.metric if self._spec else None,
            phase=self._phase,
            details=dict(self._details),
            ended=self._ended,
            draining=self._draining,
            counts=counts,
            failures=dict(self._failures),
            limits=self._limits,
            elapsed_s=elapsed_s,
            session_s=session_s,
            cpu_s=clock.cpu_s,
            per_minute=per_minute,
            left_s=None if self._ended else self._left_s(counts, elapsed_s, per_minute),
            progress=self._progress(counts, elapsed_s),
            best=self._best_now(counts),
            history=self._history(now_s, points),
            feasible=self._n_feasible if self._spec is not None and self._spec.constraints else None,
            front=len(self._front.points) if self._spec is not None and len(self._spec.metrics) > 1 else None,
            used=self._used,
            total=_total(self._nodes.values()),
            n_nodes=len(self._nodes),
            running=self._rows(now_s, rows),
            failure=self._failure,
        )

    def _counts(self) -> Counts:
        complete, pruned, failed = (
            self._states[state] for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
        )
        paused = len(self._paused)
        waiting = self._n_suggested - complete - pruned - failed - len(self._live) - paused
        return Counts(
            waiting=max(waiting, 0),
            running=len(self._live),
            complete=complete,
            pruned=pruned,
            failed=failed - self._n_cut,
            retried=self._n_retried,
            paused=paused,
            promoted=self._n_promoted,
            cut=self._n_cut,
        )

    def _progress(self, counts: Counts, elapsed_s: float) -> Progress | None:
        candidates = []
        if self._limits.trials:
            candidates.append(Progress(counts.finished, self._limits.trials, "trials"))
        if self._limits.time_s:
            candidates.append(Progress(elapsed_s, self._limits.time_s, "s"))
        return max(candidates, key=lambda progress: progress.share, default=None)

    def _left_s(self, counts: Counts, elapsed_s: float, per_minute: float | None) -> float | None:
        if self._limits.trials and counts.finished >= self._limits.trials:
            return None  # what takes time now, as fitting the best model, is no trial
        candidates = []
        if self._limits.trials and per_minute:
            candidates.append(60.0 * max(self._limits.trials - counts.finished, 0) / per_minute)
        if self._limits.time_s:
            candidates.append(max(self._limits.time_s - elapsed_s, 0.0))
        return min(candidates, default=None)

    def _best_now(self, counts: Counts) -> Best | None:
        if self._best is None:
            return None
        trial, value, finished = self._best
        return Best(trial, value, counts.finished - finished, feasible=self._violation == 0.0)

    def _history(self, now_s: float, points: int) -> tuple[float, ...]:
        if self._curve is None or self._best is None:
            return ()
        if self._ended is None:
            self._curve.add(now_s, self._best[1])
        return self._curve.points(points)

    def _rows(self, now_s: float, rows: int) -> tuple[RunningTrial, ...]:
        return tuple(
            RunningTrial(number, e.attempt, e.step, e.value, max(now_s - e.started_at, 0.0), e.stopping)
            for number, e in islice(self._live.items(), max(rows, 0))
        )


def _total(nodes: Iterable[Resources]) -> Resources:
    held: Sequence[Resources] = list(nodes)
    return Resources(sum(n.cpu for n in held), sum(n.gpu for n in held), sum(n.memory_mib for n in held))
