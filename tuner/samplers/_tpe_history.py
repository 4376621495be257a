"""What the ``tpe`` sampler remembers: the best trials, an even sample of the rest, and partial results by rung.

Nothing here grows with the number of trials but one row of numbers for each; an update costs its logarithm. What is kept is
decided by the set of results alone, not by the order in which they came.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from tuner.samplers._encoding import Rows
from tuner.samplers._tpe_fronts import Fronts
from tuner.study import trial_seed
from tuner.trial import FailureKind, Trial, TrialState

__all__ = ["History", "Split"]

_BEST = 256
_SAMPLED = 512
_SINGLE_STEPS = 16  # every step up to this is a rung of its own, from there on four rungs for each doubling
_INVALID = 3

_Key = tuple[int, float, float, int]
"""Tier (complete, pruned, infeasible, invalid), then what ranks within it, then the trial's number."""


_Entry = TypeVar("_Entry", _Key, tuple[int, int], tuple[float, int])


@dataclass(frozen=True, slots=True)
class Split:
    """The trials as observations, parted in two.

    Attributes:
        good: Rows of the best, shape (k, d), best first.
        good_weights: Shape (k,), mean 1.
        bad: Rows of the others, or of an even sample of them.
        bad_weights: How many trials each stands for.
        informed: Running trials that are among these, because they have reported.
    """

    good: Rows
    good_weights: Rows
    bad: Rows
    bad_weights: Rows
    informed: frozenset[int]


