"""Mixtures of product kernels over encoded parameters, built so that one matrix product evaluates all kernels everywhere.

Every density is relative to the uniform one, so a parameter that is inactive, in the point or in the kernel, counts as 1 (0
as a logarithm), and a kernel without any parameter is the uniform prior. The mixture therefore is a proper joint density
over mixed and conditional spaces: what a point leaves out has been integrated away.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.samplers._encoding import Axis, Encoding, Rows

__all__ = ["Features", "Kernels", "Mixture", "cdf", "quantile"]

_TABLED = 64
"""Whole numbers with at most so many values are held as tables of exact masses; those with more as if they were real."""


def cdf(x: Rows) -> Rows:
    """The standard normal distribution function, to about 1e-15 (Hart 1968, algorithm 5666, as in West 2005)."""
    z = np.minimum(np.abs(x), 7.07)
    p = np.full_like(z, 3.52624965998911e-02)
    for a in (
        0.700383064443688,
        6.37396220353165,
        33.912866078383,
        112.079291497871,
        221.213596169931,
        220.206867912376,
    ):
        p *= z
        p += a
    q = np.full_like(z, 8.83883476483184e-02)
    for b in (
        1.75566716318264,
        16.064177579207,
        86.7807322029461,
        296.564248779674,
        637.333633378831,
        793.826512519948,
        440.413735824752,
    ):
        q *= z
        q += b
    below = np.exp(-0.5 * z * z) * p / q
    return np.where(x > 0.0, 1.0 - below, below)


def quantile(p: Rows) -> Rows:
    """The inverse of ``cdf`` for p in (0, 1), relative error below 1.2e-9 (Acklam 2003)."""
    p = np.clip(p, 1e-300, 1.0 - 1e-16)
    q = p - 0.5
    r = q * q
    a = (
        (((-39.69683028665376 * r + 220.9460984245205) * r - 275.9285104469687) * r + 138.3577518672690) * r
        - 30.66479806614716
    ) * r
    b = (
        (((-54.47609879822406 * r + 161.5858368580409) * r - 155.6989798598866) * r + 66.80131188771972) * r
        - 13.28068155288572
    ) * r
    x = (a + 2.506628277459239) * q / (b + 1.0)
    outer = np.abs(q) > 0.5 - 0.02425
    if outer.any():
        t = np.sqrt(-2.0 * np.log(np.minimum(p[outer], 1.0 - p[outer])))
        c = (
            (((-0.007784894002430293 * t - 0.3223964580411365) * t - 2.400758277161838) * t - 2.549732539343734) * t
            + 4.374664141464968
        ) * t
        d = (((0.007784695709041462 * t + 0.3224671290700398) * t + 2.445134137142996) * t + 3.754408661907416) * t
        tail = (c + 2.938163982698783) / (d + 1.0)
        x[outer] = np.where(q[outer] < 0.0, tail, -tail)
    return x


@dataclass(frozen=True, slots=True)
class _Column:
    """Where one parameter's features lie.

    Attributes:
        axis: The parameter.
        j: Its position in a row.
        begin: Its first feature.
        end: One past its last.
        bounds: For a table of whole numbers the ends of the n cells, shape (n + 1,); None otherwise.
    """

    axis: Axis
    j: int
    begin: int
    end: int
    bounds: Rows | None

    @property
    def tabled(self) -> bool:
        return self.bounds is not None or self.axis.kind == "choice"


class Features:
    """Points as features that are linear in a kernel's log density: (1, x, x**2) of a number, one of n marked of a table.

    Args:
        encoding: The space.
    """

    def __init__(self, encoding: Encoding) -> None:
        self.encoding = encoding
        self.columns: list[_Column] = []
        begin = 0
        for j, axis in enumerate(encoding.axes):
            bounds = _bounds(axis)
            size = 3 if bounds is None and axis.kind != "choice" else axis.n or 0
            self.columns.append(_Column(axis, j, begin, begin + size, bounds))
            begin += size
        self.size = begin
        self.numeric = np.array([column.axis.kind != "choice" for column in self.columns], dtype=np.bool_)
        self.smooth = np.array([c.j for c in self.columns if not c.tabled], dtype=np.intp)
        first = np.array([c.begin for c in self.columns if not c.tabled], dtype=np.intp)
        self.smooth_features = (first, first + 1, first + 2)
        self.tables = [c for c in self.columns if c.tabled]

    def index(self, column: _Column, places: Rows) -> NDArray[np.intp]:
        """Which value of a table snapped places are; NaN gives 0."""
        places = np.nan_to_num(places)
        if column.bounds is None:
            return places.astype(np.intp)
        return np.clip(np.searchsorted(column.bounds, places, side="right") - 1, 0, len(column.bounds) - 2)

    def __call__(self, rows: Rows) -> Rows:
        """Features of snapped rows, shape (m, d) -> (m, size); inactive parameters (NaN) give zeros."""
        features = np.zeros((len(rows), self.size))
        if len(self.smooth):
            numbers = rows[:, self.smooth]
            active = ~np.isnan(numbers)
            numbers = np.where(active, numbers, 0.0)
            one, linear, square = self.smooth_features
            features[:, one] = active
            features[:, linear] = numbers
            features[:, square] = numbers * numbers
        for column in self.tables:
            places = rows[:, column.j]
            there = np.flatnonzero(~np.isnan(places))
            features[there, column.begin + self.index(column, places[there])] = 1.0
        return features


def _bounds(axis: Axis) -> Rows | None:
    if axis.kind != "whole" or axis.n is None or axis.n > _TABLED:
        return None
    if axis.width is not None:
        return np.linspace(0.0, 1.0, axis.n + 1)
    first, last = round(math.exp(axis.low) + 0.5), round(math.exp(axis.high) - 0.5)
    ends: Rows = (np.log(np.arange(first, last + 2) - 0.5) - axis.low) / (axis.high - axis.low)
    ends[0], ends[-1] = 0.0, 1.0
    return ends


@dataclass(frozen=True, slots=True)
class Kernels:
    """Product kernels around observed rows.

    Attributes:
        centres: Snapped rows, shape (k, d), NaN where inactive.
        widths: Standard deviations of the numeric parameters, shape (k, d); of a choice, the share of probability that is
            spread over all values.
        matrix: Shape (size, k): features @ matrix are the log densities.
    """

    centres: Rows
    widths: Rows
    matrix: Rows

    @classmethod
    def around(cls, features: Features, centres: Rows, widths: Rows) -> Kernels:
        """Kernels with these centres and widths."""
        matrix = np.zeros((features.size, len(centres)))
        if len(features.smooth):
            mu, sigma = centres[:, features.smooth], widths[:, features.smooth]
            there = ~np.isnan(mu)
            mu = np.where(there, mu, 0.0)
            inside = cdf((1.0 - mu) / sigma) - cdf(-mu / sigma)
            precision = there / (sigma * sigma)
            one, linear, square = features.smooth_features
            norm = np.log(np.sqrt(2.0 * np.pi) * sigma * inside)
            matrix[one] = np.where(there, -0.5 * mu * mu * precision - norm, 0.0).T
            matrix[linear] = (mu * precision).T
            matrix[square] = (-0.5 * precision).T
        for column in features.tables:
            there = np.flatnonzero(~np.isnan(centres[:, column.j]))
            table = _masses(features, column, centres[there, column.j], widths[there, column.j])
            matrix[column.begin : column.end, there] = table.T
        return cls(centres, widths, matrix)


def _masses(features: Features, column: _Column, centres: Rows, widths: Rows) -> Rows:
    """Log of mass over the uniform mass, for each kernel and value, shape (k, n)."""
    if column.bounds is None:
        n = column.axis.n or 1
        share = np.repeat((widths / n)[:, None], n, axis=1)
        share[np.arange(len(centres)), features.index(column, centres)] += 1.0 - widths
        return np.log(share * n)
    below = cdf((column.bounds - centres[:, None]) / widths[:, None])
    masses = np.maximum(np.diff(below, axis=1), 1e-12)
    masses /= masses.sum(axis=1, keepdims=True)
    return np.log(masses / np.diff(column.bounds))


class Mixture:
    """A weighted sum of kernels and the uniform prior.

    Args:
        features: The space's features.
        kernels: The kernels.
        weights: Their weights, shape (k,), above 0.
        prior: Weight of the uniform density.
    """

    def __init__(self, features: Features, kernels: Kernels, weights: Rows, prior: float) -> None:
        self._features, self.kernels = features, kernels
        self.total = float(weights.sum()) + prior
        self.weights, self.prior = weights, prior
        self._cumulative = np.cumsum(weights)

    def log_mass(self, points: Rows) -> Rows:
        """Log of the sum of weight times relative density at points given by their features, not divided by ``total``."""
        if not len(self.weights):
            return np.full(len(points), math.log(self.prior) if self.prior else -math.inf)
        logs = points @ self.kernels.matrix
        top = np.maximum(logs.max(axis=1), 0.0)
        np.subtract(logs, top[:, None], out=logs)
        np.exp(logs, out=logs)
        result: Rows = np.log(logs @ self.weights + self.prior * np.exp(-top) + 1e-300) + top
        return result

    def draw(self, rng: np.random.Generator, count: int, widen: float = 1.0) -> Rows:
        """Rows drawn from the mixture, snapped, shape (count, d); what conditions leave out is NaN.

        A parameter that the kernel drawn lacks is drawn uniformly.

        Args:
            rng: The source of chance.
            count: How many.
            widen: What the kernels' widths are multiplied by.
        """
        encoding = self._features.encoding
        d = len(encoding)
        points = rng.random((count, d))
        which = np.searchsorted(self._cumulative, rng.random(count) * self.total, side="right")
        from_kernel = np.flatnonzero(which < len(self.weights))
        rows = encoding.of_unit(points)
        if len(from_kernel) and d:
            chosen = which[from_kernel]
            drawn = self._around(
                points[from_kernel], self.kernels.centres[chosen], self.kernels.widths[chosen] * widen, rng
            )
            rows[from_kernel] = np.where(np.isnan(drawn), rows[from_kernel], drawn)
        return encoding.snap(rows)

    def _around(self, points: Rows, centres: Rows, widths: Rows, rng: np.random.Generator) -> Rows:
        drawn = centres.copy()
        numeric = self._features.numeric
        if numeric.any():
            mu, sigma, u = centres[:, numeric], widths[:, numeric], points[:, numeric]
            low, high = cdf(-np.nan_to_num(mu) / sigma), cdf((1.0 - np.nan_to_num(mu)) / sigma)
            drawn[:, numeric] = np.clip(mu + sigma * quantile(low + u * (high - low)), 0.0, 1.0)
        for column in self._features.tables:
            if column.axis.kind == "choice":
                j = column.j
                n = column.axis.n or 1
                spread = points[:, j] < widths[:, j]
                anew = np.minimum(np.floor(points[:, j] / np.maximum(widths[:, j], 1e-12) * n), n - 1.0)
                drawn[:, j] = np.where(spread & ~np.isnan(centres[:, j]), anew, centres[:, j])
        return drawn
