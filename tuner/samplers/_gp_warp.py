"""Objective values as a Gaussian process likes them: about normal, and outliers on the bad side without weight."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Warp"]

Array = NDArray[np.float64]

_LAMBDAS = np.linspace(-2.0, 1.0, 31)
_MOST = 1e150
_TENTH = 1.2816  # how far the lowest tenth of a normal distribution lies below its middle, in standard deviations


class Warp:
    """A rising map, fitted to values of which small ones are good; its results have mean 0 and variance 1.

    The power transform of Yeo and Johnson, 2000, as HEBO uses it (Cowen-Rivers et al., 2022), its exponent chosen by maximal
    likelihood from a grid. Deviations: values are scaled by their good half, which a diverged trial
    cannot touch; and exponents above 1 are left out, which would stretch the bad side and press the good values together,
    where differences matter most.

    Args:
        values: At least one, any finite numbers; shape (n,).
    """

    def __init__(self, values: Array) -> None:
        tame = np.clip(values, -_MOST, _MOST)
        self._centre = float(np.median(tame * 0.5) * 2.0)
        self._scale = _spread(tame, self._centre)
        self._power = 1.0
        self._shift, self._stretch = 0.0, 1.0
        if self._scale == 0.0:
            return
        scaled = self._scaled(tame)
        logs = float((np.sign(scaled) * np.log1p(np.abs(scaled))).sum())
        likelihoods = np.full(len(_LAMBDAS), -np.inf)
        for k, power in enumerate(_LAMBDAS):
            variance = float(_yeo_johnson(scaled, power).var())
            if variance > 1e-12:
                likelihoods[k] = -0.5 * len(scaled) * np.log(variance) + (power - 1.0) * logs
        self._power = float(_LAMBDAS[int(np.argmax(likelihoods))])
        warped = _yeo_johnson(scaled, self._power)
        self._shift = float(warped.mean())
        self._stretch = float(warped.std()) or 1.0

    def __call__(self, values: Array) -> Array:
        """Values, shape (m,), warped."""
        if self._scale == 0.0:
            return np.zeros_like(values)
        result: Array = (_yeo_johnson(self._scaled(values), self._power) - self._shift) / self._stretch
        return result

    def _scaled(self, values: Array) -> Array:
        result: Array = (np.clip(values, -_MOST, _MOST) - self._centre) / self._scale
        return result


def _spread(values: Array, centre: float) -> float:
    """How far the good half reaches, as a standard deviation; of all values where it has no width; 0.0 lost in rounding.

    One diverged trial may be worse by orders of magnitude: no scale that it has a part in leaves a difference between others.
    """
    least = max(1e-13 * abs(centre), 1e-300)
    reach = (centre - float(np.quantile(values, 0.1))) / _TENTH
    if reach > least:
        return reach
    away = values - centre
    largest = float(np.abs(away).max())
    return largest * float(np.sqrt(np.mean((away / largest) ** 2))) if largest > least else 0.0


def _yeo_johnson(values: Array, power: float) -> Array:
    """The transform with exponent ``power``, at most 1."""
    result = np.empty_like(values)
    up = values >= 0.0
    grown = np.log1p(values[up])
    result[up] = np.expm1(power * grown) / power if abs(power) > 1e-9 else grown
    result[~up] = -np.expm1((2.0 - power) * np.log1p(-values[~up])) / (2.0 - power)
    return result
