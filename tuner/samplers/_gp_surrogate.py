"""One quantity as a Gaussian process over a space: fitted to what is known, with the trials that still run believed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.samplers._gp_features import Features
from tuner.samplers._gp_model import Hyper, Posterior, fit
from tuner.samplers._gp_records import Observations

__all__ = ["Effort", "Surrogate"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Effort:
    """What a suggestion may cost.

    Attributes:
        fitted: To how many observations the hyperparameters are fitted.
        known: How many observations the posterior knows.
        believed: How many running trials are believed in, one after another; of more, the most promising ones are.
        draws: How many uniform draws a search begins with, and how many perturbations of the best trials.
        children: How many neighbours each of the points in a local search has in each round.
    """

    fitted: int
    known: int
    believed: int
    draws: int
    children: int


class Surrogate:
    """A posterior over rows of a space.

    Of more observations than can be afforded it takes the best, to a quarter, and of the others evenly by their number: good
    ones crowd together in a long study, and without the others nothing would be known of all other places.

    Args:
        features: Rows -> points.
        known: At least one observation.
        values: What is modelled, about standardised, shape (n,).
        extra: Variance of the values' own uncertainty, shape (n,).
        effort: How many observations can be afforded.

    Attributes:
        believed: The rows that are believed in.

    Raises:
        numpy.linalg.LinAlgError: The kernel matrix cannot be factorised.
    """

    def __init__(self, features: Features, known: Observations, values: Array, extra: Array, effort: Effort) -> None:
        self._features, self._most_believed = features, effort.believed
        chosen = _thinned(values, effort.known)
        points = features(known.rows[chosen], known.earlier[chosen])
        values, extra = values[chosen], extra[chosen]
        few = _thinned(values, effort.fitted)
        hyper: Hyper = fit(points[few], features.groups, values[few], extra[few])
        self._base = Posterior(hyper, points, features.groups, values, extra)
        self._posterior = self._base.copy()
        self._believed: list[int] = []
        self.believed = known.rows[:0]

    def believe(self, numbers: Sequence[int], rows: Array) -> None:
        """Take running trials into account, by rising number; those believed in before need not be computed again."""
        if len(numbers) > self._most_believed:
            mean, _ = self._base.predict(self._features(rows))
            kept = np.sort(np.argsort(mean, kind="stable")[: self._most_believed])
            numbers, rows = [numbers[k] for k in kept], rows[kept]
        self.believed = rows
        known = len(self._believed)
        if list(numbers[:known]) != self._believed:
            self._posterior, self._believed, known = self._base.copy(), [], 0
        for number, point in zip(numbers[known:], self._features(rows[known:]), strict=True):
            self._posterior.believe(point)
            self._believed.append(number)

    def predict(self, rows: Array) -> tuple[Array, Array]:
        """Mean and variance at snapped rows, shape (m, d): two arrays of shape (m,)."""
        return self._posterior.predict(self._features(rows))


def _thinned(values: Array, most: int) -> NDArray[np.intp]:
    """Positions of at most ``most`` values, rising: the least ones to a quarter, and of the others evenly by position."""
    if len(values) <= most:
        return np.arange(len(values))
    order = np.argsort(values, kind="stable")
    best, others = order[: most // 4], np.sort(order[most // 4 :])
    even = np.linspace(0, len(others) - 1, most - len(best)).round().astype(np.intp)
    return np.sort(np.concatenate([best, others[even]]))
