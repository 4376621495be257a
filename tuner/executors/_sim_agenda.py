"""Virtual time: what is due when, in an order that repeats."""

from __future__ import annotations

import heapq
from collections.abc import Callable

__all__ = ["Agenda"]


class Agenda:
    """Acts by their time; those of one time in the order in which they were planned.

    Args:
        start_s: Virtual time at the beginning.

    Attributes:
        now_s: Virtual time.
    """

    def __init__(self, start_s: float) -> None:
        self.now_s = start_s
        self._acts: list[tuple[float, int, Callable[[], object]]] = []
        self._n_planned = 0

    def after(self, delay_s: float, act: Callable[[], object]) -> None:
        """Do something in ``delay_s`` seconds."""
        self._n_planned += 1
        heapq.heappush(self._acts, (self.now_s + delay_s, self._n_planned, act))

    @property
    def due_s(self) -> float | None:
        """When something is due next; None for never."""
        return self._acts[0][0] if self._acts else None

    def step(self) -> None:
        """Go to the next act's time, which may lie behind, and do it."""
        self.now_s, _, act = heapq.heappop(self._acts)
        act()

    def jump(self, until_s: float | None) -> bool:
        """Go to the next instant at which something is due, and do all of it; False when that is after ``until_s`` or never.

        Time is at ``until_s`` then, unless that is past or None.
        """
        if not self._acts or (until_s is not None and self._acts[0][0] > until_s):
            if until_s is not None:
                self.now_s = max(self.now_s, until_s)
            return False
        self.now_s = max(self.now_s, self._acts[0][0])
        while self._acts and self._acts[0][0] <= self.now_s:
            heapq.heappop(self._acts)[2]()
        return True

    def clear(self) -> None:
        """Nothing is due any more."""
        self._acts.clear()
