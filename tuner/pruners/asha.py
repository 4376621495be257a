"""The ``asha`` pruner: asynchronous successive halving, in the form that only stops."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tuner.core.ports import Pruner, Verdict
from tuner.errors import SweepError
from tuner.pruners._options import at_least
from tuner.pruners._sorted import SortedValues
from tuner.study import Metric
from tuner.trial import Trial

__all__ = ["AshaPruner"]


@dataclass(frozen=True, slots=True)
class _Rung:
    """A step at which trials compete, and the values with which they did (negated where the metric is maximized)."""

    step: float
    values: SortedValues


class AshaPruner(Pruner):
    """Asynchronous successive halving (Li et al., *A System for Massively Parallel Hyperparameter Tuning*, MLSys 2020).

    Rungs lie at steps ``min * eta ** (early_stopping_rate + k)``, k = 0, 1, ... A trial competes at a rung with its first
    report at or after the rung's step, against all trials that were there before; it goes on if it is among the best
    ``1 / eta`` of them (itself included, ties in its favour). While fewer than ``eta`` have been there, only the best so far
    goes on. A report that passes several rungs competes at each of them in turn.

    Deviations from the paper: a trial that stops is not paused and never promoted later (the stopping form, as in Optuna's
    ``SuccessiveHalvingPruner`` and Ray Tune's scheduler), so the first trials at a rung are judged against few. Verdicts are
    those of Optuna 5 with the same settings; it has no ``max``. The best value at a rung is never stopped there.

    Args:
        metric: What is compared.
        min: Step of the first rung when ``early_stopping_rate`` is 0: no trial stops before it; above 0.
        max: Step at which trials end by themselves: no rung lies there or beyond. None for no limit.
        eta: One in ``eta`` goes on from a rung, at least 2. None for 3.
        early_stopping_rate: How many of the first rungs are left out, at least 0.
        reduction_factor: Optuna's name for ``eta``; give one of the two.

    Raises:
        SweepError: An option is out of range or two of them contradict each other.
    """

    def __init__(
        self,
        metric: Metric,
        *,
        min: int = 1,
        max: int | None = None,
        eta: float | None = None,
        early_stopping_rate: int = 0,
        reduction_factor: float | None = None,
    ) -> None:
        if eta is not None and reduction_factor is not None:
            raise SweepError(
                "eta and reduction_factor are two names of one option",
                path="pruner.reduction_factor",
                got=reduction_factor,
                hint="drop one of them",
            )
        name = "eta" if reduction_factor is None else "reduction_factor"
        self._eta = next((number for number in (eta, reduction_factor) if number is not None), 3)
        at_least("min", min, 1)
        at_least(name, self._eta, 2, whole=False)
        at_least("early_stopping_rate", early_stopping_rate, 0)
        if max is not None:
            at_least("max", max, 1)
            if max < min:
                raise SweepError(f"max {max} is below min {min}", path="pruner.max", got=max, hint="swap them")
        self._sign = 1.0 if metric.goal == "minimize" else -1.0
        self._first = min * self._eta**early_stopping_rate
        self._max = math.inf if max is None else max
        self._rungs: list[_Rung] = []
        self._next: dict[int, int] = {}

    def judge(self, trial: int, step: int, value: float) -> Verdict | None:
        """Let the trial compete at every rung that it has reached with this report."""
        if not math.isfinite(value):
            return None
        index = self._next.get(trial, 0)
        while (rung := self._rung(index)).step <= step and rung.step < self._max:
            index += 1
            self._next[trial] = index
            verdict = self._compete(index - 1, rung, value)
            if verdict is not None:
                return verdict
        return None

    def _rung(self, index: int) -> _Rung:
        while index >= len(self._rungs):
            self._rungs.append(_Rung(self._first * self._eta ** len(self._rungs), SortedValues()))
        return self._rungs[index]

    def _compete(self, index: int, rung: _Rung, value: float) -> Verdict | None:
        score = self._sign * value
        rung.values.add(score)
        n = len(rung.values)
        places = int(n // self._eta) or 1
        threshold = rung.values[places - 1]
        if score <= threshold:
            return None
        rank = rung.values.below(score) + 1
        reason = (
            f"rung {index} (step {rung.step:g}): its value {value:.6g} ranks {rank} of {n}, and "
            + (f"only the best {places} go on" if places > 1 else "only the best goes on")
            + f", from {self._sign * threshold:.6g}"
        )
        return Verdict("stop", reason, index, rung.step, rank, n, self._sign * threshold)

    def finish(self, trial: Trial) -> None:
        """Forget where the trial was; its values stay at the rungs, as the others are still compared with them."""
        self._next.pop(trial.number, None)
