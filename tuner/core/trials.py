"""What becomes of every trial: its attempts, reports, checkpoints and end. The study as a whole is the scheduler's.

Rules for what comes late, twice or out of order (delivery is at least once):

- an event of a finished trial, of an attempt that is not the current one, or of a trial between two attempts is dropped;
- a report whose step is not above the trial's last one is dropped: a new attempt that starts over is judged again only
  where it gets further than the one before;
- a checkpoint that is not above the trial's last one, or of an attempt that is not the current one, is discarded;
- a ``Started`` that comes after a report of the same attempt, or twice, is dropped.

A paused trial is one whose attempt was told to pause and has ended; the pruner may promote it, also while that attempt is
still on its way out. An attempt that ran to its end all the same is complete. A pause is cooperative, so some reports come
after it was decided: they are judged when the trial is promoted, in order and before it goes on. So it competes at its next
rung with the value that it had there, not with that of whichever report comes first after the pause.
"""

from __future__ import annotations

from collections import deque

from tuner.core import events as ev
from tuner.core.actions import Action, Discard, Record, Start, Stop
from tuner.core.backlog import PATIENCE, Backlog
from tuner.core.checkpoints import Shelf
from tuner.core.deadlines import Deadlines
from tuner.core.ledger import LiveTrial
from tuner.core.limits import Progress
from tuner.core.outcomes import (
    FREE,
    LOST,
    MAX_LOSSES,
    in_light_of_stop,
    violation_of,
    with_constraints,
    with_last_report,
)
from tuner.core.ports import Pruner
from tuner.core.rightsizing import Grant
from tuner.core.room import Room
from tuner.core.selection import standing
from tuner.errors import InvalidTransition
from tuner.formula import FormulaError
from tuner.resources import Usage
from tuner.study import StudySpec, trial_seed
from tuner.trial import Checkpoint, Completed, Failed, FailureKind, Outcome, TrialState

__all__ = ["Trials"]

FEWEST_HELD, MOST_HELD = 2, 8  # trials that wait for a larger place while smaller ones pass: suggestions get stale
LATEST_WALLS = 200
Of = ev.Started | ev.Reported | ev.Checkpointed | ev.Finished


