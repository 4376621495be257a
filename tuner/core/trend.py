"""How long an attempt usually takes with these parameters: a cheap regression, to tell slow nodes from long trials."""

from __future__ import annotations

import math

from tuner.core._inputs import Inputs
from tuner.space import SearchSpace
from tuner.trial import Params

__all__ = ["Trend"]

PRIOR = 1.0  # variance of a weight, per that of the noise: parameters that run from one end to the other change e-fold
NOISE = 0.1
FORGET = 0.998  # older attempts count less and less: half after some 350
EAGER = 200  # attempts of which every one is learned; later every eighth
SELDOM = 8


class Trend:
    """Ridge regression of the logarithm of a positive quantity on the parameters, by recursive least squares.

    Source: recursive least squares with exponential forgetting (Ljung, *System Identification*, 1999, section 11.2).

    Args:
        space: What the parameters mean.

    Attributes:
        n: How many attempts it has seen.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._inputs = Inputs(space)
        self.n = 0
        self._offset = 0.0
        self._weights: list[float] = []
        self._cover: list[list[float]] = []

    def observe(self, params: Params, value: float) -> None:
        """An attempt with these parameters took so much; above 0."""
        self.n += 1
        if self.n > EAGER and self.n % SELDOM:
            return
        row = [1.0, *self._inputs.row(params)]
        y = math.log(value)
        if not self._weights:
            self._offset = y
            self._weights = [0.0] * len(row)
            self._cover = [[PRIOR if i == j else 0.0 for j in range(len(row))] for i in range(len(row))]
        error = y - self._mean(row)
        gain = [sum(map(float.__mul__, line, row)) for line in self._cover]
        scale = NOISE * FORGET + sum(map(float.__mul__, gain, row))
        for i, g in enumerate(gain):
            self._weights[i] += g / scale * error
            self._cover[i] = [min(1e3, (c - g * h / scale) / FORGET) for c, h in zip(self._cover[i], gain, strict=True)]

    def predict(self, params: Params) -> float | None:
        """What it usually takes; None while nothing was seen."""
        if not self._weights:
            return None
        return math.exp(min(700.0, self._mean([1.0, *self._inputs.row(params)])))

    def _mean(self, row: list[float]) -> float:
        return self._offset + sum(map(float.__mul__, self._weights, row))
