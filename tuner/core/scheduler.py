"""The core: ``handle(event) -> actions``. Deterministic, and the only place that decides.

What it keeps is a fold of the log: handling the same events again gives the same actions, which is how a study is resumed.
Here is the study as a whole: room, suggestions, limits, its end. What becomes of a single trial, and the rules for events that
come late or twice, are in ``trials``; a suggestion of a number that was suggested already is dropped, and one that skips a
number is a bug (``InvalidTransition``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

from tuner.core import events as ev
from tuner.core.actions import Action, Close, Scale, Stop, Suggest, WakeAt
from tuner.core.autoscaling import Demand, Scaling
from tuner.core.deadlines import Deadlines
from tuner.core.limits import Progress
from tuner.core.nodes import NodeStanding
from tuner.core.ports import Pruner
from tuner.core.room import Room
from tuner.core.trials import Trials
from tuner.resources import Resources
from tuner.study import Limits, StudySpec
from tuner.trial import Checkpoint, Failed, FailureKind

__all__ = ["Scheduler"]

BROKE_S = 60.0  # nodes that are up already make themselves known by then
MAX_BUNDLES = 1000  # what is worth telling an autoscaler at once
DRAINED = ("drained", "interrupted; it can be resumed")


class Scheduler:
    """The state machine of one study.

    Args:
        spec: What was asked for.
        pruner: Judges reports; called from ``handle`` only.

    Attributes:
        closed: How the study ended; None before.
        counted: Whether the latest report counted: it was of a current attempt and above the trial's last step.
    """

    def __init__(self, spec: StudySpec, pruner: Pruner) -> None:
        self.spec = spec
        self.closed: Close | None = None
        self.counted = False
        self._promotes = pruner.promotes
        self._room = Room(spec)
        self._room.limit(spec.limits.parallel)
        self._time = Deadlines(spec)
        self._trials = Trials(spec, pruner, self._room, self._time)
        self._outstanding = 0  # suggestions asked for and not yet here
        self._exhausted = False
        self._draining: tuple[str, str] | None = None  # how it closes when what runs has ended
        self._ending: tuple[str, str] | None = None
        self._wake_at: float | None = None
        self._scaling = Scaling(spec)
        self._broke_at: float | None = None  # when the study ends because its money pays for no node
        self._scaled = False  # whether something is asked of the autoscaler
        self._out: list[Action] = []

    @property
    def limits(self) -> Limits:
        """As they are now: a resumed study may have got others."""
        return self._time.limits

    @property
    def progress(self) -> Progress:
        """What the limits look at."""
        return self._trials.progress

    @property
    def in_flight(self) -> int:
        """Attempts handed to the executor that have not ended."""
        return self._room.lanes.in_flight

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing can be started, though there is room: only a suggestion can go on from here."""
        return self.in_flight == 0 and self._room.could_run and not self._trials.backlog

    @property
    def nodes(self) -> list[NodeStanding]:
        """How every node of the study does, in the order in which they joined."""
        running = Counter(lane.node_id for lane in self._room.lanes if lane.node_id is not None)
        return self._room.nodes.standings(running)

    @property
    def checkpoints(self) -> frozenset[str]:
        """Where the checkpoints lie that are needed still."""
        return self._trials.places

    @property
    def waiting_for(self) -> str | None:
        """What the study waits for, for a person; None while attempts are in flight or it has ended."""
        if self.closed or self.in_flight:
            return None
        if self._scaling.impossible:
            return f"a node that can hold {self._scaling.impossible[0]}, which no node type of the cluster can"
        if self._scaling.broke:
            return "money: what is left of `limits.cost` does not pay for a node that runs a trial to its end"
        return self._room.lacks or ("suggestions" if self._outstanding else None)

    @property
    def promotions(self) -> tuple[int, int]:
        """(attempts that paused trials were promoted to, those of them that began anew for want of a checkpoint)."""
        return self._trials.n_promoted, self._trials.n_anew

    @property
    def no_node_fits(self) -> tuple[Resources, Resources] | None:
        """(what an attempt asks for, the largest node) when there are nodes and none can hold one attempt."""
        return self._room.misfit

    @property
    def may_suggest(self) -> int | None:
        """How many suggestions may still be asked for, besides those that were; None for any number."""
        if self.closed or self._ending is not None or self._draining is not None or self._exhausted:
            return 0
        return self._trials_left()

    def checkpoint_of(self, trial: int) -> Checkpoint | None:
        """The latest checkpoint of a trial, running or finished; None when it has none or none was kept."""
        return self._trials.checkpoint_of(trial)

    def handle(self, event: ev.Event) -> list[Action]:
        """Take one event in and say what is to be done, in this order.

        Raises:
            InvalidTransition: No rule allows the event: a bug of ours, with the trial's story.
        """
        kind = type(event)
        if self.closed and kind is not ev.StudyResumed:
            self.counted = False
            return []
        out: list[Action] = []
        self._out = self._trials.out = out
        if kind is not ev.StudyResumed and event.at_s > self._time.last_at:
            self._time.last_at = event.at_s
        self._HANDLERS[kind](self, event)
        if self._trials.shelf.is_untidy:
            self._trials.tidy(suggesting=self._outstanding > 0)
        return out

    def _opened(self, event: ev.StudyOpened) -> None:
        self._time.begin(event.at_s)
        self._set_timer()

    def _resumed(self, event: ev.StudyResumed) -> None:
        self._time.begin_again(event.at_s)
        self.progress.charge(self._time.bill.leave_all(self._time.before_resume))
        self._time.limits = event.limits or self.limits
        if self._ending is not None and self._ending[0] == "failures":
            # Whoever resumes a study that failures ended has mended their cause; else it would end again at once.
            self.progress.forgive()
        self.closed = self._ending = self._draining = self._wake_at = None
        self._trials.over = self._exhausted = False
        self._outstanding = 0
        self._broke_at = None
        self._scaling.reset(self.limits)
        self._room.clear()
        self._room.limit(self.limits.parallel)
        self._trials.lose_with_driver(event.at_s)
        self._judge_limits()
        self._set_timer()
        self._settle()

    def _node_joined(self, event: ev.NodeJoined) -> None:
        self._room.join(event.node)
        self._time.bill.join(event.node, event.at_s)
        self._after_nodes()

    def _node_lost(self, event: ev.NodeLost) -> None:
        node = self._room.living.get(event.node_id)
        if node is not None:
            self._scaling.lost(node, event.at_s)
        self._room.lose(event.node_id, event.reason)
        self.progress.charge(self._time.bill.leave(event.node_id, event.at_s))
        self._after_nodes()

    def _after_nodes(self) -> None:
        if self._time.bill.by_node:
            self._judge_limits()
            self._set_timer()
        self._settle()

    def _node_types_seen(self, event: ev.NodeTypesSeen) -> None:
        self._room.see_types(event.types)
        self._scaling.types(event.types)
        self._time.bill.see_types(event.types)
        self._settle()

    def _share_changed(self, event: ev.ShareChanged) -> None:
        self._room.share(event.share)
        self._settle()

    def _informed(self, event: ev.Informed) -> None:
        """For the sampler only."""

    def _suggested(self, event: ev.Suggested) -> None:
        if self._trials.suggested(event):
            self._outstanding = max(0, self._outstanding - 1)
            self._settle()

    def _space_exhausted(self, event: ev.SpaceExhausted) -> None:
        self._exhausted, self._outstanding = True, 0
        self._settle()

    def _started(self, event: ev.Started) -> None:
        self._trials.started(event)
        if self._time.follow_attempts:
            self._set_timer()

    def _reported(self, event: ev.Reported) -> None:
        self.counted = self._trials.reported(event)
        if self.limits.steps is not None:
            self._judge_limits()
        if self._time.follow_attempts:
            self._set_timer()  # it may stand for a start that was lost
        if self._promotes:
            self._settle()  # the pruner may want to promote a trial, and a lane be free

    def _checkpointed(self, event: ev.Checkpointed) -> None:
        self._trials.checkpointed(event)
        if self._time.follow_attempts:
            self._set_timer()

    def _finished(self, event: ev.Finished) -> None:
        self._trials.finished(event)
        self._judge_limits()
        self._set_timer()
        self._settle()

    def _judge_limits(self) -> None:
        if self._ending is None:
            verdict = self.progress.verdict(self.limits)
            if verdict is not None:
                self._end(*verdict)

    def _end(self, reason: str, message: str) -> None:
        """The sweep is over: stop what runs, start nothing more."""
        self._ending = (reason, message)
        self._trials.over = True
        self._take_back()
        for live in self._trials.live.values():
            if live.lane is not None and live.stop is None:
                self._trials.stop(live, Stop(live.number, live.attempts, message, prune=False))

    def _take_back(self) -> None:
        """Take back the suggestions that have not come."""
        if self._outstanding:
            self._outstanding = 0
            self._out.append(Suggest(self._trials.n_suggested, 0))

    def _command(self, event: ev.CommandReceived) -> None:
        if event.command == "drain":
            self._drain(DRAINED)  # a person's wish goes before an end that was to come
        elif event.command == "stop" and self._ending is None:
            self._end("stopped", "stopped by hand")
        elif event.command == "end" and self._ending is None:
            told = event.arguments["reason"], event.arguments["message"]
            if not event.arguments.get("lets_end"):
                self._end(*told)
            elif self._draining is None:
                self._drain(told)
        elif event.command == "release":
            self._room.release(event.arguments["node"])
        self._settle()

    def _drain(self, told: tuple[str, str]) -> None:
        """Start nothing more, and close so when what runs has ended."""
        self._draining = told
        self._take_back()

    def _timer(self, event: ev.TimerFired) -> None:
        self._wake_at = None
        verdict = self._time.verdict(event.at_s, self.progress.cost)
        if verdict is not None and self._ending is None:
            self._end(*verdict)
        for number, attempt in self._time.overdue(event.at_s):
            live = self._trials.live.get(number)
            if live is not None and self._trials.runs(number, attempt) and live.stop is None:
                reason = f"ran longer than {self.limits.trial_time_s:g} s (limits.trial_time)"
                self._trials.stop(live, Stop(number, attempt, reason, prune=False, timeout=True))
        self._set_timer()
        self._settle()

    def _set_timer(self) -> None:
        wake_at = self._time.next(self.progress.cost, self._trials.runs, ending=self._ending is not None)
        look_at_s = self._scaling.look_at_s
        for due_s in (look_at_s, self._broke_at):
            if due_s is not None and self._ending is None and (wake_at is None or due_s < wake_at):
                wake_at = due_s
        if wake_at != self._wake_at:
            self._wake_at = wake_at
            self._out.append(WakeAt(wake_at))

    def _settle(self) -> None:
        """Start what can start, ask for what is missing, close when nothing is left."""
        if self.closed:
            return
        if self._ending is None and self._draining is None:
            self._fill()
        self._scale()
        if self._room.lanes.in_flight == 0:
            self._maybe_close()

    def _fill(self) -> None:
        trials = self._trials
        while trials.backlog.has_next and trials.start_next(self._to_start(), self._time.last_at):
            pass
        if self._exhausted or len(trials.backlog) > len(trials.backlog.held):
            return
        want = self._room.n_open - self._outstanding
        left = self._trials_left()
        if left is not None:
            want = min(want, left)
        if want > 0:
            self._out.append(Suggest(trials.n_suggested + self._outstanding, want))
            self._outstanding += want

    def _to_start(self) -> int | None:
        """Trials that are to be started still, as far as is known; None for any number."""
        if self._exhausted or self._draining is not None:
            return len(self._trials.backlog)
        left = self._trials_left()
        return None if left is None else left + self._outstanding + len(self._trials.backlog)

    def _trials_left(self) -> int | None:
        """Trials that the limit leaves."""
        if self.limits.trials is None:
            return None
        return self.limits.trials - self._trials.n_suggested - self._outstanding

    def _maybe_close(self) -> None:
        """Nothing is in flight: is it the end?"""
        if self._ending is None and self._broke_at is not None and self._time.last_at >= self._broke_at:
            spent = self.progress.cost + self._time.bill.running(self._time.last_at)
            text = f"what is left of its budget of {self.limits.cost:g} pays for no node that runs a trial to its end"
            self._end("cost", f"{text} (spent: {spent:.4g})")
        n_suggested, backlog = self._trials.n_suggested, self._trials.backlog
        if self._ending is not None:
            self._close(*self._ending)
        elif self._draining is not None:
            self._close(*self._draining)
        elif (
            backlog.held
            and len(backlog) == len(backlog.held)
            and self._trials.give_up_what_fits_nowhere(self._time.last_at)
        ):
            self._settle()
        elif not self._outstanding and not backlog:
            left = self._trials_left()
            done = left is not None and left <= 0
            if not done and not self._exhausted:
                return
            # No lane was open, so nobody had asked the pruner; or it had no wish when it was asked.
            live = backlog.next(self._trials.live)
            if live is None and not self._trials.progress.complete:
                live = backlog.rescue(self._trials.live)
            if live is not None:
                backlog.first(live)
                self._fill()
            elif done:
                self._close("trials", f"all {n_suggested} trials are done")
            else:
                self._close("exhausted", f"nothing is left to try after {n_suggested} trials")

    def _close(self, reason: str, message: str) -> None:
        if reason != "drained":
            for live in list(self._trials.live.values()):  # what waits, and what is paused for good now
                self._trials.fail(live, Failed(FailureKind.STOPPED, message), self._time.last_at)
        self.progress.charge(self._time.bill.leave_all(self._time.last_at))
        self._scale_to_nothing()
        self.closed = Close(reason, message)
        self._out.append(self.closed)

    def _scale(self) -> None:
        """Tell the autoscaler what could be used now, when that may have changed."""
        if self._ending is not None or self._draining is not None:
            self._scale_to_nothing()
            return
        running = self.in_flight
        more = self._to_start()
        more = MAX_BUNDLES if more is None else min(more, MAX_BUNDLES)
        if self.limits.parallel is not None:
            more = min(more, max(0, self.limits.parallel - running))
        at_s = self._time.last_at
        if self._scaling.is_due(running + more, at_s):
            plan = self._scaling.wanted(self._demand(more, at_s), self._time.time_left_s(at_s), self._cost_left(at_s))
            if plan is not None:
                self._scaled = bool(plan.bundles)
                self._out.append(Scale(plan.bundles, plan.types))
            if self._scaling.look_at_s is not None:
                self._set_timer()
        broke = self._scaling.broke and not self._room.living and not running
        if broke != (self._broke_at is not None):
            self._broke_at = at_s + BROKE_S if broke else None
            self._set_timer()

    def _demand(self, more: int, at_s: float) -> Demand:
        trials, room = self._trials, self._room
        typical = room.sizing.typical
        held = [_at_least(typical, live.floor) for live in trials.backlog.held[:more]]
        left = self._trials_left()
        return Demand(
            running=tuple(lane.grant for lane in room.lanes),
            waiting=(*held, *(typical,) * (more - len(held))),
            left=None if left is None else left + self._outstanding + len(trials.live),
            wall_s=sum(trials.walls) / len(trials.walls) if trials.walls else None,
            at_s=at_s,
            nodes=room.living,
        )

    def _cost_left(self, at_s: float) -> float | None:
        if self.limits.cost is None:
            return None
        return max(0.0, self.limits.cost - self.progress.cost - self._time.bill.running(at_s))

    def _scale_to_nothing(self) -> None:
        self._scaling.reset()
        if self._scaled:
            self._scaled = False
            self._out.append(Scale(()))

    _HANDLERS: ClassVar[dict[type, Callable[[Any, Any], None]]] = {
        ev.StudyOpened: _opened,
        ev.StudyResumed: _resumed,
        ev.NodeJoined: _node_joined,
        ev.NodeLost: _node_lost,
        ev.NodeTypesSeen: _node_types_seen,
        ev.ShareChanged: _share_changed,
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


def _at_least(grant: Resources, floor: Resources) -> Resources:
    """The grant, with no part below the floor's."""
    return Resources(max(grant.cpu, floor.cpu), max(grant.gpu, floor.gpu), max(grant.memory_mib, floor.memory_mib))
