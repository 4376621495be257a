"""The only loop: events in, ``core.handle``, durable, actions out.

One turn: what has happened (suggestions that were asked for, what ``executor.poll`` returns, a person's commands, the timer)
is handled by the core as one batch, appended to the log with the resulting rows in one transaction, and only then acted
upon. A driver that dies between the two has decided nothing that anybody saw.

Suggestions are asked for in slices of a few milliseconds between polls, so a slow sampler holds up neither reports nor stops.
"""

from __future__ import annotations

import queue
from collections.abc import Sequence
from typing import Protocol

from tuner.core.actions import Action, Close, Record, Scale, Start, Stop, Suggest, WakeAt
from tuner.core.events import CommandReceived, Event, NodeJoined, SpaceExhausted, Suggested, TimerFired
from tuner.core.ports import Executor, Sampler, StudyLog, Suggestion
from tuner.core.scheduler import Scheduler
from tuner.errors import NoNodeFits
from tuner.resources import Resources
from tuner.trial import Attempt, Trial

__all__ = ["Engine", "OnCommit", "replay"]

IDLE_S = 5.0  # longest wait: well within a third of the lease's 30 s
SLICE_S = 0.005  # longest stretch of asking the sampler before the executor is polled again; a report waits no longer
MAX_ASK = 1024  # suggestions of one ask: bounds the batch when nothing tells how long an ask takes


class OnCommit(Protocol):
    """Called on the engine's thread after each commit; must return quickly."""

    def __call__(self, events: Sequence[Event], entries: Sequence[Trial | Attempt]) -> None:
        """See the events of a turn, and the trials and attempts as they stand after them."""


def replay(core: Scheduler, sampler: Sampler, events: Sequence[Event]) -> None:
    """Bring a new core and a new sampler to where the log ends. Nothing is acted upon."""
    for event in events:
        if isinstance(event, Suggested):
            sampler.replay(event.trial, Suggestion(event.params, event.sampler_state))
        finished = _finished_trials(core.handle(event))
        if finished:
            sampler.tell(finished)


def _finished_trials(actions: Sequence[Action]) -> list[Trial]:
    return [
        action.entry
        for action in actions
        if type(action) is Record and type(action.entry) is Trial and action.entry.state.finished
    ]


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
        self._commands: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._killed = False
        self._wake_at: float | None = None
        self._next_number = self._wanted = 0
        self._ask = 1
        self._had_room = False

    def request(self, command: str) -> None:
        """``drain``, ``stop``, or ``kill``: leave at once, with the study as it stands in the log.

        Callable from signal handlers and other threads.
        """
        if command == "kill":
            self._killed = True
        else:
            self._commands.put(command)
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
        while not self._killed:
            if batch:
                closed = self._turn(batch)
                if closed is not None:
                    return closed
            batch = self._gather()
        return None

    def _turn(self, batch: list[Event]) -> Close | None:
        actions: list[Action] = []
        for event in batch:
            actions.extend(self._core.handle(event))
        entries = [action.entry for action in actions if type(action) is Record]
        self._log.append(batch, entries)
        if self._on_commit is not None:
            self._on_commit(batch, entries)
        if any(type(event) is NodeJoined for event in batch):
            self._check_nodes()
        return self._act(actions)

    def _act(self, actions: Sequence[Action]) -> Close | None:
        starts: list[Start] = []
        stops: list[Stop] = []
        closed = None
        finished = _finished_trials(actions)
        if finished:
            self._sampler.tell(finished)
        for action in actions:
            kind = type(action)
            if kind is Record:
                continue
            if isinstance(action, Start):
                starts.append(action)
            elif isinstance(action, Stop):
                stops.append(action)
            elif isinstance(action, Suggest):
                self._want(action)
            elif isinstance(action, WakeAt):
                self._wake_at = action.at_s
            elif isinstance(action, Scale):
                self._executor.scale(action.bundles)
            elif isinstance(action, Close):
                closed = action
        if starts:
            self._executor.start(starts)
        if stops:
            self._executor.stop(stops)
        return closed

    def _want(self, action: Suggest) -> None:
        if action.count == 0:
            self._wanted = 0
        else:
            if self._wanted == 0:
                self._next_number = action.first
            self._wanted += action.count

    def _gather(self) -> list[Event]:
        events: list[Event] = self._suggest() if self._wanted else []
        while not self._commands.empty():
            events.append(CommandReceived(self._executor.now_s(), self._commands.get()))
        now_s = self._executor.now_s()
        # With something in hand the poll only looks; without, it waits.
        until_s = now_s if events or self._wanted else now_s + IDLE_S
        if self._wake_at is not None:
            until_s = min(until_s, self._wake_at)
        events.extend(self._executor.poll(until_s))
        if self._wake_at is not None:
            now_s = self._executor.now_s()
            if now_s >= self._wake_at:
                self._wake_at = None
                events.append(TimerFired(now_s))
        if not events:
            self._log.renew()
        return events

    def _suggest(self) -> list[Event]:
        """Ask for a slice of what is wanted. The size of an ask follows how long the last one took."""
        events: list[Event] = []
        began_s = now_s = self._executor.now_s()
        while self._wanted:
            count = min(self._wanted, self._ask)
            suggestions = self._sampler.ask(self._next_number, count)
            took_s = self._executor.now_s() - now_s
            now_s += took_s
            for offset, suggestion in enumerate(suggestions):
                events.append(Suggested(now_s, self._next_number + offset, suggestion.params, suggestion.state))
            self._next_number += len(suggestions)
            self._wanted -= len(suggestions)
            if len(suggestions) < count:
                self._wanted = 0
                events.append(SpaceExhausted(now_s))
            self._ask = min(self._ask * 2, MAX_ASK) if took_s < SLICE_S / 4 else max(1, self._ask // 2)
            if now_s - began_s >= SLICE_S:
                break
        return events

    def _check_nodes(self) -> None:
        if self._executor.can_grow or self._had_room:
            return  # who had a node that was large enough waits for it to come back
        misfit = self._core.no_node_fits
        self._had_room = misfit is None
        if misfit is not None:
            asked, largest = misfit
            raise NoNodeFits(
                f"no node can hold one trial: it asks for {_amount(asked)}, the largest node has {_amount(largest)}",
                hint="ask for less under `resources:`, or run on a larger machine",
            )


def _amount(amount: Resources) -> str:
    parts = [f"{amount.cpu:g} CPU"]
    parts += [f"{amount.gpu:g} GPU"] if amount.gpu else []
    parts += [f"{amount.memory_mib:.0f} MiB of memory"] if amount.memory_mib else []
    return ", ".join(parts)