class Trials:
    """Every trial from its suggestion to its end.

    Args:
        spec: What was asked for.
        pruner: Judges reports.
        room: Where attempts run.
        time: Told when attempts begin, and what of.

    Attributes:
        live: Those that are not finished, by number; finished ones are forgotten, the store has them.
        backlog: Those of them that can be started.
        shelf: Which checkpoints are needed.
        progress: What the limits look at.
        n_suggested: The next trial's number.
        walls: How long the latest attempts took, in seconds.
        n_promoted: Attempts that trials were promoted to.
        n_anew: Those of them that began from nothing.
        over: Whether the sweep is ending: nothing is tried again.
        out: Where actions go.
    """

    def __init__(self, spec: StudySpec, pruner: Pruner, room: Room, time: Deadlines) -> None:
        self.live: dict[int, LiveTrial] = {}
        self.backlog = Backlog(pruner, self._goes_on)
        self.progress = Progress(spec.metrics)
        self.n_suggested = 0
        self.walls: deque[float] = deque(maxlen=LATEST_WALLS)
        self.n_promoted = self.n_anew = 0
        self.over = False
        self.out: list[Action] = []
        self._spec, self._pruner, self._room, self._time = spec, pruner, room, time
        self._metric = spec.metric.name
        self.shelf = Shelf(spec.keep, lambda trial: standing(trial, spec.metric))

    # -- what happens -----------------------------------------------------------------------------------------------

    def suggested(self, event: ev.Suggested) -> bool:
        """A new trial; False when it is one that is known already."""
        if event.trial < self.n_suggested:
            return False
        if event.trial > self.n_suggested:
            raise InvalidTransition(f"suggested before trial {self.n_suggested}", trial=event.trial)
        self.n_suggested += 1
        live = LiveTrial(event.trial, event.params, self._room.sizing.base)
        if event.parent is not None:
            live.checkpoint = self.checkpoint_of(event.parent)
            self.shelf.hold(live.checkpoint)
        self.live[event.trial] = live
        self._pruner.admit(event.trial)
        self.backlog.add(live)
        self.out.append(Record(live.row(TrialState.WAITING)))
        return True

    def start_next(self, left: int | None, at_s: float) -> bool:
        """Start what is to be started next, where there is room for it; False when nothing was.

        Args:
            left: Trials that are still to be started; None for any number.
            at_s: The time now.
        """
        backlog = self.backlog
        if not backlog.held or backlog.held[0].passed < PATIENCE:
            self._room.unreserve()
        for index, live in enumerate(backlog.held):
            if self._try(live, left, at_s, first=index == 0):
                del backlog.held[index]
                return True
        most = max(FEWEST_HELD, min(MOST_HELD, self._room.lanes.count // 4))
        while len(backlog.held) < most and self._room.n_open > 0:
            live_next = backlog.next(self.live)
            if live_next is None:
                return False
            if self._try(live_next, left, at_s):
                return True
            backlog.hold_back(live_next)
        return False

    def _try(self, live: LiveTrial, left: int | None, at_s: float, *, first: bool = False) -> bool:
        """Start the trial's next attempt, or end the trial if none can ever be; False when there is no room for it.

        ``first``: it is the one that was held back the longest; when it has waited long, a node is kept free for it.
        """
        try:
            grant = self._room.grant(live.params, live.floor, left)
        except FormulaError as error:
            self.fail(live, Failed(FailureKind.INVALID_PARAMS, f"resources: {error}"), at_s)
            return True
        waited = first and live.passed >= PATIENCE
        lane = self._room.put(grant.resources, reserved=waited)
        if lane is None:
            if waited:
                self._room.reserve(grant.resources)
            return False
        self.backlog.pass_over()
        self._begin(live, lane, grant)
        return True

    def _begin(self, live: LiveTrial, lane: int, grant: Grant) -> None:
        live.begin_attempt(lane, grant)
        self.shelf.hold(live.started_from)
        if live.goes_on:
            live.goes_on = False
            self.n_promoted += 1
            self.n_anew += live.started_from is None
        seed = trial_seed(self._spec.seed, live.number)
        self.out.append(
            Start(
                live.number,
                live.attempts,
                live.params,
                live.grant,
                lane,
                seed,
                live.started_from,
                self._room.avoid,
                live.forecast,
            )
        )

    def give_up_what_fits_nowhere(self, at_s: float) -> bool:
        """Nothing runs, and what is held back fits no node even when that is empty: end it; whether anything was."""
        nowhere = []
        for live in self.backlog.held:
            grant = self._room.grant(live.params, live.floor, None).resources
            if not self._room.sizing.fits(grant):
                nowhere.append((live, grant))
        for live, grant in nowhere:
            self.backlog.held.remove(live)
            message = f"it asks for {grant}, and there is no node that large"
            self.fail(live, Failed(FailureKind.INVALID_PARAMS, message), at_s)
        return bool(nowhere)

    def started(self, event: ev.Started) -> None:
        """An attempt began to run."""
        live = self.current(event)
        if live is not None and live.attempt_started_at is None:
            self._mark_started(live, event.at_s, event.node_id)

    def _mark_started(self, live: LiveTrial, at_s: float, node_id: str | None) -> None:
        first = live.started_at is None
        live.mark_started(at_s, node_id)
        assert live.lane is not None
        self._room.moved(live.lane, node_id)
        self.out.append(Record(live.attempt_row()))
        if first or live.attempts > 1:
            self.out.append(Record(live.row(TrialState.RUNNING)))
        self._time.begin_attempt(live.number, live.attempts, live.grant, at_s)

    def reported(self, event: ev.Reported) -> bool:
        """An attempt reported, and the pruner may end it; False when the report does not count."""
        live = self.current(event)
        if live is None:
            return False
        if live.attempt_started_at is None:
            self._mark_started(live, event.at_s, None)
        if live.last_step is not None and event.step <= live.last_step:
            return False
        live.steps += 1
        live.last_step, live.last_values = event.step, event.values
        self.progress.reported()
        value = event.values.get(self._metric)
        # x - x is 0 for finite numbers only.
        if value is None or value - value != 0.0:
            return True
        if live.stop is not None:
            if live.stop.pause:
                live.keep_late(event.step, value)
                if live.promoted:
                    live.promoted = live.goes_on = self._goes_on(live)
            return True
        verdict = self._pruner.judge(live.number, event.step, value)
        if verdict is not None and verdict.decision != "go":
            self.stop(live, Stop(live.number, live.attempts, verdict.reason, pause=verdict.decision == "pause"))
        return True

    def _goes_on(self, live: LiveTrial) -> bool:
        """Judge a promoted trial by what it reported after it had been told to pause: whether it goes on all the same.

        If not it is paused again, without an attempt that would have had nothing to do, or ended.
        """
        while live.late:
            verdict = self._pruner.judge(live.number, *live.late.popleft())
            if verdict is None or verdict.decision == "go":
                continue
            if verdict.decision == "stop" and live.lane is None:
                self._end(live, TrialState.PRUNED, self._time.last_at)
            elif verdict.decision == "stop":
                # Its attempt was asked to end already: what changes is that there will be no other.
                live.stop = Stop(live.number, live.attempts, verdict.reason)
            return False
        return True

    def stop(self, live: LiveTrial, stop: Stop) -> None:
        """Ask the trial's attempt to stop."""
        live.stop = stop
        self.out.append(stop)

    def checkpointed(self, event: ev.Checkpointed) -> None:
        """An attempt saved a checkpoint."""
        live, saved = self.current(event), event.checkpoint
        if live is None or (live.saved_step is not None and saved.step <= live.saved_step):
            if not self.shelf.needs(saved):
                self.out.append(Discard((saved,)))
            return
        if live.attempt_started_at is None:
            self._mark_started(live, event.at_s, None)
        self.shelf.hold(saved)
        self.shelf.release(live.checkpoint)
        live.checkpoint, live.saved_step = saved, saved.step

    def finished(self, event: ev.Finished) -> None:
        """An attempt ended: its trial is done, paused, or gets another one."""
        live = self.current(event)
        if live is None:
            return
        assert live.lane is not None
        self._room.give_back(live.lane)
        if event.usage is not None and event.usage.wall_s > 0:
            self.walls.append(event.usage.wall_s)
        outcome = with_last_report(self._spec.metrics, live, in_light_of_stop(live, event.outcome))
        if isinstance(outcome, Failed) and outcome.kind in LOST:
            self._room.pace.reset()
        elif event.usage is not None:
            self._room.pace.observe(event.usage.wall_s)
        self._end_attempt(live, event.at_s, event.usage)
        self._learn(live, outcome, event.usage)
        measured = live.measured if event.usage is not None else None
        outcome = with_constraints(self._spec.constraints, outcome, measured)
        self.out.append(Record(live.attempt_row(outcome, event.at_s, event.usage)))
        if isinstance(outcome, Completed):
            self._end(live, TrialState.COMPLETE, event.at_s, outcome=outcome)
        elif isinstance(outcome, Failed) and not self._retried(live, outcome, event.usage):
            self.fail(live, outcome, event.at_s)
        elif live.stop is not None and live.stop.pause:
            self._pause(live)
        elif isinstance(outcome, Failed):
            self.backlog.first(live)
            self.out.append(Record(live.row(TrialState.WAITING)))
        else:
            self._end(live, TrialState.PRUNED, event.at_s)

    def _learn(self, live: LiveTrial, outcome: Outcome, usage: Usage | None) -> None:
        """What the attempt says of sizes and of its node."""
        room = self._room
        if usage is not None:
            room.sizing.observe(live.params, live.grant, live.last_step, outcome, usage)
            room.learned()
        slowness = None
        if isinstance(outcome, Completed) and usage is not None and len(room.living) > 1:
            slowness = room.sizing.slowness(live.params, usage)
        room.nodes.observe(live.node_id, live.number, outcome, slowness)
        room.quarantine()

    def lose_with_driver(self, at_s: float) -> None:
        """Another driver took over: every attempt in flight is lost, and what is not paused is to be started."""
        for live in [live for live in self.live.values() if live.lane is not None]:
            failure = Failed(FailureKind.WORKER_LOST, "lost with the driver that ran it")
            self.out.append(Record(live.attempt_row(failure, at_s)))
            # How long it ran is not known: its last sign of life is as late as the log goes.
            self._end_attempt(live, self._time.before_resume, None)
            live.losses += 1
            if live.stop is not None and live.stop.pause:
                self._pause(live)
            elif live.stop is not None and live.stop.prune:
                self._end(live, TrialState.PRUNED, at_s)
            else:
                self.out.append(Record(live.row(TrialState.WAITING)))
        self.backlog.refill(self.live)

    # -- questions --------------------------------------------------------------------------------------------------

    def current(self, event: Of) -> LiveTrial | None:
        """The trial whose current attempt the event is about; None when the event is stale."""
        live = self.live.get(event.trial)
        if live is None:
            if event.trial >= self.n_suggested:
                raise InvalidTransition(f"{type(event).__name__} before it was suggested", trial=event.trial)
            return None
        if event.attempt > live.attempts:
            what = f"{type(event).__name__} of attempt {event.attempt}, which was never begun"
            raise InvalidTransition(what, trial=event.trial, story=live.story())
        if event.attempt < live.attempts or live.lane is None:
            return None
        return live

    def runs(self, number: int, attempt: int) -> bool:
        """Whether this attempt is in flight."""
        live = self.live.get(number)
        return live is not None and live.lane is not None and live.attempts == attempt

    def checkpoint_of(self, trial: int) -> Checkpoint | None:
        """The latest checkpoint of a trial, running or finished; None when it has none or none was kept."""
        live = self.live.get(trial)
        return live.checkpoint if live is not None else self.shelf.of_finished(trial)

    @property
    def places(self) -> frozenset[str]:
        """Where the checkpoints lie that are needed still."""
        return self.shelf.places

    def tidy(self, *, suggesting: bool) -> None:
        """Discard what is not needed any more, once the event is dealt with."""
        if not suggesting:
            self.shelf.let_go()
        if self.shelf.dropped:
            self.out.append(Discard(tuple(self.shelf.dropped)))
            self.shelf.dropped.clear()

    # -- ends -------------------------------------------------------------------------------------------------------

    def _end_attempt(self, live: LiveTrial, at_s: float, usage: Usage | None) -> None:
        """What every end of an attempt has in common."""
        if live.attempt_started_at is not None:
            self._time.end_attempt(live.grant, live.attempt_started_at)
        before_s = live.wall_s
        live.end_attempt(at_s, usage)
        self.progress.charge(self._time.bill.cost_of(live.grant, live.wall_s - before_s))
        self.shelf.release(live.started_from)
        live.started_from = None

    def _pause(self, live: LiveTrial) -> None:
        live.stop = None
        self.backlog.pause(live)
        self.out.append(Record(live.row(TrialState.WAITING)))

    def _retried(self, live: LiveTrial, failure: Failed, usage: Usage | None) -> bool:
        condemned = live.stop is not None and live.stop.prune and not live.stop.pause
        if self.over or condemned or failure.kind not in self._spec.retry.on:
            return False
        if failure.kind in FREE:
            live.losses += 1
            return live.losses <= MAX_LOSSES
        if failure.kind is FailureKind.OUT_OF_MEMORY:
            floor = self._room.sizing.after_out_of_memory(live.grant, live.floor, usage, failure.message)
            if floor is None or not self._spec.retry.max:
                return False
            live.floor = floor
            if floor.memory_mib > live.grant.memory_mib or floor.gpu > live.grant.gpu:
                return True  # each of these gets more than the one before, so they end by themselves
        live.retries += 1
        return live.retries <= self._spec.retry.max

    def fail(self, live: LiveTrial, failure: Failed, at_s: float) -> None:
        """The trial ends without a result."""
        if failure.kind is FailureKind.STOPPED and live.last_values:
            # It ran well until the sweep ended: what it reported counts, as for any trial that was stopped early.
            self._end(live, TrialState.PRUNED, at_s, cut_short=True)
        else:
            self._end(live, TrialState.FAIL, at_s, outcome=failure)

    def _end(
        self,
        live: LiveTrial,
        state: TrialState,
        at_s: float,
        *,
        outcome: Completed | Failed | None = None,
        cut_short: bool = False,
    ) -> None:
        del self.live[live.number]
        values = outcome.values if isinstance(outcome, Completed) else {}
        violation = violation_of(self._spec.constraints, values) if values else 0.0
        if state is TrialState.PRUNED:
            values = live.last_values
        failure = outcome if isinstance(outcome, Failed) else None
        trial = live.row(state, values=values, finished_at=at_s, failure=failure, violation=violation)
        if live.checkpoint is not None:
            if live.saved_step is not None:
                self.shelf.keep(trial, live.checkpoint)
            self.shelf.release(live.checkpoint)
        self._pruner.finish(trial)
        if not cut_short:  # one that the sweep's end cut short says nothing against going on, should it be resumed
            self.progress.observe(trial)
        self.out.append(Record(trial))
