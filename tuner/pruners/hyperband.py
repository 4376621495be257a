"""The ``hyperband`` pruner: brackets of successive halving that begin at different steps, trials dealt out evenly."""

from __future__ import annotations

import math

from tuner.core.ports import Promotion, Pruner, Verdict
from tuner.errors import SweepError
from tuner.pruners._halving import Halving, check_rungs
from tuner.study import Metric
from tuner.trial import Trial

__all__ = ["HyperbandPruner"]


class HyperbandPruner(Pruner):
    """Hyperband (Li et al., *Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization*, JMLR 18, 2018).

    There are ``K = floor(log_eta(max / min)) + 1`` brackets. Bracket ``b`` (from 0) is successive halving whose first rung
    lies at ``min * eta ** b``: bracket 0 stops earliest, the last one latest or not at all. Trials compete within their
    bracket only. Every bracket is to spend about the same, so of every round of trials bracket ``b`` gets
    ``ceil(K * eta ** s / (s + 1))`` with ``s = K - 1 - b`` (the paper's algorithm 1).

    Trials are dealt out by smooth weighted round robin: after any number of trials every bracket has its share to within
    a few, and which bracket a trial is in depends on nothing but its number.

    Deviations from the paper: the brackets run side by side and asynchronously, as ``asha`` does in its stopping form or
    (``promote``) in the one that pauses and promotes; rungs are counted from ``min`` upwards, as in Optuna, not from ``max``
    downwards, so the last bracket has a rung too unless ``max / min`` is a power of ``eta``. Deviation from Optuna 5: its
    ``HyperbandPruner`` deals trials out by a hash of study and number, whose shares are right on average only; the brackets,
    their weights and rungs are the same, and so are the verdicts within a bracket in the stopping form.

    Args:
        metric: What is compared.
        min: Step of the first rung of bracket 0, above 0.
        max: Step at which trials end by themselves; needed, as it decides how many brackets there are.
        eta: One in ``eta`` goes on from a rung, at least 2. None for 3.
        reduction_factor: Optuna's name for ``eta``; give one of the two.
        promote: Whether trials that lose are paused and may be promoted later, the one of the highest rung of all first.

    Raises:
        SweepError: An option is out of range, or ``max`` is not given.
    """

    def __init__(
        self,
        metric: Metric,
        *,
        min: int = 1,
        max: int | None = None,
        eta: float | None = None,
        reduction_factor: float | None = None,
        promote: bool = False,
    ) -> None:
        if max is None:
            raise SweepError(
                "hyperband needs max: how many brackets there are follows from it",
                path="pruner.max",
                expected="the step at which trials end by themselves, for example the number of epochs",
                hint="add max, or use asha, which does without",
            )
        chosen = check_rungs(min, max, eta, reduction_factor)
        firsts = [float(min)]
        while firsts[-1] * chosen <= max:
            firsts.append(firsts[-1] * chosen)
        self.promotes = promote
        self.brackets = len(firsts)
        self._deal = _Deal([math.ceil(self.brackets * chosen**s / (s + 1)) for s in reversed(range(self.brackets))])
        self._halvings = [
            Halving(metric, first=first, eta=chosen, max=max, promote=promote, name=f"bracket {b}, ")
            for b, first in enumerate(firsts)
        ]

    def bracket(self, trial: int) -> int:
        """Its bracket, from 0 for the one that stops earliest."""
        return self._deal[trial]

    def judge(self, trial: int, step: int, value: float) -> Verdict | None:
        """Let the trial compete within its bracket at every rung that it has reached with this report."""
        return self._halvings[self._deal[trial]].judge(trial, step, value, self.explains)

    def promote(self) -> Promotion | None:
        """The best paused trial of the highest rung from which one may go on, whatever its bracket."""
        if not self.promotes:
            return None
        ready = [(step, -b) for b, halving in enumerate(self._halvings) if (step := halving.ready) is not None]
        return self._halvings[-max(ready)[1]].promote() if ready else None

    def rescue(self) -> Promotion | None:
        """The best paused trial of the highest rung at which one is, whatever its bracket."""
        paused = [(step, -b) for b, halving in enumerate(self._halvings) if (step := halving.highest) is not None]
        return self._halvings[-max(paused)[1]].rescue() if paused else None

    def finish(self, trial: Trial) -> None:
        """Forget where the trial was; its values stay at the rungs of its bracket."""
        self._halvings[self._deal[trial.number]].finish(trial)


class _Deal:
    """Whom smooth weighted round robin gives its n-th card (as nginx balances servers), n from 0.

    Each turn every one gains its weight, the one that has most (the first of equals) gets the card and pays the sum of all
    weights. After that sum of cards, divided by the weights' common divisor, it begins anew. The turns are kept, a byte
    each, as far as they have been asked for.

    Args:
        weights: Above 0, at most 255 of them.
    """

    def __init__(self, weights: list[int]) -> None:
        common = math.gcd(*weights)
        self._weights = [weight // common for weight in weights]
        self._period = sum(self._weights)
        self._gained = [0] * len(weights)
        self._turns = bytearray()

    def __getitem__(self, n: int) -> int:
        n %= self._period
        while len(self._turns) <= n:
            gained = [g + weight for g, weight in zip(self._gained, self._weights, strict=True)]
            chosen = gained.index(max(gained))
            gained[chosen] -= self._period
            self._gained = gained
            self._turns.append(chosen)
        return self._turns[n]