class History:
    """Results of trials over one space.

    Args:
        d: Numbers in a row.
        n_metrics: Above 1, complete trials are ranked by fronts.
        by_rung: Whether partial results are compared at a common step.
        late: Whether a trial must be finished before its partial results count (constraints are known only then).

    Attributes:
        n: Finished trials that tell something: COMPLETE, PRUNED, and FAIL for invalid parameters.
    """

    def __init__(self, d: int, n_metrics: int = 1, *, by_rung: bool = False, late: bool = False) -> None:
        self.n = 0
        self._rows = np.empty((64, d))
        self._best: list[_Key] = []
        self._sample: list[tuple[int, int]] = []
        self._fronts = Fronts(n_metrics, _BEST) if n_metrics > 1 else None
        self._by_rung, self._late, self._need = by_rung and n_metrics == 1, late, d + 3
        self._partial: dict[int, list[float]] = {}
        self._rungs: list[list[tuple[float, int]]] = []
        self._reached: list[int] = []
        self._invalid: set[int] = set()

    @property
    def n_reporting(self) -> int:
        """How many running trials have told something already."""
        return 0 if self._late else len(self._partial)

    def place(self, number: int, row: Rows) -> None:
        """Keep the row of a trial; numbers from 0 up, or from -1 down, but not both in one history."""
        slot = _slot(number)
        if slot >= len(self._rows):
            grown = np.empty((max(2 * len(self._rows), slot + 1), self._rows.shape[1]))
            grown[: len(self._rows)] = self._rows
            self._rows = grown
        self._rows[slot] = row

    def rows(self, numbers: Collection[int]) -> Rows:
        """The rows of these trials, in their order."""
        return self._rows[[_slot(number) for number in numbers]]

    def report(self, number: int, step: int, value: float) -> bool:
        """A running trial's value, the smaller the better; whether it was news."""
        if not self._by_rung or not math.isfinite(value):
            return False
        partial = self._partial.setdefault(number, [])
        news = range(len(partial), _rung(step) + 1)
        for rung in news:
            partial.append(value)
            if not self._late:
                self._enter(rung, value, number)
        return bool(news) and not self._late

    def finish(self, trial: Trial, losses: list[float]) -> bool:
        """A finished trial with its values turned so that smaller is better; whether it told anything."""
        number = trial.number
        partial = self._partial.pop(number, [])
        key = self._key(trial, losses)
        if key is None:
            return False
        if self._late and trial.violation <= 0.0 and key[0] != _INVALID:
            for rung, value in enumerate(partial):
                self._enter(rung, value, number)
        if key[0] == _INVALID and partial:
            self._invalid.add(number)
        self.n += 1
        if self._fronts is not None and key[0] == 0:
            self._fronts.add(number, losses)
        else:
            _keep(self._best, key, _BEST)
        _keep(self._sample, (trial_seed(0, number), number), _SAMPLED)
        return True

    def _key(self, trial: Trial, losses: list[float]) -> _Key | None:
        number = trial.number
        if trial.state is TrialState.FAIL:
            invalid = trial.failure is not None and trial.failure.kind is FailureKind.INVALID_PARAMS
            return (_INVALID, 0.0, 0.0, number) if invalid else None
        known = bool(losses) and all(map(math.isfinite, losses))
        if trial.violation > 0.0:
            return (2, trial.violation, losses[0] if known else math.inf, number)
        if trial.state is TrialState.COMPLETE:
            return (0, losses[0], 0.0, number) if known else None
        step = trial.last_step
        return (1, -step, losses[0], number) if known and step is not None else (1, math.inf, 0.0, number)

    def _enter(self, rung: int, value: float, number: int) -> None:
        while rung >= len(self._rungs):
            self._rungs.append([])
            self._reached.append(0)
        self._reached[rung] += 1
        _keep(self._rungs[rung], (value, number), _BEST)

    def split(self, n_good: Callable[[int], int]) -> Split:
        """Part the trials.

        Args:
            n_good: Number of observations -> how many of them are good.
        """
        n = self.n + self.n_reporting
        k = n_good(n)
        listed = self._listed(n, k)
        k = min(k, len(listed))
        within = set(listed)
        running = frozenset(number for number in listed if number in self._partial)
        sampled = [number for _, number in self._sample if number not in within]
        each = (self.n - (len(listed) - len(running))) / max(len(sampled), 1)
        sampled.sort()
        weights = np.concatenate([np.ones(len(listed) - k), np.full(len(sampled), max(each, 0.0))])
        good_weights = np.ones(k) if self._fronts is not None else _by_rank(k)
        return Split(self.rows(listed[:k]), good_weights, self.rows([*listed[k:], *sampled]), weights, running)

    def _listed(self, n: int, k: int) -> list[int]:
        """The best trials, best first; all that are kept of them, or just the ``k`` good ones where fronts rank them."""
        rung = self._informative(max(k, self._need))
        if rung is not None:
            return [number for _, number in self._rungs[rung] if number not in self._invalid]
        ranked = [key[3] for key in self._best]
        if self._fronts is None:
            return ranked
        good = self._fronts.best(k)
        return good + ranked[: k - len(good)]

    def _informative(self, need: int) -> int | None:
        """The highest rung that at least ``need`` trials have reached; None when enough are complete, or none is."""
        n_complete = sum(1 for key in self._best[:need] if key[0] == 0)
        if n_complete >= need:
            return None
        for rung in range(len(self._rungs) - 1, -1, -1):
            if self._reached[rung] >= need:
                return rung
        return None


def _slot(number: int) -> int:
    return number if number >= 0 else -1 - number


def _rung(step: int) -> int:
    if step <= _SINGLE_STEPS:
        return max(step, 0)
    return _SINGLE_STEPS + math.floor(4.0 * math.log2(step / _SINGLE_STEPS))


def _keep(ranked: list[_Entry], entry: _Entry, most: int) -> None:
    if len(ranked) < most or entry < ranked[-1]:
        insort(ranked, entry)
        del ranked[most:]


def _by_rank(k: int) -> Rows:
    """The weights of recombination in CMA-ES, mean 1: log(k + 1/2) - log(rank)."""
    weights = math.log(k + 0.5) - np.log(np.arange(1, k + 1))
    return weights / weights.mean() if k else weights
