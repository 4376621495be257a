"""The ``threshold`` pruner: stop a trial whose value leaves the bounds that are given."""

from __future__ import annotations

import math

from tuner.core.ports import Pruner, Verdict
from tuner.errors import SweepError
from tuner.pruners._quantile import Interval
from tuner.study import Metric
from tuner.trial import Trial

__all__ = ["ThresholdPruner"]


class ThresholdPruner(Pruner):
    """Stops a trial that reports a value outside of ``lower`` to ``upper``, as Optuna's ``ThresholdPruner`` does.

    It is for values that are out of the question (a loss that has diverged), and looks at no other trial. Deviation from
    Optuna 5: values that are not finite never reach a pruner here, so they stop nothing.

    Args:
        metric: What is compared; its goal is not looked at.
        lower: Least value that is let pass; None for no bound. At least one of the two bounds is given.
        upper: Largest value that is let pass; None for no bound.
        n_warmup_steps: No trial is stopped at a step below this, at least 0.
        interval_steps: A trial is judged at its first report in each interval of that many steps, counted from
            ``n_warmup_steps``; at least 1.

    Raises:
        SweepError: There is no bound, ``lower`` is above ``upper``, or an option is out of range.
    """

    def __init__(
        self,
        metric: Metric,
        *,
        lower: float | None = None,
        upper: float | None = None,
        n_warmup_steps: int = 0,
        interval_steps: int = 1,
    ) -> None:
        if lower is None and upper is None:
            raise SweepError("threshold needs a bound", path="pruner.upper", expected="lower, upper or both")
        self._lower = _bound("lower", lower, -math.inf)
        self._upper = _bound("upper", upper, math.inf)
        if self._lower > self._upper:
            raise SweepError(f"lower {lower} is above upper {upper}", path="pruner.lower", got=lower, hint="swap them")
        self._interval = Interval(n_warmup_steps, interval_steps)
        self._last_step: dict[int, int] = {}

    def judge(self, trial: int, step: int, value: float) -> Verdict | None:
        """Look whether the value lies within the bounds."""
        if not math.isfinite(value):
            return None
        earlier = self._last_step.get(trial, -1)
        self._last_step[trial] = step
        if not self._interval.begins(earlier, step):
            return None
        if value < self._lower:
            return Verdict(
                "stop", f"its value {value:.6g} is below {self._lower:.6g}", step=step, threshold=self._lower
            )
        if value > self._upper:
            return Verdict(
                "stop", f"its value {value:.6g} is above {self._upper:.6g}", step=step, threshold=self._upper
            )
        if self.explains:
            return Verdict("go", f"its value {value:.6g} is within {self._lower:.6g} to {self._upper:.6g}", step=step)
        return None

    def finish(self, trial: Trial) -> None:
        """Forget the trial."""
        self._last_step.pop(trial.number, None)


def _bound(name: str, value: float | None, absent: float) -> float:
    if value is None:
        return absent
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise SweepError(f"{name} must be a number", path=f"pruner.{name}", got=value)
    return float(value)
