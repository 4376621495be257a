"""Trials that have no attempt in flight: what is to be started next, and what is paused."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from tuner.core.ledger import LiveTrial
from tuner.core.ports import Pruner
from tuner.errors import InvalidTransition

__all__ = ["PATIENCE", "Backlog"]

PATIENCE = 8
"""So many others may start before one that waits for more room."""


class Backlog:
    """First goes what had begun and must go on (retries, promotions), then what the pruner promotes, then new trials.

    So a promotion never waits behind trials that were suggested before it was known, and takes none of their places away:
    it takes the next worker, and they the one after that.

    One for which there is no room now, though there is for smaller ones, is held back: it is looked at first whenever there is,
    and when eight others were started meanwhile a node is kept free for it.

    Args:
        pruner: Says which paused trial goes on.
        goes_on: Whether a promoted trial does so in the light of what it has reported since it was told to pause.
    """

    def __init__(self, pruner: Pruner, goes_on: Callable[[LiveTrial], bool]) -> None:
        self._pruner, self._goes_on = pruner, goes_on
        self._promotes = pruner.promotes
        self._begun: deque[LiveTrial] = deque()
        self._new: deque[LiveTrial] = deque()
        self.held: list[LiveTrial] = []

    def __bool__(self) -> bool:
        return bool(self._begun or self._new or self.held)

    @property
    def has_next(self) -> bool:
        """Whether there may be something to start."""
        return self._promotes or bool(self._new or self._begun or self.held)

    def __len__(self) -> int:
        return len(self._begun) + len(self._new) + len(self.held)

    def hold_back(self, live: LiveTrial) -> None:
        """There is no room for it now."""
        self.held.append(live)

    def pass_over(self) -> None:
        """Another trial was started meanwhile."""
        for live in self.held:
            live.passed += 1

    def add(self, live: LiveTrial) -> None:
        """A trial was suggested."""
        self._new.append(live)

    def first(self, live: LiveTrial) -> None:
        """A trial is to go on before all others."""
        self._begun.appendleft(live)

    def pause(self, live: LiveTrial) -> None:
        """The attempt that was told to pause has ended: the trial is paused, or goes on when it was promoted meanwhile."""
        if live.promoted:
            live.promoted = False
            self._begun.append(live)
        else:
            live.paused = True

    def next(self, lives: dict[int, LiveTrial]) -> LiveTrial | None:
        """What is to be started now, taken off the backlog; None when nothing is."""
        if self._begun:
            return self._begun.popleft()
        while self._promotes:
            promotion = self._pruner.promote()
            if promotion is None:
                break
            live = self._promoted(lives.get(promotion.trial), promotion.trial)
            if live is not None:
                return live
        return self._new.popleft() if self._new else None

    def rescue(self, lives: dict[int, LiveTrial]) -> LiveTrial | None:
        """The paused trial that is to run to its end, as no other one has; None when there is none."""
        promotion = self._pruner.rescue() if self._promotes else None
        return None if promotion is None else self._promoted(lives.get(promotion.trial), promotion.trial)

    def _promoted(self, live: LiveTrial | None, number: int) -> LiveTrial | None:
        """The promoted trial; None when it is paused again, or its attempt has not ended yet, after which it goes on."""
        leaving = live is not None and live.stop is not None and live.stop.pause and not live.promoted
        if live is None or not (live.paused or leaving):
            story = [] if live is None else live.story()
            raise InvalidTransition("the pruner promoted it, but it is not paused", trial=number, story=story)
        if not self._goes_on(live):
            return None
        live.goes_on = True
        if leaving:
            live.promoted = True
            return None
        live.paused = False
        return live

    def refill(self, lives: dict[int, LiveTrial]) -> None:
        """A new driver: nothing is in flight, so whatever is not paused is to be started, in the order of numbers."""
        self._begun.clear()
        self._new.clear()
        self.held.clear()
        for live in lives.values():
            live.passed = 0
            if not live.paused:
                (self._begun if live.attempts else self._new).append(live)
