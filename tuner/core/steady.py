"""Memory that hardly depends on the parameters: no model is needed while that is so."""

from __future__ import annotations

from collections.abc import Iterator

from tuner.core.memory import MemoryForecast
from tuner.trial import Params

__all__ = ["Steady"]

ENOUGH = 4
BAND = 1.1  # the largest over the smallest, up to which memory counts as the same everywhere
SPARE = 1.03
SPARE_MIB = 16.0
KEPT = 64  # attempts that a model can be taught when they turn out to differ after all

Seen = tuple[Params, int | None, float]


class Steady:
    """Every attempt so far used about the same.

    Most objectives train one kind of model on one table, and the interpreter with its libraries outweighs it. A model would
    find nothing there, at a hundred times the cost.
    """

    def __init__(self) -> None:
        self._low = self._high = self._sum = 0.0
        self._n = 0
        self._over = False
        self._kept: list[Seen] = []

    def observe(self, params: Params, step: int | None, whole_mib: float, *, differs: bool = False) -> bool:
        """An attempt used so much; whether all are about the same still. ``differs``: it was ended for want of memory."""
        if self._over:
            return False
        self._low = min(self._low, whole_mib) if self._n else whole_mib
        self._high = max(self._high, whole_mib)
        self._sum += whole_mib
        self._n += 1
        if differs or self._high > BAND * self._low:
            self._over = True
            return False
        if len(self._kept) < KEPT:
            self._kept.append((params, step, whole_mib))
        return True

    def hand_over(self) -> Iterator[Seen]:
        """What was seen, once, for a model to begin with."""
        kept, self._kept = self._kept, []
        yield from kept

    @property
    def forecast(self) -> MemoryForecast | None:
        """What the next attempt will need; None while too few were seen, and when they differ."""
        if self._over or self._n < ENOUGH:
            return None
        grant = max(self._high * SPARE, self._high + SPARE_MIB)
        return MemoryForecast(self._sum / self._n, grant, self._n, (self._high / self._low - 1.0) / 2.0)
