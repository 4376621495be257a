"""A regression that takes any number of points and keeps none, in plain Python.

The subset-of-regressors approximation of a Gaussian process (Rasmussen and Williams 2006, equation 8.14): what is expected at
a point depends on how alike it is to some chosen centres only, so that all points add up in one matrix. How far points lie
from what was expected is learned by the same regression, to tell where the function is steep or noisy. Deviations: older
points count less and less, weights are worked out anew once in a while only, and variances come from errors made.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import mul

from tuner.core._kernel import Kernel, Row, append, backward, forward

__all__ = ["Basis"]

FORGET = 0.9997  # half after 2,300 points
SOLVE = 32  # points after which the weights are worked out anew
RIDGE = 1e-6  # of the matrix's diagonal
SURE = 6  # errors for each centre before it tells where they are larger
SMOOTH = 0.004  # share of the latest error in the usual one, at least
LEAST, MOST = 0.3, 4.0  # of the usual error, that is expected anywhere
OUTLIER = 4.0  # of the usual error, as what larger ones count
HEAVY = 1e6


class Basis:
    """Learns a function from points that come one by one.

    Args:
        kernel: How alike two points are; without any yet.
        centres: What others are compared with; at least one.
        rows, targets: The first points; at least one.
    """

    def __init__(self, kernel: Kernel, centres: Sequence[Row], rows: Sequence[Row], targets: Sequence[float]) -> None:
        self._kernel = kernel
        self._middle = sum(targets) / len(targets)
        self._prior = [[kernel.noise * k for k in kernel.add(centre)] for centre in centres]
        self._sums = [[0.0] * len(line) for line in self._prior]
        self._values = self._weights = self._doubts = self._spreads = [0.0] * len(centres)
        self._weight = 1.0  # of the latest point
        self._usual = 0.0
        self._n_errors = self._n_since = 0
        for row, target in zip(rows, targets, strict=True):
            self._take(self._kernel.near(row), target - self._middle)
        self._solve()

    def tell(self, row: Row) -> tuple[float, float]:
        """The expected value at ``row``, and how large errors are there, of the usual one."""
        near = self._kernel.near(row)
        mean = self._middle + sum(map(mul, near, self._weights))
        if self._n_errors < SURE * len(near) or self._usual <= 0.0:
            return mean, 1.0
        spread = 1.0 + sum(map(mul, near, self._spreads)) / self._usual
        return mean, min(max(spread, LEAST), MOST)

    def add(self, row: Row, target: float) -> None:
        """Learn one more point."""
        near = self._kernel.near(row)
        value = target - self._middle
        self._doubt(near, abs(value - sum(map(mul, near, self._weights))))
        self._take(near, value)
        self._n_since += 1
        if self._n_since >= SOLVE:
            self._solve()

    def _take(self, near: Row, value: float) -> None:
        self._weight /= FORGET
        by = value * self._weight
        self._values = [v + by * k for v, k in zip(self._values, near, strict=True)]
        for i, line in enumerate(self._sums):
            by = near[i] * self._weight
            self._sums[i] = [s + by * k for s, k in zip(line, near, strict=False)]

    def _doubt(self, near: Row, error: float) -> None:
        self._n_errors += 1
        self._usual += (error - self._usual) * max(SMOOTH, 1.0 / self._n_errors)
        by = (min(error, OUTLIER * self._usual) - self._usual) * self._weight
        self._doubts = [d + by * k for d, k in zip(self._doubts, near, strict=True)]

    def _solve(self) -> None:
        """Work out what the points say."""
        self._n_since = 0
        share = 1.0 / self._weight
        factor: list[Row] = []
        for line, prior in zip(self._sums, self._prior, strict=True):
            whole = [s * share + p for s, p in zip(line, prior, strict=True)]
            append(factor, whole[:-1], whole[-1] * (1.0 + RIDGE))
        self._weights = backward(factor, forward(factor, [v * share for v in self._values]))
        self._spreads = backward(factor, forward(factor, [d * share for d in self._doubts]))
        if self._weight > HEAVY:
            self._weight = 1.0
            self._sums = [[s * share for s in line] for line in self._sums]
            self._values = [v * share for v in self._values]
            self._doubts = [d * share for d in self._doubts]
