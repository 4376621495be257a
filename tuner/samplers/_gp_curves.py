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
    known: the reduced major axis (Sokal and Rohlf, 1995, section 14.13), its slope the ratio of the two spreads, each the
    median distance from the median, since curves of bad configurations leave every scale. A regression would be too flat:
    only trials that looked good run to their end, and among these alone the value at an early step tells little, so that
    what was stopped would be taken for as good as what was not. Steps are gone through from the last to the first: trials
    stopped late, once they are predicted themselves, help to predict those that were stopped early. How far the line
    misses is the standard deviation of the prediction.

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
        width = _mad(x)
        slope = _mad(y) / width if width > 1e-12 * float(np.abs(x).max()) else 0.0
        offset = float(np.median(y - slope * x))
        missed = np.abs(y - offset - slope * x)
        # A line through few points misses little of them, and more of others: it has used up two of them itself.
        error = 1.4826 * float(np.median(missed)) * len(x) / (len(x) - 2) + float(np.std(y)) / len(x)
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


def _mad(values: Array) -> float:
    """The median distance from the median."""
    return float(np.median(np.abs(values - np.median(values))))
