"""How much better than the best known value the space may still hold: an upper bound that is right with high probability."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tuner.core.selection import feasible, losses
from tuner.samplers._encoding import Encoding, Rows
from tuner.samplers._gp_features import Features
from tuner.samplers._gp_model import Posterior, fit
from tuner.samplers._gp_search import Worth, search
from tuner.samplers._one_thread import one_thread
from tuner.space import SearchSpace
from tuner.study import Metric, trial_seed
from tuner.trial import Trial

__all__ = ["LEAST_TRIALS", "RegretBound"]

Array = NDArray[np.float64]

LEAST_TRIALS = 20
"""Complete trials before the bound says anything: a Gaussian process that knows less believes its prior."""

_SHARE, _MOST, _FITTED = 0.5, 150, 80
_DELTA, _SHRINK = 0.1, 5.0


class RegretBound:
    """The simple regret's upper bound of Makarova et al., *Automatic Termination for Hyperparameter Optimization*, 2022.

    With a Gaussian process over the trials, the optimum is at least the lowest lower confidence bound over the space, and the
    best trial known is at most the lowest upper confidence bound over the trials; the difference bounds what is still to be
    gained. ``beta = 2 log(d t^2 pi^2 / (6 delta)) / 5`` with delta = 0.1: the form of Srinivas, Krause,
    Kakade and Seeger, 2010, shrunk by 5 as both do in their experiments.

    Deviations: ``d``, the number of parameters, stands for the size of the space, as in Optuna's ``RegretBoundEvaluator``; the
    process is that of our ``gp`` sampler; it knows the better half of the feasible trials (at least 20, at most 150), because
    what is far from the best would only blur it; the lowest lower bound is searched for by that sampler's local search,
    not over random points alone, which in many dimensions miss it and so end a sweep too early.

    Args:
        space: What may be tried.
        metric: What is optimised.
        seed: The study's.
    """

    def __init__(self, space: SearchSpace, metric: Metric, seed: int) -> None:
        import scipy.linalg
        import scipy.optimize  # noqa: F401 -- loaded before the sweep runs, not at the first look

        self._encoding = Encoding(space)
        self._features = Features(self._encoding)
        self._metric, self._seed = metric, seed

    def __call__(self, trials: Sequence[Trial]) -> float | None:
        """The bound, in the metric's unit, at least 0; None while fewer than ``LEAST_TRIALS`` feasible trials are complete.

        The same trials give the same bound. Costs some tens of milliseconds, however many trials there are.
        """
        known = sorted(feasible(trials), key=lambda trial: trial.number)
        if len(known) < LEAST_TRIALS:
            return None
        if not len(self._encoding):
            return 0.0
        values = np.array([losses(trial, (self._metric,))[0] for trial in known])
        count = min(max(LEAST_TRIALS, int(_SHARE * len(known))), _MOST)
        chosen = np.sort(np.argsort(values, kind="stable")[:count])
        values = values[chosen]
        scale = float(values.std())
        if scale <= 1e-12 * max(1.0, float(np.abs(values).max())):
            return 0.0  # as flat as numbers are: there is nothing to gain that could be told
        rows = np.vstack([self._encoding.encode(known[index].params) for index in chosen])
        with one_thread():
            return scale * self._standardised(rows, (values - values.mean()) / scale, len(known))

    def _standardised(self, rows: Rows, values: Array, n_known: int) -> float:
        points, groups = self._features(rows), self._features.groups
        few = np.sort(np.argsort(values, kind="stable")[:_FITTED])
        nothing = np.zeros(len(values))
        hyper = fit(points[few], groups, values[few], nothing[few])
        posterior = Posterior(hyper, points, groups, values, nothing)
        width = math.sqrt(_beta(len(self._encoding), len(rows)))

        def gain(candidates: Rows) -> Array:
            """The lower confidence bound, turned so that more is better."""
            mean, variance = posterior.predict(self._features(candidates))
            return width * np.sqrt(variance) - mean

        best = rows[np.argsort(values, kind="stable")[:10]]
        rng = np.random.default_rng([trial_seed(self._seed, -1), n_known])
        found = search(self._encoding, Worth(gain, best), rng)
        optimum = -float(max(gain(rows).max(), gain(found).max() if len(found) else -math.inf))
        mean, variance = posterior.predict(points)
        reached = float((mean + width * np.sqrt(variance)).min())
        return max(0.0, reached - optimum)


def _beta(n_parameters: int, n_trials: int) -> float:
    return 2.0 * math.log(n_parameters * n_trials**2 * math.pi**2 / (6.0 * _DELTA)) / _SHRINK
