"""The ``percentile`` pruner: stop a trial whose best value so far is not among the best of the others at the same step."""

from __future__ import annotations

from tuner.errors import SweepError
from tuner.pruners._options import at_least
from tuner.pruners._quantile import Interval, QuantilePruner
from tuner.study import Metric

__all__ = ["PercentilePruner"]


class PercentilePruner(QuantilePruner):
    """The median rule with another percentile, in the form of Optuna's ``PercentilePruner`` (Golovin et al. 2017).

    A trial stops at a report when its best value so far is worse than the ``percentile`` of the values that COMPLETE trials
    reported at that very step, interpolated between neighbours as NumPy does it. Verdicts are those of Optuna 5 for the same
    reports; 50 is ``median``.

    Args:
        metric: What is compared.
        percentile: Which share of the trials, the best ones, is let pass: 0 to 100.
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
        percentile: float = 25.0,
        n_startup_trials: int = 5,
        n_warmup_steps: int = 0,
        interval_steps: int = 1,
        n_min_trials: int = 1,
    ) -> None:
        at_least("percentile", percentile, 0, whole=False)
        if percentile > 100:
            raise SweepError(
                "percentile must be at most 100",
                path="pruner.percentile",
                got=percentile,
                expected="a number from 0 to 100",
            )
        super().__init__(
            metric,
            percentile,
            f"bound of the best {percentile:g} %",
            n_startup_trials=n_startup_trials,
            interval=Interval(n_warmup_steps, interval_steps),
            n_min_trials=n_min_trials,
        )
