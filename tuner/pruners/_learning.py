"""A learning curve that is extrapolated as it grows: a mixture of power laws, each fitted by running sums."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Forecast", "LearningCurve"]

POWERS = (0.0, 0.25, 0.5, 1.0, 2.0)
_LEAST_SPREAD = 1e-12  # of the abscissas, relative: below it their variance is rounding
_LEAST_REST = 1e-6  # of the variance: no curve is taken to be followed more exactly than this


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a curve will be at a later step: a mixture of normal distributions.

    Attributes:
        parts: (weight, mean, variance) of each; the weights add up to 1.
    """

    parts: tuple[tuple[float, float, float], ...]

    @property
    def mean(self) -> float:
        """Of the mixture."""
        return sum(weight * mean for weight, mean, _ in self.parts)

    def p_upto(self, bar: float, variance: float) -> float:
        """How likely the value is ``bar`` or less, with ``variance`` added to that of every part."""
        total = 0.0
        for weight, mean, own in self.parts:
            deviation = math.sqrt(own + variance)
            if deviation > 0.0:
                total += weight * 0.5 * math.erfc((mean - bar) / (deviation * math.sqrt(2.0)))
            elif mean <= bar:
                total += weight
        return total


class LearningCurve:
    """Reports of one trial, as the sums that least squares need: their number does not matter to memory or time.

    Each model is ``y = c - a * g(t)`` with ``a >= 0`` and ``g`` rising: ``-t ** -b`` for powers ``b`` from 1/4 to 2, and
    ``log t`` (``b = 0``) for curves that do not level off. Later reports count more, in proportion to ``t``, as the first
    steps of training follow no power law. A curve that gets worse is taken to stay at its weighted mean.
    """

    __slots__ = ("_origin", "_w", "_ww", "_x", "_xx", "_xy", "_y", "_yy", "count")

    def __init__(self) -> None:
        self.count = 0
        self._w = self._ww = self._y = self._yy = self._origin = 0.0
        self._x, self._xx, self._xy = ([0.0] * len(POWERS) for _ in range(3))

    def add(self, t: float, y: float) -> None:
        """One report more, ``y`` being small when good, at ``t`` of at least 1."""
        if not self.count:
            self._origin = y  # values are summed up from here, which keeps rounding small
        y -= self._origin
        self.count += 1
        self._w += t
        self._ww += t * t
        self._y += t * y
        self._yy += t * y * y
        for k, power in enumerate(POWERS):
            x = _abscissa(power, t)
            self._x[k] += t * x
            self._xx[k] += t * x * x
            self._xy[k] += t * x * y

    def forecast(self, t: float) -> Forecast:
        """What the curve will be at ``t``; models weigh by how closely they follow it so far. At least one report is needed."""
        n = self._w * self._w / self._ww  # as many reports of equal weight would tell as much
        y = self._y / self._w
        spread = max(self._yy / self._w - y * y, 0.0)
        if spread == 0.0:
            return Forecast(((1.0, y + self._origin, 0.0),))
        parts: list[tuple[float, float, float]] = []
        closest = 0.0
        for k, power in enumerate(POWERS):
            x, squares = self._x[k] / self._w, self._xx[k] / self._w
            xx, xy = squares - x * x, self._xy[k] / self._w - x * y
            far, rest, reach = _abscissa(power, t) - x, spread, 0.0
            mean = y
            if xx > _LEAST_SPREAD * squares and xy > 0.0:
                mean += xy / xx * far
                rest -= xy * xy / xx
                reach = far * far / (xx * n)
            rest = max(rest, _LEAST_REST * spread)
            log_likelihood = -0.5 * n * math.log(rest / spread)
            closest = max(closest, log_likelihood)
            parts.append((log_likelihood, mean + self._origin, rest * n / max(n - 2.0, 0.5) * (1.0 + 1.0 / n + reach)))
        weights = [math.exp(log_likelihood - closest) for log_likelihood, _, _ in parts]
        total = sum(weights)
        return Forecast(tuple((weight / total, *part[1:]) for weight, part in zip(weights, parts, strict=True)))


def _abscissa(power: float, t: float) -> float:
    """Falls with ``t``, as a good curve does."""
    return -math.log(t) if power == 0.0 else t**-power
