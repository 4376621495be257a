"""Encoded parameters as points whose Euclidean distance is meant: what the kernel of the Gaussian process sees."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tuner.samplers._encoding import Encoding, Rows

__all__ = ["Features"]

Array = NDArray[np.float64]


class Features:
    """Rows of an encoding as points.

    A range is one column. A choice is one column for each of its values, so that any two of them lie at a distance of 1
    (the overlap, or Hamming, kernel). An inactive parameter stands at the middle of its range, or at the same distance
    from all its choices: a difference that cannot matter costs nothing, and the parameter that switches it on or off
    tells the two sides apart. Grid points are snapped before they come here, so the model is constant on each of their
    cells (Garrido-Merchán and Hernández-Lobato, 2020).

    Trials of earlier studies lie aside in one more column, the last. Its length scale says how far they tell of this study,
    and is learned like that of a parameter.

    Args:
        encoding: The space.
        informed: Whether there are earlier studies.

    Attributes:
        groups: The parameter that each column belongs to, shape (D,).
    """

    def __init__(self, encoding: Encoding, *, informed: bool = False) -> None:
        self._parts: list[tuple[int, int, int]] = []
        groups: list[int] = []
        for j, axis in enumerate(encoding.axes):
            n = axis.n if axis.kind == "choice" and axis.n is not None else 0
            self._parts.append((j, len(groups), n))
            groups += [j] * max(n, 1)
        if informed:
            groups.append(len(encoding.axes))
        self._informed = informed
        self.groups: NDArray[np.intp] = np.array(groups, dtype=np.intp)

    def __call__(self, rows: Rows, earlier: NDArray[np.bool_] | None = None) -> Array:
        """Points, shape (m, D), of snapped rows.

        Args:
            rows: Shape (m, d), NaN where a parameter is inactive.
            earlier: Which rows are of earlier studies, shape (m,); None for none.
        """
        points = np.zeros((len(rows), len(self.groups)))
        if self._informed and earlier is not None:
            points[:, -1] = earlier
        for j, at, n in self._parts:
            column = rows[:, j]
            known = ~np.isnan(column)
            if n == 0:
                points[known, at] = column[known] - 0.5
            else:
                points[np.flatnonzero(known), at + column[known].astype(np.intp)] = math.sqrt(0.5)
        return points
