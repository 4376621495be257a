"""A study that another process runs, shown as if it ran here: its log and its rows, read from the store, fed to a display."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tuner.core.events import Event, Reported
from tuner.core.ports import Store, StudyInfo
from tuner.dashboard._display import Display
from tuner.trial import Attempt, Trial, TrialState

__all__ = ["Follower", "follow", "pause_s"]

Row = Trial | Attempt

_LEAST_PAUSE_S, _MOST_PAUSE_S = 0.5, 10.0
_READING_SHARE = 0.1  # of the time, so that a study of 100,000 trials is looked at less often


class Follower:
    """Keeps a display up with a study.

    Args:
        store: Where the study is; read only.
        name: The study's name.
        display: Entered; gets the study as it stands, then what happens.
    """

    def __init__(self, store: Store, name: str, display: Display) -> None:
        self._store, self._name, self._display = store, name, display
        self._position = 0
        self._trials: dict[int, Trial] = {}
        self._attempts: dict[tuple[int, int], Attempt] = {}
        self._opened = False

    def step(self, details: Mapping[str, str]) -> StudyInfo:
        """Show what is new.

        Args:
            details: What the display is told of the study when it opens, as ``Display.opened``.

        Returns:
            The study's row as it was before that, so that who sees it ended has seen all of it.
        """
        info = self._store.study(self._name)
        rows = self._store.events(self._name, self._position)
        events = [event for _, event in rows]
        if rows:
            self._position = rows[-1][0]
        changed = self._changed() if any(type(event) is not Reported for event in events) else []
        if not self._opened:
            self._opened = True
            # First what happened, then how things stand, then what the trials that run have reported: of those that have
            # ended, only their end is of interest.
            self._display.update([event for event in events if type(event) is not Reported], changed)
            self._display.opened(info.spec, details)
            running = {trial.number for trial in self._trials.values() if trial.state is TrialState.RUNNING}
            events = [event for event in events if type(event) is Reported and event.trial in running]
            changed = []
        self._feed(events, changed)
        return info

    def _feed(self, events: Sequence[Event], changed: Sequence[Row]) -> None:
        if events or changed:
            # Attempts that began since the last look first: their reports find them then.
            self._display.update([], [row for row in changed if isinstance(row, Attempt) and row.outcome is None])
            self._display.update(events, [row for row in changed if isinstance(row, Trial) or row.outcome is not None])

    def _changed(self) -> list[Row]:
        """The trials and attempts that are new or stand differently, in the order in which that happened."""
        attempts = {(row.trial, row.number): row for row in self._store.attempts(self._name)}
        trials = {row.number: row for row in self._store.trials(self._name)}
        rows: list[Row] = [*_news(self._attempts, attempts), *_news(self._trials, trials)]
        self._attempts, self._trials = attempts, trials
        last = {trial.number: trial.attempts for trial in trials.values()}
        # An attempt without an end that is not its trial's last one was a dead driver's: nobody will ever end it.
        living = [
            row
            for row in rows
            if isinstance(row, Trial)
            or row.outcome is not None
            or (row.number >= last.get(row.trial, 0) and trials[row.trial].state is TrialState.RUNNING)
        ]
        return sorted(living, key=_moment)


def _news(before: Mapping[Any, Row], now: Mapping[Any, Row]) -> Iterable[Row]:
    return (row for key, row in now.items() if before.get(key) != row)


def _moment(row: Row) -> tuple[float, int]:
    """When it came to stand so, attempts before the trials that end with them."""
    at_s = row.finished_at if row.finished_at is not None else row.started_at
    return (at_s if at_s is not None else 0.0, isinstance(row, Trial))


def pause_s(reading_s: float) -> float:
    """How long to wait before the next look, after one that took ``reading_s`` seconds."""
    return min(max(reading_s / _READING_SHARE, _LEAST_PAUSE_S), _MOST_PAUSE_S)


def follow(follower: Follower, details: Mapping[str, str]) -> StudyInfo:
    """Show a study until nobody runs it any more.

    Returns:
        Its row then: ended, interrupted, or ``RUNNING`` without an owner, which is a dead driver.
    """
    while True:
        began_s = time.monotonic()
        info = follower.step(details)
        if info.state != "RUNNING" or info.owner is None:
            return info
        time.sleep(pause_s(time.monotonic() - began_s))
