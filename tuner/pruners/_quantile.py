"""What ``median`` and ``percentile`` share: a trial's best value against a quantile of the others at the same step."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from tuner.core.ports import Pruner, Verdict
from tuner.pruners._options import at_least
from tuner.pruners._sorted import SortedValues
from tuner.study import Metric
from tuner.trial import Trial, TrialState

__all__ = ["Interval", "QuantilePruner"]


class Interval:
    """At which reports a trial is looked at: the first one in each interval of steps (Optuna's rule).

    Args:
        n_warmup_steps: Never at a step below this, at least 0.
        interval_steps: Length of an interval, counted from ``n_warmup_steps``, at least 1.

    Raises:
        SweepError: One is out of range.
    """

    def __init__(self, n_warmup_steps: int, interval_steps: int) -> None:
        at_least("n_warmup_steps", n_warmup_steps, 0)
        at_least("interval_steps", interval_steps, 1)
        self._warmup, self._steps = n_warmup_steps, interval_steps

    def begins(self, earlier: int, step: int) -> bool:
        """Whether the report at ``step`` is the first in its interval; ``earlier`` is the one before, -1 for none."""
        if step < self._warmup:
            return False
        return earlier < (step - self._warmup) // self._steps * self._steps + self._warmup


@dataclass(slots=True)
class _Running:
    """What a running trial has reported, its values negated where the metric is to be maximized."""

    best: float = math.inf
    last_step: int = -1
    reports: list[tuple[int, float]] = field(default_factory=list)


class QuantilePruner(Pruner):
    """Stops a trial whose best value so far is worse than a quantile of what COMPLETE trials reported at the same step.

    The values of COMPLETE trials are kept in order by step, so a verdict costs no more than looking up a quantile; they take
    8 bytes a report.

    Args:
        metric: What is compared.
        percent: Which share of the values, the best ones, lies within the quantile: 0 to 100.
        name: The quantile's, for people.
        n_startup_trials: How many trials must be COMPLETE before any is stopped, at least 0 (1 in effect).
        interval: At which reports trials are compared.
        n_min_trials: How many COMPLETE trials must have reported at the step, at least 1.

    Raises:
        SweepError: An option is out of range.
    """

    def __init__(
        self, metric: Metric, percent: float, name: str, *, n_startup_trials: int, interval: Interval, n_min_trials: int
    ) -> None:
        at_least("n_startup_trials", n_startup_trials, 0)
        at_least("n_min_trials", n_min_trials, 1)
        self._sign = 1.0 if metric.goal == "minimize" else -1.0
        self._fraction, self._name = (percent if metric.goal == "minimize" else 100 - percent) / 100, name
        self._needed, self._interval, self._min_trials = max(n_startup_trials, 1), interval, n_min_trials
        self._n_complete = 0
        self._running: dict[int, _Running] = {}
        self._at_step: dict[int, SortedValues] = {}

    def judge(self, trial: int, step: int, value: float) -> Verdict | None:
        """Compare the trial's best value so far with the quantile at ``step``."""
        if not math.isfinite(value):
            return None
        score = self._sign * value
        state = self._running.get(trial)
        if state is None:
            state = self._running[trial] = _Running()
        earlier, state.last_step = state.last_step, step
        state.reports.append((step, score))
        state.best = min(state.best, score)
        if self._n_complete < self._needed or not self._interval.begins(earlier, step):
            return None
        others = self._at_step.get(step)
        if others is None or len(others) < self._min_trials:
            return None
        bar = self._quantile(others)
        stops = state.best > self._sign * bar
        if not stops and not self.explains:
            return None
        reason = (
            f"its best value so far, {self._sign * state.best:.6g}, is {'' if stops else 'not '}worse than {bar:.6g}, "
            f"the {self._name} of {len(others)} finished trials at step {step}"
        )
        rank, of = others.below(state.best) + 1, len(others) + 1
        return Verdict("stop" if stops else "go", reason, step=step, rank=rank, of=of, threshold=bar)

    def finish(self, trial: Trial) -> None:
        """Forget the trial's reports, or compare others with them from now on if it is COMPLETE."""
        state = self._running.pop(trial.number, None)
        if trial.state != TrialState.COMPLETE:
            return
        self._n_complete += 1
        for step, score in state.reports if state else ():
            if self._interval.begins(-1, step):  # no trial is ever judged below
                if step not in self._at_step:
                    self._at_step[step] = SortedValues()
                self._at_step[step].add(score)

    def _quantile(self, scores: SortedValues) -> float:
        """The quantile of the values as reported, as NumPy's percentile computes it, to the last bit."""
        last = len(scores) - 1
        place = last * self._fraction
        below = math.floor(place)
        share = place - below
        low, high = (self._value(scores, index, last) for index in (below, min(below + 1, last)))
        if share >= 0.5:
            return high - (high - low) * (1 - share)
        return low + (high - low) * share

    def _value(self, scores: SortedValues, index: int, last: int) -> float:
        """The value at a position in rising order of the values as reported."""
        return scores[index] if self._sign > 0 else -scores[last - index]
