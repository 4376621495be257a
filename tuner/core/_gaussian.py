"""A small Gaussian process that learns which of its inputs matter, in plain Python.

Kernel: Matern 5/2 with a relevance for each input (automatic relevance determination: MacKay 1994; Neal 1996) plus a linear
kernel over the same scaled inputs, so that it extrapolates trends. The formulas are those of Rasmussen and Williams (2006):
algorithm 2.1 for the mean, 5.4.2 for the errors of leaving one out. Deviations: relevances and noise come from short lists
and are chosen one after another, on the latest points only, by the marginal likelihood with the amplitude maximised out;
each relevant input costs a constant; variances are never computed, as the margins come from errors, not from the model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice
from operator import mul

from tuner.core._kernel import LINEAR, Kernel, Row, append, backward, matern

__all__ = ["GaussianProcess"]

RELEVANCES = (0.0, 0.1, 0.25, 0.6)  # 1 / length scale, of inputs in -1 to 1
FINE = (*RELEVANCES, 1.4)  # the same where points are many
NOISES = (1e-3, 1e-2, 5e-2)  # variance, of the amplitude's
COST = 0.5  # log likelihood that an input must bring
SAMPLE = 40  # points by which relevances are chosen
THOROUGH = 20  # up to so many points all inputs are tried each time, later some in turn
IN_TURN = 4


class GaussianProcess:
    """Learns a function of a few inputs from at most some hundred points.

    Args:
        width: How many inputs there are.
    """

    def __init__(self, width: int) -> None:
        self.relevance = [0.25] * width
        self._noise = 1e-2
        self._turn = 0  # the next input to be tried
        self._kernel = self.kernel
        self._factor: list[Row] = []  # lower triangle of the Cholesky factor, row by row
        self._targets: Row = []
        self._mean = 0.0
        self._forward: Row = []
        self._alpha: Row = []
        self._trend: Row = []

    @property
    def n(self) -> int:
        """How many points it holds."""
        return len(self._targets)

    @property
    def n_inputs(self) -> int:
        """How many inputs matter."""
        return sum(w > 0.0 for w in self.relevance)

    @property
    def kernel(self) -> Kernel:
        """One with its relevances and noise, that knows no point."""
        return Kernel(self.relevance, self._noise)

    def fit(self, rows: Sequence[Row], targets: Sequence[float], *, fine: bool = False) -> None:
        """Forget what was known, choose relevances anew from the latest points, and learn these.

        ``fine``: let the function change faster than a few points would tell.
        """
        self._mean = sum(targets) / len(targets)
        centred = [t - self._mean for t in targets[-SAMPLE:]]
        self._tune(rows[-SAMPLE:], centred, FINE if fine else RELEVANCES)
        self._kernel = self.kernel
        self._factor, self._targets, self._forward = [], [], []
        for row, target in zip(rows, targets, strict=True):
            self._extend(row, target)
        self._solve()

    def add(self, row: Row, target: float) -> None:
        """Learn one more point, with the relevances as they are."""
        self._extend(row, target)
        self._solve()

    def mean(self, row: Row) -> float:
        """The expected value at ``row``."""
        if not self._alpha:
            return self._mean
        scaled = self._kernel.scaled(row)
        total: float = sum(map(mul, map(matern, self._kernel.distances(scaled)), self._alpha))
        trend: float = sum(map(mul, scaled, self._trend))
        return self._mean + total + trend

    def left_out(self) -> Row:
        """By how much each point lies above what all the others say of it."""
        n = self.n
        diagonal = [0.0] * n
        inverse: list[Row] = [[] for _ in range(n)]  # columns of the factor's inverse, each from its diagonal on
        for i, line in enumerate(self._factor):
            for j in range(i):
                value = -sum(map(mul, islice(line, j, i), inverse[j])) / line[i]
                inverse[j].append(value)
                diagonal[j] += value * value
            inverse[i].append(1.0 / line[i])
            diagonal[i] += 1.0 / (line[i] * line[i])
        return [a / d for a, d in zip(self._alpha, diagonal, strict=True)]

    def _extend(self, row: Row, target: float) -> None:
        """One more row of the Cholesky factor and of what it solves."""
        near = self._kernel.add(row)
        append(self._factor, near[:-1], near[-1] + self._noise)
        line = self._factor[-1]
        self._forward.append((target - self._mean - sum(map(mul, line, self._forward))) / line[-1])
        self._targets.append(target)

    def _solve(self) -> None:
        alpha = self._alpha = backward(self._factor, self._forward)
        self._trend = [LINEAR / 5.0 * sum(map(mul, column, alpha)) for column in self._kernel.columns]

    # -- relevances -------------------------------------------------------------------------------------------------

    def _tune(self, rows: Sequence[Row], targets: Row, relevances: Sequence[float]) -> None:
        """Try other relevances for some inputs and other noises; keep what makes the points more likely."""
        width, n = len(self.relevance), len(rows)
        pairs = _Pairs(rows)
        near = pairs.weighted(self.relevance)
        best = self._evidence(near, targets, self._noise)
        for _ in range(width if n <= THOROUGH else min(width, IN_TURN)):
            i = self._turn
            self._turn = (i + 1) % width
            if not pairs.differ(i):
                continue
            kept, kept_near = self.relevance[i], near
            for value in relevances:
                if value == kept:
                    continue
                tried = pairs.changed(kept_near, i, value * value - kept * kept)
                found = self._evidence(tried, targets, self._noise) + COST * ((kept > 0) - (value > 0))
                if found > best + 1e-9:
                    best, near, self.relevance[i] = found, tried, value
            best += COST * ((self.relevance[i] > 0) - (kept > 0))
        for noise in NOISES:
            found = self._evidence(near, targets, noise)
            if found > best + 1e-9:
                best, self._noise = found, noise

    def _evidence(self, near: tuple[Row, Row], targets: Row, noise: float) -> float:
        """Log marginal likelihood up to a constant, the amplitude at its best."""
        kernel = list(map(_plus_linear, near[0], near[1]))
        factor: list[Row] = []
        forward: Row = []
        at, logs = 0, 0.0
        for i, target in enumerate(targets):
            append(factor, kernel[at : at + i], kernel[at + i] + noise)
            line = factor[-1]
            forward.append((target - sum(map(mul, line, forward))) / line[i])
            logs += math.log(line[i])
            at += i + 1
        n = len(targets)
        return -0.5 * n * math.log(max(1e-9, sum(map(mul, forward, forward)) / n)) - logs


class _Pairs:
    """Squared differences and products of every two points, by input; a point is paired with itself too."""

    def __init__(self, rows: Sequence[Row]) -> None:
        columns = list(zip(*rows, strict=True))
        self._gaps = [[(a - b) * (a - b) for i, a in enumerate(c) for b in c[: i + 1]] for c in columns]
        self._products = [[a * b for i, a in enumerate(c) for b in c[: i + 1]] for c in columns]
        self._differ = [any(a != c[0] for a in c) for c in columns]

    def differ(self, i: int) -> bool:
        """Whether input ``i`` has more than one value."""
        return self._differ[i]

    def weighted(self, relevance: Sequence[float]) -> tuple[Row, Row]:
        """Squared distance and scalar product of all pairs."""
        near = ([0.0] * len(self._gaps[0]), [0.0] * len(self._gaps[0]))
        for i, w in enumerate(relevance):
            if w > 0.0:
                near = self.changed(near, i, w * w)
        return near

    def changed(self, near: tuple[Row, Row], i: int, by: float) -> tuple[Row, Row]:
        """The same with the square of one input's relevance changed."""
        gaps = [max(0.0, a + by * b) for a, b in zip(near[0], self._gaps[i], strict=True)]
        return gaps, [a + by * b for a, b in zip(near[1], self._products[i], strict=True)]


def _plus_linear(squared: float, product: float) -> float:
    return matern(5.0 * squared) + LINEAR * product
