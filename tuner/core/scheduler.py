"""The core: ``handle(event) -> actions``. Deterministic, and the only place that decides.

What it keeps is a fold of the log: handling the same events again gives the same actions, which is how a study is resumed.

Rules for what comes late, twice or out of order (delivery is at least once):

- an event of a finished trial, of an attempt that is not the current one, or of a trial between two attempts is dropped;
- a report whose step is not above the trial's last one is dropped: a new attempt that starts over is judged again only
  where it gets further than the one before;
- a ``Started`` that comes after a report of the same attempt, or twice, is dropped;
- a suggestion of a number that was suggested already is dropped; one that skips a number is a bug (``InvalidTransition``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar

from tuner.core import events as ev
from tuner.core.actions import Action, Close, Record, Scale, Start, Stop, Suggest, WakeAt
from tuner.core.lanes import Lanes, Pace, slots
from tuner.core.ledger import LiveTrial
from tuner.core.limits import Progress
from tuner.core.ports import Pruner
from tuner.core.rightsizing import Sizing
from tuner.errors import InvalidTransition
from tuner.resources import Node, Resources
from tuner.study import StudySpec, trial_seed
from tuner.trial import Completed, Failed, FailureKind, Outcome, Pruned, TrialState

__all__ = ["Scheduler"]

FREE = frozenset({FailureKind.NODE_LOST, FailureKind.PREEMPTED})
MAX_LOSSES = 20  # free retries of one trial: a trial that outlives twenty nodes is better given up than tried for ever
LOST = frozenset({FailureKind.WORKER_LOST, FailureKind.NODE_LOST, FailureKind.PREEMPTED, FailureKind.HUNG})
KILLED = LOST | {FailureKind.OUT_OF_MEMORY}
MAX_BUNDLES = 1000  # what is worth telling an autoscaler at once


class Scheduler:
    """The state machine of one study.

    Args:
        spec: What was asked for.
        pruner: Judges reports; called from ``handle`` only.
    """

    def __init__(self, spec: StudySpec, pruner: Pruner) -> None:
        self.spec = spec
        self.limits = spec.limits
        self.progress = Progress(spec.metrics)
        self.closed: Close | None = None
        self._pruner = pruner
        self._metric = spec.metric.name
        self._sizing = Sizing(spec.resources)
        self._lanes = Lanes()
        self._pace = Pace()
        self._nodes: dict[str, Node] = {}
        self._n_slots = 0  # attempts that all nodes together hold
        self._live: dict[int, LiveTrial] = {}
        self._waiting: deque[LiveTrial] = deque()
        self._n_suggested = 0
        self._outstanding = 0  # suggestions asked for and not yet here
        self._exhausted = False
        self._draining = False
        self._ending: tuple[str, str] | None = None
        self._deadlines: deque[tuple[float, int, int]] = deque()  # (at_s, trial, attempt), rising: one limit for all
        self._wake_at: float | None = None
        self._session_at = self._last_at = self._before_resume = 0.0
        self._elapsed_s = 0.0  # of earlier sessions
        self._scaled = -1
        self._out: list[Action] = []

    @property
    def in_flight(self) -> int:
        """Attempts handed to the executor that have not ended."""
        return self._lanes.in_flight

    @property
    def waiting_for(self) -> str | None:
        """What the study waits for, for a person; None while attempts are in flight or it has ended."""
        if self.closed or self._lanes.in_flight:
            return None
        if not self._nodes:
            return "a node to join the cluster"
        if self._lanes.count == 0:
            return f"a node that can hold {self._sizing.base}"
        return "suggestions" if self._outstanding else None

    @property
    def no_node_fits(self) -> tuple[Resources, Resources] | None:
        """(what an attempt asks for, the largest node) when there are nodes and none can hold one attempt."""
        if self._lanes.count or not self._nodes:
            return None
        return self._sizing.base, max((n.resources for n in self._nodes.values()), key=lambda r: (r.cpu, r.memory_mib))

    def handle(self, event: ev.Event) -> list[Action]:
        """Take one event in and say what is to be done, in this order.

        Raises:
            InvalidTransition: No rule allows the event: a bug of ours, with the trial's story.
        """
        if self.closed and not isinstance(event, ev.StudyResumed):
            return []
        out: list[Action] = []
        self._out = out
        kind = type(event)
        if kind is ev.StudyResumed:
            # The clock of the new driver counts from now on, also when it is behind that of the one before.
            self._before_resume, self._last_at = self._last_at, event.at_s
        elif event.at_s > self._last_at:
            self._last_at = event.at_s
        self._HANDLERS[kind](self, event)
        return out

    def _opened(self, event: ev.StudyOpened) -> None:
        self._session_at = event.at_s
        self._set_timer()
        self._scale()

    def _resumed(self, event: ev.StudyResumed) -> None:
        self._elapsed_s += max(0.0, self._before_resume - self._session_at)
        self._session_at = event.at_s
        self.limits = event.limits or self.limits
        if self._ending is not None and self._ending[0] == "failures":
            # Whoever resumes a study that failures ended has mended their cause; else it would end again at once.
            self.progress.forgive()
        self.closed = self._ending = None
        self._draining, self._outstanding, self._scaled = False, 0, -1
        self._exhausted = False
        self._nodes.clear()
        self._n_slots = 0
        self._lanes.clear()
        self._deadlines.clear()
        self._wake_at = None
        self._waiting.clear()
        for live in list(self._live.values()):
            if live.lane is not None:
                self._lose_with_driver(live, event.at_s)
            if live.number in self._live:
                self._waiting.append(live)
        self._judge_limits()
        self._set_timer()
        self._scale()
        self._settle()

    def _lose_with_driver(self, live: LiveTrial, at_s: float) -> None:
        failure = Failed(FailureKind.WORKER_LOST, "lost with the driver that ran it")
        self._out.append(Record(live.attempt_row(failure, at_s)))
        # How long it ran is not known: its last sign of life is as late as the log goes.
        live.end_attempt(self._before_resume, None)
        live.losses += 1
        if live.stop is not None and live.stop.prune:
            self._finish(live, TrialState.PRUNED, at_s)
        else:
            self._out.append(Record(live.row(TrialState.WAITING)))

    def _node_joined(self, event: ev.NodeJoined) -> None:
        self._forget_node(event.node.node_id)
        self._nodes[event.node.node_id] = event.node
        self._n_slots += slots(event.node, self._sizing.base)
        self._resize()

    def _node_lost(self, event: ev.NodeLost) -> None:
        self._forget_node(event.node_id)
        self._resize()

    def _forget_node(self, node_id: str) -> None:
        node = self._nodes.pop(node_id, None)
        if node is not None:
            self._n_slots -= slots(node, self._sizing.base)

    def _resize(self) -> None:
        self._lanes.resize(min(self._n_slots, self.limits.parallel or self._n_slots))
        self._settle()

    def _suggested(self, event: ev.Suggested) -> None:
        if event.trial < self._n_suggested:
            return
        if event.trial > self._n_suggested:
            raise InvalidTransition(f"suggested before trial {self._n_suggested}", trial=event.trial)
        self._n_suggested += 1
        self._outstanding = max(0, self._outstanding - 1)
        live = LiveTrial(event.trial, event.params, self._sizing.base)
        self._live[event.trial] = live
        self._waiting.append(live)
        self._out.append(Record(live.row(TrialState.WAITING)))
        self._settle()

    def _space_exhausted(self, event: ev.SpaceExhausted) -> None:
        self._exhausted, self._outstanding = True, 0
        self._settle()

    def _started(self, event: ev.Started) -> None:
        live = self._current(event)
        if live is not None and live.attempt_started_at is None:
            self._mark_started(live, event.at_s, event.node_id)

    def _mark_started(self, live: LiveTrial, at_s: float, node_id: str | None) -> None:
        first = live.started_at is None
        live.mark_started(at_s, node_id)
        self._out.append(Record(live.attempt_row()))
        if first or live.attempts > 1:
            self._out.append(Record(live.row(TrialState.RUNNING)))
        if self.limits.trial_time_s is not None:
            self._deadlines.append((at_s + self.limits.trial_time_s, live.number, live.attempts))
            self._set_timer()

    def _reported(self, event: ev.Reported) -> None:
        live = self._current(event)
        if live is None:
            return
        if live.attempt_started_at is None:
            self._mark_started(live, event.at_s, None)
        if live.last_step is not None and event.step <= live.last_step:
            return
        live.steps += 1
        live.last_step, live.last_values = event.step, event.values
        value = event.values.get(self._metric)
        # x - x is 0 for finite numbers only.
        if value is None or live.stop is not None or value - value != 0.0:
            return
        verdict = self._pruner.judge(live.number, event.step, value)
        if verdict is not None and verdict.decision != "go":
            self._stop(live, Stop(live.number, live.attempts, verdict.reason))

    def _stop(self, live: LiveTrial, stop: Stop) -> None:
        live.stop = stop
        self._out.append(stop)

    def _checkpointed(self, event: ev.Checkpointed) -> None:
        """Nothing goes on from checkpoints yet."""

    def _informed(self, event: ev.Informed) -> None:
        """For the sampler only."""

    def _finished(self, event: ev.Finished) -> None:
        live = self._current(event)
        if live is None:
            return
        assert live.lane is not None
        self._lanes.give_back(live.lane)
        outcome = self._outcome(live, event.outcome)
        if isinstance(outcome, Failed) and outcome.kind in LOST:
            self._pace.reset()
        elif event.usage is not None:
            self._pace.observe(event.usage.wall_s)
        self._out.append(Record(live.attempt_row(outcome, event.at_s, event.usage)))
        live.end_attempt(event.at_s, event.usage)
        if isinstance(outcome, Completed):
            self._finish(live, TrialState.COMPLETE, event.at_s, outcome=outcome)
        elif isinstance(outcome, Pruned):
            self._finish(live, TrialState.PRUNED, event.at_s)
        elif self._retried(live, outcome):
            live.stop = None
            self._waiting.appendleft(live)
            self._out.append(Record(live.row(TrialState.WAITING)))
        else:
            self._fail(live, outcome, event.at_s)
        self._set_timer()
        self._settle()

    def _outcome(self, live: LiveTrial, outcome: Outcome) -> Outcome:
        """The outcome in the light of what the attempt was asked: one that dies while it is stopped was stopped."""
        if live.stop is None or not isinstance(outcome, Failed) or outcome.kind not in KILLED:
            return outcome
        if live.stop.prune:
            return Pruned(live.last_step)
        kind = FailureKind.TIMEOUT if live.stop.timeout else FailureKind.STOPPED
        return Failed(kind, live.stop.reason)

    def _retried(self, live: LiveTrial, failure: Failed) -> bool:
        condemned = live.stop is not None and live.stop.prune
        if self._ending or condemned or failure.kind not in self.spec.retry.on:
            return False
        if failure.kind in FREE:
            live.losses += 1
            return live.losses <= MAX_LOSSES
        live.retries += 1
        if live.retries > self.spec.retry.max:
            return False
        if failure.kind is FailureKind.OUT_OF_MEMORY:
            grant = self._sizing.after_out_of_memory(live.grant, live.peak_memory_mib, self._nodes.values())
            if grant is None:
                return False
            live.grant = grant
        return True

    def _fail(self, live: LiveTrial, failure: Failed, at_s: float) -> None:
        if failure.kind is FailureKind.STOPPED and live.last_values:
            # It ran well until the sweep ended: what it reported counts, as for any trial that was stopped early.
            self._finish(live, TrialState.PRUNED, at_s, cut_short=True)
        else:
            self._finish(live, TrialState.FAIL, at_s, outcome=failure)

    def _finish(
        self,
        live: LiveTrial,
        state: TrialState,
        at_s: float,
        *,
        outcome: Completed | Failed | None = None,
        cut_short: bool = False,
    ) -> None:
        del self._live[live.number]
        values = outcome.values if isinstance(outcome, Completed) else {}
        if state is TrialState.PRUNED:
            values = live.last_values
        failure = outcome if isinstance(outcome, Failed) else None
        trial = live.row(state, values=values, finished_at=at_s, failure=failure)
        self._pruner.finish(trial)
        if not cut_short:  # one that the sweep's end cut short says nothing against going on, should it be resumed
            self.progress.observe(trial)
        self._out.append(Record(trial))
        self._judge_limits()

    def _judge_limits(self) -> None:
        if self._ending is None:
            verdict = self.progress.verdict(self.limits)
            if verdict is not None:
                self._end(*verdict)

    def _end(self, reason: str, message: str) -> None:
        """The sweep is over: stop what runs, start nothing more."""
        self._ending = (reason, message)
        if self._outstanding:
            self._outstanding = 0
            self._out.append(Suggest(self._n_suggested, 0))
        for live in self._live.values():
            if live.lane is not None and live.stop is None:
                self._stop(live, Stop(live.number, live.attempts, message, prune=False))

    def _command(self, event: ev.CommandReceived) -> None:
        if event.command == "drain" and not self._draining:
            self._draining = True
            if self._outstanding:
                self._outstanding = 0
                self._out.append(Suggest(self._n_suggested, 0))
        elif event.command == "stop" and self._ending is None:
            self._end("stopped", "stopped by hand")
        self._settle()

    def _timer(self, event: ev.TimerFired) -> None:
        self._wake_at = None
        end_at = self._end_at()
        if end_at is not None and event.at_s >= end_at and self._ending is None:
            self._end("time", f"its time of {self.limits.time_s:g} s is over")
        while self._deadlines and self._deadlines[0][0] <= event.at_s:
            _, number, attempt = self._deadlines.popleft()
            live = self._live.get(number)
            if live is not None and live.lane is not None and live.attempts == attempt and live.stop is None:
                reason = f"ran longer than {self.limits.trial_time_s:g} s (limits.trial_time)"
                self._stop(live, Stop(number, attempt, reason, prune=False, timeout=True))
        self._set_timer()
        self._settle()

    def _end_at(self) -> float | None:
        if self.limits.time_s is None:
            return None
        return self._session_at + max(0.0, self.limits.time_s - self._elapsed_s)

    def _set_timer(self) -> None:
        while self._deadlines:
            _, number, attempt = self._deadlines[0]
            live = self._live.get(number)
            if live is not None and live.lane is not None and live.attempts == attempt:
                break
            self._deadlines.popleft()
        times = [self._deadlines[0][0]] if self._deadlines else []
        end_at = self._end_at()
        if end_at is not None and self._ending is None:
            times.append(end_at)
        wake_at = min(times, default=None)
        if wake_at != self._wake_at:
            self._wake_at = wake_at
            self._out.append(WakeAt(wake_at))

    def _current(self, event: ev.Started | ev.Reported | ev.Finished) -> LiveTrial | None:
        """The trial whose current attempt the event is about; None when the event is stale."""
        live = self._live.get(event.trial)
        if live is None:
            if event.trial >= self._n_suggested:
                raise InvalidTransition(f"{type(event).__name__} before it was suggested", trial=event.trial)
            return None
        if event.attempt > live.attempts:
            what = f"{type(event).__name__} of attempt {event.attempt}, which was never begun"
            raise InvalidTransition(what, trial=event.trial, story=live.story())
        if event.attempt < live.attempts or live.lane is None:
            return None
        return live

    def _settle(self) -> None:
        """Start what can start, ask for what is missing, close when nothing is left."""
        if self.closed:
            return
        if self._ending is None and not self._draining:
            self._fill()
        if self._lanes.in_flight == 0:
            self._maybe_close()

    def _fill(self) -> None:
        depth = self._pace.depth
        while self._waiting:
            lane = self._lanes.take(depth)
            if lane is None:
                return
            live = self._waiting.popleft()
            live.begin_attempt(lane)
            seed = trial_seed(self.spec.seed, live.number)
            self._out.append(Start(live.number, live.attempts, live.params, live.grant, lane, seed))
        if self._exhausted:
            return
        want = self._lanes.free(depth) - self._outstanding
        left = self._trials_left()
        if left is not None:
            want = min(want, left)
        if want > 0:
            self._out.append(Suggest(self._n_suggested + self._outstanding, want))
            self._outstanding += want

    def _trials_left(self) -> int | None:
        """Trials that may still be asked for."""
        if self.limits.trials is None:
            return None
        return self.limits.trials - self._n_suggested - self._outstanding

    def _maybe_close(self) -> None:
        if self._ending is not None:
            for live in list(self._live.values()):
                self._fail(live, Failed(FailureKind.STOPPED, self._ending[1]), self._last_at)
            self._close(*self._ending)
        elif self._draining:
            self._close("drained", "interrupted; it can be resumed")
        elif not self._live and not self._outstanding:
            left = self._trials_left()
            if left is not None and left <= 0:
                self._close("trials", f"all {self._n_suggested} trials are done")
            elif self._exhausted:
                self._close("exhausted", f"the space is exhausted after {self._n_suggested} trials")

    def _close(self, reason: str, message: str) -> None:
        self._scale(0)
        self.closed = Close(reason, message)
        self._out.append(self.closed)

    def _scale(self, wanted: int | None = None) -> None:
        """Tell the autoscaler how many attempts could run now."""
        if wanted is None:
            left = self.limits.trials if self.limits.trials is not None else MAX_BUNDLES
            wanted = min(self.limits.parallel or MAX_BUNDLES, left, MAX_BUNDLES)
        if wanted != self._scaled:
            self._scaled = wanted
            self._out.append(Scale((self._sizing.base,) * wanted))

    _HANDLERS: ClassVar[dict[type, Callable[[Any, Any], None]]] = {
        ev.StudyOpened: _opened,
        ev.StudyResumed: _resumed,
        ev.NodeJoined: _node_joined,
        ev.NodeLost: _node_lost,
        ev.Suggested: _suggested,
        ev.SpaceExhausted: _space_exhausted,
        ev.Started: _started,
        ev.Reported: _reported,
        ev.Checkpointed: _checkpointed,
        ev.Informed: _informed,
        ev.Finished: _finished,
        ev.CommandReceived: _command,
        ev.TimerFired: _timer,
    }
