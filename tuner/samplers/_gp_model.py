"""Gaussian-process regression on arrays: kernel, hyperparameters at their posterior mode, posterior that grows by a point.

Rasmussen and Williams, 2006, chapters 2 and 5. The kernel is a Matérn-5/2 with a length scale of its own for every parameter
(ARD); the priors are those of Hvarfner, Hellsten and Nardi, 2024 ("Vanilla Bayesian optimization performs great in high
dimensions"): length scales grow with the root of the number of parameters. Everything here is a function of its arguments:
no random number, no state that outlives a call but ``Posterior``'s own rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "Hyper", "Posterior", "fit", "matern", "objective", "squares"]

Array = NDArray[np.float64]

_ROOT5 = math.sqrt(5.0)
_SCALE_MEDIAN, _SCALE_SPREAD = math.sqrt(2.0), math.sqrt(3.0)
_NOISE_MEDIAN, _NOISE_SPREAD = math.log(1e-3), 2.0
_SIGNAL_SPREAD = 0.5
_LEAST_NOISE, _MOST_NOISE = 1e-6, 1.0
_JITTER = 1e-8
_EVALUATIONS = 40


@dataclass(frozen=True, slots=True)
class Hyper:
    """Hyperparameters of the process.

    Attributes:
        scales: Length scale of every group of columns, shape (g,), above 0.
        signal: Variance of the function, above 0.
        noise: Variance of the observations' noise, above 0.
    """

    scales: Array
    signal: float
    noise: float


def matern(squared: Array) -> Array:
    """The Matérn-5/2 correlation at squared scaled distances of any shape."""
    root = np.sqrt(5.0 * np.maximum(squared, 0.0))
    result: Array = (1.0 + root + root * root / 3.0) * np.exp(-root)
    return result


def squares(points: Array, groups: NDArray[np.intp]) -> Array:
    """Squared distances of all pairs of points i > j by group of columns, shape (g, n (n - 1) / 2), unscaled."""
    rows, columns = np.tril_indices(len(points), -1)
    result = np.zeros((int(groups.max()) + 1 if len(groups) else 0, len(rows)))
    for column, group in enumerate(groups):
        difference = points[rows, column] - points[columns, column]
        result[group] += difference * difference
    return result


def objective(theta: Array, pairs: Array, values: Array, extra: Array) -> tuple[float, Array]:
    """Negative log posterior of the hyperparameters, up to a constant, and its gradient.

    Args:
        theta: Logarithms of length scales, signal and noise, shape (g + 2,).
        pairs: What ``squares`` gave.
        values: Observations of mean about 0, shape (n,).
        extra: Variance of each observation's noise beyond the common one, shape (n,).
    """
    from scipy.linalg import lapack

    n, g = len(values), len(pairs)
    inverse_squares = np.exp(-2.0 * theta[:g])
    signal, noise = math.exp(theta[g]), math.exp(theta[g + 1])
    root = np.sqrt(5.0 * (inverse_squares @ pairs))
    decay = signal * np.exp(-root)
    kernel = np.zeros((n, n), order="F")
    lower = np.tril_indices(n, -1)
    flat = (1.0 + root + root * root / 3.0) * decay
    kernel[lower] = flat
    kernel.flat[:: n + 1] = signal * (1.0 + _JITTER) + noise + extra
    factor, failed = lapack.dpotrf(kernel, lower=1, overwrite_a=1)
    if failed:
        return 1e25, np.zeros_like(theta)
    weights, _ = lapack.dpotrs(factor, values, lower=1)
    loss = 0.5 * float(values @ weights) + float(np.log(factor.diagonal()).sum())
    inverse, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
    # dL/dtheta = 1/2 sum_ij (K^-1 - a a^T)_ij dK_ij/dtheta; pairs i > j stand for both triangles.
    below = inverse[lower] - weights[lower[0]] * weights[lower[1]]
    diagonal = inverse.diagonal() - weights * weights
    slope = (5.0 / 3.0) * (1.0 + root) * decay * below
    gradient = np.empty_like(theta)
    gradient[:g] = inverse_squares * (pairs @ slope)
    gradient[g] = float(below @ flat) + 0.5 * signal * (1.0 + _JITTER) * float(diagonal.sum())
    gradient[g + 1] = 0.5 * noise * float(diagonal.sum())
    penalty, slopes = _prior(theta, g)
    return loss + penalty, gradient + slopes


def _prior(theta: Array, g: int) -> tuple[float, Array]:
    """Normal priors on the logarithms: what they cost, and the gradient."""
    centre = np.full(g + 2, _SCALE_MEDIAN + 0.5 * math.log(max(g, 1)))
    spread = np.full(g + 2, _SCALE_SPREAD)
    centre[g:], spread[g:] = (0.0, _NOISE_MEDIAN), (_SIGNAL_SPREAD, _NOISE_SPREAD)
    away = (theta - centre) / spread
    return 0.5 * float(away @ away), away / spread


def fit(points: Array, groups: NDArray[np.intp], values: Array, extra: Array) -> Hyper:
    """Hyperparameters at the mode of their posterior, by L-BFGS from one fixed point.

    The start is fixed, not the last fit, so that the result follows from the data alone and a resumed study goes on exactly.

    Args:
        points: Shape (n, D), the columns of ``Features``.
        groups: The group of each column, shape (D,).
        values: Observations, about standardised, shape (n,).
        extra: Variance of each observation's noise beyond the common one, shape (n,).
    """
    from scipy.optimize import minimize

    g = int(groups.max()) + 1
    start = np.full(g + 2, math.log(0.5) + 0.5 * math.log(g))
    start[g:] = 0.0, math.log(1e-3)
    bounds = [(math.log(0.02), math.log(1e3))] * g + [(math.log(0.05), math.log(20.0))]
    bounds.append((math.log(_LEAST_NOISE), math.log(_MOST_NOISE)))
    found: Any = minimize(
        objective,
        start,
        args=(squares(points, groups), values, extra),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxfun": _EVALUATIONS, "maxiter": _EVALUATIONS, "ftol": 1e-5},
    )
    theta = found.x if np.all(np.isfinite(found.x)) else start
    return Hyper(np.exp(theta[:g]), math.exp(theta[g]), math.exp(theta[g + 1]))


class Posterior:
    """The process given observations; points without a value may be added one by one.

    The inverse of the Cholesky factor is kept, so that a prediction is one product of matrices, and another point costs
    O(n^2) and gives the very numbers that a new factorisation of all would give, up to rounding.

    Args:
        hyper: Hyperparameters.
        points: Shape (n, D).
        groups: The group of each column, shape (D,).
        values: Shape (n,).
        extra: Variance of each observation's noise beyond the common one, shape (n,).

    Raises:
        numpy.linalg.LinAlgError: The kernel matrix is not positive definite in floating point.
    """

    def __init__(self, hyper: Hyper, points: Array, groups: NDArray[np.intp], values: Array, extra: Array) -> None:
        from scipy.linalg import lapack

        n = len(points)
        self.hyper, self._scale = hyper, 1.0 / hyper.scales[groups]
        self._known, self.n = n, n
        self._points = points * self._scale
        kernel = hyper.signal * matern(_between(self._points, self._points))
        kernel.flat[:: n + 1] = hyper.signal * (1.0 + _JITTER) + hyper.noise + extra
        factor, failed = lapack.dpotrf(kernel, lower=1)
        if failed:
            raise np.linalg.LinAlgError("the kernel matrix is not positive definite")
        inverse, _ = lapack.dtrtri(factor, lower=1)
        self._inverse = np.ascontiguousarray(np.tril(inverse))
        self._weights = self._inverse.T @ (self._inverse @ values)

    def copy(self) -> Posterior:
        """The same, to be extended on its own."""
        other: Posterior = object.__new__(Posterior)
        other.__dict__.update(self.__dict__)
        return other

    def predict(self, points: Array) -> tuple[Array, Array]:
        """Mean and variance of the function, without noise, at points of shape (m, D): two arrays of shape (m,)."""
        kernel = self.hyper.signal * matern(_between(points * self._scale, self._points))
        mean = kernel[:, : self._known] @ self._weights
        half = kernel @ self._inverse.T
        variance = self.hyper.signal - np.einsum("ij,ij->i", half, half)
        return mean, np.maximum(variance, 1e-12 * self.hyper.signal)

    def believe(self, point: Array) -> None:
        """Add a point, shape (D,), as if its posterior mean had been observed there.

        The mean stays as it is everywhere ("kriging believer": Ginsbourger, Le Riche and Carraro, 2010), the variance
        shrinks around the point (Desautels, Krause and Burdick, 2014).
        """
        scaled = point * self._scale
        kernel = self.hyper.signal * matern(_between(scaled[None, :], self._points))[0]
        row = self._inverse @ kernel
        own = self.hyper.signal * (1.0 + _JITTER) + self.hyper.noise
        pivot = math.sqrt(max(own - float(row @ row), _JITTER * self.hyper.signal))
        grown = np.zeros((self.n + 1, self.n + 1))
        grown[: self.n, : self.n] = self._inverse
        grown[self.n, : self.n] = -(row @ self._inverse) / pivot
        grown[self.n, self.n] = 1.0 / pivot
        self._inverse, self._points, self.n = grown, np.vstack([self._points, scaled]), self.n + 1


def _between(a: Array, b: Array) -> Array:
    """Squared Euclidean distances, shape (len(a), len(b)); tiny negative ones from rounding are left to the kernel."""
    result: Array = (a * a).sum(1)[:, None] + (b * b).sum(1)[None, :] - 2.0 * (a @ b.T)
    return result
