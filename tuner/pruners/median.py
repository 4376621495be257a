"""The ``median`` pruner: stop a trial whose best value so far is worse than the median of the others at the same step."""

from __future__ import annotations

from tuner.pruners._quantile import Interval, QuantilePruner
from tuner.study import Metric

__all__ = ["MedianPruner"]


class MedianPruner(QuantilePruner):
    """The median stopping rule (Golovin et al., *Google Vizier*, 2017) in the form of Optuna's ``MedianPruner``.

    A trial stops at a report when its best value so far is worse than the median of the values that COMPLETE trials
    reported at that very step. Verdicts are those of Optuna 5 for the same reports. Deviations from Vizier: the median is
    taken over the values at the step, not over running averages up to it, and running trials are not compared with.

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
        super().__init__(
            metric,
            50.0,
            "median",
            n_startup_trials=n_startup_trials,
            interval=Interval(n_warmup_steps, interval_steps),
            n_min_trials=n_min_trials,
        )
