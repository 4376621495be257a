"""How suggestions get from the sampler to the core: in slices between polls, and ahead of need where need outruns them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from tuner.core.actions import Suggest
from tuner.core.events import Event, SpaceExhausted, Suggested
from tuner.core.ports import Sampler, Suggestion

__all__ = ["SLICE_S", "Asking"]

SLICE_S = 0.005  # longest stretch of asking the sampler before the executor is polled again; a report waits no longer
MAX_ASK = 1024  # suggestions of one ask: bounds the batch when nothing tells how long an ask takes


class Asking:
    """Asks the sampler for what the core wants.

    **Ahead of need.** Where workers would stand idle for more than ``WORTH`` of their time because suggestions take long, a
    few are asked for before a worker is free: at most one for every ten attempts that run, and only with four or more running.
    Such a suggestion knows of results up to the moment at which it was asked for, not up to the moment at which it is used:
    that is the price, about a tenth more results that are still out when it is made. A sampler takes part that says its
    suggestions depend on nothing but what is finished and what runs (``order_free``), so that the log, which has
    suggestions in the order in which they were used, still replays to the same sampler. What was asked for ahead and never
    used is in no log: it was never suggested.

    Args:
        sampler: Who is asked.
        now_s: The time. Where asking takes none, as in a simulation, nothing is asked for ahead.
    """

    WORTH = 0.02  # of the workers' time: less than a report more or less would make of a difference
    HALF_LIFE_S = 60.0  # of what was measured
    FEWEST_RUNNING = 4  # one suggestion more under way is much for a sampler that may wait for one or two results
    ONE_AHEAD_FOR = 10

    def __init__(self, sampler: Sampler, now_s: Callable[[], float]) -> None:
        self._sampler, self._now_s = sampler, now_s
        self._wanted = 0
        self._next_number = 0
        self._prepared: deque[Suggestion] = deque()  # of the numbers before the next
        self._size = 1  # of the next ask: follows how long the last one took
        self._waits = False
        self._short = False  # an ask ahead gave fewer than asked for; no more of them until something is learned
        self._last_s: float | None = None
        self._running = 0
        self._idle_s = self._all_s = 0.0  # seconds of workers: idle for want of suggestions, and all; decaying

    def want(self, action: Suggest) -> None:
        """The core wants suggestions, or (count 0) none of those it wanted."""
        self._pass_time()
        if action.count == 0:
            self._wanted = 0
            self._prepared.clear()
            return
        if self._wanted == 0 and not self._prepared:
            self._next_number = action.first
        self._wanted += action.count

    def learned(self) -> None:
        """The sampler was told something: one that waited may have more."""
        self._waits = self._short = False

    @property
    def wants(self) -> bool:
        """Whether something is wanted that has not come."""
        return self._wanted > 0

    def is_due(self, *, idle: bool) -> bool:
        """Whether to ask now; a sampler that waits is asked again when it has learned something, or nothing else can happen."""
        return self._wanted > 0 and (idle or not self._waits)

    def ask(self, *, idle: bool) -> list[Event]:
        """Ask for a slice of what is wanted.

        Args:
            idle: Whether nothing runs: a sampler that still waits is done then.
        """
        now_s = self._now_s()
        events: list[Event] = [self._taken(now_s) for _ in range(min(self._wanted, len(self._prepared)))]
        ends_s = now_s + SLICE_S
        while self._wanted:
            count = min(self._wanted, self._size)
            first = self._next_number
            found, now_s = self._timed(count)
            self._pass_time()
            for offset, one in enumerate(found):
                events.append(Suggested(now_s, first + offset, one.params, one.state, one.parent, one.note))
            self._wanted -= len(found)
            if len(found) < count:
                if self._sampler.waits and not (idle and not events):
                    self._waits = True
                    break
                self._wanted = 0
                events.append(SpaceExhausted(now_s))
            if now_s >= ends_s:
                break
        return events

    def observe(self, running: int) -> None:
        """``running`` attempts run from now on, as far as is known."""
        self._pass_time()
        self._running = running

    def _pass_time(self) -> None:
        """Add up for how long workers were busy, and waited for suggestions, since the last time that either changed."""
        now_s = self._now_s()
        if now_s == self._last_s:
            return
        passed_s = now_s - self._last_s if self._last_s is not None else 0.0
        self._last_s = now_s
        if passed_s > 0.0:
            keep = 0.5 ** (passed_s / self.HALF_LIFE_S)
            idle_s = passed_s * (0 if self._waits else self._wanted)
            self._idle_s = self._idle_s * keep + idle_s
            self._all_s = self._all_s * keep + idle_s + passed_s * self._running

    def is_worth_it(self, running: int) -> bool:
        """Whether workers wait so much that asking ahead is worth what it costs."""
        return self._idle_s > self.WORTH * self._all_s and running >= self.FEWEST_RUNNING and self._sampler.order_free

    def ask_ahead(self, running: int, left: int | None) -> bool:
        """Ask for some more than is wanted, if that is worth it; whether there were any.

        Args:
            running: Attempts that run.
            left: How many trials may still be suggested, those that were prepared included; None for any number.
        """
        if not self.is_worth_it(running) or self._wanted or self._short:
            return False
        n = len(self._prepared)
        most = max(1, running // self.ONE_AHEAD_FOR)
        lacking = (most if left is None else min(most, left)) - n
        if lacking <= 0:
            return False
        before_s = self._now_s()
        found, now_s = self._timed(min(lacking, self._size))
        self._idle_s += now_s - before_s  # a worker would have waited for them
        self._prepared.extend(found)
        self._short = not found
        return bool(found)

    def _taken(self, now_s: float) -> Suggested:
        one = self._prepared.popleft()
        number = self._next_number - len(self._prepared) - 1
        self._wanted -= 1
        return Suggested(now_s, number, one.params, one.state, one.parent, one.note)

    def _timed(self, count: int) -> tuple[list[Suggestion], float]:
        began_s = self._now_s()
        found = list(self._sampler.ask(self._next_number, count))
        now_s = self._now_s()
        self._next_number += len(found)
        self._size = min(self._size * 2, MAX_ASK) if now_s - began_s < SLICE_S / 4 else max(1, self._size // 2)
        return found, now_s
