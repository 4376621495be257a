"""What a Gaussian process thinks a point is worth: the logarithms of expected improvement and of feasibility."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["log_cdf", "log_ei", "log_h"]

Array = NDArray[np.float64]

_HALF_LOG_TAU = 0.5 * math.log(2.0 * math.pi)
_HALF_LOG_HALF_PI = 0.5 * math.log(math.pi / 2.0)
_FAR = -1e4


def log_h(z: Array) -> Array:
    """log(phi(z) + z Phi(z)), exact where the sum itself would cancel or underflow.

    Ament et al., 2023 ("Unexpected improvements to expected improvement"), equation 9; far out in the tail the series
    phi(z) / z^2 (1 - 3 / z^2) takes its place, where the original leaves the second term away.
    """
    from scipy.special import erfcx, ndtr

    result = np.empty_like(z)
    near = z > -1.0
    close = z[near]
    result[near] = np.log(np.exp(-0.5 * close * close - _HALF_LOG_TAU) + close * ndtr(close))
    far = z < _FAR
    distant = z[far]
    result[far] = -0.5 * distant * distant - _HALF_LOG_TAU - 2.0 * np.log(-distant) + np.log1p(-3.0 / distant**2)
    middle = ~(near | far)
    between = z[middle]
    share = np.log(erfcx(-between / math.sqrt(2.0)) * -between) + _HALF_LOG_HALF_PI
    result[middle] = -0.5 * between * between - _HALF_LOG_TAU + np.log(-np.expm1(share))
    return result


def log_ei(mean: Array, variance: Array, best: float) -> Array:
    """Logarithm of the expected improvement on ``best``, where small is good; shape (m,)."""
    deviation = np.sqrt(variance)
    return log_h((best - mean) / deviation) + np.log(deviation)


def log_cdf(mean: Array, variance: Array, bound: float) -> Array:
    """Logarithm of the probability that the function is at most ``bound``; shape (m,)."""
    from scipy.special import log_ndtr

    result: Array = log_ndtr((bound - mean) / np.sqrt(variance))
    return result
