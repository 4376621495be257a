"""The ``median`` pruner: stop a trial whose best value so far is worse than the median of the others at the same step."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from tuner.core.ports import Pruner, Verdict
from tuner.pruners._options import at_least
from tuner.pruners._sorted import SortedValues
from tuner.study import Metric
from tuner.trial import Trial, TrialState

__all__ = ["MedianPruner"]


@dataclass(slots=True)
class _Running:
    """What a running trial has reported, its values negated where the metric is to be maximized."""

    best: float = math.inf
    last_step: int = -1
    reports: list[tuple[int, float]] = field(default_factory=list)


class MedianPruner(Pruner):
    """The median stopping rule (Golovin et al., *Google Vizier*, 2017) in the form of Optuna's ``MedianPruner``.

    A trial stops at a report when its best value so far is worse than the median of the values that COMPLETE trials
    reported at that very step. Verdicts are those of Optuna 5 for the same reports. The values of COMPLETE trials are kept
    in order by step, so a verdict costs no more than looking up a median; they take 8 bytes a report.

    Args:
        metric: What is compared.
        n_startup_trials: How many trials must be COMPLETE before any is stopped, at least 0 (1 in effect).
        n_warmup_steps: No trial is stopped at a step below this, at least 0.
        interval_steps: A trial is judged at its first report in each interval of that many steps, counted from
            ``n_warmup_steps``; at least 1.
        n_min_trials: How many COMPLETE trials must have reported at the step, at least 1.

    Raises:
        SweepError: An option is out of range.
    """

    def __init__(
        self,
        metric: Metric,
        *,
        n_startup_trials: int = 5,
        n_warmup_steps: int = 0,
        interval_steps: int = 1,
        n_min_trials: int = 1,
    ) -> None:
        at_least("n_startup_trials", n_startup_trials, 0)
        at_least("n_warmup_steps", n_warmup_steps, 0)
        at_least("interval_steps", interval_steps, 1)
        at_least("n_min_trials", n_min_trials, 1)
        self._sign = 1.0 if metric.goal == "minimize" else -1.0
        self._needed = max(n_startup_trials, 1)
        self._warmup, self._interval, self._min_trials = n_warmup_steps, interval_steps, n_min_trials
        self._n_complete = 0
        self._running: dict[int, _Running] = {}
        self._at_step: dict[int, SortedValues] = {}

    def judge(self, trial: int, step: int, value: float) -> Verdict | None:
        """Compare the trial's best value so far with the median at ``step``."""
        if not math.isfinite(value):
            return None
        score = self._sign * value
        state = self._running.get(trial)
        if state is None:
            state = self._running[trial] = _Running()
        earlier, state.last_step = state.last_step, step
        state.reports.append((step, score))
        state.best = min(state.best, score)
        if self._n_complete < self._needed or step < self._warmup:
            return None
        if earlier >= (step - self._warmup) // self._interval * self._interval + self._warmup:
            return None
        others = self._at_step.get(step)
        if others is None or len(others) < self._min_trials:
            return None
        median = _median(others)
        if state.best <= median:
            return None
        reason = (
            f"its best value so far, {self._sign * state.best:.6g}, is worse than {self._sign * median:.6g}, "
            f"the median of {len(others)} finished trials at step {step}"
        )
        return Verdict("stop", reason, step=step, threshold=self._sign * median)

    def finish(self, trial: Trial) -> None:
        """Forget the trial's reports, or compare others with them from now on if it is COMPLETE."""
        state = self._running.pop(trial.number, None)
        if trial.state != TrialState.COMPLETE:
            return
        self._n_complete += 1
        for step, score in state.reports if state else ():
            if step >= self._warmup:  # no trial is ever judged below
                if step not in self._at_step:
                    self._at_step[step] = SortedValues()
                self._at_step[step].add(score)


def _median(values: SortedValues) -> float:
    """As NumPy's percentile 50 computes it, to the last bit."""
    middle, odd = divmod(len(values), 2)
    above = values[middle]
    return above if odd else above - (above - values[middle - 1]) * 0.5
