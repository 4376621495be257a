"""The ``nsga3`` sampler: a genetic algorithm for three metrics and more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from optuna.samplers import NSGAIIISampler as OptunaNSGAIII

from tuner.core.ports import Problem
from tuner.errors import SweepError
from tuner.samplers._genetic import GeneticSampler, Operator
from tuner.samplers._options import at_least

__all__ = ["NSGAIIISampler"]


class NSGAIIISampler(GeneticSampler):
    """As ``nsga2``, but spread along reference points in the metrics' space (NSGA-III: Deb and Jain, 2014), by Optuna.

    Args:
        problem: The space, the metrics, the constraints and the seed.
        population_size: As for ``nsga2``.
        mutation: As for ``nsga2``.
        mutation_prob: As for ``nsga2``.
        crossover: As for ``nsga2``.
        crossover_prob: As for ``nsga2``.
        swapping_prob: As for ``nsga2``.
        reference_points: Rows with a number for each metric (smaller is better, scaled to [0, 1]); None for an even spread.
        dividing_parameter: Into how many parts the even spread divides each side, at least 1.

    Raises:
        SweepError: An option is wrong.
    """

    def __init__(  # noqa: PLR0913 -- Optuna's options
        self,
        problem: Problem,
        *,
        population_size: int = 50,
        mutation: Operator | None = None,
        mutation_prob: float | None = None,
        crossover: Operator = "uniform",
        crossover_prob: float = 0.9,
        swapping_prob: float = 0.5,
        reference_points: Sequence[Sequence[float]] | None = None,
        dividing_parameter: int = 3,
    ) -> None:
        at_least("dividing_parameter", dividing_parameter, 1)
        super().__init__(
            problem,
            OptunaNSGAIII,
            {
                "population_size": population_size,
                "mutation": mutation,
                "mutation_prob": mutation_prob,
                "crossover": crossover,
                "crossover_prob": crossover_prob,
                "swapping_prob": swapping_prob,
            },
            reference_points=_points(reference_points, len(problem.metrics)),
            dividing_parameter=dividing_parameter,
        )


def _points(rows: Sequence[Sequence[float]] | None, n_metrics: int) -> np.ndarray | None:
    if rows is None:
        return None
    try:
        points = np.asarray(rows, dtype=np.float64)
    except (TypeError, ValueError):
        points = np.empty(0)
    if points.ndim != 2 or points.shape[1] != n_metrics or not len(points) or not np.isfinite(points).all():
        raise SweepError(
            "not reference points",
            path="sampler.reference_points",
            got=rows,
            expected=f"a list of lists of {n_metrics} numbers, one for each metric",
        )
    return points
