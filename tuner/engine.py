"""The only loop: events in, ``core.handle``, durable, actions out.

One turn: what has happened (suggestions that were asked for, what ``executor.poll`` returns, a person's commands, the timer)
is handled by the core as one batch, appended to the log with the resulting rows in one transaction, and only then acted
upon. A driver that dies between the two has decided nothing that anybody saw.

Suggestions are asked for in slices of a few milliseconds between polls, so a slow sampler holds up neither reports nor stops;
where it holds up the workers, some are asked for ahead (``core.asking``).
"""

from __future__ import annotations

import contextlib
import gc
import math
import queue
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from tuner.core.actions import Action, Close, Discard, Record, Scale, Start, Stop, Suggest, WakeAt
from tuner.core.asking import Asking
from tuner.core.events import CommandReceived, Event, Informed, NodeJoined, Reported, Suggested, TimerFired
from tuner.core.ports import Executor, Sampler, StudyLog, Suggestion
from tuner.core.scheduler import Scheduler
from tuner.errors import NoNodeFits, PluginFailed
from tuner.trial import Attempt, Trial

__all__ = ["Engine", "OnCommit", "replay"]

IDLE_S = 5.0  # longest wait: well within a third of the lease's 30 s
LISTEN_S = 1.0  # from one look for commands of other processes to the next
COLLECT_EVERY = 50_000  # objects: some 5 MB of garbage at most


class OnCommit(Protocol):
    """Called on the engine's thread after each commit; must return quickly."""

    def __call__(self, events: Sequence[Event], entries: Sequence[Trial | Attempt]) -> None:
        """See the events of a turn, and the trials and attempts as they stand after them."""


def replay(core: Scheduler, sampler: Sampler, events: Sequence[Event]) -> None:
    """Bring a new core and a new sampler to where the log ends. Nothing is acted upon."""
    for event in events:
        if isinstance(event, Suggested):
            suggestion = Suggestion(event.params, event.sampler_state, event.parent, event.note)
            sampler.replay(event.trial, suggestion)
        lessons: list[_Lesson] = []
        _learn(core, sampler, event, core.handle(event), lessons)
        for lesson in lessons:
            _teach(sampler, lesson)


_Lesson = Informed | Reported | list[Trial]


def _learn(core: Scheduler, sampler: Sampler, event: Event, made: Sequence[Action], lessons: list[_Lesson]) -> None:
    """What the sampler is to learn of an event that the core has handled; the same live and on replay, event by event."""
    if isinstance(event, Reported):
        if sampler.wants_reports and core.counted:
            lessons.append(event)
    elif isinstance(event, Informed):
        lessons.append(event)
    if made:
        finished = [a.entry for a in made if type(a) is Record and type(a.entry) is Trial and a.entry.state.finished]
        if finished:
            lessons.append(finished)


def _teach(sampler: Sampler, lesson: _Lesson) -> None:
    if isinstance(lesson, Reported):
        sampler.report(lesson.trial, lesson.step, lesson.values)
    elif isinstance(lesson, Informed):
        sampler.inform(lesson.trials)
    else:
        sampler.tell(lesson)


