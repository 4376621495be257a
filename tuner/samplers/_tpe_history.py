"""What the ``tpe`` sampler remembers: the best trials, an even sample of the rest, and partial results by rung.

Nothing here grows with the number of trials but one row of numbers for each; an update costs its logarithm. What is kept is
decided by the set of results alone, not by the order in which they came.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from tuner.samplers._encoding import Rows
from tuner.samplers._tpe_fronts import Fronts
from tuner.study import trial_seed
from tuner.trial import Trial, TrialState

__all__ = ["History", "Split"]

_BEST = 256
_SAMPLED = 512
_PENDING = 1024  # among paused trials, of which there may be many, the last ones are taken places
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
        pending: Rows of unfinished trials that have reported, as taken places: all but those among the bad ones, and of very
            many the last.
    """

    good: Rows
    good_weights: Rows
    bad: Rows
    bad_weights: Rows
    pending: dict[int, Rows]


class History:
    """Results of trials over one space.

    Args:
        d: Numbers in a row.
        n_metrics: Above 1, complete trials are ranked by fronts.
        by_rung: Whether partial results are compared at a common step.
        late: Whether a trial must be finished before its partial results count (constraints are known only then).

    Attributes:
        n: Finished trials that tell something: COMPLETE, PRUNED, and FAIL for invalid parameters.

    A trial that runs or is paused is *live* from its first report until it is finished.
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
        self._live: list[int] = []
        self._forgotten: set[int] = set()

    def __contains__(self, number: int) -> bool:
        """Whether a trial is live."""
        return number in self._partial

    @property
    def n_partial(self) -> int:
        """How many live trials count as observations."""
        return len(self._partial) if self._by_rung and not self._late else 0

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
        """An unfinished trial's value, the smaller the better; whether it was news."""
        if not math.isfinite(value):
            return False
        first = number not in self._partial
        if first:
            insort(self._live, number)
            _keep(self._sample, _drawn(number), _SAMPLED)
        partial = self._partial.setdefault(number, [])
        if not self._by_rung:
            return first
        news = range(len(partial), _rung(step) + 1)
        for rung in news:
            partial.append(value)
            if not self._late:
                self._enter(rung, value, number)
        return first or (bool(news) and not self._late)

    def finish(self, trial: Trial, losses: list[float]) -> bool:
        """A finished trial with its values turned so that smaller is better; whether it told anything."""
        number = trial.number
        live = number in self._partial
        partial = self._partial.pop(number, [])
        if live:
            del self._live[bisect_left(self._live, number)]
        key = self._key(trial, losses)
        if key is None:
            if live:
                self._forgotten.add(number)
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
        if not live:
            _keep(self._sample, _drawn(number), _SAMPLED)
        return True

    def _key(self, trial: Trial, losses: list[float]) -> _Key | None:
        number = trial.number
        if trial.state is TrialState.FAIL:
            invalid = trial.failure is not None and trial.failure.kind.blames_params
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
        k, listed = self._compared(n_good)
        k = min(k, len(listed))
        within = set(listed)
        bad = set(listed[k:])
        pending = [number for number in self._live[-_PENDING:] if number not in bad]
        apart = within.union(pending, self._forgotten)
        sampled = sorted(number for _, number in self._sample if number not in apart)
        stood_for = self.n + len(self._live) - len(within.union(pending))
        each = max(stood_for, 0) / max(len(sampled), 1)
        weights = np.concatenate([np.ones(len(bad)), np.full(len(sampled), each)])
        good_weights = np.ones(k) if self._fronts is not None else _by_rank(k)
        taken = dict(zip(pending, self.rows(pending), strict=True))
        return Split(self.rows(listed[:k]), good_weights, self.rows([*listed[k:], *sampled]), weights, taken)

    def _compared(self, n_good: Callable[[int], int]) -> tuple[int, list[int]]:
        """How many trials are good, and the best, best first: of those that came equally far, where that counts."""
        if self._by_rung:
            n_complete = sum(1 for key in self._best if key[0] == 0)
            if n_complete >= self._need:
                return n_good(n_complete), [key[3] for key in self._best]
            falling = range(len(self._rungs) - 1, -1, -1)
            rung = next((rung for rung in falling if self._reached[rung] >= self._need), None)
            if rung is not None:
                within = [number for _, number in self._rungs[rung] if number not in self._invalid]
                return n_good(self._reached[rung]), within
        k = n_good(self.n + self.n_partial)
        ranked = [key[3] for key in self._best]
        if self._fronts is None:
            return k, ranked
        good = self._fronts.best(k)
        return k, good + ranked[: k - len(good)]


def _drawn(number: int) -> tuple[int, int]:
    """The trial's lot: the smallest are the sample."""
    return trial_seed(0, number), number


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
