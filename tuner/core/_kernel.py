"""How alike two rows of numbers are, and the triangles that are solved for it, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import islice
from operator import mul

__all__ = ["LINEAR", "Kernel", "Row", "append", "backward", "forward", "matern"]

Row = list[float]

LINEAR = 1.0  # amplitude of the linear kernel, of the other's


class Kernel:
    """How alike rows are to those that were added: Matern 5/2 plus linear, over the inputs that matter, scaled.

    Args:
        relevance: 1 / length scale of each input; those of 0 are left out.
        noise: Variance of the values, of the kernel's amplitude.
    """

    def __init__(self, relevance: Sequence[float], noise: float) -> None:
        self.noise = noise
        self._used = [(i, w * math.sqrt(5.0)) for i, w in enumerate(relevance) if w > 0.0]
        self.columns: list[Row] = [[] for _ in self._used]  # of the inputs that matter, scaled
        self._n = 0

    def scaled(self, row: Row) -> Row:
        """The inputs that matter."""
        return [row[i] * w for i, w in self._used]

    def add(self, row: Row) -> Row:
        """Add a row; how alike it is to all, itself last."""
        for column, x in zip(self.columns, self.scaled(row), strict=True):
            column.append(x)
        self._n += 1
        return self.near(row)

    def near(self, row: Row) -> Row:
        """How alike it is to all."""
        scaled = self.scaled(row)
        near = list(map(matern, self.distances(scaled)))
        for column, x in zip(self.columns, scaled, strict=True):
            by = x * LINEAR / 5.0
            near = [k + by * c for k, c in zip(near, column, strict=True)]
        return near

    def distances(self, scaled: Row) -> Row:
        """Squared, times 5, to all."""
        total = [0.0] * self._n
        for column, x in zip(self.columns, scaled, strict=True):
            total = [t + (x - c) * (x - c) for t, c in zip(total, column, strict=True)]
        return total


def matern(squared: float) -> float:
    """Of the squared distance times 5."""
    r = math.sqrt(squared)
    return (1.0 + r + squared / 3.0) * math.exp(-r)


def append(factor: list[Row], kernel: Iterable[float], own: float) -> None:
    """Add a point to a Cholesky factor; one that others determine counts as independent by a hair."""
    line: Row = []
    for row, k in zip(factor, kernel, strict=True):
        line.append((k - sum(map(mul, row, line))) / row[-1])
    line.append(math.sqrt(max(1e-9, own - sum(map(mul, line, line)))))
    factor.append(line)


def forward(factor: Sequence[Row], values: Iterable[float]) -> Row:
    """Solve the lower triangle."""
    solved: Row = []
    for line, value in zip(factor, values, strict=True):
        solved.append((value - sum(map(mul, line, solved))) / line[-1])
    return solved


def backward(factor: Sequence[Row], values: Row) -> Row:
    """Solve the transposed lower triangle."""
    rest = values
    solved = [0.0] * len(values)
    for i in range(len(values) - 1, -1, -1):
        line = factor[i]
        a = solved[i] = rest[i] / line[i]
        rest = [r - a * x for r, x in zip(islice(rest, i), line, strict=False)]
    return solved
