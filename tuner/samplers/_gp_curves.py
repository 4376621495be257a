"""What trials that were stopped early, or still run, would have ended with: predicted from the steps that they reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Curves", "Partial"]

Array = NDArray[np.float64]

_PAIRS = 160
_LEAST_PAIRS = 3


@dataclass(frozen=True, slots=True)
class Partial:
    """A trial of which nothing is known beyond ``step``, where its value was ``value`` (small is good)."""

    step: int
    value: float


@dataclass(slots=True)
class Curves:
    """Reported values by trial and step.

    The value at the end is predicted from the value at a step by a straight line through the trials of which both are
    known, fitted by the median of pairwise slopes (Theil, 1950; Sen, 1968), which outliers do not turn: learning curves of
    bad configurations leave every scale. Steps are gone through from the last to the first, so that trials stopped late,
    once they are predicted themselves, help to predict those that were stopped early: without that only the best would,
    as the others never end. How far the line misses is the standard deviation of the prediction.

    Attributes:
        steps: Trial -> step -> value, small is good.
    """

    steps: dict[int, dict[int, float]] = field(default_factory=dict)

    def add(self, trial: int, step: int, value: float) -> None:
        """Note a report."""
        self.steps.setdefault(trial, {})[step] = value

    def reached(self, trial: int) -> Partial | None:
        """The last report of a trial."""
        known = self.steps.get(trial)
        if not known:
            return None
        step = max(known)
        return Partial(step, known[step])

    def predict(self, ends: Mapping[int, float], partial: Mapping[int, Partial]) -> dict[int, tuple[float, float]]:
        """(value at the end, standard deviation) of each partial trial.

        Args:
            ends: Trials that ran to their end, and their final values.
            partial: Trials that did not.
        """
        known, spread = dict(ends), dict.fromkeys(ends, 0.0)
        by_step: dict[int, list[int]] = {}
        for trial, reached in partial.items():
            by_step.setdefault(reached.step, []).append(trial)
        for step in sorted(by_step, reverse=True):
            trials = sorted(by_step[step])
            values = np.array([partial[trial].value for trial in trials])
            predicted, deviation = self._line(step, known, values)
            for trial, value, error in zip(trials, predicted.tolist(), deviation.tolist(), strict=True):
                known[trial], spread[trial] = value, error
        return {trial: (known[trial], spread[trial]) for trial in partial}

    def _line(self, step: int, known: Mapping[int, float], values: Array) -> tuple[Array, Array]:
        """Predicted ends of trials with these values at ``step``, and their standard deviations."""
        pairs = [(at, known[trial]) for trial in sorted(known) if (at := self._at(trial, step)) is not None][-_PAIRS:]
        if len(pairs) < _LEAST_PAIRS:
            scale = float(np.ptp(np.concatenate([values, list(known.values())])))
            return values, np.full(len(values), 0.5 * scale)
        x, y = np.array(pairs).T
        i, j = np.tril_indices(len(x), -1)
        run = x[i] - x[j]
        apart = np.abs(run) > 1e-12 * (np.abs(x).max() + 1e-300)
        slope = max(float(np.median((y[i] - y[j])[apart] / run[apart])), 0.0) if apart.any() else 0.0
        offset = float(np.median(y - slope * x))
        missed = np.abs(y - offset - slope * x)
        error = 1.4826 * float(np.median(missed)) + 0.5 * float(missed.mean()) / np.sqrt(len(x))
        beyond = np.maximum(np.maximum(x.min() - values, values - x.max()), 0.0)
        return offset + slope * values, error + 0.25 * slope * beyond

    def _at(self, trial: int, step: int) -> float | None:
        """The value of a trial at ``step``, or at the last step before it that it reported."""
        known = self.steps.get(trial)
        if not known:
            return None
        if step in known:
            return known[step]
        before = [s for s in known if s < step]
        return known[max(before)] if before else None
