"""The ``asha`` pruner: asynchronous successive halving, in the form that stops and in the form that promotes."""

from __future__ import annotations

from tuner.core.ports import Promotion, Pruner, Verdict
from tuner.pruners._halving import Halving, check_rungs
from tuner.pruners._options import at_least
from tuner.study import Metric
from tuner.trial import Trial

__all__ = ["AshaPruner"]


class AshaPruner(Pruner):
    """Asynchronous successive halving (Li et al., *A System for Massively Parallel Hyperparameter Tuning*, MLSys 2020).

    Rungs lie at steps ``min * eta ** (early_stopping_rate + k)``, k = 0, 1, ... A trial competes at a rung with its first
    report at or after the rung's step, against all trials that were there before. A report that passes several rungs
    competes at each of them in turn. A trial beyond the last rung below ``max`` runs to its end.

    The stopping form (the default): a trial goes on from a rung if it is among the best ``1 / eta`` there (itself included,
    ties in its favour). While fewer than ``eta`` have been there, only the best so far goes on. Verdicts are those of Optuna
    5's ``SuccessiveHalvingPruner`` with the same settings (it has no ``max``). Deviation from the paper: a trial that loses
    stops for good, so the first trials at a rung are judged against few. The best value at a rung is never stopped there.

    The promotion form (``promote``) is algorithm 2 of the paper: of the ``n`` trials that have been at a rung the best
    ``floor(n / eta)`` may go on, the others are paused; a free worker takes the best paused trial that may go on from the
    highest rung, before any new trial. No trial is promoted twice from a rung. Deviations: a trial that may go on the moment
    it arrives does so without a pause, even when one of a higher rung waits too, which saves saving and loading it (the next
    free worker takes the other); of trials with equal values those that went on already count as the better ones, then
    those that came first.

    Args:
        metric: What is compared.
        min: Step of the first rung when ``early_stopping_rate`` is 0: no trial stops before it; above 0.
        max: Step at which trials end by themselves: no rung lies there or beyond. None for no limit; the promotion form then
            takes the largest step of a COMPLETE trial for it as soon as there is one.
        eta: One in ``eta`` goes on from a rung, at least 2. None for 3.
        early_stopping_rate: How many of the first rungs are left out, at least 0.
        reduction_factor: Optuna's name for ``eta``; give one of the two.
        promote: Whether trials that lose are paused and may be promoted later (``promotes`` is then true for the instance).

    Raises:
        SweepError: An option is out of range.
    """

    def __init__(  # noqa: PLR0913 -- the options of the sweep file, all by keyword
        self,
        metric: Metric,
        *,
        min: int = 1,
        max: int | None = None,
        eta: float | None = None,
        early_stopping_rate: int = 0,
        reduction_factor: float | None = None,
        promote: bool = False,
    ) -> None:
        chosen = check_rungs(min, max, eta, reduction_factor)
        at_least("early_stopping_rate", early_stopping_rate, 0)
        self.promotes = promote
        self._halving = Halving(metric, first=min * chosen**early_stopping_rate, eta=chosen, max=max, promote=promote)

    def judge(self, trial: int, step: int, value: float) -> Verdict | None:
        """Let the trial compete at every rung that it has reached with this report."""
        return self._halving.judge(trial, step, value, self.explains)

    def promote(self) -> Promotion | None:
        """The best paused trial of the highest rung from which one may go on."""
        return self._halving.promote() if self.promotes else None

    def rescue(self) -> Promotion | None:
        """The best paused trial of the highest rung at which one is."""
        return self._halving.rescue()

    def finish(self, trial: Trial) -> None:
        """Forget where the trial was; its values stay at the rungs."""
        self._halving.finish(trial)
