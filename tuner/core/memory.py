"""How much memory an attempt will need, learned online from what earlier ones used.

The logarithm of memory, less most of the least that was seen (the worker's base), is a function of the parameters that a
``GaussianProcess`` learns. The margin comes from the model's own recent errors, as in conformal prediction (Vovk, Gammerman
and Shafer 2005): a high quantile of the errors made on attempts as they came in, and of those of leaving one out. It rises
with each attempt that got too little and falls slowly else (Gibbs and Candes 2021, equation 2). Deviations: errors are pooled
over attempts that are not quite exchangeable; while few are known the margin is wider; it is never below a floor nor above a
multiple of the prediction; and the quantile keeps between bounds.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from tuner.core._gaussian import GaussianProcess
from tuner.core._inputs import Inputs
from tuner.space import SearchSpace
from tuner.trial import Params

__all__ = ["MemoryForecast", "MemoryModel"]

WINDOW = 80  # attempts that the model keeps when it is fitted anew
SPARE = 32  # attempts that it takes on top of them before it is
EAGER = 200  # attempts of which every one is learned; later every eighth, and those that surprise
SELDOM = 8
GROWTH = 0.15  # until then the model is fitted anew when it has learned so many more, of those it knew
BASE = 0.9  # share of the least memory seen that is taken for the base
QUANTILE = 0.975  # of errors, that the margin covers to begin with
QUANTILES = (0.96, 0.99)  # between which it moves with what is lost
SETTLED = 20  # attempts after which it begins to move
LOSSES = 0.015  # share of attempts that may need more than they are granted
STEP = 0.004  # by which a loss raises the quantile
RECENT = 40  # errors of attempts as they came in that count
LEAST_SHARE, LEAST_MIB = 0.03, 8.0  # the margin's floor
MOST = 2.0  # of the prediction, that is granted at most
UNSEEN = 0.4  # added to the margin, in the logarithm, where a category was never seen
BEYOND = 0.25  # what an attempt that ran out of memory is taken to have needed more, in the logarithm, at least


@dataclass(frozen=True, slots=True)
class MemoryForecast:
    """What an attempt will need, the base of its worker's process included.

    Attributes:
        expected_mib: The median of what it may need.
        grant_mib: That with a margin from the model's own recent errors.
        n: From how many attempts it was learned.
        error: The usual error of late, relative: 0.08 is 8 %.
    """

    expected_mib: float
    grant_mib: float
    n: int
    error: float


@dataclass(slots=True)
class _Seen:
    """One attempt: inputs but for the step, its step, its memory, and whether that is only what it had when it was ended."""

    row: list[float]
    step: int | None
    whole_mib: float
    censored: bool


class MemoryModel:
    """Predicts the whole memory of attempts from their parameters and the step that they will reach.

    How memory depends on the step is learned like any parameter's influence, and predictions are for the furthest step that
    was seen, so that attempts which were pruned early do not make it look small. An attempt that ran out of memory counts as
    one that needed more than it had, until one with the same parameters tells how much.

    Args:
        space: What the parameters mean.
    """

    FIRST = 4
    """Attempts to learn from before it says anything."""

    def __init__(self, space: SearchSpace) -> None:
        self._inputs = Inputs(space)
        self._process = GaussianProcess(self._inputs.width + 1)
        self._known: list[_Seen] = []
        self._base_mib = 0.0
        self._furthest = 0
        self._n = 0  # attempts seen
        self._n_since = 0  # attempts learned since the last fit
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._left_out: list[float] = []
        self._quantile = QUANTILE
        self._margin = self._usual = 0.0

    def observe(self, params: Params, step: int | None, whole_memory_mib: float, *, censored: bool = False) -> None:
        """An attempt with these parameters used so much.

        Args:
            params: The trial's.
            step: The last step it reached; None when it has none.
            whole_memory_mib: Its peak, the worker's base included; what is not above 0 is ignored.
            censored: Whether it was ended for want of memory, so that it needs more than that.
        """
        if not 0.0 < whole_memory_mib < math.inf:
            return
        seen = _Seen(self._inputs.row(params), step, whole_memory_mib, censored)
        self._n += 1
        surprise = self._judge(seen)
        self._inputs.see(params)
        further = step is not None and step > self._furthest
        self._furthest = max(self._furthest, step or 0)
        if self._n > EAGER and self._n % SELDOM and not surprise:
            return
        replaced = self._learn(seen)
        outside = whole_memory_mib <= self._base_mib * 1.01 and not censored
        if replaced or further or outside or censored or self._due():
            self._fit()
        elif self._process.n:
            self._process.add(self._row(seen), self._target(seen))

    def predict(self, params: Params) -> MemoryForecast | None:
        """What an attempt with these parameters will need; None while fewer than ``FIRST`` have been seen."""
        if self._n < self.FIRST:
            return None
        above = self._process.mean([*self._inputs.row(params), 0.0])
        margin = self._margin + (UNSEEN if self._inputs.unseen(params) else 0.0)
        expected = self._base_mib + _exp(above)
        grant = min(self._base_mib + _exp(above + margin), expected * MOST)
        grant = max(grant, expected * (1.0 + LEAST_SHARE), expected + LEAST_MIB)
        return MemoryForecast(expected, grant, self._n, math.expm1(self._usual))

    # -- learning ---------------------------------------------------------------------------------------------------

    def _learn(self, seen: _Seen) -> bool:
        """Keep an attempt; whether it says what one that ran out of memory would have needed."""
        before = len(self._known)
        self._known = [old for old in self._known if not (old.censored and old.row == seen.row)]
        self._known.append(seen)
        self._n_since += 1
        return len(self._known) <= before

    def _due(self) -> bool:
        n = len(self._known)
        if self._n < self.FIRST:
            return False
        grown = self._n <= EAGER and self._n_since >= GROWTH * min(n, WINDOW)
        return not self._process.n or n >= WINDOW + SPARE or grown

    def _fit(self) -> None:
        """Choose the base, fit the process anew, and look at its errors."""
        self._n_since = 0
        del self._known[:-WINDOW]
        self._base_mib = BASE * min(seen.whole_mib for seen in self._known)
        rows = [self._row(seen) for seen in self._known]
        targets = [self._target(seen) for seen in self._known]
        self._process.fit(rows, targets)
        errors = self._process.left_out()
        self._left_out = [e for e, seen in zip(errors, self._known, strict=True) if not seen.censored]
        self._measure()

    def _row(self, seen: _Seen) -> list[float]:
        """Inputs with the step last: 0 for the furthest, below for earlier ones; no step is the furthest."""
        if seen.step is None:
            return [*seen.row, 0.0]
        return [*seen.row, 0.5 * math.log((1.0 + max(0, seen.step)) / (1.0 + self._furthest))]

    def _target(self, seen: _Seen) -> float:
        target = math.log(max(seen.whole_mib - self._base_mib, 1e-3 * seen.whole_mib))
        if not seen.censored:
            return target
        return max(target + BEYOND, self._process.mean(self._row(seen)) if self._process.n else target)

    # -- errors -----------------------------------------------------------------------------------------------------

    def _judge(self, seen: _Seen) -> bool:
        """Note by how much the model was wrong of an attempt; whether that was more than usual."""
        if not self._process.n:
            return True
        target = math.log(max(seen.whole_mib - self._base_mib, 1e-3 * seen.whole_mib))
        error = target - self._process.mean(self._row(seen))
        if seen.censored:
            error = max(error, 0.0) + BEYOND
        self._recent.append(error)
        surprise = error > self._margin or seen.censored
        if self._n > SETTLED:
            moved = self._quantile + STEP * (surprise - LOSSES) / (1.0 - LOSSES)
            self._quantile = min(max(moved, QUANTILES[0]), QUANTILES[1])
        if surprise or self._n < EAGER or not self._n % SELDOM:
            self._measure()
        return surprise

    def _measure(self) -> None:
        """The margin from the errors: their quantile, and more while they are few."""
        # Errors made when it had seen less than half of what it has now are not those it will make.
        recent = list(self._recent)[-max(self.FIRST, self._n // 2) :]
        errors = sorted([*recent, *self._left_out])
        n = len(errors)
        if n == 0:
            self._margin, self._usual = 0.7, 0.5
            return
        place = math.ceil(self._quantile * (n + 1))
        top = errors[min(place, n) - 1]
        if place > n:
            top += max(0.0, errors[-1] - errors[0]) / n
        targets = [self._target(seen) for seen in self._known]
        self._margin = max(0.0, top, 1.5 * _spread(targets) / (len(self._known) + 3.0) if n < RECENT else 0.0)
        self._usual = self._share() * sorted(map(abs, errors))[n // 2]

    def _share(self) -> float:
        """The part of memory above the base, of the whole: errors there matter so much less."""
        wholes = sorted(seen.whole_mib for seen in self._known)
        middle = wholes[len(wholes) // 2]
        return (middle - self._base_mib) / middle


def _exp(value: float) -> float:
    return math.exp(min(value, 60.0))


def _spread(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))
