"""The ``patient`` pruner: let another pruner stop a trial only once it has not improved for a while."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace

from tuner.core.ports import Pruner, Verdict
from tuner.errors import SweepError
from tuner.pruners._options import at_least
from tuner.study import Metric
from tuner.trial import Trial

__all__ = ["PatientPruner"]


class PatientPruner(Pruner):
    """Withholds another pruner's stops as long as a trial still improves, as Optuna's ``PatientPruner`` does.

    A trial has stalled when the best of its last ``patience + 1`` reports is worse, by more than ``min_delta``, than the best
    of all before them. Then the other pruner's word counts; without another pruner the trial stops.

    The other pruner is told every report, also those after a stop that was withheld. Deviation from Optuna 5: there the
    other pruner is not even asked while a trial improves. For pruners that look at what was reported alone (``median``,
    ``percentile``, ``threshold``, ``wilcoxon``) that makes no difference; with ``asha`` and ``hyperband`` trials compete at
    every rung that they reach, and one that loses while it improves competes again at the next.

    Args:
        metric: What is compared.
        pruner: The other pruner, which must not pause trials; None for stopping all that stall.
        patience: How many reports a trial may go without improving, at least 0.
        min_delta: By how much the last reports must be worse than the best before, at least 0.

    Raises:
        SweepError: An option is out of range, or the other pruner pauses trials.
    """

    def __init__(self, metric: Metric, *, patience: int, pruner: Pruner | None = None, min_delta: float = 0.0) -> None:
        at_least("patience", patience, 0)
        at_least("min_delta", min_delta, 0, whole=False)
        if pruner is not None and pruner.promotes:
            raise SweepError(
                "a pruner that pauses trials cannot be held back: a pause that is withheld could not be ended",
                path="pruner.pruner",
                hint="use its stopping form: remove promote",
            )
        self._sign = 1.0 if metric.goal == "minimize" else -1.0
        self._pruner, self._patience, self._min_delta = pruner, patience, min_delta
        self.brackets = 1 if pruner is None else pruner.brackets
        self._running: dict[int, _Course] = {}

    def admit(self, trial: int) -> None:
        """Pass it on."""
        if self._pruner is not None:
            self._pruner.admit(trial)

    def bracket(self, trial: int) -> int:
        """The other pruner's."""
        return 0 if self._pruner is None else self._pruner.bracket(trial)

    def judge(self, trial: int, step: int, value: float) -> Verdict | None:
        """The other pruner's verdict, but a stop only when the trial has stalled."""
        if not math.isfinite(value):
            return None
        course = self._running.get(trial)
        if course is None:
            course = self._running[trial] = _Course(self._patience + 1)
        course.add(self._sign * value)
        stalled = course.before + self._min_delta < course.lately
        why = (
            f"the best of its last {self._patience + 1} reports, {self._sign * course.lately:.6g}, "
            f"is {'' if stalled else 'not '}worse than {self._sign * course.before:.6g} before"
        )
        if self._pruner is None:
            known = stalled or (self.explains and math.isfinite(course.before))
            return Verdict("stop" if stalled else "go", why, step=step) if known else None
        self._pruner.explains = self.explains
        verdict = self._pruner.judge(trial, step, value)
        if verdict is None or verdict.decision == "go":
            return verdict
        if stalled:
            return replace(verdict, reason=f"{verdict.reason}; and {why}")
        if not self.explains:
            return None
        if not math.isfinite(course.before):
            why = f"it has made no more than {self._patience + 1} reports"
        return replace(verdict, decision="go", reason=f"it may go on though {verdict.reason}, as {why}")

    def finish(self, trial: Trial) -> None:
        """Forget the trial, and pass it on."""
        self._running.pop(trial.number, None)
        if self._pruner is not None:
            self._pruner.finish(trial)


class _Course:
    """The best of a trial's last few reports, and the best of all before them, whatever it reports next.

    Args:
        size: How many the last few are, at least 1.
    """

    __slots__ = ("_count", "_last", "_rising", "_size", "before")

    def __init__(self, size: int) -> None:
        self._size, self._count = size, 0
        self._last: deque[float] = deque()
        self._rising: deque[tuple[int, float]] = deque()  # each the best of those from the one before it on
        self.before = math.inf

    def add(self, score: float) -> None:
        """One report more."""
        while self._rising and self._rising[-1][1] >= score:
            self._rising.pop()
        self._rising.append((self._count, score))
        self._last.append(score)
        self._count += 1
        if len(self._last) > self._size:
            self.before = min(self.before, self._last.popleft())
            if self._rising[0][0] < self._count - self._size:
                self._rising.popleft()

    @property
    def lately(self) -> float:
        """The best of the last few."""
        return self._rising[0][1]
