"""What trials that were stopped early, or still run, would have ended with: predicted from the steps that they reached."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Curves", "Partial"]

Array = NDArray[np.float64]

_PAIRS = 160
_LEAST_PAIRS = 3
_CURVES = 1000
_STRIDE = 1.1


@dataclass(frozen=True, slots=True)
class Partial:
    """A trial of which nothing is known beyond ``step``, where its value was ``value`` (small is good)."""

    step: int
    value: float


@dataclass(slots=True)
class Curves:
    """Reported values by trial and step.

    The value at the end is predicted from the value at a step by a straight line through the trials of which both are
    known: the reduced major axis (Sokal and Rohlf, 1995, section 14.13), its slope the ratio of the two spreads, each the
    median distance from the median, since curves of bad configurations leave every scale. A regression would be too flat:
    only trials that looked good run to their end, and among these alone the value at an early step tells little, so that
    what was stopped would be taken for as good as what was not. Steps are gone through from the last to the first: trials
    stopped late, once they are predicted themselves, help to predict those that were stopped early. How far the line
    misses is the standard deviation of the prediction.

    Of trials that have ended every step is kept that lies a tenth beyond the one kept before it, and of those with the
    highest numbers only: older curves would not be looked at.
    """

    _running: dict[int, dict[int, float]] = field(default_factory=dict)
    _ended: dict[int, tuple[NDArray[np.int64], Array]] = field(default_factory=dict)
    _lowest: list[int] = field(default_factory=list)

    def add(self, trial: int, step: int, value: float) -> None:
        """Note a report of a running trial, small is good; a retry may report a step again."""
        self._running.setdefault(trial, {})[step] = value

    def end(self, trial: int) -> None:
        """The trial ended: its curve is kept in short."""
        curve = self._running.pop(trial, None)
        if curve is None:
            return
        kept: list[int] = []
        for step in sorted(curve):
            if not kept or step > _STRIDE * kept[-1]:
                kept.append(step)
        self._ended[trial] = np.array(kept, dtype=np.int64), np.array([curve[step] for step in kept])
        heapq.heappush(self._lowest, trial)
        if len(self._lowest) > _CURVES:
            del self._ended[heapq.heappop(self._lowest)]

    def reached(self, trial: int) -> Partial | None:
        """The last report of a running trial."""
        curve = self._running.get(trial)
        if not curve:
            return None
        step = max(curve)
        return Partial(step, curve[step])

    def predict(self, ends: Mapping[int, float], partial: Mapping[int, Partial]) -> dict[int, tuple[float, float]]:
        """(value at the end, standard deviation) of each partial trial.

        Args:
            ends: Trials that ran to their end, and their final values.
            partial: Trials that did not.
        """
        known, spread = dict(ends), dict.fromkeys(ends, 0.0)
        newest = sorted((self._ended.keys() | self._running.keys()) & (ends.keys() | partial.keys()), reverse=True)
        by_step: dict[int, list[int]] = {}
        for trial in sorted(partial):
            by_step.setdefault(partial[trial].step, []).append(trial)
        for step in sorted(by_step, reverse=True):
            values = np.array([partial[trial].value for trial in by_step[step]])
            predicted, deviation = _line(self._pairs(step, newest, known), values, known)
            for trial, value, error in zip(by_step[step], predicted.tolist(), deviation.tolist(), strict=True):
                known[trial], spread[trial] = value, error
        return {trial: (known[trial], spread[trial]) for trial in partial}

    def _pairs(self, step: int, newest: Sequence[int], known: Mapping[int, float]) -> Array:
        """Values at ``step`` and at the end of the newest trials of which both are known, shape (n, 2)."""
        pairs: list[tuple[float, float]] = []
        for trial in newest:
            if trial in known and (at := self._at(trial, step)) is not None:
                pairs.append((at, known[trial]))
                if len(pairs) == _PAIRS:
                    break
        return np.array(pairs).reshape(-1, 2)

    def _at(self, trial: int, step: int) -> float | None:
        """The value of a trial at ``step``, or at the last step before it that is known."""
        if trial in self._ended:
            steps, values = self._ended[trial]
            k = int(steps.searchsorted(step, side="right")) - 1
            return float(values[k]) if k >= 0 else None
        curve = self._running.get(trial, {})
        return curve[max(before)] if (before := [s for s in curve if s <= step]) else None


def _line(pairs: Array, values: Array, known: Mapping[int, float]) -> tuple[Array, Array]:
    """Predicted ends of trials with these values at the step that the pairs are of, and their standard deviations."""
    if len(pairs) < _LEAST_PAIRS:
        scale = float(np.ptp(np.concatenate([values, list(known.values())])))
        return values, np.full(len(values), 0.5 * scale)
    x, y = pairs.T
    width = _mad(x)
    slope = _mad(y) / width if width > 1e-12 * float(np.abs(x).max()) else 0.0
    offset = float(np.median(y - slope * x))
    missed = np.abs(y - offset - slope * x)
    # A line through few points misses little of them, and more of others: it has used up two of them itself.
    error = 1.4826 * float(np.median(missed)) * len(x) / (len(x) - 2) + float(np.std(y)) / len(x)
    beyond = np.maximum(np.maximum(x.min() - values, values - x.max()), 0.0)
    return offset + slope * values, error + 0.25 * slope * beyond


def _mad(values: Array) -> float:
    """The median distance from the median."""
    return float(np.median(np.abs(values - np.median(values))))
