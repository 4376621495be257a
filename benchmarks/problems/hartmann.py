"""The multi-fidelity Hartmann functions in 3 and 6 dimensions: closed form, lower fidelities biased and noisy.

Source: Kandasamy, Dasarathy, Oliva, Schneider, Poczos, "Multi-fidelity Bayesian Optimisation with Continuous Approximations"
(2017), with the biases and noises of mf-prior-bench. At fidelity z, s = log(z / 3) / log(100 / 3): the weights are lowered by
``bias * (1 - s)`` and ``noise * (1 - s) * |N(0, 1)|`` is added; z = 100 is the exact function. Seconds to reach z: 60 times the
cost 0.05 + 0.95 (z / 100)^2 of the source, times a lognormal factor (sigma 0.3) for each set of parameters.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from benchmarks.problems.problem import Course, Problem, chance_of
from tuner.space import Float, SearchSpace
from tuner.trial import Params

__all__ = ["PRESETS", "Hartmann"]

PRESETS = {"terrible": (4.0, 5.0), "bad": (3.5, 4.0), "moderate": (3.0, 3.0), "good": (2.5, 2.0), "default": (0.5, 0.1)}
"""Name -> (bias, noise)."""

FULL, LOWEST = 100, 3
STEPS = tuple(range(4, FULL + 1, 4))
FULL_S, SIGMA = 60.0, 0.3
ALPHA = np.array([1.0, 1.2, 3.0, 3.2])
A = {
    3: np.array([[3.0, 10, 30], [0.1, 10, 35], [3.0, 10, 30], [0.1, 10, 35]]),
    6: np.array(
        [
            [10, 3, 17, 3.5, 1.7, 8],
            [0.05, 10, 17, 0.1, 8, 14],
            [3, 3.5, 1.7, 10, 17, 8],
            [17, 8, 0.05, 10, 0.1, 14],
        ]
    ),
}
P = {
    3: np.array([[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]]) * 1e-4,
    6: np.array(
        [
            [1312, 1696, 5569, 124, 8283, 5886],
            [2329, 4135, 8307, 3736, 1004, 9991],
            [2348, 1451, 3522, 2883, 3047, 6650],
            [4047, 8828, 8732, 5743, 1091, 381],
        ]
    )
    * 1e-4,
}
BEST = {3: -3.86278, 6: -3.32237}


class Hartmann(Problem):
    """MFHartmann.

    Args:
        dims: 3 or 6.
        preset: A key of ``PRESETS``.
        by_step: Whether it reports at every fourth fidelity, or the exact function only.
    """

    def __init__(self, dims: Literal[3, 6], preset: str = "good", *, by_step: bool = True) -> None:
        space = SearchSpace({f"x{i}": Float(0.0, 1.0) for i in range(dims)})
        name = f"mfhartmann{dims}-{preset}" if by_step else f"hartmann{dims}"
        super().__init__(name, "mfhartmann" if by_step else "hartmann", space, STEPS if by_step else (FULL,))
        self._names, self._dims = list(space), dims
        self.bias, self.noise = PRESETS[preset]

    def _course(self, params: Params) -> Course:
        x = np.array([params[name] for name in self._names], dtype=float)
        bumps = np.exp(-np.sum(A[self._dims] * (x - P[self._dims]) ** 2, axis=1))
        chance = chance_of(self.name, params)
        pace_s = FULL_S * math.exp(SIGMA * chance.gauss(0.0, 1.0))
        values = []
        for z in self.steps:
            lack = 1 - math.log(z / LOWEST) / math.log(FULL / LOWEST)
            value = -float((ALPHA - self.bias * lack) @ bumps) + abs(chance.gauss(0.0, 1.0)) * self.noise * lack
            values.append((value - BEST[self._dims]) / -BEST[self._dims])
        costs = [0.05 + 0.95 * (z / FULL) ** 2 for z in self.steps]
        return Course(tuple(values), tuple(pace_s * cost for cost in costs))
