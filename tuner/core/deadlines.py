"""The time as events tell it, and what is due when: the study's end, an attempt's end, the end of the money."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from tuner.core.bill import Bill
from tuner.resources import Resources
from tuner.study import Limits, StudySpec

__all__ = ["Deadlines"]

MOST_SPARE = 0.5  # of a budget: a tiny one is not left untouched for fear that a stop could take its whole grace


class Deadlines:
    """The study's time over all its drivers, and the attempts that run now.

    Args:
        spec: The study.

    Attributes:
        limits: As they are now.
        bill: What runs now costs.
        last_at: Time of the latest event.
        before_resume: Time of the last event of the driver before this one.
    """

    def __init__(self, spec: StudySpec) -> None:
        self.limits: Limits = spec.limits
        self.last_at = self.before_resume = 0.0
        self._grace_s = spec.stop_grace_s
        self.bill = Bill(spec.prices)
        self._session_at = 0.0
        self._elapsed_s = 0.0  # of earlier sessions
        self._ends: deque[tuple[float, int, int]] = deque()  # (at_s, trial, attempt), rising: one limit for all

    def begin(self, at_s: float) -> None:
        """The first driver's life begins."""
        self._session_at = at_s

    def begin_again(self, at_s: float) -> None:
        """Another driver's does: its clock counts from now on, also when it is behind that of the one before."""
        self.before_resume, self.last_at = self.last_at, at_s
        self._elapsed_s += max(0.0, self.before_resume - self._session_at)
        self._session_at = at_s
        self._ends.clear()

    def begin_attempt(self, trial: int, attempt: int, grant: Resources, at_s: float) -> None:
        """An attempt began to run."""
        self.bill.begin(grant, at_s)
        if self.limits.trial_time_s is not None:
            self._ends.append((at_s + self.limits.trial_time_s, trial, attempt))

    def end_attempt(self, grant: Resources, began_at: float) -> None:
        """One that had begun at ``began_at`` ended."""
        self.bill.end(grant, began_at)

    @property
    def follow_attempts(self) -> bool:
        """Whether what is due depends on which attempts run."""
        return self.limits.trial_time_s is not None or self.limits.cost is not None

    def overdue(self, at_s: float) -> Iterator[tuple[int, int]]:
        """(trial, attempt) of those that have run as long as they may, once each; they may have ended meanwhile."""
        while self._ends and self._ends[0][0] <= at_s:
            _, trial, attempt = self._ends.popleft()
            yield trial, attempt

    def verdict(self, at_s: float, cost: float) -> tuple[str, str] | None:
        """(reason, message) why the study must end at ``at_s``, its ended attempts having cost ``cost``; or None."""
        ends_at = self._study_ends()
        if ends_at is not None and at_s >= ends_at:
            return "time", f"its time of {self.limits.time_s:g} s is over"
        spent_at = self._spent_at(cost)
        if spent_at is not None and at_s >= spent_at:
            spent = cost + self.bill.running(at_s)
            text = f"its budget of {self.limits.cost:g} would be passed by going on (spent: {spent:.4g})"
            return "cost", text
        return None

    def time_left_s(self, at_s: float) -> float | None:
        """Until the study's time is over; None without a limit."""
        ends_at = self._study_ends()
        return None if ends_at is None else max(0.0, ends_at - at_s)

    def next(self, cost: float, runs: Callable[[int, int], bool], *, ending: bool) -> float | None:
        """When something is due next; None for never. Of a study that is ending only attempts are looked at.

        Args:
            cost: Of the attempts that have ended.
            runs: Whether attempt (trial, attempt) is in flight.
            ending: Whether the study is.
        """
        while self._ends and not runs(*self._ends[0][1:]):
            self._ends.popleft()
        due = [self._ends[0][0] if self._ends else None]
        if not ending:
            due += [self._study_ends(), self._spent_at(cost)]
        return min((at_s for at_s in due if at_s is not None), default=None)

    def _study_ends(self) -> float | None:
        if self.limits.time_s is None:
            return None
        return self._session_at + max(0.0, self.limits.time_s - self._elapsed_s)

    def _spent_at(self, cost: float) -> float | None:
        """When what runs must be asked to stop so that the budget is not passed, should it all take its grace."""
        if self.limits.cost is None:
            return None
        return self.bill.spent_at(self.limits.cost - cost, self._grace_s, MOST_SPARE * self.limits.cost)