@contextlib.contextmanager
def _seldom_collecting() -> Iterator[None]:
    """Have Python look for garbage seldom.

    What a driver makes and drops has no cycles, yet with ten thousand trials in flight the search for them was measured at a
    quarter of its time. Not where objectives share the process: theirs may have cycles, with much memory in them.
    """
    before = gc.get_threshold()
    if 0 < before[0] < COLLECT_EVERY:  # 0: whoever calls has switched it off
        gc.set_threshold(COLLECT_EVERY, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


class Engine:
    """Drives one study from its first event to its ``Close``.

    Args:
        core: Fresh, or brought up to the log's end by ``replay``.
        sampler: Likewise.
        executor: Open.
        log: The study's writing end.
        on_commit: Sees every committed turn; None for nobody.
    """

    def __init__(
        self, core: Scheduler, sampler: Sampler, executor: Executor, log: StudyLog, on_commit: OnCommit | None = None
    ) -> None:
        self._core, self._sampler, self._executor, self._log = core, sampler, executor, log
        self._on_commit = on_commit
        self._asking = Asking(sampler, executor.now_s)
        self._commands: queue.SimpleQueue[tuple[str, Mapping[str, Any]]] = queue.SimpleQueue()
        self._killed = False
        self._wake_at: float | None = None
        self._had_room = False
        # In virtual time nobody sends commands: a second passes in no time there, and a look would cost more than it.
        self._listen_at = math.inf if executor.virtual else -math.inf

    def request(self, command: str, arguments: Mapping[str, Any] | None = None) -> None:
        """``drain``, ``stop``, ``end`` (with the arguments of ``CommandReceived``), or ``kill``: leave at once, with the study
        as it stands in the log.

        Callable from signal handlers and other threads.
        """
        if command == "kill":
            self._killed = True
        else:
            self._commands.put((command, arguments or {}))
        self._executor.wake()

    def run(self, first: Sequence[Event]) -> Close | None:
        """Go until the study closes.

        Args:
            first: ``StudyOpened`` of a new study, ``StudyResumed`` of one that was replayed.

        Returns:
            How it closed; None when it was killed.

        Raises:
            NoNodeFits: There are nodes, none can hold an attempt, none ever could, and no other can come.
            TunerError: The store, the sampler or the executor failed.
        """
        batch = list(first)
        with contextlib.nullcontext() if self._executor.in_process else _seldom_collecting():
            while not self._killed:
                if batch:
                    closed = self._turn(batch)
                    if closed is not None:
                        return closed
                batch = self._gather()
        return None

    def _turn(self, batch: list[Event]) -> Close | None:
        actions: list[Action] = []
        lessons: list[_Lesson] = []
        for index, event in enumerate(batch):
            try:
                made = self._core.handle(event)
            except PluginFailed:  # somebody's pruner: what had happened before is kept
                if index:
                    self._log.append(batch[:index], [action.entry for action in actions if type(action) is Record])
                raise
            actions.extend(made)
            _learn(self._core, self._sampler, event, made, lessons)
        entries = [action.entry for action in actions if type(action) is Record]
        self._log.append(batch, entries)
        if self._on_commit is not None:
            self._on_commit(batch, entries)
        if any(type(event) is NodeJoined for event in batch):
            self._check_nodes()
        for lesson in lessons:
            _teach(self._sampler, lesson)
        if lessons:
            self._asking.learned()
        return self._act(actions)

    def _act(self, actions: Sequence[Action]) -> Close | None:
        starts: list[Start] = []
        stops: list[Stop] = []
        others: list[Action] = []
        for action in actions:
            if isinstance(action, Start):
                starts.append(action)
            elif isinstance(action, Stop):
                stops.append(action)
            elif not isinstance(action, Record):
                others.append(action)
        closed = None
        for action in others:
            closed = self._act_otherwise(action) or closed
        if starts:
            self._executor.start(starts)
        if stops:
            self._executor.stop(stops)
        return closed

    def _act_otherwise(self, action: Action) -> Close | None:
        if isinstance(action, Suggest):
            self._asking.want(action)
        elif isinstance(action, WakeAt):
            self._wake_at = action.at_s
        elif isinstance(action, Discard):
            self._executor.discard(action.checkpoints)
        elif isinstance(action, Scale):
            self._executor.scale(action.bundles, action.types)
        return action if isinstance(action, Close) else None

    def _gather(self) -> list[Event]:
        core, asking = self._core, self._asking
        asking.observe(core.in_flight)
        idle = asking.wants and core.idle
        events: list[Event] = asking.ask(idle=idle) if asking.is_due(idle=idle) else []
        while not self._commands.empty():
            events.append(CommandReceived(self._executor.now_s(), *self._commands.get()))
        waits = not events and not asking.is_due(idle=idle)
        if waits and asking.is_worth_it(core.in_flight) and asking.ask_ahead(core.in_flight, core.may_suggest):
            waits = False
        events.extend(self._polled(wait=waits))
        if not events:
            self._log.renew()
        return events

    def _polled(self, *, wait: bool) -> list[Event]:
        """What has happened; with something in hand (not ``wait``) it is only looked for."""
        now_s = self._executor.now_s()
        heard = self._heard(now_s)
        until_s = min(now_s + IDLE_S, self._listen_at) if wait and not heard else now_s
        if self._wake_at is not None:
            until_s = min(until_s, self._wake_at)
        events = [*heard, *self._executor.poll(until_s)]
        if self._wake_at is not None:
            now_s = self._executor.now_s()
            if now_s >= self._wake_at:
                self._wake_at = None
                events.append(TimerFired(now_s))
        return events

    def _heard(self, now_s: float) -> list[Event]:
        """What other processes sent through the store, looked for once a second."""
        if now_s < self._listen_at:
            return []
        self._listen_at = now_s + LISTEN_S
        return [CommandReceived(now_s, *sent) for sent in self._log.received()]

    def _check_nodes(self) -> None:
        if self._executor.can_grow or self._had_room:
            return  # who had a node that was large enough waits for it to come back
        misfit = self._core.no_node_fits
        self._had_room = misfit is None
        if misfit is not None:
            asked, largest = misfit
            raise NoNodeFits(
                f"no node can hold one trial: it asks for {asked}, the largest node has {largest}",
                hint="ask for less under `resources:`, or run on a larger machine",
            )
