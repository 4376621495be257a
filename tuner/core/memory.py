"""How much memory an attempt will need, learned online from what earlier ones used.

First form: ridge regression in the logarithm of memory, and a margin that is a quantile of the latest errors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tuner.space import Categorical, Constant, Float, Int, SearchSpace
from tuner.trial import Params

__all__ = ["MemoryForecast", "MemoryModel"]


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


class MemoryModel:
    """Predicts the whole memory of attempts from their parameters.

    Args:
        space: What the parameters mean.
    """

    FIRST = 4
    """Attempts to learn from before it says anything."""

    def __init__(self, space: SearchSpace) -> None:
        self._columns = [(name, d) for name, d in space.items() if not isinstance(d, Constant)]
        width = 1 + sum(len(d.choices) if isinstance(d, Categorical) else 1 for _, d in self._columns)
        self._weights = [0.0] * width
        self._cover = [[(100.0 if i == 0 else 1.0) if i == j else 0.0 for j in range(width)] for i in range(width)]
        self._errors: list[float] = []
        self._n = 0

    def observe(self, params: Params, step: int | None, whole_memory_mib: float, *, censored: bool = False) -> None:
        """An attempt with these parameters used so much.

        Args:
            params: The trial's.
            step: The last step it reached; None when it has none.
            whole_memory_mib: Its peak, the worker's base included.
            censored: Whether it was ended for want of memory, so that it needs more than that.
        """
        row, y = self._encode(params), math.log(max(whole_memory_mib, 1.0)) + (math.log(1.5) if censored else 0.0)
        error = y - sum(w * x for w, x in zip(self._weights, row, strict=True))
        if self._n >= self.FIRST - 1:
            self._errors = [*self._errors[-63:], error]
        gain = [sum(c * x for c, x in zip(line, row, strict=True)) for line in self._cover]
        total = 0.05 + sum(g * x for g, x in zip(gain, row, strict=True))
        for i, g in enumerate(gain):
            self._weights[i] += g * error / total
            line = self._cover[i]
            self._cover[i] = [c - g * h / total for c, h in zip(line, gain, strict=True)]
        self._n += 1

    def predict(self, params: Params) -> MemoryForecast | None:
        """What an attempt with these parameters will need; None while too little is known."""
        if self._n < self.FIRST:
            return None
        expected = sum(w * x for w, x in zip(self._weights, self._encode(params), strict=True))
        errors = sorted(self._errors)
        margin = max(0.03, errors[min(len(errors) - 1, int(0.97 * len(errors)))] + 0.5 / self._n)
        usual = sorted(map(abs, errors))[len(errors) // 2]
        return MemoryForecast(math.exp(expected), math.exp(expected + margin), self._n, math.expm1(usual))

    def _encode(self, params: Params) -> list[float]:
        row = [1.0]
        for name, d in self._columns:
            value = params.get(name)
            if isinstance(d, Categorical):
                row += [1.0 if name in params and type(value) is type(c) and value == c else 0.0 for c in d.choices]
            elif isinstance(value, int | float):
                row.append(_placed(d, float(value)))
            else:
                row.append(0.0)
        return row


def _placed(d: Float | Int, value: float) -> float:
    low, high = (math.log(d.low), math.log(d.high)) if d.log else (d.low, d.high)
    return (2 * ((math.log(value) if d.log else value) - low) / (high - low) - 1) if high > low else 0.0
