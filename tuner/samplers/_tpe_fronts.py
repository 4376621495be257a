"""The best trials by several metrics: nondominated fronts, the last one thinned out by hypervolume."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from tuner.samplers._encoding import Rows
from tuner.study import trial_seed

__all__ = ["Fronts", "spread_out"]

_POINTS = 1024
_COMPARED = 256


class Fronts:
    """Trials that may be among the best ``most``, all metrics to be made small.

    A trial that ``most`` others dominate cannot be: they all lie on earlier fronts. So it is forgotten.

    Args:
        n_metrics: How many metrics.
        most: How many of the best will be asked for at most.
    """

    def __init__(self, n_metrics: int, most: int) -> None:
        self._most = most
        self._values = np.empty((0, n_metrics))
        self._numbers = np.empty(0, dtype=np.int64)
        self._dominators = np.empty(0, dtype=np.int64)
        self._worst = np.full(n_metrics, -np.inf)

    def add(self, number: int, losses: list[float]) -> None:
        """A trial with its values."""
        value = np.array(losses)
        self._worst = np.maximum(self._worst, value)
        no_worse, no_better = (self._values <= value).all(axis=1), (self._values >= value).all(axis=1)
        self._dominators += no_better & ~no_worse
        n_dominators = int((no_worse & ~no_better).sum())
        values = np.concatenate([self._values, value[None]])
        dominators = np.append(self._dominators, n_dominators)
        numbers = np.append(self._numbers, number)
        kept = dominators < self._most
        order = np.argsort(numbers[kept])  # as a set: in whatever order they came
        self._values, self._numbers = values[kept][order], numbers[kept][order]
        self._dominators = dominators[kept][order]

    def best(self, k: int) -> list[int]:
        """The best ``k``, or fewer when there are not so many: whole fronts, then a spread-out part of the next one."""
        chosen: list[int] = []
        rest = np.arange(len(self._numbers))
        while len(rest) and len(chosen) < k:
            on_front = _nondominated(self._values[rest])
            front, rest = rest[on_front], rest[~on_front]
            space = k - len(chosen)
            if len(front) > space:
                front = front[self._thinned(front, space)]
            chosen += self._numbers[front].tolist()
        return chosen

    def _thinned(self, front: NDArray[np.intp], k: int) -> NDArray[np.intp]:
        if len(front) > _COMPARED:  # an even sample, whoever came first
            hashes = np.array([trial_seed(1, int(number)) for number in self._numbers[front]])
            among = np.sort(np.argsort(hashes, kind="stable")[:_COMPARED])
        else:
            among = np.arange(len(front))
        return among[spread_out(self._values[front[among]], self._worst, k)]


def _nondominated(values: Rows) -> NDArray[np.bool_]:
    """Which points, shape (n, m) -> (n,), no other one dominates."""
    alive = np.ones(len(values), dtype=np.bool_)
    for i in np.argsort(values.sum(axis=1), kind="stable"):
        if alive[i]:
            worse = (values >= values[i]).all(axis=1) & (values > values[i]).any(axis=1)
            alive &= ~worse
    return alive


def spread_out(values: Rows, worst: Rows, k: int) -> NDArray[np.intp]:
    """The ``k`` points that together cover most hypervolume, found greedily (at least 1 - 1/e of the most there is).

    Volume is counted over fixed points spread evenly between the best of the front in each metric and a reference point a
    tenth of the range beyond the worst value known.

    Args:
        values: One front, shape (n, m), all to be made small.
        worst: Worst values ever seen, shape (m,).
        k: How many, at most n.
    """
    low = values.min(axis=0)
    reach = np.maximum(worst - low, 0.0)
    span = np.where(reach > 0.0, 1.1 * reach, 1.0)
    scaled = (values - low) / span
    points = _even_points(values.shape[1])
    covers = (scaled[:, None, :] <= points[None]).all(axis=2)
    open_points = np.ones(_POINTS, dtype=np.bool_)
    free = np.ones(len(values), dtype=np.bool_)
    chosen = []
    for _ in range(k):
        gains = np.where(free, covers @ open_points.astype(np.float64), -1.0)
        # Where nothing more is gained, the point nearest to the ideal one goes first.
        i = int(np.lexsort((scaled.sum(axis=1), -gains))[0])
        chosen.append(i)
        free[i] = False
        open_points &= ~covers[i]
    return np.array(chosen, dtype=np.intp)


@cache
def _even_points(m: int) -> Rows:
    """Points of the unit cube by an additive recurrence (Roberts, 2018: the R sequence), shape (points, m)."""
    ratio = 2.0
    for _ in range(64):
        ratio = float((1.0 + ratio) ** (1.0 / (m + 1)))
    steps = ratio ** -np.arange(1.0, m + 1.0)
    return (0.5 + np.outer(np.arange(1.0, _POINTS + 1.0), steps)) % 1.0
