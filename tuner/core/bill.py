"""What attempts that run now cost, and when a budget will be spent."""

from __future__ import annotations

from tuner.core.limits import cost_of
from tuner.resources import Resources
from tuner.study import Prices

__all__ = ["Bill"]


class Bill:
    """Money, added up without looking at every attempt again.

    Args:
        prices: What running costs; None for nothing.
    """

    def __init__(self, prices: Prices | None) -> None:
        self._prices = prices
        self._n = 0
        self._rate = 0.0  # of all attempts that run, a second
        self._began = 0.0  # the sum of rate * begin: what they cost by t is rate * t less that
        self._origin_s: float | None = (
            None  # near to all times, so that the difference of two large sums keeps its digits
        )

    def begin(self, grant: Resources, at_s: float) -> None:
        """An attempt began to run."""
        if self._prices is not None:
            if self._n == 0:
                self._rate = self._began = 0.0
                self._origin_s = at_s
            self._n += 1
            self._add(grant, at_s, 1.0)

    def end(self, grant: Resources, began_at: float) -> None:
        """One that had begun at ``began_at`` ended; its own cost is for others to count."""
        if self._prices is not None:
            self._n -= 1
            self._add(grant, began_at, -1.0)

    def _add(self, grant: Resources, at_s: float, sign: float) -> None:
        assert self._origin_s is not None
        rate = sign * cost_of(grant, 1.0, self._prices)
        self._rate += rate
        self._began += rate * (at_s - self._origin_s)

    def running(self, at_s: float) -> float:
        """What the attempts that run now have cost until ``at_s``."""
        if self._n == 0 or self._origin_s is None:
            return 0.0
        return max(0.0, self._rate * (at_s - self._origin_s) - self._began)

    def spent_at(self, left: float, spare_s: float, most_spare: float) -> float | None:
        """When they will have cost ``left``, less what they cost in ``spare_s`` seconds more, but at most ``most_spare``.

        None when nothing that costs anything runs.
        """
        if self._n == 0 or self._origin_s is None or self._rate <= 1e-15:
            return None
        usable = left - min(self._rate * spare_s, most_spare)
        return self._origin_s + (usable + self._began) / self._rate
