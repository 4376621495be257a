"""The two densities of the ``tpe`` sampler, fitted once for a set of results, and candidates ranked by their ratio."""

from __future__ import annotations

import numpy as np

from tuner.samplers._encoding import Rows
from tuner.samplers._parzen import Features, Kernels, Mixture
from tuner.samplers._tpe_history import Split

__all__ = ["Model"]

_SPREAD = 1.0  # weight that a choice's kernel gives to every value, its own having 1 more, times the number of kernels
_FINEST = 0.01  # least width, as a share of the range


class Model:
    """Where good trials lie, against where the others and the running ones do.

    Args:
        features: The space's features.
        splits: Observations with their weight as a whole: own trials, and those of earlier studies.
        prior_weight: Weight of the uniform density in both mixtures; an observation weighs 1.
    """

    def __init__(self, features: Features, splits: list[tuple[Split, float]], prior_weight: float) -> None:
        self._features = features
        good = np.concatenate([split.good for split, _ in splits])
        good_weights = np.concatenate([split.good_weights * share for split, share in splits])
        bad = np.concatenate([split.bad for split, _ in splits])
        bad_weights = np.concatenate([split.bad_weights * share for split, share in splits])
        self._running_widths = _widths(features, good, good_weights)
        self._good = Mixture(features, _kernels(features, good, self._running_widths), good_weights, prior_weight)
        bad_widths = _widths(features, bad, bad_weights)
        self._bad = Mixture(features, _kernels(features, bad, bad_widths), bad_weights, prior_weight)
        self._running: list[int] = []
        self._running_kernels = np.empty((features.size, 0))

    def candidates(self, rng: np.random.Generator, count: int) -> Rows:
        """Rows drawn where good trials lie, shape (count, d)."""
        return self._good.draw(rng, count)

    def ranked(self, rows: Rows, running: dict[int, Rows]) -> list[int]:
        """Positions of the candidates, the best first.

        Args:
            rows: The candidates.
            running: Rows of the running trials by number, rising, that count as bad.
        """
        points = self._features(rows)
        self._follow(running)
        bad = self._bad.log_mass(points)
        if self._running:
            logs = points @ self._running_kernels
            top = np.maximum(logs.max(axis=1), bad)
            bad = np.log(np.exp(bad - top) + np.exp(logs - top[:, None]).sum(axis=1)) + top
        order: list[int] = np.argsort(bad - self._good.log_mass(points), kind="stable").tolist()
        return order

    def _follow(self, running: dict[int, Rows]) -> None:
        """Bring the kernels of running trials up to date; those of a batch are added one by one."""
        numbers = list(running)
        known = len(self._running)
        if numbers == self._running:
            return
        if numbers[:known] != self._running:
            known, self._running_kernels = 0, np.empty((self._features.size, 0))
        new = np.array([running[number] for number in numbers[known:]]).reshape(-1, len(self._features.encoding))
        kernels = _kernels(self._features, new, self._running_widths)
        self._running_kernels = np.concatenate([self._running_kernels, kernels.matrix], axis=1)
        self._running = numbers


def _kernels(features: Features, rows: Rows, widths: Rows) -> Kernels:
    return Kernels.around(features, rows, np.broadcast_to(widths, rows.shape))


def _widths(features: Features, rows: Rows, weights: Rows) -> Rows:
    """One width for each parameter, shape (d,): Scott's rule on what is active, not below a share of the range.

    Of a choice it is the probability that is spread over all its values.
    """
    n, d = rows.shape
    widths = np.empty(d)
    floor = max(_FINEST, 1.0 / (n + 2.0))
    for j, axis in enumerate(features.encoding.axes):
        if axis.kind == "choice":
            spread = _SPREAD * (axis.n or 1) / (n + 1.0)
            widths[j] = spread / (1.0 + spread)
            continue
        there = ~np.isnan(rows[:, j])
        m = int(there.sum())
        deviation = _deviation(rows[there, j], weights[there]) if m > 1 else 0.3
        scott = 1.059 * deviation * max(m, 1) ** (-1.0 / (d + 4.0))
        least = max(floor, 0.3 * (axis.width or 0.0))
        widths[j] = min(max(scott, least), 1.0)
    return widths


def _deviation(values: Rows, weights: Rows) -> float:
    total = float(weights.sum())
    if total <= 0.0:
        return 0.0
    mean = float(values @ weights) / total
    off = values - mean
    m = len(values)
    return float(np.sqrt((off * off) @ weights / total * m / (m - 1)))
