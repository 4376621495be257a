"""The ``nsga2`` sampler: a genetic algorithm for several metrics and long runs."""

from __future__ import annotations

from optuna.samplers import NSGAIISampler as OptunaNSGAII

from tuner.core.ports import Problem
from tuner.samplers._genetic import GeneticSampler, Operator

__all__ = ["NSGAIISampler"]


class NSGAIISampler(GeneticSampler):
    """Breeds from the trials that no other dominates, the most lonely first (NSGA-II: Deb et al., 2002), by Optuna.

    Infeasible trials are dominated by feasible ones, and by those that violate less. Deviations from Optuna's sampler: the
    space is known from the first trial on; trials of an earlier study belong to the first generation.

    Args:
        problem: The space, the metrics, the constraints and the seed.
        population_size: Trials in a generation, at least as many as a child has parents (3 with ``undx`` and ``spx``,
            else 2). A generation must have completed before the next one is bred from it.
        mutation: None draws a mutated parameter anew; ``polynomial``, or ``{type: polynomial, eta: 20}``.
        mutation_prob: Chance of each parameter to mutate; None for one parameter a child on average.
        crossover: ``uniform``, ``blxalpha``, ``sbx``, ``spx``, ``undx`` or ``vsbx``, or a mapping with ``type`` and the
            operator's options by Optuna's names. Choices are always crossed uniformly.
        crossover_prob: Chance that a child has several parents.
        swapping_prob: Chance of each parameter to come from the second parent in ``uniform`` crossover.

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
    ) -> None:
        super().__init__(
            problem,
            OptunaNSGAII,
            {
                "population_size": population_size,
                "mutation": mutation,
                "mutation_prob": mutation_prob,
                "crossover": crossover,
                "crossover_prob": crossover_prob,
                "swapping_prob": swapping_prob,
            },
        )
